package command

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/uring-go/uring"
)

// The kinds of the loop's own requests. The kinds of commands start at kindOwn.
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
	sqe, err := l.ring.Request(t)
	if err == nil {
		l.inFlight++
	}
	return sqe, err
}

// run hands completions to handle, except the loop's own ones, until no request
// is in flight. When w's context is done, it calls stop.
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
	if err == nil {
		w.prepare(sqe)
	}
	return err
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

// cancel cancels one request.
func (l *loop) cancel(t uring.Token) error {
	sqe, err := l.request(uring.MakeToken(kindCancel, 0, 0))
	if err == nil {
		sqe.PrepCancel(uint64(t), 0)
	}
	return err
}

// A waker ends the wait of a ring's goroutine when a context is done: the ring
// polls one end of a pipe, and the other end is closed then.
type waker struct {
	read   *os.File
	hangUp func()
	stop   func() bool
}

func newWaker(ctx context.Context) (*waker, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open a pipe: %w", err)
	}
	hangUp := sync.OnceFunc(func() { write.Close() })
	return &waker{read, hangUp, context.AfterFunc(ctx, hangUp)}, nil
}

// prepare makes sqe the request that completes when the context is done.
func (w *waker) prepare(sqe uring.SQE) {
	const pollIn = 0x1
	sqe.PrepPollAdd(uring.FD(w.read.Fd()), pollIn)
}

func (w *waker) close() {
	w.stop()
	w.hangUp() // waits for it if it runs now
	w.read.Close()
}
