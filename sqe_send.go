package uring

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// PrepSend sends p, which must stay reachable, and unchanged, until the
// completion. The result may be short; with MSG_WAITALL the kernel goes on by
// itself. See io_uring_prep_send(3).
func (s SQE) PrepSend(fd FD, p []byte, msgFlags int) {
	s.prep(cgo.OpSend, fd, s.address(p), length(p), 0)
	s.OpFlags = uint32(msgFlags)
}

// PrepSendMsg sends m, which must stay as it is until the completion. See
// io_uring_prep_sendmsg(3).
func (s SQE) PrepSendMsg(fd FD, m *Msg, msgFlags int) { s.prepMsg(cgo.OpSendMsg, fd, m, msgFlags) }

func (s SQE) prepMsg(op uint8, fd FD, m *Msg, msgFlags int) {
	s.prep(op, fd, s.message(m, true), 1, 0)
	s.OpFlags = uint32(msgFlags)
}

// PrepSendTo sends p to an address, which is copied. See [SQE.PrepSend],
// io_uring_prep_sendto(3).
func (s SQE) PrepSendTo(fd FD, p []byte, msgFlags int, to Sockaddr) {
	s.PrepSend(fd, p, msgFlags)
	s.setAddr(to)
}

// PrepSendSetAddr makes a send that [SQE.PrepSend], [SQE.PrepSendZC] or
// [SQE.PrepSendZCFixed] prepared one to an address, which is copied. Linux 6.0.
// See io_uring_prep_send_set_addr(3).
func (s SQE) PrepSendSetAddr(to Sockaddr) error {
	if s.Opcode != cgo.OpSend && s.Opcode != cgo.OpSendZC {
		return s.refuse(errors.New("uring: PrepSendSetAddr on a request that is no send: prepare the send first"))
	}
	s.setAddr(to)
	return nil
}

func (s SQE) setAddr(to Sockaddr) {
	s.checkQueued()
	m := s.slotMemory()
	n := copy(m, to.bytes())
	s.Off = arena.Addr(m)
	s.FileIndex = halves(uint16(n), 0) // addr_len
}

// PrepSendVectorized sends parts, one after the other, as [SQE.PrepSend] sends
// one: a message without a header. The slice of parts, at most 1024, is copied;
// what they point at must stay reachable, and unchanged, until the completion.
// Linux 6.17, see [HaveSendVectorized]. See io_uring_prep_send(3).
func (s SQE) PrepSendVectorized(fd FD, parts [][]byte, msgFlags int) error {
	return s.prepSendParts(cgo.OpSend, fd, parts, msgFlags, 0)
}

// PrepSendFixed is [SQE.PrepSend] from a part p of a registered buffer.
// Linux 7.2, see [HaveSendFixed]. See io_uring_prep_send(3).
func (s SQE) PrepSendFixed(fd FD, b RegBuf, p []byte, msgFlags int) error {
	if err := s.checkBuffer(b, p); err != nil {
		return s.refuse(err)
	}
	s.PrepSend(fd, p, msgFlags)
	s.IOPrio = cgo.RecvSendFixedBuf
	s.BufIndex = b.index
	return nil
}

// PrepSendBundle sends buffers of a group that the program keeps account of, such
// as a [RawBufRing], up to n bytes or all there are if n is 0. There are completions, each of which
// names the first buffer of those it covers, until one comes without
// [CQE.More]. A [SendQueue] does that with less to go wrong, and its groups are refused
// here. Linux 6.10. See io_uring_prep_send_bundle(3).
func (s SQE) PrepSendBundle(fd FD, group uint16, n uint32, msgFlags int) error {
	if err := s.checkGroup(group); err != nil {
		return err
	}
	s.prep(cgo.OpSend, fd, 0, n, 0)
	s.OpFlags = uint32(msgFlags)
	s.IOPrio = cgo.RecvSendBundle
	return s.SetBufGroup(group)
}

// PrepSendZC sends p without copying it. Two completions follow: the result,
// with [CQE.More], and when the kernel is done with the memory a notification,
// see [CQE.Notif]. p must stay reachable, and unchanged, until then. Without
// More on the first there is no second.
//
// UNIX sockets do not support it, and neither do connections accepted from a
// listener for multipath TCP, which is what net.Listen makes unless
// [net.ListenConfig.SetMultipathTCP] turns it off: EOPNOTSUPP. A zero-copy send
// may start a chain of linked requests, but not follow in one: after a failed link
// the kernel posts its notification, and does not announce it. On a ring that has
// had a request with [Drain] it is refused on all kernels that were looked at, where
// it would never start, or the Drain not wait: see [KernelBugs]. Linux 6.0. See
// io_uring_prep_send_zc(3).
func (s SQE) PrepSendZC(fd FD, p []byte, msgFlags int, flags IOFlags) error {
	if err := s.checkZC(p, flags); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpSendZC, fd, s.address(p), uint32(len(p)), 0)
	s.OpFlags = uint32(msgFlags)
	s.IOPrio = uint16(flags)
	return s.allowed()
}

