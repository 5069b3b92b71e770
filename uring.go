package uring

import (
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
)

// A Ring is one io_uring instance: a queue of requests to the kernel and a
// queue of their completions.
//
// One goroutine at a time may use a Ring; none of its methods lock, and that
// holds for everything made from it (buffer rings, send queues, segments) too.
// With [SetupSingleIssuer] that goroutine must also stay on the thread that
// opened or enabled the ring, see [Serve].
//
// Memory that a request points at must stay in place and in use until the
// request's last completion. See the package documentation.
type Ring struct {
	q   *cgo.Queues
	drv driver
	fd  atomic.Int32 // -1 if there is none, or none any more
	// fdInUse is held by other goroutines while they use the descriptor.
	fdInUse sync.RWMutex
	head    uint32 // completions before it are handled; published by syncHead

	flags    SetupFlags
	features uint32
	closed   bool
	noSQE    error    // of NextSQE when it has none: ErrSQFull, or ErrClosed
	none     *cgo.SQE // in place of an entry then; no kernel sees it
	disabled bool
	owner    thread // of a ring with SetupSingleIssuer, if known

	scratch      *arena.Mapping // one slot per submission entry, see slotMemory
	kept         [][]byte       // per submission entry, see SQE.kept
	bufRings     map[uint16]*BufRing
	queues       map[uint64]*SendQueue // by user data, with generation 0
	inFlight     map[uint8]any         // each an InFlight, by kind; kept until the ring is closed
	groups       map[uint16]struct{}   // buffer groups in use
	freeTop      uint16                // where to look for a group that is not
	slots        []cgo.Slot            // for filling buffer rings
	unfreed      []*BufRing            // closed, but requests may still use their memory
	unsent       []*BufRing            // have returned buffers that the kernel does not know of yet
	unverified   []*BufRing            // have moved since they were last compared with the kernel
	byBid        []*BufRing            // whose completions name a buffer, see watch
	noted        uint32                // completions before it were noted, see see
	unwatched    bool                  // completions do not tell whose they are
	closedBids   []*BufRing            // closed, and not yet forgotten by byBid
	buffers      bufferTable
	files        int         // slots in the table of direct descriptors
	eventFD      bool        // RegisterEventFD was called
	ringFD       bool        // RegisterRingFD was called
	drained      bool        // a request had Drain: those behind it may start late
	ended        uint32      // last completions taken, see InFlight
	silent       uint32      // places of the submission queue without a completion
	rewound      uint32      // entries given to the kernel, with SetupSQRewind
	skips        bool        // a request had SkipSuccess
	extra        atomic.Bool // completions may have come that belong to no request
	parked       *parker
	memory       *Arena // where the queues lie, if not in liburing's memory
	memoryOffset int
	memoryUsed   int
	regions      []*Region
	zcrx         []*ZCRX
	ringWatch            //lint:ignore U1000 it has something with uring_debug
	ending       *ending // of a ring that is to close, or closed
	freed        bool
}

var errNoRing = errors.New("uring: no ring: New, Serve and OpenFD open one")

// gone reports whether there is no ring, or none any more.
func (r *Ring) gone() bool { return r == nil || r.q == nil || r.closed }

// usable returns the error of using the ring in its present state.
func (r *Ring) usable() error {
	if r == nil || r.q == nil {
		return errNoRing
	}
	if r.closed {
		return ErrClosed
	}
	if invariant.On && r.owner.id != 0 && cgo.ThreadID() != r.owner.id {
		return ErrWrongThread
	}
	return nil
}

// FD returns the ring's file descriptor, or -1 if it has none. It becomes
// readable when there are completions, but with [SetupDeferTaskrun] that wakes
// no poller: see [Ring.Await] and [Ring.RegisterEventFD]. It is closed by Close,
// and the number may then mean another file: who keeps it must see to it that
// the ring stays open meanwhile.
//
// FD may be called from any goroutine at any time.
func (r *Ring) FD() int {
	if r == nil || r.q == nil {
		return -1
	}
	return int(r.fd.Load())
}

// name notes the ring's descriptor.
func (r *Ring) name(fd int) {
	if fd < 0 || r.flags&SetupRegisteredFDOnly != 0 {
		return
	}
	r.fd.Store(int32(fd))
	ringsByFD.Store(fd, r)
}

// unname keeps others from using the ring's descriptor. fdInUse is locked.
func (r *Ring) unname() {
	ringsByFD.CompareAndDelete(r.FD(), r)
	r.fd.Store(-1)
}

// Flags returns the flags that the ring works with.
func (r *Ring) Flags() SetupFlags {
	if r == nil {
		return 0
	}
	return r.flags
}

