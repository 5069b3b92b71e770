//go:build linux

package uring

import (
	"bytes"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestReadAndWriteAtOffsets(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := int(newFile(t, "0123456789").Fd())
		p := make([]byte, 4)
		read := func(off uint64) string {
			t.Helper()
			n := g.do(func(s SQE) { s.PrepRead(FD(fd), p, off) })
			return string(p[:n])
		}
		equal(t, "at 3", read(3), "3456")
		equal(t, "at 8, behind which there is little", read(8), "89")
		equal(t, "at the end", read(10), "")

		equal(t, "written at 2", g.do(func(s SQE) { s.PrepWrite(FD(fd), held([]byte("ab")), 2) }), 2)
		equal(t, "written behind the end", g.do(func(s SQE) { s.PrepWrite(FD(fd), held([]byte("cd")), 11) }), 2)
		equal(t, "content", content(t, fd), "01ab456789\x00cd")
		g.fails(syscall.EINVAL, func(s SQE) { s.PrepRead(FD(fd), p, 1<<63) })
	})
}

func TestReadAndWriteAtTheCurrentOffset(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := int(newFile(t, "0123456789").Fd())
		p := make([]byte, 4)
		for _, want := range []string{"0123", "4567", "89", ""} {
			n := g.do(func(s SQE) { s.PrepRead(FD(fd), p, CurrentOffset) })
			equal(t, "read", string(p[:n]), want)
		}
		g.do(func(s SQE) { s.PrepWrite(FD(fd), held([]byte("ab")), CurrentOffset) })
		equal(t, "content", content(t, fd), "0123456789ab")
	})
}

func TestReadAndWriteADirectDescriptor(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := int(newFile(t, "0123456789").Fd())
		g.must(g.RegisterFiles(2))
		d := g.direct(1, fd)
		p := make([]byte, 4)
		g.do(func(s SQE) { s.PrepWrite(d.FD(), held([]byte("ab")), 1) })
		g.do(func(s SQE) { s.PrepRead(d.FD(), p, 0) })
		equal(t, "read", string(p), "0ab3")
	})
}

func TestReadAndWriteOfNothing(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	fd := int(newFile(t, "0123").Fd())
	equal(t, "read into nil", g.do(func(s SQE) { s.PrepRead(FD(fd), nil, 0) }), 0)
	equal(t, "write of nil", g.do(func(s SQE) { s.PrepWrite(FD(fd), nil, 0) }), 0)
	equal(t, "content", content(t, fd), "0123")
}

func TestReadAndWriteRegisteredMemory(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := int(newFile(t, "0123456789").Fd())
		g.register(4096) // so that the one in use has not index 0
		reg := g.register(8192)
		mem := reg.Bytes()

		var err error
		n := g.do(func(s SQE) { err = s.PrepReadFixed(FD(fd), reg, mem[5000:5004], 2) })
		g.must(err)
		equal(t, "read", n, 4)
		equal(t, "memory", string(mem[4999:5005]), "\x002345\x00")

		n = g.do(func(s SQE) { err = s.PrepWriteFixed(FD(fd), reg, mem[5001:5003], 8) })
		g.must(err)
		equal(t, "written", n, 2)
		equal(t, "content", content(t, fd), "0123456734")

		n = g.do(func(s SQE) { err = s.PrepReadFixed(FD(fd), reg, mem[len(mem):], 0) })
		g.must(err)
		equal(t, "read into nothing at the end", n, 0)
	})
}

func TestClose(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		g.must(err)
		defer syscall.Close(fds[1])
		g.do(func(s SQE) { s.PrepClose(fds[0]) })
		equal(t, "what the peer reads", g.read(fds[1]), "")
		g.fails(syscall.EBADF, func(s SQE) { s.PrepClose(-1) })
		g.fails(syscall.EBADF, func(s SQE) { s.PrepClose(int(DirectSlot(0).FD())) })
	})
}

