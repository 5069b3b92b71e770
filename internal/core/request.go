package core

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/uring-go/uring"
)

// A Class says what carries a request out. The limit for requests in the kernel
// depends on it.
type Class uint8

// The classes.
const (
	// Any is for requests that may wait for ever, such as those on sockets.
	// They have no limit: one could be waiting for another.
	Any Class = iota
	// Disk is for requests that a disk carries out: reads and direct writes.
	Disk
	// Worker is for requests that a worker thread of the kernel's carries out:
	// syncs, buffered writes, and requests that take a path.
	Worker
	classes
)

// A Request is one request and what it needs until the kernel is done with it.
// Get takes one from a pool, Free gives it back.
type Request struct {
	// Prep fills the entry. It may be called again, and from another
	// goroutine. It is a plain function, so that setting it allocates nothing.
	Prep  func(uring.SQE, *Request) error
	Class Class
	Hurry bool // do not let others run first: they are busy with other things
	Short bool // the kernel takes it without sleeping, unless a device is busy

	// What Prep may want; held until the last completion.
	FD            uring.FD
	Buf           []byte
	Reg           uring.RegBuf
	Off           int64
	Len           int64
	Flags         uint32
	Mode          uint32
	Path, NewPath string
	Statx         *uring.Statx
	Fill          func(uring.SQE) error
	Hold          any

	// CQE is the first completion that is not a notification.
	CQE uring.CQE
	// Err says why the request was not carried out; CQE is then empty.
	Err error
	// AtOnce is set when the kernel had the result when it took the request.
	AtOnce bool

	next, prev *Request
	where      place
	slot       uint32
	answered   bool
	submitted  uint64 // the turn in which it was

	w   *waiter
	own waiter
}

// place is where a request is.
type place uint8

const (
	outside place = iota // with its owner, or on the list of new ones
	queued               // in its class's queue
	running              // in the kernel, or about to be
)

var pool = sync.Pool{New: func() any {
	return &Request{own: waiter{wake: make(chan struct{}, 1)}}
}}

// Get returns an empty request.
func Get() *Request { return pool.Get().(*Request) }

// Free gives a request back that is over.
func (r *Request) Free() {
	wake := r.own.wake
	*r = Request{own: waiter{wake: wake}}
	pool.Put(r)
}

// Result returns the request's result, or the error of the request or the
// kernel.
func (r *Request) Result() (int, error) {
	if r.Err != nil {
		return 0, r.Err
	}
	if r.CQE.Res < 0 {
		return 0, syscall.Errno(-r.CQE.Res)
	}
	return int(r.CQE.Res), nil
}

// failed reports whether the kernel answered with the error.
func (r *Request) failed(errno syscall.Errno) bool {
	return r.Err == nil && r.CQE.Res == -int32(errno)
}

// A waiter waits for one request or several.
type waiter struct {
	left  atomic.Int32
	state atomic.Uint32
	wake  chan struct{} // has room for one
	gone  func()        // what to do when the requests are over and nobody waits
}

// The states of a waiter.
const (
	busy   = iota // not waiting yet
	parked        // waits on wake
	over          // all requests are over
	left          // nobody waits any more
)

func (w *waiter) expect(n int) {
	w.left.Store(int32(n))
	w.state.Store(busy)
}

// one notes that a request is over. Afterwards the requests belong to the one
// who waits, so it comes last.
func (w *waiter) one() {
	if w.left.Add(-1) > 0 {
		return
	}
	switch w.state.Swap(over) {
	case parked:
		w.wake <- struct{}{}
	case left:
		w.gone()
	}
}

// wait waits until all requests are over.
func (w *waiter) wait() {
	if w.state.CompareAndSwap(busy, parked) {
		<-w.wake
	}
}

// waitContext is wait until ctx ends: then it returns false, and wait must
// still follow, by <-w.wake, unless leave succeeds.
func (w *waiter) waitContext(ctx context.Context) bool {
	if !w.state.CompareAndSwap(busy, parked) {
		return true
	}
	select {
	case <-w.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

// leave ends the wait of a parked waiter before its requests are over, and has
// gone called when they are. It returns false if they are over already.
func (w *waiter) leave(gone func()) bool {
	w.gone = gone
	if w.state.CompareAndSwap(parked, left) {
		return true
	}
	<-w.wake
	return false
}
