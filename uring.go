package uring

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
	"github.com/uring-go/uring/internal/sharing"
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
	fd  ringFD
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
	streams      map[uint64]*RecvStream
	acceptors    map[uint64]*Acceptor
	starving     int                 // streams that wait for buffers
	feed         func() error        // feedStreams: a direct call would make the probes, which use rings, refer to themselves
	feeding      bool                // feed runs, or must not
	inFlight     map[uint8]any       // each an InFlight, by kind; kept until the ring is closed
	groups       map[uint16]struct{} // buffer groups in use
	rawRings     map[uint16]*RawBufRing
	rawClosed    [][][]byte // memory that requests of closed ones may still use
	freeTop      uint16     // where to look for a group that is not
	slots        []cgo.Slot // for filling buffer rings
	unfreed      []*BufRing // closed, but requests may still use their memory
	unsent       []*BufRing // have returned buffers that the kernel does not know of yet
	unverified   []*BufRing // have moved since they were last compared with the kernel
	byBid        []*BufRing // whose completions name a buffer, see watch
	noted        uint32     // completions before it were noted, see see
	unwatched    bool       // completions do not tell whose they are
	closedBids   []*BufRing // closed, and not yet forgotten by byBid
	buffers      bufferTable
	files        int         // slots in the table of direct descriptors
	eventFD      bool        // RegisterEventFD was called
	ringFD       bool        // RegisterRingFD was called
	drained      bool        // a request had Drain: those after it may start late
	sentZC       bool        // there was a zero-copy send, whose second completion a Drain may count
	timed        bool        // PrepTimeout was called: waits may end early
	clock        Clock       // of waits
	ended        uint32      // last completions taken, see InFlight
	silent       uint32      // slots of the submission queue without a completion
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
	// With a thread of the kernel's that submits, the kernel serves others, too,
	// except when they register something.
	if invariant.On && r.owner.id != 0 && r.flags&SetupSQPoll == 0 && cgo.ThreadID() != r.owner.id {
		return ErrWrongThread
	}
	return nil
}

// FD returns the ring's file descriptor, or -1 if it has none. It becomes
// readable when there are completions, but with [SetupDeferTaskrun] that wakes
// no poller: see [Ring.Await] and [Ring.RegisterEventFD]. Close closes it, and the
// number may then mean another file: keep the ring open while you use it.
//
// FD may be called from any goroutine at any time.
func (r *Ring) FD() int {
	if r == nil {
		return -1
	}
	return int(r.fd.Load())
}

// A ringFD is a ring's descriptor, -1 if there is none, or none any more. That is
// the zero value, too: of a ring that was not opened others know nothing.
type ringFD struct{ plusOne atomic.Int32 }

func (f *ringFD) Load() int32    { return f.plusOne.Load() - 1 }
func (f *ringFD) Store(fd int32) { f.plusOne.Store(fd + 1) }

// name notes the ring's descriptor.
func (r *Ring) name(fd int) {
	if fd < 0 || r.flags&SetupRegisteredFDOnly != 0 {
		return
	}
	r.fd.Store(int32(fd))
	ringsByFD.Store(fd, r)
}

// hide keeps others from using the ring's descriptor, and returns it.
func (r *Ring) hide() (fd int) {
	r.fdInUse.Lock()
	defer r.fdInUse.Unlock()
	fd = r.FD()
	r.unname()
	return fd
}

// unname is hide with fdInUse locked.
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

// Submit gives the queued entries to the kernel and returns how many it took.
// Returned buffers go back to it on the way. When it takes fewer than were
// queued, or fails, the rest stays queued. With [SetupSQPoll] it wakes the
// kernel's thread if that sleeps. See io_uring_submit(3).
//
//uring:covers io_uring_smp_mb
func (r *Ring) Submit() (int, error) { return r.submit(false, true) }

func init() {
	sharing.Submit = func(ring any, tell bool) (int, error) { return ring.(*Ring).submit(true, tell) }
}

// submit is Submit; for a ring that goroutines share it is what package sharing
// says.
func (r *Ring) submit(shared, tell bool) (int, error) {
	r.submitting()
	if err := r.beforeEnter(); err != nil {
		return 0, err
	}
	queued := r.q.SQUnsubmitted()
	for {
		before := r.q.SQReady()
		var rc int
		if shared {
			rc = r.drv.SubmitShared(tell)
		} else {
			rc = r.drv.Submit()
		}
		r.keepUnsubmitted(before, rc)
		if rc != -int(syscall.EINTR) {
			return r.submitted(queued), check(opSubmit, rc)
		}
	}
}

// submitted returns how many of the queued entries the kernel took. liburing's
// count differs: it omits entries submitted while completions were ready, and
// counts twice what the kernel's thread has not taken.
func (r *Ring) submitted(queued uint32) int { return int(queued - r.q.SQUnsubmitted()) }

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
	if r.starving > 0 {
		return r.feed()
	}
	return nil
}

// ReturnBuffers gives the kernel the buffers that were released since the last
// submit, or wait, now: each of those does it on its way. It enters the kernel only
// if a failed request may have cost a buffer. Receives on other threads, or in a
// loop that handles many completions, then do not end with ENOBUFS meanwhile. See
// io_uring_buf_ring_advance(3).
func (r *Ring) ReturnBuffers() error { return r.beforeEnter() }

func (r *Ring) publishBuffers() {
	r.unsent = slices.DeleteFunc(r.unsent, func(b *BufRing) bool { return !b.publish() })
}

// keepUnsubmitted deals with rings that have [SetupSQRewind], where each submit
// takes entries from the start of the queue and liburing forgets those of the
// queued ones that the kernel did not take: it took rc. They move to the start.
func (r *Ring) keepUnsubmitted(queued uint32, rc int) {
	taken := uint32(max(rc, 0))
	r.rewound += min(taken, queued)
	if r.flags&SetupSQRewind == 0 || taken >= queued {
		return
	}
	for i := taken; i < queued && taken > 0; i++ {
		s := r.q.MoveSQE(i, i-taken)
		r.moveMemory(s, int(i), int(i-taken))
	}
	r.q.SetSQTail(queued - taken)
}

// moveMemory takes along what belongs to an entry that moved from one slot to
// another: see SQE.slotMemory and SQE.kept.
func (r *Ring) moveMemory(s *cgo.SQE, from, to int) {
	if from < len(r.kept) {
		r.kept[to], r.kept[from] = r.kept[from], r.kept[to]
	}
	if r.scratch == nil {
		return
	}
	mem := r.scratch.Bytes()
	old := mem[from*slotSize:][:slotSize]
	copy(mem[to*slotSize:][:slotSize], old)
	lo := arena.Addr(old)
	for _, field := range []*uint64{&s.Addr, &s.Off, &s.Addr3} {
		if *field >= lo && *field < lo+slotSize {
			*field -= uint64((from - to) * slotSize)
		}
	}
}
