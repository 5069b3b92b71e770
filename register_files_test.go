//go:build linux

package uring

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// sendsTo submits a send of one byte on a direct descriptor and says whether
// it came out at peer, or the errno.
func sendsTo(t *testing.T, r *rig, slot, peer int, b byte) syscall.Errno {
	t.Helper()
	c := r.answer(func(s SQE) { s.PrepSend(DirectSlot(slot).FD(), []byte{b}, 0) })
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	var got [2]byte
	n, err := syscall.Read(peer, got[:])
	if n != 1 || err != nil || got[0] != b {
		t.Errorf("slot %d: read %d bytes, %v, %v, want %d", slot, n, got, err, b)
	}
	return 0
}

func TestTableOfGivenFiles(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	a, peerA := streamPair(t)
	b, peerB := streamPair(t)
	if err := r.RegisterFDs([]int{a, -1, b}); err != nil {
		t.Fatal(err)
	}
	equal(t, "slot 0", sendsTo(t, r, 0, peerA, 1), 0)
	equal(t, "empty slot 1", sendsTo(t, r, 1, -1, 2), syscall.EBADF)
	equal(t, "slot 2", sendsTo(t, r, 2, peerB, 3), 0)
	wantError(t, r.RegisterFDs([]int{a}), "table of 3 slots")

	n, err := r.UpdateFiles(DirectSlot(0), []int{-1, b, KeepFile})
	equal(t, "slots dealt with", n, 3)
	equal(t, "error", err, nil)
	equal(t, "emptied slot 0", sendsTo(t, r, 0, -1, 4), syscall.EBADF)
	equal(t, "filled slot 1", sendsTo(t, r, 1, peerB, 5), 0)
	equal(t, "kept slot 2", sendsTo(t, r, 2, peerB, 6), 0)

	n, err = r.UpdateFiles(DirectSlot(0), []int{a, 1 << 20, b})
	equal(t, "slots dealt with before the bad one", n, 1)
	wantError(t, err, "stopped at slot 1: is 1048576 an open descriptor?")
	equal(t, "slot 0 all the same", sendsTo(t, r, 0, peerA, 7), 0)

	equal(t, "error of UnregisterFiles", r.UnregisterFiles(), nil)
	equal(t, "slot 0 without a table", sendsTo(t, r, 0, -1, 8), syscall.EBADF)
}

// A tag comes as a completion when the ring has let go of its file.
func TestTaggedFiles(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	a, peerA := streamPair(t)
	b, peerB := streamPair(t)
	if err := r.RegisterFDsTagged([]int{a, b}, []uint64{101, 0}); err != nil {
		t.Fatal(err)
	}
	n, err := r.UpdateFilesTagged(DirectSlot(0), []int{b, a}, []uint64{201, 202})
	equal(t, "slots dealt with", n, 2)
	equal(t, "error", err, nil)
	c := r.next()
	equal(t, "tag of the replaced file", c, CQE{UserData: 101})
	r.none()
	equal(t, "slot 0", sendsTo(t, r, 0, peerB, 1), 0)
	equal(t, "slot 1", sendsTo(t, r, 1, peerA, 2), 0)

	equal(t, "error of UnregisterFiles", r.UnregisterFiles(), nil)
	if hasLinux(t, droppedTablesPostTags) {
		tags := map[uint64]bool{r.next().UserData: true, r.next().UserData: true}
		equal(t, "tags after the table", tags, map[uint64]bool{201: true, 202: true})
	}
	r.none()
}

// The file stays with the request that uses it, and so does its tag.
func TestTagWaitsForTheRequest(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	in, out := streamPair(t)
	if err := r.RegisterFDsTagged([]int{in}, []uint64{7}); err != nil {
		t.Fatal(err)
	}
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	s.PrepRecv(DirectSlot(0).FD(), buf, 0)
	s.UserData = 1
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.UpdateFiles(DirectSlot(0), []int{-1}); err != nil {
		t.Fatal(err)
	}
	r.none()
	if _, err := syscall.Write(out, []byte("abcd")); err != nil {
		t.Fatal(err)
	}
	equal(t, "the request's completion", r.next(), CQE{UserData: 1, Res: 4})
	equal(t, "and then the tag", r.next(), CQE{UserData: 7})
	equal(t, "bytes", string(buf), "abcd")
}

func TestWrongFilesAreRefused(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	wantError(t, r.RegisterFDs(nil), "no descriptors")
	wantError(t, r.RegisterFDs([]int{-2}), "-2 is no descriptor")
	wantError(t, r.RegisterFDs([]int{1 << 40}), "is no descriptor")
	wantError(t, r.RegisterFDsTagged([]int{0, 0}, []uint64{1}), "1 tags for 2 slots")
	equal(t, "one that is not open", errors.Is(r.RegisterFDs([]int{1 << 20}), syscall.EBADF), true)
	_, err := r.UpdateFiles(DirectSlot(0), []int{0})
	wantError(t, err, "the table has 0")

	a, _ := streamPair(t)
	if err := r.RegisterFDs([]int{a}); err != nil {
		t.Fatal(err)
	}
	_, err = r.UpdateFiles(DirectSlot(0), []int{a, a})
	wantError(t, err, "slots 0 to 1, the table has 1")
	_, err = r.UpdateFiles(DirectSlot(0), nil)
	wantError(t, err, "slots 0 to -1")
	_, err = r.UpdateFilesTagged(DirectSlot(0), []int{-1}, []uint64{5})
	equal(t, "a tag for an empty slot", errors.Is(err, syscall.EINVAL), true)
}

