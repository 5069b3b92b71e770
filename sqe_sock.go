package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// PrepBind gives a socket its own address, which is copied. Linux 6.11. See
// io_uring_prep_bind(3).
func (s SQE) PrepBind(fd FD, addr Sockaddr) {
	m := s.slotMemory()
	n := copy(m, addr.bytes())
	s.prep(cgo.OpBind, fd, arena.Addr(m), 0, uint64(n))
}

// PrepListen makes a socket one that accepts connections, of which backlog may
// wait. Linux 6.11. See io_uring_prep_listen(3).
func (s SQE) PrepListen(fd FD, backlog int) {
	s.prep(cgo.OpListen, fd, 0, uint32(backlog), 0)
}

// PrepAcceptAddr is [SQE.PrepAccept] that puts where the connection comes from
// into peer, which must stay reachable until the completion. There is none for
// multishot accepts, as each connection would overwrite it: use
// [SQE.PrepGetpeername]. See io_uring_prep_accept(3).
func (s SQE) PrepAcceptAddr(fd FD, flags int, peer *Sockaddr) {
	s.prepAcceptAddr(cgo.OpAccept, fd, flags, peer, 0)
}

func (s SQE) prepAcceptAddr(op uint8, fd FD, flags int, peer *Sockaddr, fileIndex uint32) {
	addr, n := peer.room(s)
	s.prep(op, fd, addr, 0, n)
	s.OpFlags = uint32(flags)
	s.opens(fileIndex)
}

// PrepAcceptAddrDirect is [SQE.PrepAcceptDirect] that puts where the connection
// comes from into peer, which must stay reachable until the completion. See
// io_uring_prep_accept_direct(3).
func (s SQE) PrepAcceptAddrDirect(fd FD, flags int, peer *Sockaddr, d Direct) {
	s.prepAcceptAddr(cgo.OpAccept, fd, flags, peer, d.fileIndex())
}

// AcceptFlags change how the kernel goes about accepting. The SOCK_ flags of
// accept4(2) are another set.
type AcceptFlags uint16

// The flags of [SQE.SetAcceptFlags].
const (
	// AcceptDontWait fails with EAGAIN if no connection is there, or after the
	// last one that is, if multishot.
	AcceptDontWait AcceptFlags = cgo.AcceptDontWait
	// AcceptPollFirst waits before the first try, which is wasted where no
	// connection is expected yet.
	AcceptPollFirst AcceptFlags = cgo.AcceptPollFirst
)

// SetAcceptFlags adds flags to an accept request. Call it after the Prep method.
// Linux 6.10; older kernels fail the request with EINVAL. See
// io_uring_prep_accept(3).
func (s SQE) SetAcceptFlags(f AcceptFlags) error {
	s.checkQueued()
	if s.Opcode != cgo.OpAccept {
		return s.refuse(errors.New("uring: SetAcceptFlags goes with the Prep methods that accept"))
	}
	if f&^(AcceptDontWait|AcceptPollFirst) != 0 {
		return s.refuse(fmt.Errorf("uring: accept flags %#x: those of accept4 go to the Prep method", uint16(f)))
	}
	s.IOPrio |= uint16(f)
	return nil
}

// PrepGetsockopt reads a socket option into value, also of a direct descriptor;
// the result is its length. Only options of SOL_SOCKET can be read. value must
// stay reachable until the completion. Linux 6.7. See io_uring_prep_cmd_sock(3).
func (s SQE) PrepGetsockopt(fd FD, level, name int, value []byte) {
	addr := s.address(value)
	s.prep(cgo.OpUringCmd, fd, words(uint32(level), uint32(name)), 0, words(cgo.SocketOpGetsockopt, 0))
	s.FileIndex = uint32(len(value))
	s.Addr3 = addr
}

// PrepGetsockname puts a socket's own address into addr, which must stay
// reachable until the completion. Linux 6.19. See
// io_uring_prep_cmd_getsockname(3).
func (s SQE) PrepGetsockname(fd FD, addr *Sockaddr) { s.prepName(fd, addr, 0) }

// PrepGetpeername puts the address of a socket's peer into addr, which must
// stay reachable until the completion. Linux 6.19. See
// io_uring_prep_cmd_getsockname(3).
func (s SQE) PrepGetpeername(fd FD, addr *Sockaddr) { s.prepName(fd, addr, 1) }

