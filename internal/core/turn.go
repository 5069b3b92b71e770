package core

import (
	"errors"
	"runtime"
	"time"

	"github.com/uring-go/uring"
)

// Kinds of user data.
const (
	kindRequest = 1 // a request of the table
	kindOwn     = 2 // a request of the core's, whose result does not matter
)

var ownToken = uint64(uring.MakeToken(kindOwn, 0, 0))

// push adds a chain of requests, newest first, to the list of new ones. It
// reports whether the list was empty, in which case the caller must lead.
func (c *Core) push(newest, oldest *Request) bool {
	for {
		before := c.newest.Load()
		oldest.next = before
		if c.newest.CompareAndSwap(before, newest) {
			return before == nil
		}
	}
}

// lead has the requests on the list carried out. A goroutine that leads lets
// others run first if there seem to be any that will add to the list.
func (c *Core) lead(class Class, hurry bool) {
	if c.wake != nil && !c.ended.Load() {
		c.wakeThread()
		return
	}
	if !hurry {
		c.letRun(class)
	}
	c.kick()
}

// letRun lets other goroutines run if there seem to be any that will add to the
// list: not where that takes long of late, as goroutines that only compute hold
// the processors.
func (c *Core) letRun(class Class) {
	if c.load[class].Load() <= 1 || c.held.Load() > 0 && c.held.Add(-1) >= 0 {
		return
	}
	start := time.Now()
	runtime.Gosched()
	if time.Since(start) > longYield {
		c.held.Store(afterLongYield)
	}
}

// Go lets a goroutine compute for 10 ms before others run.
const (
	longYield      = 5 * time.Millisecond
	afterLongYield = 64
)

// kick takes a turn, for anybody.
func (c *Core) kick() { c.takeTurn(c.wake == nil) }

// Look hands out completions that are there, if any. It is for goroutines that
// keep a processor busy and never wait: nobody polls then.
func (c *Core) Look() {
	if c.inside.Load() == 0 || !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if !c.closed && c.ring.Ready() > 0 {
		c.turn(c.wake == nil)
	}
}

// turn gives completions to their owners, and waiting requests to the kernel if
// the caller may submit.
func (c *Core) turn(submits bool) {
	c.turns++
	c.drain()
	for !c.closed {
		if submits {
			c.start()
		}
		if c.reap() == 0 || !c.canStart() {
			break
		}
	}
	if !submits && c.canStart() && !c.closed {
		c.wakeThread()
	}
	c.checkIdle()
}

// drain moves new requests to the queues of their classes.
func (c *Core) drain() {
	r := c.newest.Swap(nil)
	var oldest *Request
	for r != nil {
		r, r.next, oldest = r.next, oldest, r
	}
	for r = oldest; r != nil; r = oldest {
		oldest = r.next
		switch {
		case c.closing:
			c.fail(r, uring.ErrClosed)
		case c.broken != nil:
			c.fail(r, c.broken)
		default:
			c.queues[r.Class].push(r)
		}
	}
}

// mostBytes limits what the requests of one call move: it may copy all of it
// from the page cache, and meanwhile it holds one of Go's processors.
const mostBytes = 1 << 20

// start fills entries for the queued requests that fit, and submits them.
func (c *Core) start() {
	for class := range c.queues {
		for q := &c.queues[class]; q.fits() && c.broken == nil; {
			s, ok := c.entry()
			if !ok {
				return // the kernel takes none; submit has seen to it that this goes on
			}
			r := q.first
			q.remove(r)
			c.fill(s, r)
			if c.bytes >= mostBytes {
				c.submit()
			}
		}
	}
	if len(c.unsent) > 0 {
		c.submit()
	}
}

// canStart reports whether start has something to do.
func (c *Core) canStart() bool {
	if len(c.unsent) > 0 {
		return true
	}
	for class := range c.queues {
		if c.queues[class].fits() {
			return true
		}
	}
	return false
}

// entry takes a free entry, after submitting if there is none.
func (c *Core) entry() (s uring.SQE, ok bool) {
	s, err := c.ring.NextSQE()
	if err != nil {
		c.submit()
		s, err = c.ring.NextSQE()
	}
	return s, err == nil
}

var errEnded = errors.New("uring: the function that fills the entry has ended the goroutine that called it")

