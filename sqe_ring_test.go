//go:build linux

package uring

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMsgRing(t *testing.T) {
	testutil.Need(t, HaveMsgRing)
	inEachMode(t, func(t *testing.T, g *rig) {
		to := newRig(t, Config{Entries: 4})
		equal(t, "result", g.do(func(s SQE) { s.PrepMsgRing(to.Ring, 0xfeed, -77) }), 0)
		equal(t, "message", to.await(1), []CQE{{UserData: 0xfeed, Res: -77}})

		other := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun})
		equal(t, "result", g.do(func(s SQE) { s.PrepMsgRing(other.Ring, 1, 2) }), 0)
		equal(t, "message", other.await(1), []CQE{{UserData: 1, Res: 2}})

		g.must(to.Close())
		g.fails(syscall.EBADF, func(s SQE) { s.PrepMsgRing(to.Ring, 1, 2) })
	})
}

func TestMsgRingFD(t *testing.T) {
	testutil.Need(t, HaveMsgRing)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		to := newRig(t, Config{Entries: 4})
		g.must(g.RegisterFiles(4))
		to.must(to.RegisterFiles(8))
		src := g.direct(2, a)

		g.do(func(s SQE) { s.PrepMsgRingFD(to.Ring, src, DirectSlot(5), 0xfeed) })
		equal(t, "message", to.await(1), []CQE{{UserData: 0xfeed}})
		p := make([]byte, 8)
		g.write(b, "hello")
		n := to.do(func(s SQE) { s.PrepRecv(DirectSlot(5).FD(), p, 0) })
		equal(t, "received through the other ring", string(p[:n]), "hello")

		slot := g.do(func(s SQE) { s.PrepMsgRingFD(to.Ring, src, DirectAlloc, 0xbeef) })
		equal(t, "message", to.await(1), []CQE{{UserData: 0xbeef, Res: int32(slot)}})
		g.write(b, "again")
		n = to.do(func(s SQE) { s.PrepRecv(DirectSlot(slot).FD(), p, 0) })
		equal(t, "received through the slot that was free", string(p[:n]), "again")

		g.fails(syscall.EBADF, func(s SQE) { s.PrepMsgRingFD(to.Ring, DirectSlot(3), DirectAlloc, 1) })
	})
}

func TestMsgRingWithFlags(t *testing.T) {
	g, to := newRig(t, Config{}), newRig(t, Config{})
	c := g.answer(func(s SQE) { s.PrepMsgRingCQEFlags(to.Ring, 5, -7, cgo.CQEFMore|3<<cgo.CQEBufferShift) })
	needs(t, "flags of messages between rings", kernel.V(6, 3), refusal(c))
	equal(t, "completion of the message", c, CQE{})
	if diff := cmp.Diff(CQE{UserData: 5, Res: -7, Flags: cgo.CQEFMore | 3<<cgo.CQEBufferShift}, to.next()); diff != "" {
		t.Error(diff)
	}
}

func TestMsgRingHandsDescriptorsOver(t *testing.T) {
	g, to := newRig(t, Config{}), newRig(t, Config{})
	in, out := g.pipe()
	g.firstDirect(out)
	g.must(to.RegisterFiles(2))
	from := DirectSlot(0)

	g.want(0, func(s SQE) { s.PrepMsgRingFD(to.Ring, from, DirectSlot(1), 9) })
	if diff := cmp.Diff(CQE{UserData: 9}, to.next()); diff != "" {
		t.Error(diff)
	}
	picked := g.do(func(s SQE) { s.PrepMsgRingFD(to.Ring, from, DirectAlloc, 10) })
	if diff := cmp.Diff(CQE{UserData: 10, Res: int32(picked)}, to.next()); diff != "" {
		t.Error(diff)
	}
	g.fails(syscall.ENFILE, func(s SQE) { s.PrepMsgRingFD(to.Ring, from, DirectAlloc, 11) })
	g.want(0, func(s SQE) {
		s.PrepMsgRingFD(to.Ring, from, DirectSlot(1), 12)
		s.OpFlags = cgo.MsgRingCQESkip
	})
	to.want(2, func(s SQE) { s.PrepWrite(DirectSlot(picked).FD(), held([]byte("by")), CurrentOffset) })
	to.want(2, func(s SQE) { s.PrepWrite(DirectSlot(1).FD(), held([]byte("e!")), CurrentOffset) })
	b := make([]byte, 10)
	g.want(4, func(s SQE) { s.PrepRead(in, b, CurrentOffset) })
	if string(b[:4]) != "bye!" {
		t.Errorf("read %q", b[:4])
	}
}

func TestFilesUpdate(t *testing.T) {
	g := newRig(t, Config{})
	g.must(g.RegisterFiles(4))
	in, out := g.pipe()
	g.want(2, func(s SQE) { s.PrepFilesUpdate(DirectSlot(2), []int32{int32(in), int32(out)}) })
	g.want(1, func(s SQE) { s.PrepWrite(DirectSlot(3).FD(), held([]byte("x")), CurrentOffset) })
	g.want(1, func(s SQE) { s.PrepRead(DirectSlot(2).FD(), held(make([]byte, 9)), CurrentOffset) })
	g.want(1, func(s SQE) { s.PrepFilesUpdate(DirectSlot(3), []int32{-1}) })
	g.fails(syscall.EBADF, func(s SQE) { s.PrepWrite(DirectSlot(3).FD(), held([]byte("x")), CurrentOffset) })

	picked := []int32{int32(out), int32(out), int32(out)}
	g.want(3, func(s SQE) { s.PrepFilesUpdate(DirectAlloc, picked) })
	got := map[int32]bool{2: true}
	for _, slot := range picked {
		got[slot] = true
	}
	if diff := cmp.Diff(map[int32]bool{0: true, 1: true, 2: true, 3: true}, got); diff != "" {
		t.Errorf("the kernel picked %v", picked)
	}
	g.want(1, func(s SQE) { s.PrepWrite(DirectSlot(int(picked[0])).FD(), held([]byte("x")), CurrentOffset) })
	g.fails(syscall.ENFILE, func(s SQE) { s.PrepFilesUpdate(DirectAlloc, []int32{int32(out)}) })
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepFilesUpdate(DirectSlot(4), []int32{int32(out)}) })
}

