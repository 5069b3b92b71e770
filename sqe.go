package uring

import (
	"errors"
	"math"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
)

// An SQE is a submission entry: a request on its way to the kernel. Get one
// from [Ring.NextSQE], fill it with one Prep method, and set UserData, which
// comes back in the completion: see io_uring_sqe_set_data64(3). [Ring.Request]
// and [InFlight.Request] set it when they take the entry. It is valid until the
// next Submit.
//
// Where NextSQE failed there
// is no entry, and the Prep methods panic: a request that nobody can see being
// lost would be worse.
//
// The fields of the entry are open for what no method covers, as they are to C
// with io_uring_prep_rw; each Prep method sets what liburing's helper of the same
// name sets.
type SQE struct {
	*cgo.SQE
	entryWatch // nothing, but with uring_debug
	ring       *Ring
	wide       bool // 128 bytes of a ring that has both sizes
}

// SQEFlags change how a request is treated. See io_uring_sqe_set_flags(3).
type SQEFlags uint8

// The flags of a request. Those for buffer selection and direct descriptors
// are set by the Prep methods.
const (
	// Drain starts the request when all before it have completed, and holds back
	// those behind it until then. It fails with EOPNOTSUPP once the ring has had a
	// request with SkipSuccess, or one that was refused: the kernel cannot count
	// those.
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

// SetFlags adds flags to the request, best after the Prep method. Before it the
// Prep method refuses the request in SetFlags' place; methods that return no
// error leave out SkipSuccess where it would be refused. It refuses
// what the kernel gets wrong: Async with an incremental buffer ring, which
// makes the kernel lose track of the receive point, and a zero-copy send with
// Link, HardLink or SkipSuccess, whose notifications then come unannounced. It
// also refuses to make a socket option's request start later than it must, and
// to skip completions that name buffers or descriptors.
// A refused request becomes one that does nothing and posts no completion; its
// entry may be filled with another Prep method.
func (s SQE) SetFlags(f SQEFlags) error {
	s.mustBe()
	s.checkQueued()
	if err := s.checkFlags(f); err != nil {
		return s.refuse(err)
	}
	s.Flags |= uint8(f)
	if f&SkipSuccess != 0 {
		s.ring.skips = true
	}
	if f&Drain != 0 {
		s.ring.drained = true
	}
	return nil
}

// linked says whether the entry before links to this one, which then starts
// late.
func (s SQE) linked() bool {
	s.mustBe()
	return links(s.ring.q.Before(s.SQE))
}

// links says whether the entry, if there is one, links to the one behind it.
func links(s *cgo.SQE) bool {
	return s != nil && s.Flags&(cgo.SQEIOLink|cgo.SQEIOHardlink) != 0
}

// refuse makes the entry harmless: once taken it must be submitted.
func (s SQE) refuse(err error) error {
	s.mustBe()
	s.prepared() // uses no memory
	if !s.Silent() {
		s.ring.silent++
	}
	if s.wide {
		s.silenceHalf()
	}
	nop := cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1}
	if s.wide && s.ring.flags&SetupSQEMixed != 0 {
		*cgo.SecondHalf(s.SQE) = nop // now it is a request too
	}
	nop.UserData = s.UserData // for the next Prep method
	*s.SQE = nop
	return err
}

// refused reports whether the entry is as refuse leaves it.
func (s SQE) refused() bool { return s.Silent() }

// mustBe panics unless the SQE has an entry. A program that ignores the error of
// NextSQE has none to put its request in.
func (s SQE) mustBe() {
	if s.ring == nil || s.SQE == s.ring.none {
		noEntry(s.ring)
	}
}

//go:noinline
func noEntry(r *Ring) {
	why := "it does not come from NextSQE"
	if r != nil {
		why = "NextSQE returned an error: " + r.noSQE.Error()
	}
	panic("uring: this SQE has no entry for a request, " + why)
}

// prep fills the fields that every request has.
func (s SQE) prep(op uint8, fd FD, addr uint64, n uint32, off uint64) {
	s.mustBe()
	if invariant.On { // a call that does nothing would cost inlining
		s.prepared()
	}
	if s.Silent() {
		s.ring.silent--
		s.Flags = 0 // this request wants its completion
	}
	s.Opcode = op
	s.Flags &= uint8(callersFlags)
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

// address is for memory of the caller's, which must be there until the request
// is over: debug builds watch it.
func (s SQE) address(p []byte) uint64 {
	if len(p) > 0 {
		s.watch(unsafe.SliceData(p))
	}
	return address(p)
}

// addressOf is the same for what p points at.
func addressOf[T any](s SQE, p *T) uint64 {
	s.watch((*byte)(unsafe.Pointer(p)))
	return pointer(p)
}

// elements is the same for the elements of p.
func elements[T any](s SQE, p []T) uint64 {
	if len(p) > 0 {
		return addressOf(s, unsafe.SliceData(p))
	}
	return pointer(unsafe.SliceData(p))
}

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
	s.mustBe()
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

// PrepNopResult does nothing and completes with the result: for tests of what
// becomes of results, and errors. Linux 6.10; older kernels make it 0. It is
// IORING_NOP_INJECT_RESULT of io_uring_enter(2).
func (s SQE) PrepNopResult(res int32) {
	s.prep(cgo.OpNop, -1, 0, uint32(res), 0)
	s.OpFlags = cgo.NopInjectResult
}

// PrepNopBig is [SQE.PrepNopResult] with a second half for the completion,
// see [Ring.CompletionsBig]: the ring needs [SetupCQE32] or [SetupCQEMixed].
// Linux 6.18. It is IORING_NOP_CQE32 of io_uring_enter(2).
func (s SQE) PrepNopBig(res int32, second [2]uint64) error {
	if s.ring.flags&(SetupCQE32|SetupCQEMixed) == 0 {
		return s.refuse(errors.New("uring: a completion of 32 bytes: open the ring with SetupCQE32 or SetupCQEMixed"))
	}
	s.prep(cgo.OpNop, -1, second[1], uint32(res), second[0])
	s.OpFlags = cgo.NopInjectResult | cgo.NopCQE32
	return nil
}
