package uring

import (
	"encoding/binary"

	"github.com/uring-go/uring/cgo"
)

// PollMask is a set of events as in poll(2), plus the EPOLL flags that the
// kernel also takes.
type PollMask uint32

// PrepPollAdd completes when fd is ready for one of the events; the result is
// the mask of those that occurred. Errors, hang-ups and the end of what a peer
// sends count without being asked for, so that events may be 0. See io_uring_prep_poll_add(3).
func (s SQE) PrepPollAdd(fd FD, events PollMask) {
	s.prep(cgo.OpPollAdd, fd, 0, 0, 0)
	s.OpFlags = pollWord(events)
}

// PrepPollAddMultishot completes each time that fd becomes ready, until a
// completion comes without [CQE.More]. Linux 5.13. See
// io_uring_prep_poll_multishot(3).
func (s SQE) PrepPollAddMultishot(fd FD, events PollMask) {
	s.PrepPollAdd(fd, events)
	s.Len = cgo.PollAddMulti
}

// PrepPollRemove ends the poll request with this user data. See
// io_uring_prep_poll_remove(3).
func (s SQE) PrepPollRemove(userData uint64) {
	s.prep(cgo.OpPollRemove, -1, userData, 0, 0)
}

// PollUpdateFlags say what of a poll request changes, and how it goes on.
type PollUpdateFlags uint32

// The flags of [SQE.PrepPollUpdate].
const (
	// PollUpdateEvents changes the events.
	PollUpdateEvents PollUpdateFlags = cgo.PollUpdateEvents
	// PollUpdateUserData changes the user data.
	PollUpdateUserData PollUpdateFlags = cgo.PollUpdateUserData
	// PollAddMulti keeps a multishot request one when its events change.
	PollAddMulti PollUpdateFlags = cgo.PollAddMulti
)

// PrepPollUpdate changes the events of the poll request with the user data old,
// its user data, or both, as flags say. The result is 0, ENOENT if there is
// none, or EALREADY if it is just completing. Linux 5.13. See
// io_uring_prep_poll_update(3).
//
// Some kernels forget the request if one of the new events is there already: it
// never completes, cannot be cancelled, and keeps what the kernel has of the ring
// for good. 6.12.43 to 6.12.57, 6.16.12 and 6.17.13 do so, 6.1.176, 6.12.73 and
// 6.18.15 do not. [KernelBugs] cannot tell without losing a ring in that way. On
// kernels before 6.18 rather remove the request, and prepare another.
func (s SQE) PrepPollUpdate(old, userData uint64, events PollMask, flags PollUpdateFlags) {
	s.prep(cgo.OpPollRemove, -1, old, uint32(flags), userData)
	s.OpFlags = pollWord(events)
}

// pollWord swaps the halves on big-endian machines, as the kernel wants it.
func pollWord(events PollMask) uint32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return uint32(events)
	}
	return uint32(events)<<16 | uint32(events)>>16
}
