//go:build uring_debug

package uring

import (
	"runtime/metrics"
	"weak"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
)

// Debug builds watch two rules that the package cannot keep for its callers.
//
// Memory that was given to a Prep method stays reachable until the request's
// last completion. A weak pointer tells when the collector has freed it. It is
// looked at when the entry is submitted, and, if the collector ran since, before
// each entry into the kernel and before completions are yielded.
//
// An entry is left alone after its submit. A Prep method knows by a number that
// its entry has gone. Who writes to fields is not noticed at once: entries are
// compared with what was submitted, until the next entry is taken. After that
// one may lie where the old one did, and a write to a field of that is not found.

// A ringWatch is what a ring knows for it.
type ringWatch struct {
	entries []*entryRecord     // taken since the last submit
	records []entryRecord      // by slot in the queue
	number  uint64             // of the entry that was taken last
	pending []heldMemory       // of the request that is being prepared
	flights map[uint64]*flight // requests in flight, by user data
	landed  []*flight          // to be used again
	given   []submittedEntry   // at the last submit
	cycles  uint64             // of the collector, at the last look
	sample  [1]metrics.Sample
}

// An entryWatch is what an SQE knows for it. The record is that of the slot in
// the queue, and is used again for another entry, which has another number.
type entryWatch struct {
	record *entryRecord
	number uint64
}

// An entryRecord is an entry that is not submitted yet.
type entryRecord struct {
	number uint64 // 0 when it is submitted
	sqe    *cgo.SQE
	held   []heldMemory
}

// A heldMemory is memory that a request uses.
type heldMemory struct {
	pointer weak.Pointer[byte]
	addr    uint64 // where it was
}

// A flight is the requests in flight that have the same user data.
type flight struct {
	n    int
	op   Op
	held []heldMemory
	msg  uint64 // the header of a zero-copy send, free after its result
}

// A submittedEntry is an entry and what it was like.
type submittedEntry struct {
	sqe  *cgo.SQE
	copy cgo.SQE
}

// taken notes that an entry was taken.
func (r *Ring) taken(sqe *cgo.SQE) entryWatch {
	r.forgetSubmitted() // it may lie where one of those did
	if r.records == nil {
		r.records = make([]entryRecord, r.q.SQEntries())
	}
	e := &r.records[r.q.Index(sqe)]
	if e.number == 0 {
		r.entries = append(r.entries, e)
	}
	r.ringWatch.number++
	e.number, e.sqe, e.held = r.ringWatch.number, sqe, e.held[:0]
	return entryWatch{e, e.number}
}

// checkQueued reports entries that are used after their submit.
func (s SQE) checkQueued() {
	if s.record == nil {
		return
	}
	invariant.Check(s.record.number == s.number,
		"an entry was used after its submit, when its place may belong to another request: take one for each request")
	invariant.Check(!s.ring.closed, "an entry of a closed ring was used")
}

// watch notes that the request that is being prepared uses what p points at.
func (s SQE) watch(p *byte) {
	if p != nil && cgo.OnGoHeap(p) {
		s.ring.pending = append(s.ring.pending, heldMemory{weak.Make(p), arena.AddrOf(p)})
	}
}

// prepared makes what was watched since the last time the memory of the
// request.
func (s SQE) prepared() {
	s.checkQueued()
	r := s.ring
	if s.record != nil {
		s.record.held = append(s.record.held[:0], r.pending...)
	}
	clear(r.pending)
	r.pending = r.pending[:0]
}

// submitting notes that the entries that were taken are submitted now. Those
// that the kernel leaves in the queue must be left alone, too.
func (r *Ring) submitting() {
	if r.gone() {
		return
	}
	r.checkSubmitted()
	r.forgetSubmitted()
	for _, e := range r.entries {
		r.fly(e)
		if r.flags&SetupSQRewind == 0 { // with it, entries are moved
			r.given = append(r.given, submittedEntry{e.sqe, *e.sqe})
		}
		e.number, e.sqe = 0, nil
	}
	r.entries = r.entries[:0]
}

// fly notes that the entry's request is in flight. One with SkipSuccess is over
// without anybody knowing when.
func (r *Ring) fly(e *entryRecord) {
	checkMemory(e.held, Op(e.sqe.Opcode), e.sqe.UserData)
	if e.sqe.Flags&cgo.SQECQESkipSuccess != 0 {
		return
	}
	f := r.flight(e.sqe.UserData)
	f.n++
	if len(e.held) > 0 {
		f.op, f.held = Op(e.sqe.Opcode), append(f.held, e.held...)
	}
	if e.sqe.Opcode == cgo.OpSendMsgZC {
		f.msg = e.sqe.Addr
	}
}

// flight returns the requests in flight that have the user data.
func (r *Ring) flight(userData uint64) *flight {
	f := r.flights[userData]
	if f != nil {
		return f
	}
	if n := len(r.landed); n > 0 {
		f, r.landed = r.landed[n-1], r.landed[:n-1]
		*f = flight{held: f.held[:0]}
	} else {
		f = &flight{}
	}
	if r.flights == nil {
		r.flights = map[uint64]*flight{}
	}
	r.flights[userData] = f
	return f
}

// completed notes a completion. Where several requests have the same user data
// nobody knows which of them it is of, and none is watched any more.
func (r *Ring) completed(c CQE) {
	f := r.flights[c.UserData]
	switch {
	case f == nil:
	case c.More():
		f.held = without(f.held, f.msg)
	case f.n == 1:
		delete(r.flights, c.UserData)
		r.landed = append(r.landed, f)
	default:
		f.n--
		f.held = f.held[:0]
	}
}

func without(held []heldMemory, addr uint64) []heldMemory {
	kept := held[:0]
	for _, h := range held {
		if h.addr != addr {
			kept = append(kept, h)
		}
	}
	return kept
}

// cancelled notes that requests are over whose completions are still to come.
func (r *Ring) cancelled() {
	for _, f := range r.flights {
		f.held = f.held[:0]
	}
}

// checkHeld reports memory that is gone too early.
func (r *Ring) checkHeld() {
	r.checkSubmitted()
	r.sample[0].Name = "/gc/cycles/total:gc-cycles"
	metrics.Read(r.sample[:])
	cycles := r.sample[0].Value.Uint64()
	if cycles == r.cycles {
		return
	}
	r.cycles = cycles
	for userData, f := range r.flights {
		checkMemory(f.held, f.op, userData)
	}
}

func checkMemory(held []heldMemory, op Op, userData uint64) {
	for _, h := range held {
		if h.pointer.Value() == nil {
			invariant.Check(false, "memory of a request was collected before its last completion (%v, user data %#x): keep it reachable, in an InFlight for example", op, userData)
		}
	}
}

// checkSubmitted reports entries that were written to after their submit. Close
// makes those do nothing that the kernel did not take.
func (r *Ring) checkSubmitted() {
	if r.closed {
		return // and there are no entries any more
	}
	for _, e := range r.given {
		nop := cgo.SQE{Opcode: cgo.OpNop, UserData: e.copy.UserData}
		if *e.sqe != e.copy && *e.sqe != nop {
			invariant.Check(false, "an entry was written to after its submit (%v, user data %#x)", Op(e.copy.Opcode), e.copy.UserData)
		}
	}
}

// forgetSubmitted is for when the slots of those entries are used again.
func (r *Ring) forgetSubmitted() { r.given = r.given[:0] }

// forgetPlaces is for when the queue has others.
func (r *Ring) forgetPlaces() {
	r.forgetSubmitted()
	r.records, r.entries = nil, nil
}
