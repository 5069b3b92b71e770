package uring

import (
	"math"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// An SQE is a submission entry: a request on its way to the kernel. Get one
// from [Ring.NextSQE], fill it with one Prep method, and set UserData, which
// comes back in the completion: see io_uring_sqe_set_data64(3). It is valid until
// the next Submit.
//
// The fields of the entry are open for what no method covers; each Prep method
// sets what liburing's helper of the same name sets.
type SQE struct {
	*cgo.SQE
	ring *Ring
}

// SQEFlags change how a request is treated. See io_uring_sqe_set_flags(3).
type SQEFlags uint8

// The flags of a request. Those for buffer selection and direct descriptors
// are set by the Prep methods.
const (
	// Drain starts the request when all before it have completed.
	Drain SQEFlags = cgo.SQEIODrain
	// Link starts the next request when this one has succeeded.
	Link SQEFlags = cgo.SQEIOLink
	// HardLink starts the next request when this one is over.
	HardLink SQEFlags = cgo.SQEIOHardlink
	// Async starts the request in a worker thread at once.
	Async SQEFlags = cgo.SQEAsync
	// SkipSuccess posts no completion if the request succeeds. Linux 5.17.
	SkipSuccess SQEFlags = cgo.SQECQESkipSuccess
)

// SetFlags adds flags to the request. Call it after the Prep method. It refuses
// what the kernel gets wrong: Async with an incremental buffer ring, which
// makes the kernel lose track of the receive point, and a zero-copy send with
// Link, HardLink or SkipSuccess, whose notifications then come unannounced. It
// also refuses to make a socket option's request start later than it must.
// A refused request becomes one that does nothing and posts no completion.
func (s SQE) SetFlags(f SQEFlags) error {
	if err := s.checkFlags(f); err != nil {
		return s.refuse(err)
	}
	s.Flags |= uint8(f)
	return nil
}

// linked says whether the entry before links to this one, which then starts
// late.
func (s SQE) linked() bool {
	before := s.ring.q.Before(s.SQE)
	return before != nil && before.Flags&(cgo.SQEIOLink|cgo.SQEIOHardlink) != 0
}

// refuse makes the entry harmless: once taken it must be submitted.
func (s SQE) refuse(err error) error {
	*s.SQE = cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1}
	return err
}

// prep fills the fields that every request has.
func (s SQE) prep(op uint8, fd FD, addr uint64, n uint32, off uint64) {
	s.Opcode = op
	if fd.IsDirect() {
		s.SQE.FD = int32(fd &^ directBit)
		s.Flags |= cgo.SQEFixedFile
	} else {
		s.SQE.FD = int32(fd)
	}
	s.Off = off
	s.Addr = addr
	s.Len = n
}

// length is how many bytes of p an entry can say. The kernel moves at most
// 2 GiB - 4096 in one request, and so the rest of p is left for another.
func length(p []byte) uint32 { return uint32(min(len(p), math.MaxInt32)) }

// heap keeps Go memory that an entry points at off the stack: memory on the
// stack moves, memory on the heap does not.
var (
	heap    any //lint:ignore U1000 that the compiler cannot know it is never read is the point
	neverOn bool
)

// address returns the address of p for an entry.
func address(p []byte) uint64 {
	if neverOn {
		heap = p // makes the compiler allocate p on the heap
	}
	return arena.Addr(p)
}

// pointer returns the address of what p points at, for an entry.
func pointer[T any](p *T) uint64 {
	if neverOn {
		heap = p
	}
	return arena.AddrOf(p)
}

// slotMemory returns memory that belongs to the entry's place in the queue. It
// is stable until the place is used again, and so until the kernel has
// consumed the entry.
func (s SQE) slotMemory() []byte {
	r := s.ring
	if r.scratch == nil {
		m, err := arena.Map(int(r.q.SQEntries())*slotSize, false)
		if err != nil {
			panic("uring: no memory for the parameters of requests: " + err.Error())
		}
		r.scratch = m
	}
	i := r.q.Index(s.SQE) * slotSize
	return r.scratch.Bytes()[i : i+slotSize : i+slotSize]
}

const slotSize = 128 // a struct sockaddr_storage; a timespec is smaller

// PrepNop does nothing. See io_uring_prep_nop(3).
func (s SQE) PrepNop() { s.prep(cgo.OpNop, -1, 0, 0, 0) }

// TimeoutFlags change what a timeout means.
type TimeoutFlags uint32

// The flags of timeouts.
const (
	// TimeoutBoottime counts time asleep too. Linux 5.15.
	TimeoutBoottime TimeoutFlags = cgo.TimeoutBoottime
	// TimeoutRealtime uses the clock that can be set. Linux 5.15.
	TimeoutRealtime TimeoutFlags = cgo.TimeoutRealtime
	// TimeoutETimeSuccess makes an expired timeout a success, for links and
	// SkipSuccess. Linux 5.16.
	TimeoutETimeSuccess TimeoutFlags = cgo.TimeoutETimeSuccess
	// TimeoutMultishot makes the timeout repeat, count times or, if that is
	// 0, until cancelled. Linux 6.4.
	TimeoutMultishot TimeoutFlags = cgo.TimeoutMultishot
)

