package uring

import (
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

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

// moveMemory takes along what belongs to an entry that moved from one place to
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
