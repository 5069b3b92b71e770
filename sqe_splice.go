package uring

import "github.com/uring-go/uring/cgo"

// SpliceFlags change how splice and tee work.
type SpliceFlags uint32

// The flags of splice and tee.
const (
	SpliceMove     SpliceFlags = cgo.SpliceMove     // move pages if possible
	SpliceNonblock SpliceFlags = cgo.SpliceNonblock // do not wait for the pipe
	SpliceMore     SpliceFlags = cgo.SpliceMore     // more will follow, as MSG_MORE
)

// PrepSplice moves up to n bytes from in to out, one of which must be a pipe,
// without a copy to user memory. inOff and outOff are [CurrentOffset] for a
// pipe, and for the file's own position. The result may be short. With O_NONBLOCK,
// which all descriptors of packages net and os have, or [SpliceNonblock], it fails
// with EAGAIN in place of waiting for data or room: [SQE.PrepPollAdd] waits. See
// io_uring_prep_splice(3).
func (s SQE) PrepSplice(in FD, inOff uint64, out FD, outOff uint64, n uint32, flags SpliceFlags) {
	s.prep(cgo.OpSplice, out, inOff, n, outOff)
	s.spliceFrom(in, flags)
}

// PrepTee copies up to n bytes from the pipe in to the pipe out and leaves
// them in the first. It fails with EAGAIN in place of waiting as [SQE.PrepSplice]
// does. See io_uring_prep_tee(3).
func (s SQE) PrepTee(in, out FD, n uint32, flags SpliceFlags) {
	s.prep(cgo.OpTee, out, 0, n, 0)
	s.spliceFrom(in, flags)
}

func (s SQE) spliceFrom(in FD, flags SpliceFlags) {
	s.OpFlags = uint32(flags)
	s.FileIndex = uint32(in)
	if in.IsDirect() {
		// Named by a flag of its own: the entry's is for out.
		s.FileIndex = uint32(in &^ directBit)
		s.OpFlags |= cgo.SpliceFDInFixed
	}
}