// PrepTimeout completes with ETIME after d, at once if d is negative, or with 0
// when count other requests have completed, if count is not 0. See
// io_uring_prep_timeout(3).
func (s SQE) PrepTimeout(d time.Duration, count uint32, flags TimeoutFlags) {
	s.prep(cgo.OpTimeout, -1, s.timespec(d), 1, uint64(count))
	s.OpFlags = uint32(flags)
}

// PrepLinkTimeout cancels the request before it, which must have [Link], after
// d. See io_uring_prep_link_timeout(3).
func (s SQE) PrepLinkTimeout(d time.Duration, flags TimeoutFlags) {
	s.prep(cgo.OpLinkTimeout, -1, s.timespec(d), 1, 0)
	s.OpFlags = uint32(flags)
}

func (s SQE) timespec(d time.Duration) uint64 {
	d = max(d, 0) // the kernel takes no negative ones
	m := s.slotMemory()
	*(*[2]int64)(unsafe.Pointer(unsafe.SliceData(m))) = [2]int64{int64(d / time.Second), int64(d % time.Second)}
	return arena.Addr(m)
}

// CancelFlags say what a cancellation matches.
type CancelFlags uint32

// The flags of cancellations.
const (
	// CancelAll cancels every request that matches, not just one; the result
	// is their number. Linux 5.19.
	CancelAll CancelFlags = cgo.AsyncCancelAll
	// CancelAny matches every request of the ring. Linux 5.19.
	CancelAny CancelFlags = cgo.AsyncCancelAny
)

// PrepCancel cancels the request with this user data. The result is 0, or
// ENOENT if there is none, or EALREADY if it is too late; with [CancelAll] a
// number. The cancelled request still posts its own completion, perhaps after
// this one. See io_uring_prep_cancel64(3).
func (s SQE) PrepCancel(userData uint64, flags CancelFlags) {
	s.prep(cgo.OpAsyncCancel, -1, userData, 0, 0)
	s.OpFlags = uint32(flags)
}

// PrepCancelFD cancels requests on fd. Linux 5.19. See
// io_uring_prep_cancel_fd(3).
func (s SQE) PrepCancelFD(fd FD, flags CancelFlags) {
	s.prep(cgo.OpAsyncCancel, fd, 0, 0, 0)
	s.OpFlags = uint32(flags) | cgo.AsyncCancelFD
	if fd.IsDirect() {
		// Named by a flag of the cancellation, not of the entry.
		s.Flags &^= cgo.SQEFixedFile
		s.OpFlags |= cgo.AsyncCancelFDFixed
	}
}

// PollMask is a set of events as in poll(2), plus the EPOLL flags that the
// kernel also takes.
type PollMask uint32

// PrepPollAdd completes when fd is ready for one of the events; the result is
// the mask of those that occurred. See io_uring_prep_poll_add(3).
func (s SQE) PrepPollAdd(fd FD, events PollMask) {
	s.prep(cgo.OpPollAdd, fd, 0, 0, 0)
	s.OpFlags = pollWord(events)
}

// PrepPollAddMultishot completes each time that fd becomes ready, until a
// completion comes without [CQE.More]. Linux 5.13. See
// io_uring_prep_poll_multishot(3).
func (s SQE) PrepPollAddMultishot(fd FD, events PollMask) {
	s.PrepPollAdd(fd, events)
	s.Len = cgo.PollAddMulti
}

// PrepPollRemove ends the poll request with this user data. See
// io_uring_prep_poll_remove(3).
func (s SQE) PrepPollRemove(userData uint64) {
	s.prep(cgo.OpPollRemove, -1, userData, 0, 0)
}

// pollWord swaps the halves on big-endian machines, as the kernel wants it.
func pollWord(events PollMask) uint32 {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return uint32(events)
	}
	return uint32(events)<<16 | uint32(events)>>16
}

// PrepMsgRing posts a completion with the given user data and result on ring
// to. Linux 5.18. See io_uring_prep_msg_ring(3).
func (s SQE) PrepMsgRing(to *Ring, userData uint64, res int32) {
	s.prep(cgo.OpMsgRing, FD(to.FD()), cgo.MsgData, uint32(res), userData)
}

// PrepMsgRingFD puts the direct descriptor src of this ring into slot dst of
// ring to, and posts a completion with the user data there. [DirectAlloc] lets
// the kernel pick the slot. Linux 6.0. See io_uring_prep_msg_ring_fd(3).
func (s SQE) PrepMsgRingFD(to *Ring, src, dst Direct, userData uint64) {
	s.prep(cgo.OpMsgRing, FD(to.FD()), cgo.MsgSendFD, 0, userData)
	s.Addr3 = uint64(src.slot)
	s.FileIndex = dst.fileIndex()
}
