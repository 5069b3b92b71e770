package uring

import (
	"fmt"
	"iter"
	"math"
)

// InFlight is a table of the requests of one kind that are in flight, with a
// value of type T for each: what the request is for, and the memory that it
// uses. A []byte, [Msg], [Statx] or the like that only the kernel has an address
// of is free for Go's collector, which gives the memory to something else. The
// table holds it until the request's last completion, and the ring holds the
// table until [Ring.Close], even if the program lets go of both.
//
//	sqe, err := reads.Request(buf)  // adds buf, and takes an entry with its token
//	if err != nil {
//		return err
//	}
//	sqe.PrepRead(fd, buf, 0)
//	…
//	case reading: // the kind of cqe.Token()
//		buf, ok := reads.Complete(cqe)
//
// A value never moves while its request is in flight, so that memory that is
// part of T, such as an array or a Statx, may be given to a Prep method too:
// take its address from [InFlight.Get]. In steady state nothing is allocated.
//
// Each request must have at least one completion, the last one without
// [CQE.More]: [SQE.SetFlags] refuses SkipSuccess. When a Prep method refuses the
// request, or its entry could not be had, there is none: call [InFlight.Drop].
//
// Like its ring, a table is for one goroutine at a time.
type InFlight[T any] struct {
	ring   *Ring
	kind   uint8
	blocks []*[inFlightBlock]inFlight[T] // that they never move is why there are blocks
	oldest uint32                        // free slots are a queue, each names the next
	newest uint32
	n      int
}

// An inFlight is a slot of the table.
type inFlight[T any] struct {
	value      T
	generation uint32 // of the request that has the slot, or had it last
	busy       bool
	next       uint32 // free slot
}

const (
	inFlightBlock = 64
	noSlot        = math.MaxUint32
	generations   = 1<<24 - 1 // 0 is left out, so that no token is 0
)

// NewInFlight returns a table for requests on r. Each table of a ring has a kind
// of its own, the one of its tokens, and NewInFlight panics if another has it.
// Nothing else on the ring may have user data with that kind.
func NewInFlight[T any](r *Ring, kind uint8) *InFlight[T] {
	f := &InFlight[T]{ring: r, kind: kind, oldest: noSlot, newest: noSlot}
	if _, taken := r.inFlight[kind]; taken {
		panic(fmt.Sprintf("uring: NewInFlight: the ring has a table of kind %d: give each its own", kind))
	}
	if r.inFlight == nil {
		r.inFlight = map[uint8]any{}
	}
	r.inFlight[kind] = f
	return f
}

// Request adds v and takes an entry with its token: see [Ring.Request]. On an
// error nothing was added.
func (f *InFlight[T]) Request(v T) (SQE, error) {
	s, err := f.ring.Request(0)
	if err == nil {
		s.UserData = uint64(f.Add(v))
	}
	return s, err
}

// Add adds v and returns the token of its request. Use it where the entry does
// not come from [InFlight.Request]; if none comes, call [InFlight.Drop].
func (f *InFlight[T]) Add(v T) Token {
	if f.oldest == noSlot {
		f.grow()
	}
	slot := f.oldest
	s := f.slot(slot)
	if f.oldest = s.next; f.oldest == noSlot {
		f.newest = noSlot
	}
	s.value, s.busy = v, true
	if s.generation++; s.generation > generations {
		s.generation = 1
	}
	f.n++
	return MakeToken(f.kind, s.generation, slot)
}

// Get returns the value of the request with the token t, in its place, or nil
// if it is not in flight. The pointer is good until the request is over.
func (f *InFlight[T]) Get(t Token) *T {
	if s := f.find(t); s != nil {
		return &s.value
	}
	return nil
}

// Complete takes a completion and returns the value of its request. With the
// last completion, the one without [CQE.More], the value leaves the table, and
// the request's memory is the caller's again. After others the request goes on:
// a multishot request, or a zero-copy send whose notification is to come.
//
// ok is false if c is of no request in the table: it has another kind, or the
// request is over, as some kernels post completions after the last one. What it
// says is then about nothing that is in flight.
func (f *InFlight[T]) Complete(c CQE) (v T, ok bool) {
	s := f.find(c.Token())
	if s == nil {
		return v, false
	}
	v = s.value
	if !c.More() {
		f.release(s, c.Token().Slot())
	}
	return v, true
}

// Drop takes a request out of the table that will have no completion: a Prep
// method or [SQE.SetFlags] refused it, or it got no entry. Never drop one whose
// entry is queued and may be submitted. ok is false if t is not in the table.
func (f *InFlight[T]) Drop(t Token) (v T, ok bool) {
	s := f.find(t)
	if s == nil {
		return v, false
	}
	v = s.value
	f.release(s, t.Slot())
	return v, true
}

// Len returns how many requests are in the table.
func (f *InFlight[T]) Len() int { return f.n }

// All yields the requests in the table, to cancel them for example. They may
// complete, or be dropped, meanwhile; whether those that are added are yielded
// is not said.
func (f *InFlight[T]) All() iter.Seq2[Token, *T] {
	return func(yield func(Token, *T) bool) {
		for i := uint32(0); i < f.slots(); i++ {
			s := f.slot(i)
			if s.busy && !yield(MakeToken(f.kind, s.generation, i), &s.value) {
				return
			}
		}
	}
}

func (f *InFlight[T]) slots() uint32 { return uint32(len(f.blocks)) * inFlightBlock }

func (f *InFlight[T]) slot(i uint32) *inFlight[T] {
	return &f.blocks[i/inFlightBlock][i%inFlightBlock]
}

func (f *InFlight[T]) find(t Token) *inFlight[T] {
	if t.Kind() != f.kind || t.Slot() >= f.slots() {
		return nil
	}
	s := f.slot(t.Slot())
	if !s.busy || s.generation != t.Generation() {
		return nil
	}
	return s
}

// release makes a slot free. The one that is free for the longest time is used
// first: tokens, with 24 bits of generation, come again after a thousand million
// requests at the least.
func (f *InFlight[T]) release(s *inFlight[T], slot uint32) {
	var none T
	s.value, s.busy = none, false
	f.n--
	f.append(s, slot)
}

func (f *InFlight[T]) append(s *inFlight[T], slot uint32) {
	s.next = noSlot
	if f.newest == noSlot {
		f.oldest = slot
	} else {
		f.slot(f.newest).next = slot
	}
	f.newest = slot
}

func (f *InFlight[T]) grow() {
	first := f.slots()
	f.blocks = append(f.blocks, new([inFlightBlock]inFlight[T]))
	for i := first; i < first+inFlightBlock; i++ {
		f.append(f.slot(i), i)
	}
}
