//go:build linux

package uring

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// A connection of package net is used by a ring: both work on the same socket, and
// what one sends the other's peer reads in order.
func TestRingUsesAConnectionOfPackageNet(t *testing.T) {
	g := newRig(t, Config{})
	l := testutil.Listen(t)
	a, err := net.Dial("tcp4", l.Addr().String())
	g.must(err)
	b, err := l.Accept()
	g.must(err)
	fd, err := FDOf(a.(*net.TCPConn))
	g.must(err)

	p := make([]byte, 8)
	g.queue(7, func(s SQE) { s.PrepRecv(fd, p, 0) }) // it waits, though the socket is O_NONBLOCK
	g.submit()
	g.none()
	_, err = b.Write([]byte("to it"))
	g.must(err)
	c := g.next()
	equal(t, "received", string(p[:c.Res]), "to it")
	g.want(4, func(s SQE) { s.PrepSend(fd, []byte("back"), 0) })
	_, err = io.ReadFull(b, p[:4])
	g.must(err)
	equal(t, "sent", string(p[:4]), "back")
	runtime.KeepAlive(a)
	g.must(errors.Join(a.Close(), b.Close()))
	_, err = FDOf(a.(*net.TCPConn))
	equal(t, "error of a closed one", errors.Is(err, net.ErrClosed), true)
	_, err = FDOf(nil)
	equal(t, "error", text(err), "uring: FDOf nil")
}

func TestFDOfAFile(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd, err := FDOf(r)
	if err != nil || fd != FD(r.Fd()) {
		t.Errorf("%v, %v, want %d", fd, err, r.Fd())
	}
}

// A connection that a ring accepted becomes one of package net, which closes it.
func TestNetConnOfAnAcceptedDescriptor(t *testing.T) {
	g, a, l := accepting(t, AcceptorConfig{})
	c, err := net.Dial("tcp4", l.Addr().String())
	g.must(err)
	before := testutil.Sockets()
	conn, err := NetConn(g.accepted(a))
	g.must(err)
	equal(t, "type", conn.RemoteAddr().String(), c.LocalAddr().String())
	equal(t, "descriptors", testutil.Sockets(), before+1)
	_, err = c.Write([]byte("hello"))
	g.must(err)
	p := make([]byte, 5)
	_, err = io.ReadFull(conn, p)
	g.must(err)
	equal(t, "received", string(p), "hello")
	g.must(errors.Join(conn.Close(), c.Close()))
	equal(t, "descriptors", testutil.Sockets(), before-1) // and c is gone
}

// What cannot become a connection is closed all the same.
func TestNetConnClosesOnAnError(t *testing.T) {
	fds := make([]int, 2)
	if err := syscall.Pipe2(fds, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[1])
	if _, err := NetConn(FD(fds[0])); !errors.Is(err, syscall.ENOTSOCK) {
		t.Errorf("NetConn of a pipe: %v", err)
	}
	if err := syscall.Close(fds[0]); err != syscall.EBADF {
		t.Errorf("the descriptor is left: %v", err)
	}
	if _, err := NetConn(-1); !errors.Is(err, syscall.EBADF) {
		t.Errorf("NetConn of no descriptor: %v", err)
	}
	_, err := NetConn(DirectSlot(3).FD())
	wantError(t, err, "PrepFixedFDInstall makes an ordinary one")
}