func TestDirectDescriptors(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.must(g.RegisterFiles(4))
		fd := dupFD(t, a)
		d := g.direct(3, fd)
		g.must(syscall.Close(fd)) // the ring keeps the file open by itself
		p := make([]byte, 16)

		g.write(b, "hello")
		n := g.do(func(s SQE) { s.PrepRecv(d.FD(), p, 0) })
		equal(t, "received", string(p[:n]), "hello")
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(DirectSlot(2).FD(), p, 0) })
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(DirectSlot(4).FD(), p, 0) })

		g.direct(3, -1)
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(d.FD(), p, 0) })

		g.must(g.UnregisterFiles())
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(d.FD(), p, 0) })
		g.must(g.RegisterFiles(1))
	})
}

func TestFileRegistrationsAreRefusedWithASentence(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"no slot 0, RegisterFiles made 0", g.UpdateFile(DirectSlot(0), 0)},
		{"0 slots, want 1 or more", g.RegisterFiles(0)},
		{"-1 slots, want 1 or more", g.RegisterFiles(-1)},
		{"more than RLIMIT_NOFILE allows", g.RegisterFiles(int(min(limit.Cur+1, math.MaxInt32)))},
		{"unregister files: no such device or address", g.UnregisterFiles()},
		{"slots 0 to 0, RegisterFiles made 0", g.SetFileAllocRange(DirectSlot(0), 1)},
		{"", g.RegisterFiles(4)},
		{"the ring has a table of 4 slots", g.RegisterFiles(4)},
		{"no slot 4, RegisterFiles made 4", g.UpdateFile(DirectSlot(4), 0)},
		{"no slot 4294967295, RegisterFiles made 4", g.UpdateFile(DirectAlloc, 0)},
		{"-2 is no descriptor", g.UpdateFile(DirectSlot(0), -2)},
		{"bad file descriptor", g.UpdateFile(DirectSlot(0), 1<<20)},
		{"slots 0 to -1", g.SetFileAllocRange(DirectSlot(0), 0)},
		{"slots 3 to 4, RegisterFiles made 4", g.SetFileAllocRange(DirectSlot(3), 2)},
		{"", g.SetFileAllocRange(DirectSlot(3), 1)},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("error is %v, want %q", c.err, c.want)
		}
	}
}

// Requests with DirectAlloc get slots of the range only, and fail when it is
// full.
func TestSetFileAllocRange(t *testing.T) {
	testutil.Need(t, HaveSocket)
	inEachMode(t, func(t *testing.T, g *rig) {
		g.must(g.RegisterFiles(8))
		g.must(g.SetFileAllocRange(DirectSlot(5), 2))
		socket := func(s SQE) { s.PrepSocketDirect(syscall.AF_UNIX, syscall.SOCK_STREAM, 0, DirectAlloc) }
		equal(t, "first slot", g.do(socket), 5)
		equal(t, "second slot", g.do(socket), 6)
		g.fails(syscall.ENFILE, socket)
		g.do(func(s SQE) { s.PrepCloseDirect(DirectSlot(5)) })
		equal(t, "slot that was closed", g.do(socket), 5)
	})
}

// The table goes while a request uses one of its files: the request goes on.
func TestTableGoesWhileARequestUsesAFile(t *testing.T) {
	since := kernel.V(6, 13)
	inEachMode(t, func(t *testing.T, g *rig) {
		if g.flags&SetupDeferTaskrun != 0 && !hasLinux(t, since) {
			needs(t, "dropping a table in use with deferred task work", since, errors.New("the kernel waits for the request, whose completion waits for this thread"))
		}
		in, out := streamPair(t)
		g.must(g.RegisterFiles(2))
		file := g.direct(1, in)
		g.start(1, func(s SQE) { s.PrepRecv(file.FD(), held(make([]byte, 8)), 0) })
		g.none() // with a thread of the kernel's it starts later
		wrote := make(chan error)
		go func() {
			time.Sleep(20 * time.Millisecond) // kernels before 6.13 wait for the request
			_, err := syscall.Write(out, []byte("bytes"))
			wrote <- err
		}()
		g.must(g.UnregisterFiles())
		g.must(<-wrote)
		equal(t, "result", g.await(1), []CQE{{UserData: 1, Res: 5}})
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(file.FD(), held(make([]byte, 8)), 0) })
	})
}
