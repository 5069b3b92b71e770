package uring

import (
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// keepUnsubmitted deals with rings that have [SetupSQRewind], where each submit
// takes entries from the start of the queue and liburing forgets those that the
// kernel did not take, rc of queued. They move to the start.
func (r *Ring) keepUnsubmitted(queued uint32, rc int) {
	if r.flags&SetupSQRewind == 0 {
		return
	}
	taken := uint32(max(rc, 0))
	if taken >= queued {
		return
	}
	for i := taken; i < queued && taken > 0; i++ {
		s := r.q.MoveSQE(i, i-taken)
		r.moveSlotMemory(s, int(i), int(i-taken))
	}
	r.q.SetSQTail(queued - taken)
}

// moveSlotMemory gives an entry that moved the memory of its new place, and
// what was in that of its old place.
func (r *Ring) moveSlotMemory(s *cgo.SQE, from, to int) {
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