// PrepSendZCFixed is [SQE.PrepSendZC] from a part p of a registered buffer,
// whose pages the kernel need not look up. See io_uring_prep_send_zc_fixed(3).
func (s SQE) PrepSendZCFixed(fd FD, b RegBuf, p []byte, msgFlags int, flags IOFlags) error {
	if err := s.checkBuffer(b, p); err != nil {
		return s.refuse(err)
	}
	if err := s.PrepSendZC(fd, p, msgFlags, flags); err != nil {
		return err
	}
	s.IOPrio |= cgo.RecvSendFixedBuf
	s.BufIndex = b.index
	return nil
}

// PrepSendZCVectorized is [SQE.PrepSendVectorized] without copying, as
// [SQE.PrepSendZC]: what the parts point at must stay reachable, and unchanged,
// until the notification. Linux 6.17. See io_uring_prep_send_zc(3).
func (s SQE) PrepSendZCVectorized(fd FD, parts [][]byte, msgFlags int, flags IOFlags) error {
	if err := s.checkZC(nil, flags); err != nil {
		return s.refuse(err)
	}
	return s.prepSendParts(cgo.OpSendZC, fd, parts, msgFlags, flags)
}

func (s SQE) prepSendParts(op uint8, fd FD, parts [][]byte, msgFlags int, flags IOFlags) error {
	addr, err := s.keepIovecs(parts)
	if err != nil {
		return err
	}
	s.prep(op, fd, addr, uint32(len(parts)), 0)
	s.OpFlags = uint32(msgFlags)
	s.IOPrio = uint16(flags) | cgo.SendVectorized
	return s.allowed()
}

// PrepSendMsgZC is [SQE.PrepSendZC] for a message of several parts, at most
// 1024. m itself may be used again after the first completion. Linux 6.1. See
// io_uring_prep_sendmsg_zc(3).
func (s SQE) PrepSendMsgZC(fd FD, m *Msg, msgFlags int, flags IOFlags) error {
	if err := s.checkZC(nil, flags); err != nil {
		return s.refuse(err)
	}
	s.prepMsg(cgo.OpSendMsgZC, fd, m, msgFlags)
	s.IOPrio = uint16(flags)
	return s.allowed()
}

// PrepSendMsgZCFixed is [SQE.PrepSendMsgZC] for parts that all lie in one
// registered buffer, none of them empty. Linux 6.15. See
// io_uring_prep_sendmsg_zc_fixed(3).
func (s SQE) PrepSendMsgZCFixed(fd FD, b RegBuf, m *Msg, msgFlags int, flags IOFlags) error {
	if err := s.checkParts(b, m.parts); err != nil {
		return s.refuse(err)
	}
	if err := s.PrepSendMsgZC(fd, m, msgFlags, flags); err != nil {
		return err
	}
	s.IOPrio |= cgo.RecvSendFixedBuf
	s.BufIndex = b.index
	return nil
}

// heldZC returns the error of a zero-copy send and a Drain on one ring, if the Drain may
// hold back the send.
func heldZC() error { return mixesDrain(cmp.Or(bugHeldZC.off(), bugUncountedZC.off())) }

// holdsZC returns the error of a zero-copy send that would be held back as things are.
func (r *Ring) holdsZC() error {
	if !r.drained {
		return nil
	}
	return heldZC()
}

// uncountedZC is heldZC where the send comes first.
func uncountedZC() error { return mixesDrain(bugUncountedZC.off()) }

func mixesDrain(err error) error {
	if err != nil {
		err = wrapf("zero-copy sends and Drain do not go together on this kernel, use a ring for each: %w", err)
	}
	return err
}

func (s SQE) checkZC(p []byte, flags IOFlags) error {
	if err := s.ring.holdsZC(); err != nil {
		return err
	}
	if s.linked() {
		return errors.New("uring: a zero-copy send must not follow a request with Link or HardLink: its notification would come unannounced; it may start a chain")
	}
	if flags&Bundle != 0 {
		return errors.New("uring: a zero-copy send takes no provided buffers, and so no Bundle")
	}
	if other := flags &^ (PollFirst | ReportUsage); other != 0 {
		return fmt.Errorf("uring: I/O flags %#x do not go with a zero-copy send", uint16(other))
	}
	if int64(len(p)) > math.MaxInt32 {
		return fmt.Errorf("uring: send of %d bytes, one request takes at most %d", len(p), math.MaxInt32)
	}
	s.ring.sentZC = true
	return nil
}
