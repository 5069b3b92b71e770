package uring

import (
	"errors"
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