func (s SQE) prepName(fd FD, addr *Sockaddr, peer uint32) {
	at, n := addr.room(s)
	s.prep(cgo.OpUringCmd, fd, at, 0, words(cgo.SocketOpGetsockname, 0))
	s.FileIndex = peer
	s.Addr3 = n
}

// PrepSIOCINQ asks how many bytes a socket has received that were not read yet;
// for a datagram socket it is the length of the next datagram. Linux 6.7. See
// io_uring_prep_cmd_sock(3).
func (s SQE) PrepSIOCINQ(fd FD) { s.prep(cgo.OpUringCmd, fd, 0, 0, words(cgo.SocketOpSIOCINQ, 0)) }

// PrepSIOCOUTQ asks how many bytes that were sent to a socket its peer has not
// acknowledged yet. Linux 6.7. See io_uring_prep_cmd_sock(3).
func (s SQE) PrepSIOCOUTQ(fd FD) { s.prep(cgo.OpUringCmd, fd, 0, 0, words(cgo.SocketOpSIOCOUTQ, 0)) }

// PrepTxTimestampMultishot completes for each time stamp of something that was
// sent, as SO_TIMESTAMPING makes the socket take them, until a completion comes
// without [CQE.More]. The result is the key of what was sent, and the second
// half of the completion the time: the ring needs [SetupCQE32] or
// [SetupCQEMixed]. In the completion's Flags bit 16 (IORING_CQE_F_TSTAMP_HW,
// at IORING_TIMESTAMP_HW_SHIFT) says that the device took the time, and those
// from bit 17 on (IORING_TIMESTAMP_TYPE_SHIFT) at which point. Linux 6.17. See io_uring_prep_cmd_sock(3).
func (s SQE) PrepTxTimestampMultishot(fd FD) error {
	if s.ring.flags&(SetupCQE32|SetupCQEMixed) == 0 {
		return s.refuse(errors.New("uring: time stamps need completions of 32 bytes: open the ring with SetupCQE32 or SetupCQEMixed"))
	}
	s.prep(cgo.OpUringCmd, fd, 0, 0, words(cgo.SocketOpTXTimestamp, 0))
	return nil
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

// PrepRecvFixed is [SQE.PrepRecv] into a part p of a registered buffer.
// Linux 7.2. See io_uring_prep_recv(3).
func (s SQE) PrepRecvFixed(fd FD, b RegBuf, p []byte, msgFlags int) error {
	if err := s.checkBuffer(b, p); err != nil {
		return s.refuse(err)
	}
	s.PrepRecv(fd, p, msgFlags)
	s.IOPrio = cgo.RecvSendFixedBuf
	s.BufIndex = b.index
	return nil
}

// PrepSendBundle sends buffers of a group that the program keeps account of, up
// to n bytes or all there are if n is 0. There are completions, each of which
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

// PrepRecvZCMultishot receives again and again into the memory of a [ZCRX], at
// most n bytes or without a limit if n is 0, until a completion comes without
// [CQE.More]. Hand every completion to [ZCRX.Segment]. The connection must be
// one whose data the device steers to the queue of the ZCRX; other data is
// copied there.
//
// It ends with ENOSPC when it finds the completion queue full, and with ENOMEM
// when all buffers are in use. No data is lost: give buffers back, with
// [ZCRX.Flush] if no device takes them, and prepare it again. Linux 7.1 may
// wait for more data instead, although there is some; cancel it then.
//
// It needs Linux 6.15. liburing has no helper for it: see
// IORING_OP_RECV_ZC in io_uring_enter(2).
func (s SQE) PrepRecvZCMultishot(fd FD, zcrx ZCRXID, n uint32) error {
	if s.ring.flags&(SetupCQE32|SetupCQEMixed) == 0 {
		return s.refuse(errors.New("uring: a zero-copy receive needs completions of 32 bytes: open the ring with SetupCQE32 or SetupCQEMixed"))
	}
	s.prep(cgo.OpRecvZC, fd, 0, n, 0)
	s.IOPrio = cgo.RecvMultishot
	s.FileIndex = uint32(zcrx)
	return nil
}
