//go:build linux && cgo

package uring

import (
	"runtime"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/kernel"
)

// Descriptors of Go's net and os packages are O_NONBLOCK. Requests wait all the
// same, also in a worker, but for splice and tee, which never wait then.
func TestRequestsOnNonblockingDescriptors(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for _, flags := range []SQEFlags{0, Async} {
			g.waitsForNonblocking("pipe", flags, g.nonblockingPipe)
			g.waitsForNonblocking("socket", flags, g.nonblockingPair)
		}
		g.spliceDoesNotWait()
	})
}

func (g *rig) nonblockingPipe() (in, out int) {
	g.Helper()
	var p [2]int
	g.must(syscall.Pipe2(p[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC))
	return g.owned(p[0]), g.owned(p[1])
}

func (g *rig) nonblockingPair() (in, out int) {
	g.Helper()
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	g.must(err)
	return g.owned(p[0]), g.owned(p[1])
}

// fillUp writes to a non-blocking descriptor until it takes no more.
func (g *rig) fillUp(fd int) {
	g.Helper()
	for chunk := make([]byte, 4096); ; {
		if _, err := syscall.Write(fd, chunk); err != nil {
			equal(g, "filled until", err, error(syscall.EAGAIN))
			return
		}
	}
}

// drain reads from a non-blocking descriptor until there is no more.
func (g *rig) drain(fd int) {
	g.Helper()
	for {
		if n, err := syscall.Read(fd, make([]byte, 1<<20)); n <= 0 {
			equal(g, "drained until", err, error(syscall.EAGAIN))
			return
		}
	}
}

// waitsForNonblocking makes each request that waits in spite of O_NONBLOCK.
func (g *rig) waitsForNonblocking(name string, flags SQEFlags, ends func() (in, out int)) {
	g.Helper()
	buf := make([]byte, 8)
	msg := NewMsg(buf)
	defer runtime.KeepAlive(msg)
	reads := map[string]func(SQE, FD) error{
		"PrepRead":  func(s SQE, fd FD) error { s.PrepRead(fd, buf, CurrentOffset); return nil },
		"PrepReadv": func(s SQE, fd FD) error { return s.PrepReadv(fd, [][]byte{buf}, CurrentOffset, 0) },
	}
	writes := map[string]func(SQE, FD) error{
		"PrepWrite":  func(s SQE, fd FD) error { s.PrepWrite(fd, buf, CurrentOffset); return nil },
		"PrepWritev": func(s SQE, fd FD) error { return s.PrepWritev(fd, [][]byte{buf}, CurrentOffset, 0) },
	}
	if name == "socket" {
		reads["PrepRecv"] = func(s SQE, fd FD) error { s.PrepRecv(fd, buf, 0); return nil }
		reads["PrepRecvMsg"] = func(s SQE, fd FD) error { s.PrepRecvMsg(fd, msg, 0); return nil }
		writes["PrepSend"] = func(s SQE, fd FD) error { s.PrepSend(fd, buf, 0); return nil }
		writes["PrepSendMsg"] = func(s SQE, fd FD) error { s.PrepSendMsg(fd, msg, 0); return nil }
	}
	start := func(prep func(SQE, FD) error, fd int) {
		g.queue(1, func(s SQE) {
			g.must(prep(s, FD(fd)))
			g.must(s.SetFlags(flags))
		})
		g.submit()
	}
	for what, prep := range reads {
		in, out := ends()
		start(prep, in)
		g.write(out, "late")
		equal(g, what+" from a "+name, g.await(1)[0].Res, 4)
	}
	for what, prep := range writes {
		in, out := ends()
		g.fillUp(out)
		start(prep, out)
		g.drain(in)
		equal(g, what+" to a "+name, g.await(1)[0].Res, 8)
	}
}

// spliceDoesNotWait makes requests to splice and tee, which end with EAGAIN.
func (g *rig) spliceDoesNotWait() {
	g.Helper()
	empty, _ := g.nonblockingPipe()
	in, out := g.nonblockingPipe()
	g.fillUp(out)
	_, full := g.nonblockingPipe()
	g.fillUp(full)
	from, _ := g.nonblockingPair()
	_, to := g.nonblockingPair()
	g.fillUp(to)
	for name, prep := range map[string]func(SQE){
		"PrepSplice from an empty pipe":   func(s SQE) { s.PrepSplice(FD(empty), CurrentOffset, FD(to), CurrentOffset, 8, 0) },
		"PrepSplice to a full pipe":       func(s SQE) { s.PrepSplice(FD(in), CurrentOffset, FD(full), CurrentOffset, 8, 0) },
		"PrepSplice to a full socket":     func(s SQE) { s.PrepSplice(FD(in), CurrentOffset, FD(to), CurrentOffset, 8, 0) },
		"PrepSplice from an empty socket": func(s SQE) { s.PrepSplice(FD(from), CurrentOffset, FD(full), CurrentOffset, 8, 0) },
		"PrepTee from an empty pipe":      func(s SQE) { s.PrepTee(FD(empty), FD(full), 8, 0) },
		"PrepTee to a full pipe":          func(s SQE) { s.PrepTee(FD(in), FD(full), 8, 0) },
	} {
		if name == "PrepSplice to a full socket" && !hasLinux(g, kernel.V(6, 5)) {
			continue // older kernels send pages beyond the socket's limit
		}
		equal(g, name, g.answer(prep).Err(), error(syscall.EAGAIN))
	}
}
