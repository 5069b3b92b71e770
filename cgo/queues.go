package cgo

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// Queues is the Go view of a ring's shared memory: the same submission and
// completion queues that liburing works on, so that taking an entry, filling
// it and reading completions need no call into C.
//
// The submission queue's tail here is liburing's private one; the kernel sees
// entries when a submit call publishes them.
type Queues struct {
	sqHead  *uint32 // moved by the kernel
	sqTail  *uint32 // liburing's private tail
	sqGiven *uint32 // the tail that the kernel sees
	sqFlags *uint32 // set by the kernel
	dropped *uint32 // counted by the kernel, as the next one
	lost    *uint32
	sqes    unsafe.Pointer
	sqeSize uintptr // multiplying is faster than a shift by a variable
	sqMask  uint32
	polled  bool // a thread of the kernel's consumes entries
	bothSQE bool // entries of 64 and of 128 bytes in one queue

	cqHead  *uint32
	cqTail  *uint32 // moved by the kernel
	cqes    unsafe.Pointer
	cqeSize uintptr
	cqMask  uint32
	mixed   bool // completions of 16 and of 32 bytes in one queue
}

// QueueMemory names the pieces of memory that Queues works on.
type QueueMemory struct {
	SQHead, SQTail, SQGiven *uint32
	SQFlags                 *uint32
	SQDropped, CQOverflow   *uint32 // may be nil
	SQEs                    unsafe.Pointer
	SQEntries               uint32
	CQHead, CQTail          *uint32
	CQEs                    unsafe.Pointer
	CQEntries               uint32
	Flags                   uint32 // the ring's setup flags
}

// NewQueues returns the view of m.
func NewQueues(m QueueMemory) Queues {
	q := Queues{
		sqHead: m.SQHead, sqTail: m.SQTail, sqGiven: m.SQGiven, sqFlags: m.SQFlags,
		dropped: m.SQDropped, lost: m.CQOverflow,
		sqes: m.SQEs, sqMask: m.SQEntries - 1,
		cqHead: m.CQHead, cqTail: m.CQTail, cqes: m.CQEs, cqMask: m.CQEntries - 1,
		sqeSize: unsafe.Sizeof(SQE{}), cqeSize: unsafe.Sizeof(CQE{}),
		mixed: m.Flags&SetupCQEMixed != 0, polled: m.Flags&SetupSQPoll != 0,
		bothSQE: m.Flags&SetupSQEMixed != 0,
	}
	if m.Flags&SetupSQE128 != 0 {
		q.sqeSize *= 2
	}
	if m.Flags&SetupCQE32 != 0 {
		q.cqeSize *= 2
	}
	return q
}

// Closed returns what is left of the queues when their memory is gone: a full
// submission queue and an empty completion queue.
func (q *Queues) Closed() *Queues {
	var words [6]uint32
	words[1] = q.SQEntries()
	c := *q
	c.dropped, c.lost = nil, nil
	c.sqHead, c.sqTail, c.sqGiven, c.sqFlags, c.sqes = &words[0], &words[1], &words[2], &words[3], nil
	c.cqHead, c.cqTail, c.cqes = &words[4], &words[5], nil
	return &c
}

// NextSQE takes the next submission entry, its first 64 bytes all zero, or
// returns nil when the queue is full. It is small enough to be inlined twice.
func (q *Queues) NextSQE() (sqe *SQE) {
	if tail := *q.sqTail; tail-atomic.LoadUint32(q.sqHead) <= q.sqMask {
		*q.sqTail = tail + 1
		sqe = (*SQE)(unsafe.Add(q.sqes, uintptr(tail&q.sqMask)*q.sqeSize)) // q.sqe(tail)
		*sqe = SQE{}
	}
	return
}

