package core

import (
	"context"
	"syscall"

	"github.com/uring-go/uring"
)

// Run carries out a request and waits until it is over. If ctx ends first, a
// request that is still queued is dropped at once, and the kernel is asked to
// cancel one that it has. In any case the kernel no longer uses the request's
// memory when Run returns. The error is that of ctx only if the request was not
// carried out.
func (c *Core) Run(ctx context.Context, r *Request) error {
	for tries := 0; ; tries++ {
		if r.Err = ctx.Err(); r.Err != nil {
			return r.Err
		}
		c.begin(r)
		if ctx.Done() == nil {
			r.w.wait()
		} else if !r.w.waitContext(ctx) {
			c.cancel(r, ctx.Err())
			<-r.w.wake
		}
		if !again(ctx, r, tries) {
			return c.outcome(ctx, r)
		}
	}
}

// RunOrLeave is Run for a request whose memory is not the caller's. When ctx
// ends first it returns left true at once, and has gone called when the kernel
// has let go of the memory; r is then no longer the caller's. gone is called
// with the core's lock held.
func (c *Core) RunOrLeave(ctx context.Context, r *Request, gone func()) (left bool, err error) {
	for tries := 0; ; tries++ {
		if r.Err = ctx.Err(); r.Err != nil {
			return false, r.Err
		}
		c.begin(r)
		if !r.w.waitContext(ctx) {
			c.cancel(r, ctx.Err())
			if r.w.leave(gone) {
				return true, ctx.Err()
			}
		}
		if !again(ctx, r, tries) {
			return false, c.outcome(ctx, r)
		}
	}
}

// begin puts a request on the list.
func (c *Core) begin(r *Request) {
	r.w = &r.own
	r.w.expect(1)
	class, hurry := r.Class, r.Hurry
	if c.push(r, r) {
		c.lead(class, hurry)
	}
}

// RunAll carries out many requests of one class and waits until all are over,
// as Run does. Their errors are in the requests.
func (c *Core) RunAll(ctx context.Context, list []*Request) {
	todo := list
	for tries := 0; len(todo) > 0; tries++ {
		if err := ctx.Err(); err != nil {
			for _, r := range todo {
				r.Err = err
			}
			return
		}
		c.runAll(ctx, todo)
		var more []*Request
		for _, r := range todo {
			if again(ctx, r, tries) {
				more = append(more, r)
			} else if err := c.outcome(ctx, r); err != nil {
				r.Err = err
			}
		}
		todo = more
	}
}

func (c *Core) runAll(ctx context.Context, list []*Request) {
	w := &list[0].own
	w.expect(len(list))
	for i, r := range list {
		r.w = w
		if i > 0 {
			r.next = list[i-1]
		}
	}
	class, hurry := list[0].Class, list[0].Hurry
	if c.push(list[len(list)-1], list[0]) {
		c.lead(class, hurry)
	}
	if ctx.Done() == nil {
		w.wait()
		return
	}
	if !w.waitContext(ctx) {
		for _, r := range list {
			c.cancel(r, ctx.Err())
		}
		<-w.wake
	}
}

// When the thread that submitted requests ends, they end with ECANCELED, and
// reads that miss the page cache with EFAULT. A thread ends with a goroutine
// that is locked to it. Such requests are carried out again.
const (
	mostCancels = 100
	mostFaults  = 4
)

// errRestart is what Linux 6.1 says of some requests whose worker was interrupted:
// the kernel's ERESTARTSYS, which programs should never see.
const errRestart = syscall.Errno(512)

// interrupted reports whether a signal ended the request.
func (r *Request) interrupted() bool { return r.failed(syscall.EINTR) || r.failed(errRestart) }

// again reports whether to carry out a request once more.
func again(ctx context.Context, r *Request, tries int) bool {
	switch {
	case r.failed(syscall.EFAULT):
		return tries < mostFaults
	case r.failed(syscall.ECANCELED):
		return tries < mostCancels && ctx.Err() == nil
	case r.interrupted():
		return ctx.Err() == nil
	}
	return false
}

// outcome returns the error of a request that was not carried out.
func (c *Core) outcome(ctx context.Context, r *Request) error {
	if r.Err == nil && (r.failed(syscall.ECANCELED) || r.interrupted()) {
		r.Err = ctx.Err()
	}
	return r.Err
}

// cancel drops a queued request, and asks the kernel to cancel a running one.
// The request's memory is the kernel's until it is over, whatever becomes of
// that.
func (c *Core) cancel(r *Request, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drain()
	switch r.where {
	case queued:
		c.queues[r.Class].remove(r)
		c.fail(r, why)
	case running:
		c.askToCancel(r.slot)
	}
	c.turn(c.wake == nil)
}

// askToCancel queues a cancellation.
func (c *Core) askToCancel(slot uint32) {
	if c.broken != nil {
		return
	}
	s, ok := c.entry()
	if !ok {
		return // it ends by itself
	}
	s.PrepCancel(c.token(slot), 0)
	s.UserData = ownToken
	c.unsent = append(c.unsent, nil)
	c.long = true
}

// dropAll fails the queued requests of a class.
func (c *Core) dropAll(class Class) {
	for q := &c.queues[class]; q.first != nil; {
		r := q.first
		q.remove(r)
		c.fail(r, uring.ErrClosed)
	}
}

// cancelRunning asks the kernel to cancel the running requests of a class.
func (c *Core) cancelRunning(class Class) {
	for slot, r := range c.slots {
		if r != nil && r.Class == class {
			c.askToCancel(uint32(slot))
		}
	}
}
