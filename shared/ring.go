// Package shared is a ring of package uring that any goroutine may use, for
// services: a request is a function call that parks the goroutine, takes no
// thread, and ends with a context.
//
//	ring, err := shared.New(shared.Config{})
//	...
//	cqe, err := ring.Do(ctx, func(s uring.SQE) error {
//		s.PrepRead(uring.FD(fd), p, 0)
//		return nil
//	})
//
// Requests of goroutines that run at the same time reach the kernel with one
// system call. For files there is package file, which does more: it reads from
// the page cache without a ring, limits what a disk gets at a time, and has the
// methods of os.File.
package shared

import (
	"context"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// A Config says how a ring for any goroutine works. The zero value is a good
// default.
type Config struct {
	// Ring is how the ring is opened. It must not have SetupSingleIssuer and
	// what goes with it, SetupIOPoll, SetupRDisabled, SetupRegisteredFDOnly, nor
	// completions of 32 bytes.
	Ring uring.Config
}

// A Ring is an io_uring instance that any goroutine may use.
type Ring struct{ core *core.Core }

// New opens a ring. Close it when done. The errors are those of [uring.New].
func New(c Config) (*Ring, error) {
	core, err := core.New(core.Config{Ring: c.Ring})
	if err != nil {
		return nil, err
	}
	return &Ring{core}, nil
}

// Do carries out one request and waits until it is over. Any goroutine may
// call it, and there is no limit to how many do: what the queues of the ring
// have no room for waits.
//
// fill prepares the request with one Prep method of the entry, and returns that
// method's error if it has one. It must do nothing else, and not keep the entry:
// it may be called in another goroutine, which it must not end by [runtime.Goexit]
// either, and again when the request must be repeated. UserData is not for it to
// set. Do panics if it does.
//
// What fill refers to, such as the buffer of a read, is kept until the kernel
// is done with it, and Do does not return before. When ctx ends, a request that
// the kernel does not have yet is dropped, and one that it has is cancelled:
// that ends waits at once, such as for a socket, but not what a disk is doing.
// The error is that of ctx only if the request was not carried out. It is
// [uring.ErrClosed] after Close.
//
// Otherwise the error is that of the completion, see [uring.CQE.Err]. Of a
// zero-copy send it is the result that is returned, when the notification has
// come. UserData is 0.
//
// Refused are requests that could touch those of others, or that have several
// results: links, drains, cancellations, multishots. A request that the kernel
// cancels because the thread that submitted it ended is carried out again.
func (r *Ring) Do(ctx context.Context, fill func(uring.SQE) error) (uring.CQE, error) {
	return r.core.Do(ctx, fill)
}

// Close cancels the requests that run, whose callers then get [uring.ErrClosed],
// or what they had achieved, waits for all of them, and closes the ring.
func (r *Ring) Close() error { return r.core.Close() }

// Stats tell what a ring does.
type Stats struct {
	Running   int    // requests in the kernel
	Queued    int    // requests that wait for room
	Peak      int    // the most that were in the kernel at once
	Completed uint64 // requests that are over
}

// Stats returns what the ring does now. Any goroutine may call it.
func (r *Ring) Stats() Stats {
	s := r.core.Stats()
	return Stats{Running: s.Running, Queued: s.Queued, Peak: s.Peak, Completed: s.Completed}
}
