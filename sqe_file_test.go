//go:build linux

package uring

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func openTemp(t *testing.T, content string) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}

func content(t *testing.T, fd int) string {
	t.Helper()
	p := make([]byte, 4096)
	n, err := syscall.Pread(fd, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}

func TestReadAndWriteAtOffsets(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := openTemp(t, "0123456789")
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
		fd := openTemp(t, "0123456789")
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
		fd := openTemp(t, "0123456789")
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
	fd := openTemp(t, "0123")
	equal(t, "read into nil", g.do(func(s SQE) { s.PrepRead(FD(fd), nil, 0) }), 0)
	equal(t, "write of nil", g.do(func(s SQE) { s.PrepWrite(FD(fd), nil, 0) }), 0)
	equal(t, "content", content(t, fd), "0123")
}

func TestReadAndWriteRegisteredMemory(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := openTemp(t, "0123456789")
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

// Go memory that a request points at does not move, even from a stack that
// grows in the meantime.
func TestMemoryOnTheStackStays(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		var small [16]byte
		g.queue(1, func(s SQE) { s.PrepRecv(FD(a), small[:], 0) })
		g.submit()
		growStack(2000)
		g.write(b, "still here")
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 10}})
		equal(t, "memory", string(small[:10]), "still here")
	})
}

//go:noinline
func growStack(n int) byte {
	var frame [512]byte
	if n > 0 {
		frame[n%512] = growStack(n - 1)
	}
	return frame[n%512]
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
	fd := openTemp(t, "")
	mem := g.arena(8 << 20).Bytes()
	for i := range mem {
		mem[i] = streamByte(i)
	}
	equal(t, "written", g.do(func(s SQE) { s.PrepWrite(FD(fd), mem, 0) }), len(mem))
	back := g.arena(8 << 20).Bytes()
	equal(t, "read", g.do(func(s SQE) { s.PrepRead(FD(fd), back, 0) }), len(mem))
	equal(t, "is the same", bytes.Equal(mem, back), true)
}