// NextSQE128 takes the next submission entry of 128 bytes, all zero, or returns
// nil when there is no room for one. In a queue of mixed entries it takes two
// slots, and a third if the first of them would be the last of the queue's
// memory: that one gets an entry that does nothing.
func (q *Queues) NextSQE128() *SQE {
	if q.sqeSize > unsafe.Sizeof(SQE{}) {
		sqe := q.NextSQE()
		if sqe != nil {
			*SecondHalf(sqe) = SQE{}
		}
		return sqe
	}
	tail, n := *q.sqTail, uint32(2)
	wraps := tail&q.sqMask == q.sqMask
	if wraps {
		n = 3
	}
	if tail+n-atomic.LoadUint32(q.sqHead) > q.sqMask+1 {
		return nil
	}
	if wraps {
		*q.sqe(tail) = SQE{Opcode: OpNop, Flags: SQECQESkipSuccess, FD: -1}
		tail++
	}
	*q.sqTail = tail + 2
	sqe := q.sqe(tail)
	*sqe = SQE{}
	*SecondHalf(sqe) = SQE{}
	return sqe
}

// SecondHalf is the second half of an entry of 128 bytes.
func SecondHalf(sqe *SQE) *SQE {
	return (*SQE)(unsafe.Add(unsafe.Pointer(sqe), unsafe.Sizeof(SQE{})))
}

// Dropped returns how many submission entries the kernel dropped as invalid, and
// how many completions it dropped for want of room or memory.
func (q *Queues) Dropped() (sqes, cqes uint32) { return load(q.dropped), load(q.lost) }

func load(p *uint32) uint32 {
	if p == nil {
		return 0
	}
	return atomic.LoadUint32(p)
}

// MoveSQE moves the entry at one slot of the queue to another and returns it.
func (q *Queues) MoveSQE(from, to uint32) *SQE {
	src, dst := q.sqe(from), q.sqe(to)
	*dst = *src
	if q.sqeSize > unsafe.Sizeof(SQE{}) {
		*SecondHalf(dst) = *SecondHalf(src)
	}
	return dst
}

// SetSQTail sets liburing's private tail.
func (q *Queues) SetSQTail(tail uint32) { *q.sqTail = tail }

func (q *Queues) sqe(i uint32) *SQE {
	return (*SQE)(unsafe.Add(q.sqes, uintptr(i&q.sqMask)*q.sqeSize))
}

// Index returns the position of sqe in the queue, 0 to entries-1.
func (q *Queues) Index(sqe *SQE) int {
	return int((uintptr(unsafe.Pointer(sqe)) - uintptr(q.sqes)) >> bits.TrailingZeros64(uint64(q.sqeSize)))
}

// Before returns the entry that was taken before sqe, or nil if the kernel has
// consumed it.
func (q *Queues) Before(sqe *SQE) *SQE {
	last := *q.sqTail - 1
	return q.before(last - (last-uint32(q.Index(sqe)))&q.sqMask)
}

// Last returns the entry that was taken last, or nil if the kernel has consumed
// it.
func (q *Queues) Last() *SQE { return q.before(*q.sqTail) }

// before returns the entry that ends before position at.
func (q *Queues) before(at uint32) *SQE {
	consumed := atomic.LoadUint32(q.sqHead)
	if q.polled {
		consumed = *q.sqGiven // the kernel's thread reports late what it has consumed
	}
	if int32(at-consumed) <= 0 {
		return nil
	}
	if q.bothSQE && q.isSecond(at-1, consumed) {
		at--
	}
	return q.sqe(at - 1)
}

// isSecond reports whether slot i has the second half of an entry of 128 bytes.
// The opcode tells, as it does for the kernel, but a second half may hold a
// byte that looks like such an opcode. In a run of slots that look like entries
// of 128 bytes, the first is one, the next its second half, and so on. An entry
// begins at first.
func (q *Queues) isSecond(i, first uint32) bool {
	second := false
	for ; int32(i-first) > 0; i-- {
		op := q.sqe(i - 1).Opcode
		if op != OpNop128 && op != OpUringCmd128 {
			break
		}
		second = !second
	}
	return second
}

// SQReady returns the number of entries taken and not yet consumed by the
// kernel.
func (q *Queues) SQReady() uint32 { return *q.sqTail - atomic.LoadUint32(q.sqHead) }

// SQUnsubmitted returns the number of entries taken and not yet given to the
// kernel.
func (q *Queues) SQUnsubmitted() uint32 {
	if q.polled {
		return *q.sqTail - *q.sqGiven
	}
	return q.SQReady() // the kernel may have left some
}

