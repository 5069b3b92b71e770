// Package core lets any goroutine use a ring. It is what packages shared and
// file stand on; each has rings of its own.
//
// Requests go on a lock-free list. Whoever makes the list non-empty leads. If
// several requests were on their way lately, it first lets other goroutines
// run, so that they add theirs. Then it takes the lock, gives everything on the
// list to the kernel in one call, and hands out the completions that are there.
// Whoever adds to a list that is not empty only waits. One goroutine waits in
// Go's network poller for completions that come later.
//
// The kernel uses a request's memory until its last completion. Until then the
// table of running requests holds the request, and with it all that it needs,
// even if the goroutine that asked for it has gone.
package core

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/live"
)

// A Config says how a core works.
type Config struct {
	// Depth limits the requests of class Disk in the kernel; 0 means 128.
	Depth int
	// Workers limits those of class Worker; 0 means 24.
	Workers int
	// OwnThread has all requests submitted by a thread of the core's. The kernel
	// has a pool of workers for each thread that submits: so there is one, of at
	// most Workers. It costs waking that thread.
	OwnThread bool
	// Ring is how to open the ring. Entries and CQEntries 0 fit the limits.
	Ring uring.Config
	// Inject, for tests, may change completions before they are handled.
	Inject func(*Request, uring.CQE) uring.CQE
}

// The default limits.
const (
	DefaultDepth   = 128
	DefaultWorkers = 24
)

// A Core is a ring that any goroutine may use.
type Core struct {
	newest  atomic.Pointer[Request] // of the list of new requests
	load    [classes]atomic.Int32   // about how many are on their way of late
	held    atomic.Int32            // times not to let others run, see letRun
	inside  atomic.Int32            // in the kernel; written under mu
	inject  func(*Request, uring.CQE) uring.CQE
	entries int

	mu        sync.Mutex
	ring      *uring.Ring
	queues    [classes]queue
	slots     []*Request
	ages      []uint32 // how often each slot was used, for its token
	free      []uint32
	unsent    []*Request // in the submission queue, oldest first; nil is a request of the core's
	bytes     int        // that the requests in unsent move
	long      bool       // one of them is not Short
	trust     trust
	retry     *time.Timer
	turns     uint64
	completed uint64
	peak      int
	broken    error
	closing   bool
	closed    bool
	idle      chan struct{} // closed when closing and nothing is left

	wake      chan struct{} // has the core's own thread submit; nil if it has none
	stop      chan struct{} // ends that
	stopped   chan struct{} // closed when it has ended
	ended     atomic.Bool   // it submits no more
	poller    *os.File
	collected chan struct{} // closed when the collector has ended
	closeOnce sync.Once
	closeErr  error
}

// A queue has the requests of a class that wait for their turn, and counts
// those in the kernel.
type queue struct {
	first, last *Request
	waiting     int
	running     int
	limit       int
}

// New opens a ring and starts its collector.
func New(c Config) (*Core, error) {
	if c.Depth == 0 {
		c.Depth = DefaultDepth
	}
	if c.Workers == 0 {
		c.Workers = DefaultWorkers
	}
	if c.Depth < 1 || c.Workers < 1 {
		return nil, fmt.Errorf("uring: depth %d, workers %d, want at least 1", c.Depth, c.Workers)
	}
	if c.Ring.Entries == 0 {
		c.Ring.Entries = min(max(c.Depth, 64), 4096)
		c.Ring.CQEntries = min(max(2*(c.Depth+c.Workers), 2*c.Ring.Entries), 32768)
	}
	if bad := c.Ring.Flags & (uring.SetupSingleIssuer | uring.SetupIOPoll | uring.SetupRDisabled | uring.SetupRegisteredFDOnly | uring.SetupCQE32 | uring.SetupCQEMixed); bad != 0 {
		return nil, fmt.Errorf("uring: a ring for any goroutine does not go with %v", bad)
	}
	c.Ring.Flags |= uring.SetupSubmitAll
	ring, err := uring.New(c.Ring)
	if err != nil {
		return nil, err
	}
	core := &Core{
		ring: ring, inject: c.Inject, idle: make(chan struct{}), collected: make(chan struct{}),
	}
	core.entries, _ = ring.Entries()
	core.queues[Any].limit = int(^uint(0) >> 1)
	core.queues[Disk].limit = c.Depth
	core.queues[Worker].limit = c.Workers
	conn, err := core.openPoller()
	if err != nil {
		return nil, errors.Join(err, ring.Close())
	}
	core.retry = time.AfterFunc(time.Hour, core.kick)
	core.retry.Stop()
	if c.OwnThread {
		if err := core.startThread(c.Workers); err != nil {
			return nil, errors.Join(err, core.poller.Close(), ring.Close())
		}
	}
	live.Opened("core", core)
	go core.collect(conn)
	return core, nil
}

// Close refuses new requests, waits for those of classes Disk and Worker that
// were begun, cancels the others, and closes the ring when all are over. Every
// request gets its result, or [uring.ErrClosed] if it was not carried out.
func (c *Core) Close() error {
	c.closeOnce.Do(func() { c.closeErr = c.close() })
	return c.closeErr
}

func (c *Core) close() error {
	c.mu.Lock()
	c.drain()
	c.closing = true
	c.dropAll(Any)
	c.cancelRunning(Any)
	c.turn(c.wake == nil)
	c.mu.Unlock()
	<-c.idle
	if c.wake != nil {
		close(c.stop)
		<-c.stopped
	}
	err := c.poller.Close() // ends the collector
	<-c.collected
	c.retry.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	err = errors.Join(err, c.ring.Close())
	live.Closed(c)
	return err
}

// Setup calls f with the ring while nobody else uses it, to register things.
func (c *Core) Setup(f func(*uring.Ring) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return uring.ErrClosed
	}
	return f(c.ring)
}

// Busy is about how many requests of the class are on their way at a time, of
// late.
func (c *Core) Busy(class Class) int { return int(c.load[class].Load()) }

// Stats tell what a core does.
type Stats struct {
	Running   int    // requests in the kernel
	Queued    int    // requests that wait for others to end
	Peak      int    // the most that were in the kernel at once
	Turns     uint64 // how often requests were handed over, or completions looked for
	Completed uint64 // requests that are over
	Broken    error  // why the ring cannot be used any more
}

// Stats returns the state of the core.
func (c *Core) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Running: int(c.inside.Load()), Peak: c.peak, Turns: c.turns, Completed: c.completed, Broken: c.broken}
	for i := range c.queues {
		s.Queued += c.queues[i].waiting
	}
	return s
}

// fits reports whether another request of the class may enter the kernel.
func (q *queue) fits() bool { return q.first != nil && q.running < q.limit }

func (q *queue) push(r *Request) {
	r.where, r.next, r.prev = queued, nil, q.last
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
	q.waiting++
}

func (q *queue) remove(r *Request) {
	if r.prev == nil {
		q.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		q.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.where, r.next, r.prev = outside, nil, nil
	q.waiting--
}

// transient reports whether the kernel may take the entries when it is asked
// again.
func transient(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.ENOMEM)
}
