package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// IOFlags change how the kernel carries out a send or receive. They go into
// sqe->ioprio; MSG_ flags are another set.
type IOFlags uint16

// The I/O flags.
const (
	// PollFirst waits for the socket before the first try. A receive with
	// provided buffers then also waits when the buffers are used up, instead
	// of failing with ENOBUFS at once. Multishot receives refuse it: when data
	// and the end, a reset on TCP or a close on a UNIX socket, are both there
	// before the receive is, some kernels report the data and never the end
	// (of a UNIX socket: 6.17.13 to 7.2, see [KernelBugs]). A worker thread
	// of the kernel does not wait: behind a Link to a request that one carries
	// out, a send or receive with PollFirst fails with EAGAIN. Linux 5.19.
	PollFirst IOFlags = cgo.RecvSendPollFirst
	// Bundle lets one completion cover as many provided buffers as it takes.
	// Linux 6.10.
	Bundle IOFlags = cgo.RecvSendBundle
	// ReportUsage makes the notification of a zero-copy send say whether the
	// data was copied: [CQE.Copied]. Linux 6.2.
	ReportUsage IOFlags = cgo.SendZCReportUsage
)

// Flags of Linux that the package syscall does not have on other systems, where
// programs that use them are to compile.
const (
	// CloseOnExec is SOCK_CLOEXEC, for [SQE.PrepAccept] and those like it, and
	// for [SQE.PrepSocket], where it is added to the type.
	CloseOnExec = cgo.SockCloexec
	// NoSignal is MSG_NOSIGNAL, for sends: a broken connection is an error only.
	NoSignal = cgo.MsgNoSignal
)

// SetIOFlags adds flags to a send or receive of memory of the caller's: [PollFirst]
// is the one that they take. Call it after the Prep method; those with an argument
// for IOFlags need no call. Linux 5.19. See io_uring_prep_send(3) and
// io_uring_prep_recv(3).
func (s SQE) SetIOFlags(f IOFlags) error {
	s.checkQueued()
	switch s.Opcode {
	case cgo.OpSend, cgo.OpRecv, cgo.OpSendMsg, cgo.OpRecvMsg:
	default:
		return s.refuse(errors.New("uring: SetIOFlags goes with the Prep methods that send and receive"))
	}
	if f&^PollFirst != 0 {
		return s.refuse(fmt.Errorf("uring: I/O flags %#x: SetIOFlags takes PollFirst", uint16(f)))
	}
	if s.Flags&cgo.SQEBufferSelect != 0 && s.ring.bufRings[s.BufIndex] != nil {
		return s.refuse(errors.New("uring: SetIOFlags does not go with a buffer ring: its Prep methods take the flags that do"))
	}
	s.IOPrio |= uint16(f)
	return nil
}

// PrepSocket opens a socket. The result is its descriptor. Linux 5.19. See
// io_uring_prep_socket(3).
func (s SQE) PrepSocket(domain, typ, protocol int) {
	s.prepSocket(cgo.OpSocket, domain, typ, protocol, 0)
}

func (s SQE) prepSocket(op uint8, domain, typ, protocol int, fileIndex uint32) {
	s.prep(op, 0, 0, uint32(protocol), uint64(typ))
	s.SQE.FD = int32(domain)
	s.opens(fileIndex)
}

// PrepSocketDirect opens a socket in slot d of the table of direct
// descriptors. With [DirectAlloc] the result is the slot. SOCK_CLOEXEC means
// nothing there and is refused by the kernel. See io_uring_prep_socket_direct(3)
// and io_uring_prep_socket_direct_alloc(3).
func (s SQE) PrepSocketDirect(domain, typ, protocol int, d Direct) {
	s.prepSocket(cgo.OpSocket, domain, typ, protocol, d.fileIndex())
}

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

// PrepConnect connects a socket. The address is copied. See
// io_uring_prep_connect(3).
func (s SQE) PrepConnect(fd FD, addr Sockaddr) {
	m := s.slotMemory()
	n := copy(m, addr.bytes())
	s.prep(cgo.OpConnect, fd, arena.Addr(m), 0, uint64(n))
}

// PrepAccept accepts a connection; the result is its descriptor. flags are
// those of accept4(2). See io_uring_prep_accept(3).
func (s SQE) PrepAccept(fd FD, flags int) { s.prepAccept(cgo.OpAccept, fd, flags, 0, 0) }

func (s SQE) prepAccept(op uint8, fd FD, flags int, accept AcceptFlags, fileIndex uint32) {
	s.prep(op, fd, 0, 0, 0)
	s.OpFlags = uint32(flags)
	s.IOPrio = uint16(accept)
	s.opens(fileIndex)
}

// PrepAcceptMultishot accepts connections until a completion comes without
// [CQE.More]. Linux 5.19. See io_uring_prep_multishot_accept(3).
func (s SQE) PrepAcceptMultishot(fd FD, flags int) {
	s.prepAccept(cgo.OpAccept, fd, flags, cgo.AcceptMultishot, 0)
}

// PrepAcceptDirect accepts a connection into slot d of the table of direct
// descriptors. With [DirectAlloc] the result is the slot. SOCK_CLOEXEC means
// nothing there and is refused by the kernel. See io_uring_prep_accept_direct(3).
func (s SQE) PrepAcceptDirect(fd FD, flags int, d Direct) {
	s.prepAccept(cgo.OpAccept, fd, flags, 0, d.fileIndex())
}