// Entries returns the lengths of the submission and the completion queue.
func (r *Ring) Entries() (sq, cq int) {
	if r == nil || r.q == nil {
		return 0, 0
	}
	return int(r.q.SQEntries()), int(r.q.CQEntries())
}

// NextSQE takes the next free submission entry, its 64 bytes all zero: fill it
// with one of its Prep methods. On a ring with [SetupSQE128] the other 64 bytes
// are what they were; [Ring.NextSQE128] clears them too. The kernel sees it when one of the Submit methods is
// called, and it must not be touched afterwards. The error is [ErrSQFull] when
// no entry is free, for which [Ring.Submit] or [Ring.MakeRoom] makes room, and
// must not be ignored: the SQE that comes with it has no entry. Its fields may be
// set, to no effect, but its methods panic. See io_uring_get_sqe(3) and io_uring_initialize_sqe(3).
func (r *Ring) NextSQE() (s SQE, err error) {
	// A call costs as much as filling the entry. This is small enough for the
	// compiler to put it in its place.
	if invariant.On && r != nil {
		r.checkSubmitted()
	}
	if r == nil || r.q == nil {
		err = errNoRing
	} else if s.ring, s.SQE = r, r.q.NextSQE(); s.SQE == nil {
		s.SQE, err = r.none, r.noSQE
	} else if invariant.On {
		s.entryWatch = r.taken(s.SQE)
	}
	return s, err
}

// Queued returns how many entries were taken and not yet given to the kernel.
// See io_uring_sq_ready(3).
func (r *Ring) Queued() int {
	if r.gone() {
		return 0
	}
	return int(r.q.SQUnsubmitted())
}

// SQSpace returns how many entries are free. It reads the kernel's position as
// io_uring_load_sq_head does. See io_uring_sq_space_left(3).
func (r *Ring) SQSpace() int {
	if r.gone() {
		return 0
	}
	return int(r.q.SQEntries() - r.q.SQReady())
}

// Ready returns how many completions are waiting to be handled. See
// io_uring_cq_ready(3).
func (r *Ring) Ready() int {
	if r.gone() {
		return 0
	}
	return int(r.ready())
}

func (r *Ring) ready() uint32 {
	_, tail := r.q.CQ()
	return tail - r.head
}

// Overflowed says that the kernel holds completions for which the completion
// queue had no room. None is lost: handling completions lets them in. It reads
// flags that the kernel sets, in C with IO_URING_READ_ONCE. See
// io_uring_cq_has_overflow(3).
func (r *Ring) Overflowed() bool {
	return !r.gone() && r.q.SQFlags()&cgo.SQCQOverflow != 0
}

// Submit gives the queued entries to the kernel and returns how many it took.
// Returned buffers go back to it on the way. When it takes fewer than were
// queued, or fails, the rest stays queued. With [SetupSQPoll] it publishes the
// entries before it looks whether the kernel's thread sleeps; who does that by
// hand in C needs io_uring_smp_mb between the two. See io_uring_submit(3).
func (r *Ring) Submit() (int, error) {
	r.submitting()
	if err := r.beforeEnter(); err != nil {
		return 0, err
	}
	queued := r.q.SQUnsubmitted()
	for {
		before := r.q.SQReady()
		rc := r.drv.Submit()
		r.keepUnsubmitted(before, rc)
		if rc != -int(syscall.EINTR) {
			return r.submitted(queued), check(opSubmit, rc)
		}
	}
}

// submitted returns how many of the entries that were queued the kernel took.
// What liburing returns is not it: it leaves them out when completions were
// ready before, and counts those twice that the kernel's thread has still to
// look at.
func (r *Ring) submitted(queued uint32) int { return int(queued - r.q.SQUnsubmitted()) }

// skipFillers follows liburing, which takes entries that only fill a gap from
// the completion queue when it waits.
func (r *Ring) skipFillers() {
	if head, _ := r.q.CQ(); int32(head-r.head) > 0 {
		r.head = head
	}
}

// beforeEnter does what must be done before each entry into the kernel: it
// hands back handled completions and returned buffers.
func (r *Ring) beforeEnter() error {
	if err := r.usable(); err != nil {
		return err
	}
	r.checkHeld()
	r.syncHead()
	if len(r.unverified) > 0 {
		r.verifyBuffers()
	}
	if len(r.unsent) > 0 {
		r.publishBuffers()
	}
	return nil
}

func (r *Ring) publishBuffers() {
	again := r.unsent[:0]
	for _, b := range r.unsent {
		if b.publish() {
			again = append(again, b)
		}
	}
	clear(r.unsent[len(again):])
	r.unsent = again
}

