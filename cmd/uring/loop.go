package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"github.com/uring-go/uring"
)

// The kinds of request that a loop has for itself. Commands count on from
// kindOwn.
const (
	kindWake   uint8 = iota + 1 // the context is done
	kindCancel                  // of everything else
	kindOwn
)

// A loop runs the requests of a command on one ring until none is left.
type loop struct {
	ring     *uring.Ring
	inFlight int  // requests whose last completion is still to come
	stopping bool // everything was cancelled; nothing new may start
}

// request takes an entry for a request with the token t. The caller fills it.
func (l *loop) request(t uring.Token) (uring.SQE, error) {
	if err := l.room(1); err != nil {
		return uring.SQE{}, err
	}
	sqe, err := l.ring.NextSQE()
	if err != nil {
		return sqe, err
	}
	sqe.UserData = uint64(t)
	l.inFlight++
	return sqe, nil
}

// room makes room for n entries: those of a chain must reach the kernel
// together.
func (l *loop) room(n int) error {
	if l.ring.SQSpace() >= n {
		return nil
	}
	_, err := l.ring.Submit()
	return err
}

// run hands completions to handle, the loop's own ones excepted, until no
// request is in flight. w ends it early: it calls stop.
func (l *loop) run(w *waker, stop func() error, handle func(uring.CQE) error) error {
	if err := l.watch(w); err != nil {
		return err
	}
	for l.inFlight > 0 {
		if _, err := l.ring.SubmitAndWait(1); err != nil {
			return err
		}
		for c := range l.ring.Completions() {
			if !c.More() {
				l.inFlight--
			}
			var err error
			switch c.Token().Kind() {
			case kindWake:
				err = stop()
			case kindCancel:
			default:
				err = handle(c)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loop) watch(w *waker) error {
	sqe, err := l.request(uring.MakeToken(kindWake, 0, 0))
	if err != nil {
		return err
	}
	const pollIn = 0x1
	sqe.PrepPollAdd(uring.FD(w.read), pollIn)
	return nil
}

// cancelAll cancels every request of the ring, once.
func (l *loop) cancelAll() error {
	if l.stopping {
		return nil
	}
	l.stopping = true
	sqe, err := l.request(uring.MakeToken(kindCancel, 0, 0))
	if err != nil {
		return err
	}
	sqe.PrepCancel(0, uring.CancelAny|uring.CancelAll)
	return nil
}

// A waker gets the goroutine of a ring out of its wait when a context is done:
// the ring polls one end of a pipe, of which the other is closed then.
type waker struct {
	read   int
	hangUp func()
	stop   func() bool
}

func newWaker(ctx context.Context) (*waker, error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("open a pipe: %w", err)
	}
	hangUp := sync.OnceFunc(func() { syscall.Close(p[1]) })
	return &waker{p[0], hangUp, context.AfterFunc(ctx, hangUp)}, nil
}

func (w *waker) close() {
	w.stop()
	w.hangUp() // waits if it runs just now
	syscall.Close(w.read)
}