// SQSubmitted returns the number of entries that were submitted and not yet
// consumed: those that the kernel's own thread, if the ring has one, has still
// to take.
func (q *Queues) SQSubmitted() uint32 { return *q.sqGiven - atomic.LoadUint32(q.sqHead) }

// SQGiven returns the number of entries that were given to the kernel since the
// ring was opened, modulo 2^32: those that it has consumed, or that its thread
// is to consume.
func (q *Queues) SQGiven() uint32 {
	if q.polled {
		return *q.sqGiven
	}
	return atomic.LoadUint32(q.sqHead)
}

// SQSilent returns the number of slots that were taken and not yet given to the
// kernel, and that bring no completion of their own: the second halves of
// entries of 128 bytes, and entries that only do nothing.
func (q *Queues) SQSilent() (n uint32) {
	for i, tail := q.SQGiven(), *q.sqTail; int32(tail-i) > 0; i++ {
		switch sqe := q.sqe(i); {
		case q.bothSQE && (sqe.Opcode == OpNop128 || sqe.Opcode == OpUringCmd128):
			n++
			i++
		case sqe.Silent():
			n++
		}
	}
	return n
}

// Silent reports whether the entry is one that does nothing and brings no
// completion: one to fill a gap, or to take the place of what was refused.
func (s *SQE) Silent() bool {
	return s.Flags == SQECQESkipSuccess && s.Opcode == OpNop && s.FD == -1
}

// RefusedMark, as address of an entry that does nothing, says that it takes the place
// of what was refused. The kernel does not look at it.
const RefusedMark = 0x7265667573656421

// Refused reports whether the entry takes the place of a request that was refused.
func (s *SQE) Refused() bool { return s.Addr == RefusedMark && s.Silent() }

// SQEntries returns the length of the submission queue.
func (q *Queues) SQEntries() uint32 { return q.sqMask + 1 }

// SQFlags returns the flags that the kernel sets in the submission queue.
func (q *Queues) SQFlags() uint32 { return atomic.LoadUint32(q.sqFlags) }

// CQEntries returns the length of the completion queue.
func (q *Queues) CQEntries() uint32 { return q.cqMask + 1 }

// CQ returns the range of completions that are ready.
func (q *Queues) CQ() (head, tail uint32) {
	return *q.cqHead, atomic.LoadUint32(q.cqTail)
}

// CQE returns a copy of completion i and the position of the next one. ok is
// false for an entry that only fills a gap. No kernel posts half a completion
// of 32 bytes; it would be taken for one of 16.
func (q *Queues) CQE(i uint32) (e CQE, next uint32, ok bool) {
	e = *(*CQE)(q.cqe(i))
	if !q.mixed {
		return e, i + 1, true
	}
	if e.Flags&CQEFSkip != 0 {
		return e, i + 1, false
	}
	if e.Flags&CQEF32 == 0 {
		return e, i + 1, true
	}
	if i&q.cqMask == q.cqMask || atomic.LoadUint32(q.cqTail)-i < 2 {
		e.Flags &^= CQEF32 // its second half would lie outside of what is ready
		return e, i + 1, true
	}
	return e, i + 2, true
}

// OneSizeCQE is [Queues.CQE] where all completions have one size. It is small
// enough to be inlined.
func (q *Queues) OneSizeCQE(i uint32) CQE { return *(*CQE)(q.cqe(i)) }

// Mixed reports whether completions of both sizes lie in the queue.
func (q *Queues) Mixed() bool { return q.mixed }

// BigCQE returns the second half of the 32-byte completion i.
func (q *Queues) BigCQE(i uint32) [2]uint64 {
	return *(*[2]uint64)(unsafe.Add(q.cqe(i), unsafe.Sizeof(CQE{})))
}

func (q *Queues) cqe(i uint32) unsafe.Pointer {
	return unsafe.Add(q.cqes, uintptr(i&q.cqMask)*q.cqeSize)
}

// SetCQHead gives the completions before head back to the kernel.
func (q *Queues) SetCQHead(head uint32) { atomic.StoreUint32(q.cqHead, head) }
