//go:build linux

package uring

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

const acceptorToken = Token(5<<56 | 9)

// accepting is a rig with an acceptor on a listener.
func accepting(t *testing.T, c AcceptorConfig) (*rig, *Acceptor, *net.TCPListener) {
	t.Helper()
	testutil.Need(t, HaveAcceptMultishot)
	g := newRig(t, Config{})
	if c.Direct {
		g.must(g.RegisterFiles(4))
	}
	l := testutil.Listen(t)
	fd, err := FDOf(l)
	g.must(err)
	c.Token = acceptorToken
	a, err := g.NewAcceptor(fd, c)
	g.must(err)
	return g, a, l
}

// accepted hands the next completion to the acceptor, which must bring a connection.
func (g *rig) accepted(a *Acceptor) FD {
	g.Helper()
	fd, ok, err := a.Complete(g.next())
	g.must(err)
	equal(g, "brought a connection", ok, true)
	return fd
}

func TestAcceptorAcceptsUntilTheListenerIsShutDown(t *testing.T) {
	for _, direct := range []bool{false, true} {
		g, a, l := accepting(t, AcceptorConfig{Direct: direct})
		for range 3 {
			c, err := net.Dial("tcp4", l.Addr().String())
			g.must(err)
			fd := g.accepted(a)
			equal(t, "direct", fd.IsDirect(), direct)
			if !direct {
				g.must(syscall.Close(int(fd)))
			}
			g.must(c.Close())
		}
		if err := a.Close(); !errors.Is(err, ErrBusy) {
			t.Errorf("Close: %v", err)
		}
		fd, err := FDOf(l)
		g.must(err)
		g.must(syscall.Shutdown(int(fd), syscall.SHUT_RDWR))
		_, ok, err := a.Complete(g.next())
		g.must(err)
		equal(t, "brought a connection", ok, false)
		equal(t, "error", a.Err(), net.ErrClosed)
		equal(t, "in flight", a.InFlight(), false)
		g.must(a.Close())
		g.must(a.Close())
	}
}

func TestAcceptorIsCancelled(t *testing.T) {
	g, a, _ := accepting(t, AcceptorConfig{})
	g.must(a.Cancel())
	g.must(a.Cancel())
	equal(t, "error", a.Err(), net.ErrClosed)
	for a.InFlight() {
		_, ok, err := a.Complete(g.next())
		g.must(err)
		equal(t, "brought a connection", ok, false)
	}
	g.must(a.Close())
	_, _, err := a.Complete(CQE{UserData: uint64(acceptorToken)})
	equal(t, "error", err, ErrClosed)
}

// Without a kernel: what each error means.
func TestAcceptorGoesOnAfterErrors(t *testing.T) {
	for errno, next := range map[syscall.Errno]uint8{
		syscall.ECONNABORTED: cgo.OpAccept, syscall.EINTR: cgo.OpAccept, syscall.EPROTO: cgo.OpAccept,
		syscall.EMFILE: cgo.OpTimeout, syscall.ENFILE: cgo.OpTimeout, syscall.ENOMEM: cgo.OpTimeout,
		syscall.EINVAL: cgo.OpNop, syscall.EBADF: cgo.OpNop,
	} {
		k := openModel()
		a, err := k.ring.NewAcceptor(3, AcceptorConfig{Token: acceptorToken})
		if err != nil {
			t.Fatal(err)
		}
		complete := func(i int, res int32) {
			t.Helper()
			if fd, ok, err := a.Complete(CQE{UserData: k.mem.sqes[i].UserData, Res: res}); fd != -1 || ok || err != nil {
				t.Errorf("%v: %v, %v, %v", errno, fd, ok, err)
			}
		}
		complete(0, -int32(errno))
		equal(t, errno.Error(), k.mem.sqes[1].Opcode, next)
		equal(t, "over", a.Err() != nil, next == cgo.OpNop)
		if next == cgo.OpTimeout {
			complete(1, errTime)
			equal(t, "afterwards", k.mem.sqes[2].Opcode, cgo.OpAccept)
		}
		if err := k.ring.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Connections that wait in the ring when it is closed are closed with it.
func TestConnectionsThatNobodyTookAreClosed(t *testing.T) {
	for _, ended := range []bool{false, true} { // by then, no request is in flight
		g, _, l := accepting(t, AcceptorConfig{})
		g.submit()
		var peers []net.Conn
		for range 3 {
			c, err := net.Dial("tcp4", l.Addr().String())
			g.must(err)
			defer c.Close()
			peers = append(peers, c)
		}
		_, err := g.SubmitAndWaitTimeout(3, 5*time.Second)
		g.must(err)
		if ended {
			fd, err := FDOf(l)
			g.must(err)
			g.must(syscall.Shutdown(int(fd), syscall.SHUT_RDWR))
			_, err = g.SubmitAndWaitTimeout(4, 5*time.Second)
			g.must(err)
		}
		g.must(g.Ring.Close())
		for _, c := range peers {
			g.must(c.SetReadDeadline(time.Now().Add(5 * time.Second)))
			_, err := c.Read(make([]byte, 1))
			equal(t, "the peer reads", err, io.EOF)
		}
	}
}

func TestBadAcceptors(t *testing.T) {
	g, a, _ := accepting(t, AcceptorConfig{})
	for want, token := range map[string]Token{
		"uring: AcceptorConfig.Token has a generation; the acceptor counts it itself":                                                             MakeToken(1, 1, 1),
		"uring: another queue, stream or acceptor of the ring has kind 5 and slot 9 in AcceptorConfig.Token; completions could not be told apart": acceptorToken,
	} {
		_, err := g.NewAcceptor(0, AcceptorConfig{Token: token})
		equal(t, "error", text(err), want)
	}
	_, _, err := a.Complete(CQE{UserData: 1})
	equal(t, "error", errors.Is(err, ErrBadCompletion), true)
}
