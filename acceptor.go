package uring

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/live"
)

// An AcceptorConfig says how an [Acceptor] works.
type AcceptorConfig struct {
	// Token marks the completions of the acceptor's requests: they have its kind and
	// slot, and no other request of the ring may have both. The acceptor sets the
	// generation.
	Token Token
	// Direct accepts into the ring's table of direct descriptors, into slots that
	// the kernel finds.
	Direct bool
}

// An Acceptor accepts the connections of a listening socket with one multishot
// request. Every completion of its requests goes to [Acceptor.Complete]. It goes on
// when clients have left before they were accepted, and a while after descriptors
// ran out: connections wait in the listener meanwhile. It belongs to the ring's
// goroutine.
type Acceptor struct {
	ring    *Ring
	fd      FD
	token   uint64 // with generation 0
	direct  bool
	pending int  // requests whose last completion is still to come
	armed   bool // an accept is in flight
	waits   bool // until a timeout completes
	err     error
	closed  bool
}

// What a completion is of, in its generation.
const (
	acceptConn uint32 = iota
	acceptLater
	acceptCancel
)

// acceptPause is how long to wait when descriptors run out.
const acceptPause = 100 * time.Millisecond

// NewAcceptor makes an acceptor for a listening socket, and queues its request, which
// the kernel gets with the next submit. The socket stays the caller's. Linux 5.19.
// See io_uring_prep_multishot_accept(3).
func (r *Ring) NewAcceptor(fd FD, c AcceptorConfig) (*Acceptor, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if c.Token.Generation() != 0 {
		return nil, errors.New("uring: AcceptorConfig.Token has a generation; the acceptor counts it itself")
	}
	if r.tokenTaken(c.Token) {
		return nil, errTokenTaken("AcceptorConfig", c.Token)
	}
	a := &Acceptor{ring: r, fd: fd, token: uint64(c.Token), direct: c.Direct}
	r.acceptors[a.token] = a
	live.Opened("acceptor", a)
	if err := a.accept(); err != nil {
		a.abandon()
		return nil, err
	}
	return a, nil
}

// Owns reports whether c belongs to one of the acceptor's requests.
func (a *Acceptor) Owns(c CQE) bool { return c.UserData&^tokenGeneration == a.token }

// InFlight reports whether requests of the acceptor are in flight.
func (a *Acceptor) InFlight() bool { return a.pending > 0 }

// Err returns why nothing is accepted any more: [net.ErrClosed] after the listening
// socket was shut down, or [Acceptor.Cancel], or another error.
func (a *Acceptor) Err() error { return a.err }

// accept queues an accept request, unless one is in flight, or is to be when there
// are descriptors again, or the acceptor is over.
func (a *Acceptor) accept() error {
	if a.armed || a.waits || a.err != nil {
		return nil
	}
	s, err := a.request(acceptConn)
	if err != nil {
		return err
	}
	if a.direct {
		s.PrepAcceptMultishotDirect(a.fd, 0)
	} else {
		s.PrepAcceptMultishot(a.fd, CloseOnExec)
	}
	a.armed = true
	return nil
}

func (a *Acceptor) request(what uint32) (SQE, error) {
	s, err := a.ring.Request(Token(a.token | uint64(what)<<32))
	if err == nil {
		a.pending++
	}
	return s, err
}

// Cancel ends accepting. Connections that were accepted meanwhile may still come.
func (a *Acceptor) Cancel() error {
	if a.closed || a.err != nil {
		return nil
	}
	a.err = net.ErrClosed
	var target uint32
	switch {
	case a.waits:
		target = acceptLater
	case !a.armed:
		return nil
	}
	s, err := a.request(acceptCancel)
	if err == nil {
		s.PrepCancel(a.token|uint64(target)<<32, 0)
	}
	return err
}

// Complete accounts for a completion of one of the acceptor's requests, and returns
// the connection that it brought; ok is false if it brought none. The caller closes
// it. How accepting ended, if it did, [Acceptor.Err] tells.
func (a *Acceptor) Complete(c CQE) (fd FD, ok bool, err error) {
	what := c.Token().Generation()
	switch {
	case !a.Owns(c):
		return -1, false, fmt.Errorf("%w: user data %#x is not of this acceptor", ErrBadCompletion, c.UserData)
	case a.closed:
		return -1, false, ErrClosed
	case a.pending == 0:
		return -1, false, fmt.Errorf("%w: no request of the acceptor is in flight", ErrBadCompletion)
	}
	if !c.More() {
		a.pending--
	}
	switch what {
	case acceptLater:
		a.waits = false
		return -1, false, a.accept()
	case acceptCancel:
		return -1, false, nil
	}
	if !c.More() {
		a.armed = false
	}
	if c.Res < 0 {
		return -1, false, a.failed(syscall.Errno(-c.Res))
	}
	if fd = FD(c.Res); a.direct {
		fd = DirectSlot(int(c.Res)).FD()
	}
	return fd, true, a.accept()
}

// discard closes the connection that a completion brought, which nobody will take.
func (a *Acceptor) discard(c CQE) {
	if c.Token().Generation() == acceptConn && c.Res >= 0 && !a.direct {
		cgo.CloseFD(int(c.Res))
	}
}

// failed decides what the error of an accept means for those to come.
func (a *Acceptor) failed(errno syscall.Errno) error {
	switch errno {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		if a.armed || a.waits || a.err != nil {
			return nil
		}
		s, err := a.request(acceptLater)
		if err == nil {
			s.PrepTimeout(acceptPause, 0, 0)
			a.waits = true
		}
		return err
	case syscall.EINVAL: // the socket was shut down, or does not listen
		if a.err == nil {
			a.err = net.ErrClosed
		}
		return nil
	case syscall.EBADF, syscall.ENOTSOCK, syscall.EFAULT, syscall.EPERM, syscall.EACCES:
		if a.err == nil {
			a.err = &OpError{"accept", errno}
		}
		return nil
	}
	return a.accept() // what became of one connection does not concern the others
}

// Close ends the use of the acceptor. It returns [ErrBusy], and does nothing, while
// its requests are in flight, which [Acceptor.Cancel] ends. A second Close does
// nothing.
func (a *Acceptor) Close() error {
	if a.closed {
		return nil
	}
	if a.pending > 0 && !a.ring.closed {
		return wrapf("acceptor: %w: requests are in flight; Cancel ends them", ErrBusy)
	}
	a.abandon()
	return nil
}

func (a *Acceptor) abandon() {
	a.closed = true
	if a.err == nil {
		a.err = ErrClosed
	}
	delete(a.ring.acceptors, a.token)
	live.Closed(a)
}