func TestCloseDirect(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		g.must(err)
		defer syscall.Close(fds[1])
		g.must(g.RegisterFiles(4))
		d := g.direct(0, fds[0])
		syscall.Close(fds[0])
		g.write(fds[1], "still open")
		g.do(func(s SQE) { s.PrepCloseDirect(d) })
		// Old kernels let go of the file a second later, when the peer may be
		// waiting for room: it then hears that its bytes were never read.
		for deadline := time.Now().Add(patience); err == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			_, err = syscall.Write(fds[1], []byte("x"))
		}
		if err != syscall.EPIPE && err != syscall.ECONNRESET {
			t.Errorf("the peer's write: %v", err)
		}
		g.fails(syscall.EBADF, func(s SQE) { s.PrepCloseDirect(d) })
		// Not a slot, and above all not descriptor 0.
		g.queue(1, func(s SQE) { s.PrepCloseDirect(DirectAlloc) })
		if c := g.await(1)[0]; c.Err() == nil {
			t.Error("PrepCloseDirect(DirectAlloc) closes something")
		}
		if _, err := os.Stdin.Stat(); err != nil {
			t.Errorf("standard input is gone: %v", err)
		}
	})
}

func TestLargeReadsAndWrites(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	fd := int(newFile(t, "").Fd())
	mem := g.arena(8 << 20).Bytes()
	for i := range mem {
		mem[i] = streamByte(i)
	}
	equal(t, "written", g.do(func(s SQE) { s.PrepWrite(FD(fd), mem, 0) }), len(mem))
	back := g.arena(8 << 20).Bytes()
	equal(t, "read", g.do(func(s SQE) { s.PrepRead(FD(fd), back, 0) }), len(mem))
	equal(t, "is the same", bytes.Equal(mem, back), true)
}

func TestVectorsAreWrittenAndRead(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	fd := FD(f.Fd())
	g.want(6, func(s SQE) {
		g.must(s.PrepWritev(fd, [][]byte{held([]byte("ab")), nil, held([]byte("cdef"))}, 2, 0))
	})
	if got, want := g.content(path), "\x00\x00abcdef"; got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
	parts := [][]byte{make([]byte, 3), make([]byte, 10)}
	g.want(5, func(s SQE) { g.must(s.PrepReadv(fd, parts, 3, 0)) })
	if got := [2]string{string(parts[0]), string(parts[1][:2])}; got != [2]string{"bcd", "ef"} {
		t.Errorf("read %q", got)
	}
}

func TestVectorsHonourFlags(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	fd := FD(f.Fd())
	for _, part := range []string{"one ", "two"} {
		g.want(len(part), func(s SQE) { g.must(s.PrepWritev(fd, [][]byte{held([]byte(part))}, 0, RWAppend)) })
	}
	if got := g.content(path); got != "one two" {
		t.Errorf("the file has %q", got)
	}
	// Of what can be waited for, only this takes the flag on every kernel.
	event := newEventFD(g)
	g.must(syscall.SetNonblock(event, false))
	g.fails(syscall.EAGAIN, func(s SQE) {
		g.must(s.PrepReadv(FD(event), [][]byte{held(make([]byte, 8))}, CurrentOffset, RWNowait))
	})
	g.fails(syscall.EOPNOTSUPP, func(s SQE) { g.must(s.PrepReadv(fd, nil, 0, 1<<30)) })
}

func TestVectorsOfRegisteredBuffers(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpReadvFixed, 6, 15)
	a, err := NewArena(ArenaConfig{Size: 4096})
	g.must(err)
	defer a.Close()
	b, err := g.RegisterArena(a)
	g.must(err)
	defer g.UnregisterArena(b)
	mem := b.Bytes()
	copy(mem, "registered buffer")

	f, path := g.file()
	fd := g.firstDirect(FD(f.Fd()))
	g.want(9, func(s SQE) { g.must(s.PrepWritevFixed(fd, b, [][]byte{mem[11:17], mem[:3]}, 0, 0)) })
	if got := g.content(path); got != "bufferreg" {
		t.Errorf("the file has %q", got)
	}
	g.want(9, func(s SQE) { g.must(s.PrepReadvFixed(fd, b, [][]byte{mem[100:106], mem[200:300]}, 0, 0)) })
	if got := string(mem[100:106]) + "|" + string(mem[200:203]); got != "buffer|reg" {
		t.Errorf("read %q", got)
	}
	for name, parts := range map[string][][]byte{
		"empty":   {mem[:1], nil},
		"outside": {mem[:1], make([]byte, 1)},
	} {
		if err := g.sqe().PrepReadvFixed(fd, b, parts, 0, 0); err == nil {
			t.Errorf("a part that is %s is not refused", name)
		}
	}
}