// fill fills an entry for a request, which is running from then on.
func (c *Core) fill(s uring.SQE, r *Request) {
	blank := *s.SQE // a no-op of the core's, as all zeros mean
	empty := func() {
		s.PrepNop() // or the ring would count one that was refused as silent
		*s.SQE = blank
	}
	c.unsent = append(c.unsent, nil)
	ended := true
	defer func() {
		if ended {
			empty()
			c.fail(r, errEnded)
			c.retry.Reset(0) // in another goroutine: this one takes no turn to its end
		}
	}()
	err := r.Prep(s, r)
	ended = false
	if err != nil {
		empty()
		c.fail(r, err)
		return
	}
	slot := c.take(r)
	s.UserData = c.token(slot)
	r.where, r.slot, r.answered, r.submitted = running, slot, false, c.turns
	r.CQE, r.Err, r.AtOnce = uring.CQE{}, nil, false
	q := &c.queues[r.Class]
	q.running++
	c.peak = max(c.peak, int(c.inside.Add(1)))
	c.unsent[len(c.unsent)-1] = r
	c.bytes += len(r.Buf)
	c.long = c.long || !r.Short
}

// take finds a slot of the table for a request.
func (c *Core) take(r *Request) uint32 {
	if n := len(c.free); n > 0 {
		slot := c.free[n-1]
		c.free = c.free[:n-1]
		c.slots[slot] = r
		return slot
	}
	c.slots = append(c.slots, r)
	c.ages = append(c.ages, 0)
	return uint32(len(c.slots) - 1)
}

func (c *Core) token(slot uint32) uint64 {
	return uint64(uring.MakeToken(kindRequest, c.ages[slot], slot))
}

// submit gives the filled entries to the kernel. What it does not take now
// stays in the submission queue: the next turn tries again, and there is one
// after a while, as the requests that it has may never complete.
func (c *Core) submit() {
	n, err := c.enter()
	c.unsent = c.unsent[:copy(c.unsent, c.unsent[min(n, len(c.unsent)):])]
	c.bytes, c.long = 0, false
	if err != nil && !transient(err) {
		c.breakDown(err)
	}
	for class := range c.queues {
		c.weigh(Class(class))
	}
	if len(c.unsent) > 0 {
		c.retry.Reset(time.Millisecond)
	}
}

// breakDown gives up on a ring whose entries the kernel refuses, as it does
// when a seccomp filter was installed later. Requests that the kernel has
// accepted are waited for.
func (c *Core) breakDown(err error) {
	c.broken = err
	for _, r := range c.unsent {
		if r != nil {
			c.release(r)
			c.fail(r, err)
		}
	}
	c.unsent = c.unsent[:0]
	for class := range c.queues {
		for q := &c.queues[class]; q.first != nil; {
			r := q.first
			q.remove(r)
			c.fail(r, err)
		}
	}
}

// weigh makes the load follow the number of running requests: up at once, down
// slowly.
func (c *Core) weigh(class Class) {
	now, load := int32(c.queues[class].running), c.load[class].Load()
	switch {
	case now > load:
		c.load[class].Store(now)
	case now < load:
		c.load[class].Store(load - (load-now+3)/4)
	}
}

// reap hands out completions and returns how many requests are over.
func (c *Core) reap() int {
	if c.ring.Ready() == 0 && !c.ring.Overflowed() {
		return 0 // work that the kernel put off is another thread's
	}
	before := c.completed
	for cqe := range c.ring.Completions() {
		c.complete(cqe)
	}
	return int(c.completed - before)
}

func (c *Core) complete(cqe uring.CQE) {
	token := cqe.Token()
	slot := token.Slot()
	if token.Kind() != kindRequest || int(slot) >= len(c.slots) {
		return
	}
	r := c.slots[slot]
	if r == nil || token.Generation() != c.ages[slot]&0xffffff {
		return
	}
	if c.inject != nil {
		cqe = c.inject(r, cqe)
	}
	if !r.answered && !cqe.Notif() {
		r.CQE, r.answered = cqe, true
	}
	if cqe.More() {
		return // the kernel still uses the request's memory
	}
	r.AtOnce = r.submitted == c.turns
	c.release(r)
	c.completed++
	r.w.one()
}

// release takes a request that is over from the table.
func (c *Core) release(r *Request) {
	c.slots[r.slot] = nil
	c.ages[r.slot]++
	c.free = append(c.free, r.slot)
	c.queues[r.Class].running--
	c.inside.Add(-1)
	r.where = outside
}

// fail ends a request that the kernel does not have.
func (c *Core) fail(r *Request, err error) {
	r.where, r.next = outside, nil
	r.CQE, r.Err, r.AtOnce = uring.CQE{}, err, true
	r.w.one()
}

// checkIdle tells Close when nothing is left.
func (c *Core) checkIdle() {
	if !c.closing || c.inside.Load() > 0 {
		return
	}
	for class := range c.queues {
		if c.queues[class].first != nil {
			return
		}
	}
	select {
	case <-c.idle:
	default:
		close(c.idle)
	}
}
