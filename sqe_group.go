package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/invariant"
)

// Groups of buffers that are handed to the kernel by requests are what there
// was before buffer rings. They are here for the sake of completeness: each
// buffer must be handed over again after use, by another request, and nothing
// keeps account of them. Use [Ring.NewBufRing].

const maxGroupBuffers = 1 << 16

var errRingGroup = errors.New("uring: the buffer group belongs to a BufRing or SendQueue of the ring; use another")

// PrepProvideBuffers hands mem to the kernel as buffers of size bytes each,
// which get the numbers from first on in the given group. A request with
// [SQE.SetBufGroup] picks one. Its completion carries the buffer's number,
// [CQE.BufferID]; the buffer then belongs to the program again. mem must stay
// reachable until all of its buffers do.
//
// This is not recommended: [Ring.NewBufRing] is faster, and keeps account. See
// io_uring_prep_provide_buffers(3).
func (s SQE) PrepProvideBuffers(mem []byte, size int, group, first uint16) error {
	if size < 1 || len(mem) == 0 || len(mem)%size != 0 {
		return s.refuse(fmt.Errorf("uring: %d bytes are no whole number of buffers of %d bytes", len(mem), size))
	}
	n := len(mem) / size
	if int(first)+n > maxGroupBuffers {
		return s.refuse(fmt.Errorf("uring: %d buffers from number %d on, a group has %d", n, first, maxGroupBuffers))
	}
	if err := s.checkGroup(group); err != nil {
		return err
	}
	s.ring.unwatch() // their completions may have the number of a BufRing's buffer
	s.prep(cgo.OpProvideBuffers, 0, s.address(mem), uint32(size), uint64(first))
	s.SQE.FD = int32(n)
	s.BufIndex = group
	return nil
}

// PrepRemoveBuffers takes up to n buffers that were handed over with
// [SQE.PrepProvideBuffers] from the group again. The result is how many. Not
// recommended. See io_uring_prep_remove_buffers(3).
func (s SQE) PrepRemoveBuffers(n int, group uint16) error {
	if n < 1 || n > maxGroupBuffers {
		return s.refuse(fmt.Errorf("uring: %d buffers to remove, want 1 to %d", n, maxGroupBuffers))
	}
	if err := s.checkGroup(group); err != nil {
		return err
	}
	s.prep(cgo.OpRemoveBuffers, 0, 0, 0, 0)
	s.SQE.FD = int32(n)
	s.BufIndex = group
	return nil
}

// SetBufGroup makes a read or receive without memory of its own, such as
// PrepRecv(fd, nil, 0), or a send such as PrepSend(fd, nil, 0), use a buffer of the
// group: a [RawBufRing], or what [SQE.PrepProvideBuffers] handed over. Set Len to limit the bytes. Call it after the Prep
// method. For a [BufRing] there are Prep methods that do it. See
// io_uring_sqe_set_buf_group(3).
func (s SQE) SetBufGroup(group uint16) error {
	if invariant.On {
		s.checkQueued()
	}
	if err := s.checkGroup(group); err != nil {
		return err
	}
	if s.Refused() {
		return errRefused
	}
	s.Flags |= cgo.SQEBufferSelect
	s.BufIndex = group
	return nil
}

// checkGroup refuses groups that something keeps account of.
func (s SQE) checkGroup(group uint16) error {
	s.mustBe()
	if _, taken := s.ring.groups[group]; taken && s.ring.rawRings[group] == nil {
		return s.refuse(errRingGroup)
	}
	return nil
}

// PrepRecvMultishotGroup is [SQE.PrepRecvMultishot] into buffers of a group that
// the program keeps account of: a [RawBufRing], or what [SQE.PrepProvideBuffers]
// handed over. Linux 6.0. See io_uring_prep_recv_multishot(3).
func (s SQE) PrepRecvMultishotGroup(fd FD, group uint16, flags IOFlags) error {
	if flags&^(PollFirst|Bundle) != 0 {
		return s.refuse(fmt.Errorf("uring: I/O flags %#x do not go with a receive", uint16(flags&^(PollFirst|Bundle))))
	}
	if err := s.checkGroup(group); err != nil {
		return err
	}
	s.prep(cgo.OpRecv, fd, 0, 0, 0)
	s.IOPrio = uint16(flags) | cgo.RecvMultishot
	return s.SetBufGroup(group)
}

// PrepRecvMsgMultishotGroup is [SQE.PrepRecvMsgMultishot] into buffers of a group
// that the program keeps account of, see [SQE.PrepRecvMultishotGroup]. Linux 6.0.
// See io_uring_prep_recvmsg_multishot(3).
func (s SQE) PrepRecvMsgMultishotGroup(fd FD, group uint16, m *Msg, msgFlags int) error {
	if err := s.checkGroup(group); err != nil {
		return err
	}
	m.makeRoom()
	s.prep(cgo.OpRecvMsg, fd, s.message(m, false), 1, 0)
	s.OpFlags = uint32(msgFlags)
	s.IOPrio = cgo.RecvMultishot
	return s.SetBufGroup(group)
}

// PrepReadMultishotGroup is [SQE.PrepReadMultishot] into buffers of a group that
// the program keeps account of, see [SQE.PrepRecvMultishotGroup]. Linux 6.7. See
// io_uring_prep_read_multishot(3).
func (s SQE) PrepReadMultishotGroup(fd FD, group uint16) error {
	if err := s.checkGroup(group); err != nil {
		return err
	}
	s.prep(cgo.OpReadMultishot, fd, 0, 0, CurrentOffset)
	return s.SetBufGroup(group)
}
