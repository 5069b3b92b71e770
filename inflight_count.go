package uring

import (
	"slices"

	"github.com/uring-go/uring/cgo"
)

// InFlight returns how many requests the kernel has been given and has not
// reported the end of: those whose last completion was not taken yet, see
// [CQE.More]. A zero-copy send counts until its notification. A server that is
// to end cancels, or lets its requests end, and handles completions until it is 0.
//
// It costs nothing to keep: what the kernel took from the submission queue,
// less the completions that were taken. So a request with [SkipSuccess] that
// succeeded goes on counting, and a completion that no request of this ring has
// makes the number too small, even negative: a message from another ring or
// [Ring.SyncMsg], the tag of something registered, or the notification of a
// zero-copy send in a chain after a request that failed: Prep methods refuse that.
func (r *Ring) InFlight() int {
	if r.gone() {
		return 0
	}
	given := r.rewound
	if r.flags&SetupSQRewind == 0 {
		given = r.q.SQGiven() - (r.silent - r.q.SQSilent())
	}
	return int(int32(given - r.ended))
}

// end counts a completion that was taken, if it is the last of its request. It
// is on the path of each completion, and so without a branch.
func (r *Ring) end(flags uint32) { r.ended += ^flags / cgo.CQEFMore & 1 }

// countsAll reports whether InFlight is exact: nothing that is known makes it
// differ from the truth.
func (r *Ring) countsAll() bool { return !r.skips && !r.extra.Load() }

// tagged notes that completions may come for what is registered.
func (r *Ring) tagged(tags []uint64) {
	if slices.ContainsFunc(tags, func(tag uint64) bool { return tag != 0 }) {
		r.extra.Store(true)
	}
}

// readyEnds returns how many of the completions that are ready are the last of
// their request.
func (r *Ring) readyEnds() int {
	n := uint32(0)
	_, tail := r.q.CQ()
	for i := r.head; int32(tail-i) > 0; {
		e, next, ok := r.q.CQE(i)
		if i = next; ok {
			n += ^e.Flags / cgo.CQEFMore & 1
		}
	}
	return int(n)
}
