package uring

import (
	"errors"
	"iter"

	"github.com/uring-go/uring/cgo"
)

// NextSQE128 is [Ring.NextSQE] for an entry of 128 bytes, which some commands
// need. On a ring with [SetupSQE128] every entry is one. On a ring with
// [SetupSQEMixed] it counts as two entries, and as three where the first would
// be the last of the queue: that one is filled with a request that does
// nothing, after which [Drain] fails. Linux 5.19. See io_uring_get_sqe128(3).
func (r *Ring) NextSQE128() (SQE, error) {
	switch {
	case r == nil || r.q == nil:
		return SQE{}, errNoRing
	case r.closed:
		return r.noEntry(ErrClosed)
	case r.flags&(SetupSQE128|SetupSQEMixed) == 0:
		return r.noEntry(errors.New("uring: NextSQE128: open the ring with SetupSQEMixed or SetupSQE128"))
	case r.flags&SetupSQE128 == 0 && r.q.SQEntries() < 2:
		return r.noEntry(errors.New("uring: NextSQE128: the submission queue holds one entry of 64 bytes only"))
	}
	r.checkSubmitted()
	taken := r.q.SQReady()
	sqe := r.q.NextSQE128()
	if sqe == nil {
		return r.noEntry(ErrSQFull)
	}
	if r.q.SQReady()-taken > 2 {
		r.silent++ // the one that does nothing
	}
	return SQE{SQE: sqe, entryWatch: r.taken(sqe), ring: r, wide: true}, nil
}

func (r *Ring) noEntry(err error) (SQE, error) { return SQE{SQE: r.none, ring: r}, err }

// SQESize returns the bytes of a submission entry in the queue of a ring with
// these flags, see [Ring.Flags]. Of [SetupSQEMixed] it is the size of a place,
// of which an entry of [Ring.NextSQE128] takes two. In C there is the binary
// logarithm of how many times 64 it is: io_uring_sqe_shift and
// io_uring_sqe_shift_from_flags.
func (f SetupFlags) SQESize() int {
	if f&SetupSQE128 != 0 {
		return 128
	}
	return 64
}

// CQESize returns the bytes of a completion in the queue of a ring with these
// flags. Of [SetupCQEMixed] it is the size of a place, of which a completion
// that is [CQE.Big] takes two. In C there is the binary logarithm of how many
// times 16 it is: io_uring_cqe_shift and io_uring_cqe_shift_from_flags.
func (f SetupFlags) CQESize() int {
	if f&SetupCQE32 != 0 {
		return 32
	}
	return 16
}

// Big says that the completion has 32 bytes, on a ring with [SetupCQEMixed],
// and so takes two places of the queue: in C io_uring_cqe_nr tells how many. On a
// ring with [SetupCQE32] all have.
func (c CQE) Big() bool { return c.Flags&cgo.CQEF32 != 0 }

// CompletionsBig is [Ring.Completions] for rings with [SetupCQE32] or
// [SetupCQEMixed]: it also yields the second 16 bytes of each completion, all
// zero for those that have none.
func (r *Ring) CompletionsBig() iter.Seq2[CQE, [2]uint64] {
	return func(yield func(CQE, [2]uint64) bool) {
		for c := range r.Completions() {
			if !yield(c, r.secondHalf(c)) {
				return
			}
		}
	}
}

// secondHalf returns the second half of the completion that was just taken. It
// is still in the queue, as the head has moved on our side only.
func (r *Ring) secondHalf(c CQE) [2]uint64 {
	switch {
	case r.flags.CQESize() == 32:
		return r.q.BigCQE(r.head - 1)
	case r.flags&SetupCQEMixed != 0 && c.Big():
		return r.q.BigCQE(r.head - 2)
	}
	return [2]uint64{}
}