func (r *Ring) syncHead() {
	if head, _ := r.q.CQ(); head != r.head {
		r.q.SetCQHead(r.head)
	}
	if int32(r.head-r.noted) > 0 {
		r.noted = r.head
	}
}

// Completions yields the completions that are ready and takes each from the
// queue as it is yielded; those after a break stay. Calls that enter the
// kernel are allowed in the loop. Completions never waits, but it enters the
// kernel for what is ready there only: completion work put off by
// [SetupDeferTaskrun] or [SetupCoopTaskrun], and completions that had
// overflowed. Some of it may stay there, but a call that yields nothing found
// none. Entries that only fill a gap of a queue with [SetupCQEMixed] are left
// out, as by io_uring_skip_cqe. See io_uring_for_each_cqe(3), io_uring_cqe_iter_init(3),
// io_uring_cqe_iter_next(3), io_uring_cqe_seen(3) and io_uring_get_events(3).
func (r *Ring) Completions() iter.Seq[CQE] {
	return func(yield func(CQE) bool) {
		if r.gone() || !r.pull() {
			return
		}
		for {
			// The loop may take completions by other calls, even beyond tail.
			for _, tail := r.q.CQ(); int32(tail-r.head) > 0; {
				e, next, ok := r.q.OneSizeCQE(r.head), r.head+1, true
				if r.q.Mixed() {
					e, next, ok = r.q.CQE(r.head)
				}
				c := newCQE(e)
				if c.Flags&cgo.CQEFBuffer != 0 {
					c.order = r.see(c, r.head)
				}
				r.head = next
				if ok {
					r.end(c.Flags)
					if invariant.On {
						r.completed(c)
					}
				}
				if ok && !yield(c) {
					return
				}
				if r.closed {
					return
				}
			}
			r.syncHead()
			if !r.Overflowed() || !r.fetch() {
				return
			}
		}
	}
}

// pull lets completions into an empty queue that wait in the kernel. It
// returns false if there are none.
func (r *Ring) pull() bool {
	r.checkHeld()
	return r.ready() > 0 || r.fetch()
}

// fetch enters the kernel for completions that are ready there only, and reports
// whether some came. If none came, there is no deferred work left either: what the
// kernel defers from then on makes the ring's eventfd readable, which work that is
// added to other work does not. An error shows again, and is reported, at the next
// submit or wait.
func (r *Ring) fetch() bool {
	const waiting = cgo.SQTaskrun | cgo.SQCQOverflow
	if r.q.SQFlags()&waiting == 0 && r.flags&SetupIOPoll == 0 {
		return false
	}
	r.syncHead()
	before := r.ready()
	rc := r.drv.GetEvents()
	if r.ready() > before {
		return true
	}
	if rc < 0 && rc != -int(syscall.EINTR) || r.flags&SetupDeferTaskrun == 0 || r.q.SQFlags()&cgo.SQTaskrun == 0 {
		return false
	}
	// The kernel ran part of the deferred work, and it led to nothing. The flag
	// does not tell whether there is more: the kernel may set it late, when the
	// work has been run already. A wait whose time is up at once ends with a
	// completion, or when there is no more work.
	afterSignals(func() int { return r.drv.Wait(cgo.Wait{N: before + 1}) })
	r.skipFillers()
	return r.ready() > before
}

// Peek copies ready completions to dst and returns their number. They stay in
// the queue until [Ring.Advance]. It enters the kernel only if there are none:
// __io_uring_peek_cqe is the part that looks at the queue. See
// io_uring_peek_batch_cqe(3) and io_uring_peek_cqe(3).
func (r *Ring) Peek(dst []CQE) int {
	if r.gone() || !r.pull() {
		return 0
	}
	n := 0
	_, tail := r.q.CQ()
	for i := r.head; i != tail && n < len(dst); {
		e, next, ok := r.q.CQE(i)
		if ok {
			dst[n] = newCQE(e)
			dst[n].order = r.see(dst[n], i)
			n++
		}
		i = next
	}
	return n
}

// Advance takes n completions that [Ring.Peek] showed from the queue. See
// io_uring_cq_advance(3).
func (r *Ring) Advance(n int) {
	if r.gone() {
		return
	}
	for _, tail := r.q.CQ(); n > 0 && r.head != tail; {
		e, next, ok := r.q.CQE(r.head)
		if ok {
			c := newCQE(e)
			r.end(c.Flags)
			r.see(c, r.head)
			r.completed(c)
			n--
		}
		r.head = next
	}
	r.syncHead()
}