func TestFixedFDInstall(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpFixedFDInstall, 6, 8)
	in, out := g.pipe()
	g.firstDirect(out)
	for _, c := range []struct {
		flags    FixedFDFlags
		fdCloexe int
	}{{0, syscall.FD_CLOEXEC}, {FixedFDNoCloexec, 0}} {
		fd := g.do(func(s SQE) { s.PrepFixedFDInstall(DirectSlot(0), c.flags) })
		defer syscall.Close(fd)
		if _, err := syscall.Write(fd, []byte("x")); err != nil {
			t.Error(err)
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno != 0 || int(flags) != c.fdCloexe {
			t.Errorf("flags %d, %v", flags, errno)
		}
	}
	b := make([]byte, 9)
	g.want(2, func(s SQE) { s.PrepRead(in, b, CurrentOffset) })
	g.fails(syscall.EBADF, func(s SQE) { s.PrepFixedFDInstall(DirectSlot(1), 0) })
}

func TestPipe(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpPipe, 6, 16)
	var fds [2]int32
	g.want(0, func(s SQE) { s.PrepPipe(&fds, syscall.O_CLOEXEC) })
	defer syscall.Close(int(fds[0]))
	defer syscall.Close(int(fds[1]))
	g.throughPipe(FD(fds[0]), FD(fds[1]))

	g.must(g.RegisterFiles(4))
	g.want(0, func(s SQE) { s.PrepPipeDirect(&fds, 0, DirectSlot(2)) })
	g.throughPipe(DirectSlot(2).FD(), DirectSlot(3).FD())
	g.want(0, func(s SQE) { s.PrepPipeDirect(&fds, 0, DirectAlloc) })
	if fds != [2]int32{0, 1} && fds != [2]int32{1, 0} {
		t.Fatalf("the kernel picked %v", fds)
	}
	g.throughPipe(DirectSlot(int(fds[0])).FD(), DirectSlot(int(fds[1])).FD())
	g.fails(syscall.ENFILE, func(s SQE) { s.PrepPipeDirect(&fds, 0, DirectAlloc) })
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepPipeDirect(&fds, syscall.O_CLOEXEC, DirectAlloc) })
}

func (g *rig) throughPipe(in, out FD) {
	g.Helper()
	b := make([]byte, 10)
	g.want(3, func(s SQE) { s.PrepWrite(out, held([]byte("abc")), CurrentOffset) })
	g.want(3, func(s SQE) { s.PrepRead(in, b, CurrentOffset) })
	if string(b[:3]) != "abc" {
		g.Fatalf("read %q", b[:3])
	}
}

// A goroutine without a ring wakes the owner of one.
func TestMessageWithoutARing(t *testing.T) {
	library(t, 12)
	needsCall(t, SyncMsg(newRig(t, Config{Entries: 4}).FD(), CQE{}))
	for name, c := range map[string]Config{
		"default":         {Entries: 4},
		"deferred work":   {Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun},
		"kernel's thread": {Entries: 4, Flags: SetupSQPoll},
	} {
		t.Run(name, func(t *testing.T) {
			want := CQE{UserData: 1<<63 | 42, Res: -7}
			ring := make(chan int)
			go func() {
				fd := <-ring
				time.Sleep(time.Millisecond) // most probably it waits by now
				if err := SyncMsg(fd, want); err != nil {
					t.Error(err)
				}
				if err := SyncMsg(fd, CQE{UserData: 2, Res: 3, Flags: 1 << 16}); err != nil {
					t.Error(err)
				}
			}()
			locked(t, func() {
				r := newRig(t, c)
				defer func() { equal(t, "error of Close", r.Close(), nil) }()
				ring <- r.FD()
				equal(t, "message", r.next(), want)
				equal(t, "message with flags", r.next(), CQE{UserData: 2, Res: 3, Flags: 1 << 16})
			})
		})
	}
}

func TestMessageToNoRing(t *testing.T) {
	library(t, 12)
	needsCall(t, SyncMsg(newRig(t, Config{Entries: 4}).FD(), CQE{}))
	wantError(t, SyncMsg(-1, CQE{}), "-1 is no descriptor")
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	equal(t, "is EBADFD", errors.Is(SyncMsg(int(f.Fd()), CQE{}), syscall.Errno(77)), true)
}

// A ring sends messages to itself, and more to another than that has room for:
// all of them come, in order.
func TestMessagesToItselfAndBeyondTheQueue(t *testing.T) {
	testutil.Need(t, HaveMsgRing)
	inEachMode(t, func(t *testing.T, g *rig) {
		g.queue(1, func(s SQE) { s.PrepMsgRing(g.Ring, 0x1234, 0x10) })
		equal(t, "message to itself", g.results(2), map[uint64]int32{1: 0, 0x1234: 0x10})

		for _, flags := range []SetupFlags{SetupSubmitAll, SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun} {
			to := newRig(t, Config{Entries: 4, CQEntries: 8, Flags: flags})
			for u := range uint64(40) {
				g.want(0, func(s SQE) { s.PrepMsgRing(to.Ring, u, int32(u)) })
			}
			for u := range uint64(40) {
				equal(t, "message", to.next(), CQE{UserData: u, Res: int32(u)})
			}
		}
	})
}