// PrepAcceptMultishotDirect accepts connections into slots that the kernel
// picks; each result is one. See io_uring_prep_multishot_accept_direct(3).
func (s SQE) PrepAcceptMultishotDirect(fd FD, flags int) {
	s.prepAccept(cgo.OpAccept, fd, flags, cgo.AcceptMultishot, cgo.FileIndexAlloc)
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

// PrepShutdown shuts down one or both directions of a connection. See
// io_uring_prep_shutdown(3).
func (s SQE) PrepShutdown(fd FD, how int) {
	s.prep(cgo.OpShutdown, fd, 0, uint32(how), 0)
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
	s.prepCommand(cgo.OpUringCmd, fd, at, cgo.SocketOpGetsockname)
	s.FileIndex = peer
	s.Addr3 = n
}

// PrepSetsockopt sets a socket option, also of a direct descriptor. The value,
// of at most 128 bytes, is copied; integers are in the machine's own byte
// order. The request must not follow one with Link or HardLink, takes no Async
// and no Drain, and is refused once the ring has had a request with Drain, which
// holds back those after it: [SQE.PrepSetsockoptHeld] has no such limits. Linux
// 6.7; many kernels up to 6.18 answer EOPNOTSUPP for UNIX sockets. See
// io_uring_prep_cmd_sock(3).
func (s SQE) PrepSetsockopt(fd FD, level, name int, value []byte) error {
	if len(value) > slotSize {
		return s.refuse(fmt.Errorf("uring: socket option of %d bytes, at most %d are copied", len(value), slotSize))
	}
	if s.startsLate() {
		return s.refuse(errLateOption)
	}
	m := s.slotMemory()
	copy(m, value)
	s.prep(cgo.OpUringCmd, fd, words(uint32(level), uint32(name)), 0, words(cgo.SocketOpSetsockopt, 0))
	s.FileIndex = uint32(len(value))
	s.Addr3 = arena.Addr(m)
	return s.allowed()
}

// PrepSetsockoptHeld is [SQE.PrepSetsockopt] without a copy, for a request that
// may start late: in a chain, with Async or Drain, or after a Drain. value is of any
// length, and must stay reachable, and unchanged, until the completion. Linux 6.7.
// See io_uring_prep_cmd_sock(3).
func (s SQE) PrepSetsockoptHeld(fd FD, level, name int, value []byte) {
	s.prepOption(cgo.SocketOpSetsockopt, fd, level, name, value)
}

// setsOption reports whether the request is one of PrepSetsockopt.
func (s SQE) setsOption() bool {
	return s.Opcode == cgo.OpUringCmd && s.Addr3 == arena.Addr(s.slotMemory())
}

// The kernel reads the copy when the request starts. If that is later than its
// submission, another request may have its value there.
var errLateOption = errors.New("uring: a socket option must be set at once: " + noLateStart + "; PrepSetsockoptHeld does")

// PrepGetsockopt reads a socket option into value, also of a direct descriptor;
// the result is its length. Only options of SOL_SOCKET can be read. value must
// stay reachable until the completion. Linux 6.7. See io_uring_prep_cmd_sock(3).
func (s SQE) PrepGetsockopt(fd FD, level, name int, value []byte) {
	s.prepOption(cgo.SocketOpGetsockopt, fd, level, name, value)
}

// prepOption prepares a command with a value in the caller's memory.
func (s SQE) prepOption(op uint32, fd FD, level, name int, value []byte) {
	addr := s.address(value)
	s.prepCommand(cgo.OpUringCmd, fd, words(uint32(level), uint32(name)), op)
	s.FileIndex = uint32(len(value))
	s.Addr3 = addr
}

// PrepSIOCINQ asks how many bytes a socket has received that were not read yet;
// for a datagram socket it is the length of the next datagram. Linux 6.7. See
// io_uring_prep_cmd_sock(3).
func (s SQE) PrepSIOCINQ(fd FD) { s.prepCommand(cgo.OpUringCmd, fd, 0, cgo.SocketOpSIOCINQ) }

// PrepSIOCOUTQ asks how many bytes that were sent to a socket its peer has not
// acknowledged yet. Linux 6.7. See io_uring_prep_cmd_sock(3).
func (s SQE) PrepSIOCOUTQ(fd FD) { s.prepCommand(cgo.OpUringCmd, fd, 0, cgo.SocketOpSIOCOUTQ) }

// PrepTxTimestampMultishot completes for each time stamp of something that was
// sent, as SO_TIMESTAMPING makes the socket take them, until a completion comes
// without [CQE.More]. The result is the key of what was sent, and the second
// half of the completion the time: the ring needs [SetupCQE32] or
// [SetupCQEMixed]. In the completion's Flags bit 16 (IORING_CQE_F_TSTAMP_HW) says
// that the device took the time, and those from bit 17 on at which point.
// Linux 6.17. See io_uring_prep_cmd_sock(3).
//
//uring:covers IORING_TIMESTAMP_HW_SHIFT IORING_TIMESTAMP_TYPE_SHIFT
func (s SQE) PrepTxTimestampMultishot(fd FD) error {
	if s.ring.flags&(SetupCQE32|SetupCQEMixed) == 0 {
		return s.refuse(errors.New("uring: time stamps need completions of 32 bytes: open the ring with SetupCQE32 or SetupCQEMixed"))
	}
	s.prepCommand(cgo.OpUringCmd, fd, 0, cgo.SocketOpTXTimestamp)
	return nil
}