func TestTooManyPartsAreRefused(t *testing.T) {
	g := newRig(t, Config{})
	f, _ := g.file()
	parts := make([][]byte, 1025)
	for i := range parts {
		parts[i] = []byte("x")
	}
	if err := g.sqe().PrepWritev(FD(f.Fd()), parts, 0, 0); err == nil {
		t.Error("1025 parts are not refused")
	}
	g.want(1024, func(s SQE) { g.must(s.PrepWritev(FD(f.Fd()), parts[:1024], 0, 0)) })
}

func TestReadMultishot(t *testing.T) {
	testutil.Need(t, HaveReadMultishot)
	g := newRig(t, Config{})
	br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: 16})
	g.must(err)
	in, out := g.pipe()
	s := g.sqe()
	g.must(s.PrepReadMultishot(in, br))
	for _, want := range []string{"first", "second", "sixteen bytes !!", "last"} {
		_, err := g.Submit()
		g.must(err)
		_, err = syscall.Write(int(out), []byte(want))
		g.must(err)
		c := g.next()
		g.must(c.Err())
		if !c.More() {
			t.Errorf("%q: no further completions to come", want)
		}
		g.must(br.Consume(c, func(got []byte) error {
			if string(got) != want {
				t.Errorf("read %q, want %q", got, want)
			}
			return nil
		}))
	}
	f, _ := g.file()
	g.fails(cgo.EBadFD, func(s SQE) { g.must(s.PrepReadMultishot(FD(f.Fd()), br)) })
	g.fails(syscall.EINVAL, func(s SQE) {
		defer func() { s.Len = 8 }() // which the kernel could take as a limit
		g.must(s.PrepReadMultishot(in, br))
	})
}

func TestFallocateAndFtruncate(t *testing.T) {
	g := newRig(t, Config{})
	f, _ := g.file()
	size := func() int64 {
		st, err := f.Stat()
		g.must(err)
		return st.Size()
	}
	g.want(0, func(s SQE) { s.PrepFallocate(FD(f.Fd()), 0, 4096, 5000) })
	if got := size(); got != 9096 {
		t.Errorf("fallocate made %d bytes", got)
	}
	g.needOp(cgo.OpFtruncate, 6, 9)
	g.want(0, func(s SQE) { s.PrepFtruncate(FD(f.Fd()), 77) })
	if got := size(); got != 77 {
		t.Errorf("ftruncate made %d bytes", got)
	}
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepFtruncate(FD(f.Fd()), -1) })
}

func TestFsync(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	fd := FD(f.Fd())
	w := g.sqe()
	w.PrepWrite(fd, held([]byte("kept")), 0)
	g.must(w.SetFlags(Link))
	sync := g.sqe()
	sync.PrepFsync(fd, FsyncDatasync)
	var results []int32
	for range 2 {
		results = append(results, g.next().Res)
	}
	if diff := cmp.Diff([]int32{4, 0}, results); diff != "" {
		t.Error(diff)
	}
	const waitBeforeWriteAfter = 1 | 2 | 4
	g.want(0, func(s SQE) { s.PrepSyncFileRange(fd, 0, 4, waitBeforeWriteAfter) })
	g.want(0, func(s SQE) { s.PrepFsync(fd, 0) })
	if got := g.content(path); got != "kept" {
		t.Errorf("the file has %q", got)
	}
	in, _ := g.pipe()
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepFsync(in, 0) })
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepFsync(fd, 1<<5) })
	g.fails(syscall.ESPIPE, func(s SQE) { s.PrepSyncFileRange(in, 0, 1, waitBeforeWriteAfter) })
}

func TestFadvise(t *testing.T) {
	g := newRig(t, Config{})
	f, _ := g.file()
	const dontNeed = 4
	g.want(0, func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, 4096, dontNeed) })
	in, _ := g.pipe()
	g.fails(syscall.ESPIPE, func(s SQE) { s.PrepFadvise(in, 0, 0, dontNeed) })
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, 1, 99) })
	c := g.answer(func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, 1<<40, dontNeed) })
	needs(t, "advice about 4 GiB and more", kernel.V(6, 10), refusal(c))
	equal(t, "completion of advice about much", c, CQE{})
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, -1, dontNeed) })
}

