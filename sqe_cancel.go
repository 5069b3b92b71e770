package uring

import "github.com/uring-go/uring/cgo"

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
// this one. See io_uring_prep_cancel64(3), and io_uring_prep_cancel(3) for what
// programs do whose user data are addresses.
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

// PrepCancelOp cancels requests with this opcode, sqe->opcode. Linux 6.6. See
// io_uring_prep_cancel64(3).
func (s SQE) PrepCancelOp(op uint8, flags CancelFlags) {
	s.prep(cgo.OpAsyncCancel, -1, 0, uint32(op), 0)
	s.OpFlags = uint32(flags) | cgo.AsyncCancelOp
}

// PrepCancelFDOp cancels requests on fd that have this opcode. Linux 6.6. See
// io_uring_prep_cancel_fd(3).
func (s SQE) PrepCancelFDOp(fd FD, op uint8, flags CancelFlags) {
	s.PrepCancelFD(fd, flags)
	s.Len = uint32(op)
	s.OpFlags |= cgo.AsyncCancelOp
}