func TestMadvise(t *testing.T) {
	g := newRig(t, Config{})
	a, err := NewArena(ArenaConfig{Size: 2 * os.Getpagesize()})
	g.must(err)
	defer a.Close()
	page := os.Getpagesize()
	for i := range a.Bytes() {
		a.Bytes()[i] = 'x'
	}
	g.want(0, func(s SQE) { s.PrepMadvise(a.Bytes()[page:], syscall.MADV_DONTNEED) })
	if a.Bytes()[page-1] != 'x' || a.Bytes()[page] != 0 || a.Bytes()[2*page-1] != 0 {
		t.Error("the second page, and only that, must be zero again")
	}

	huge, err := syscall.Mmap(-1, 0, 5<<30, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	g.must(err)
	defer syscall.Munmap(huge)
	huge[0], huge[len(huge)-1] = 1, 1
	c := g.answer(func(s SQE) { s.PrepMadvise(huge, syscall.MADV_DONTNEED) })
	needs(t, "advice about 4 GiB and more", kernel.V(6, 10), refusal(c))
	equal(t, "completion of advice about much", c, CQE{})
	if huge[0] != 0 || huge[len(huge)-1] != 0 {
		t.Error("advice about 5 GiB did not reach both ends")
	}
}

func TestSpliceAndTee(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	in, out := g.pipe()
	in2, out2 := g.pipe()
	g.must(os.WriteFile(path, []byte("0123456789"), 0o644))

	file := g.firstDirect(FD(f.Fd()))
	g.want(4, func(s SQE) { s.PrepSplice(file, 3, out, CurrentOffset, 4, 0) }) // from a direct descriptor
	g.want(4, func(s SQE) { s.PrepTee(in, out2, 100, 0) })
	g.want(4, func(s SQE) { s.PrepSplice(in, CurrentOffset, file, 8, 100, SpliceMove) }) // to one
	if got := g.content(path); got != "012345673456" {
		t.Errorf("the file has %q", got)
	}
	b := make([]byte, 10)
	g.want(4, func(s SQE) { s.PrepRead(in2, b, CurrentOffset) })
	if got := string(b[:4]); got != "3456" {
		t.Errorf("tee copied %q", got)
	}
	g.fails(syscall.EAGAIN, func(s SQE) { s.PrepTee(in, out2, 1, SpliceNonblock) })

	g.must(g.UpdateFile(DirectSlot(1), int(in)))
	g.must(g.UpdateFile(DirectSlot(2), int(out2)))
	g.want(2, func(s SQE) { s.PrepWrite(out, held([]byte("hi")), CurrentOffset) })
	g.want(2, func(s SQE) { s.PrepTee(DirectSlot(1).FD(), DirectSlot(2).FD(), 2, 0) })
	g.want(2, func(s SQE) { s.PrepRead(in2, b, CurrentOffset) })
	if got := string(b[:2]); got != "hi" {
		t.Errorf("tee copied %q between direct descriptors", got)
	}
}

// A multishot read ends when the completion queue has no room, and goes on where
// it was when it is armed again.
func TestReadMultishotOverflows(t *testing.T) {
	testutil.Need(t, HaveReadMultishot)
	g := newRig(t, Config{Entries: 1, CQEntries: 4})
	br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 64, BufSize: 16})
	g.must(err)
	in, out := g.pipe()
	want := randomBytes(1, 40*16)
	arm := func() { g.start(1, func(s SQE) { g.must(s.PrepReadMultishot(in, br)) }) }
	arm()
	for i := 0; i < len(want); i += 16 {
		g.write(int(out), string(want[i:i+16]))
		g.must(g.GetEvents())
	}
	ended := 0
	var got []byte
	for len(got) < len(want) {
		c := g.next()
		g.must(br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }))
		if !c.More() {
			ended++
			arm()
		}
	}
	equal(t, "bytes", string(got) == string(want), true)
	equal(t, "it ended", ended > 0, true)
}

// A file is read from a given offset into a buffer that the kernel picks.
func TestReadProvidedAt(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		f, path := g.file()
		g.must(os.WriteFile(path, []byte("0123456789"), 0o600))
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 16})
		g.must(err)
		for _, off := range []uint64{6, 0, 10} {
			c := g.answer(func(s SQE) { g.must(s.PrepReadProvidedAt(FD(f.Fd()), br, 3, off)) })
			var got string
			g.must(br.Consume(c, func(p []byte) error { got += string(p); return nil }))
			equal(t, "read", got, "0123456789"[off:min(off+3, 10)])
		}
		if HaveIncremental() != nil {
			return
		}
		inc, err := g.NewBufRing(BufRingConfig{Group: 2, Entries: 2, BufSize: 16, Incremental: true})
		g.must(err)
		in, _ := g.pipe()
		wantError(t, g.sqe().PrepReadProvidedAt(in, inc, 0, 6), "use CurrentOffset")
		g.none()
	})
}
