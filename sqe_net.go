package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

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
	// (of a UNIX socket: 6.17.13 to 7.2, see [KernelBugs]).
	// Linux 5.19.
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

// PrepShutdown shuts down one or both directions of a connection. See
// io_uring_prep_shutdown(3).
func (s SQE) PrepShutdown(fd FD, how int) {
	s.prep(cgo.OpShutdown, fd, 0, uint32(how), 0)
}

// PrepSetsockopt sets a socket option, also of a direct descriptor. The value,
// of at most 128 bytes, is copied; integers are in the machine's own byte
// order. The request must not follow one with Link or HardLink, takes no Async
// and no Drain, and is refused once the ring has had a request with Drain, which
// holds back those behind it. Linux 6.7; many kernels up to 6.18 answer
// EOPNOTSUPP for UNIX sockets. See io_uring_prep_cmd_sock(3).
func (s SQE) PrepSetsockopt(fd FD, level, name int, value []byte) error {
	if len(value) > slotSize {
		return s.refuse(fmt.Errorf("uring: socket option of %d bytes, at most %d are copied", len(value), slotSize))
	}
	if s.linked() || s.ring.drained {
		return s.refuse(errLateOption)
	}
	m := s.slotMemory()
	copy(m, value)
	s.prep(cgo.OpUringCmd, fd, words(uint32(level), uint32(name)), 0, words(cgo.SocketOpSetsockopt, 0))
	s.FileIndex = uint32(len(value))
	s.Addr3 = arena.Addr(m)
	return s.allowed()
}

// setsOption says whether the request is one of PrepSetsockopt.
func (s SQE) setsOption() bool {
	return s.Opcode == cgo.OpUringCmd && s.Addr3 == arena.Addr(s.slotMemory())
}

// The kernel reads the copy when the request starts. If that is later than its
// submission, another request may have its value there.
var errLateOption = errors.New("uring: a socket option must be set at once: it goes with no Async or Drain, not behind Link or HardLink, and not on a ring that has had a request with Drain")

// words returns the 64-bit field that has two 32-bit ones over it in C.
func words(first, second uint32) uint64 {
	var b [8]byte
	binary.NativeEndian.PutUint32(b[:4], first)
	binary.NativeEndian.PutUint32(b[4:], second)
	return binary.NativeEndian.Uint64(b[:])
}

// halves is the same for a 32-bit field with two 16-bit ones over it.
func halves(first, second uint16) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint16(b[:2], first)
	binary.NativeEndian.PutUint16(b[2:], second)
	return binary.NativeEndian.Uint32(b[:])
}

// PrepRecv receives into p, which must stay reachable, and untouched, until
// the completion. See io_uring_prep_recv(3).
func (s SQE) PrepRecv(fd FD, p []byte, msgFlags int) {
	s.prep(cgo.OpRecv, fd, s.address(p), length(p), 0)
	s.OpFlags = uint32(msgFlags)
}

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

// PrepRecvMsg receives into m, which must stay as it is until the completion.
// Where several receives wait on one datagram socket that is O_NONBLOCK, it may
// fail with EAGAIN after 128 datagrams that others took: prepare it again. See
// io_uring_prep_recvmsg(3).
func (s SQE) PrepRecvMsg(fd FD, m *Msg, msgFlags int) {
	m.makeRoom()
	s.prepMsg(cgo.OpRecvMsg, fd, m, msgFlags)
}

func (s SQE) prepMsg(op uint8, fd FD, m *Msg, msgFlags int) {
	s.prep(op, fd, s.message(m, true), 1, 0)
	s.OpFlags = uint32(msgFlags)
}

// PrepRecvProvided receives once, into a buffer that the kernel picks from br.
// n is the most bytes to take, 0 for all that the buffer has room for. Hand the
// completion to [BufRing.Consume] or [BufRing.Segments]. Linux 5.19. See
// io_uring_prep_recv(3) and io_uring_provided_buffers(7).
//
// Since Linux 6.17 the request is a multishot receive that ends with its first
// completion. Unlike a single receive, it never moves to a worker thread of the
// kernel, where it would take a buffer long before data comes: peers can cause
// that, by urgent bytes for example. Older kernels have no such limit, see
// [HaveRecvMultishotLimit]. There, and with MSG_WAITALL, it is a single receive: a
// worker may keep a buffer until the request completes. With an incremental ring n
// must be 0 there, and a peer that gets its request into a worker can make the
// ring end with [ErrAccount]: prefer [SQE.PrepRecvMultishot].
//
// With [Bundle] and MSG_DONTWAIT the completion covers several buffers; n must
// then be 0, as the kernel would not keep to it. Without MSG_DONTWAIT, Bundle has
// no effect: a bundle that a worker receives does not lie in buffers that follow
// each other. Multishot receives have no such limit. Linux 6.10.
func (s SQE) PrepRecvProvided(fd FD, br *BufRing, n int, msgFlags int, flags IOFlags) error {
	if n < 0 || int64(n) > math.MaxInt32 {
		return s.refuse(fmt.Errorf("uring: receive of %d bytes, want 0 to %d", n, math.MaxInt32))
	}
	if flags&Bundle != 0 && n != 0 {
		return s.refuse(errors.New("uring: a length does not limit a receive bundle: use 0"))
	}
	if err := br.checkRecv(s, fd, msgFlags, flags); err != nil {
		return s.refuse(err)
	}
	switch {
	case flags&Bundle != 0 && msgFlags&cgo.MsgDontWait != 0:
		return s.prepBundleNow(fd, br, msgFlags, flags)
	case msgFlags&cgo.MsgWaitAll != 0 || br.haveLimit() != nil:
		return s.prepRecvSingle(fd, br, n, msgFlags, flags&^Bundle)
	}
	s.prepRecvOnce(fd, br, n, msgFlags, flags&^Bundle)
	return nil
}

// prepRecvOnce is [SQE.PrepRecvProvided] by a multishot receive.
func (s SQE) prepRecvOnce(fd FD, br *BufRing, n int, msgFlags int, flags IOFlags) {
	s.prep(cgo.OpRecv, fd, 0, uint32(n), 0)
	s.selectBuffer(br, msgFlags, flags|cgo.RecvMultishot)
	s.FileIndex = 1 // optlen: over after the first byte
}

// prepRecvSingle is [SQE.PrepRecvProvided] by a request that may move to a worker
// thread.
func (s SQE) prepRecvSingle(fd FD, br *BufRing, n int, msgFlags int, flags IOFlags) error {
	if br.incremental && n != 0 {
		return s.refuse(fmt.Errorf("uring: a receive of at most %d bytes into an incremental buffer ring: use 0, for all that the buffer has room for: %w", n, br.haveLimit()))
	}
	if err := br.checkSingle(s); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpRecv, fd, 0, uint32(n), 0)
	s.selectBuffer(br, msgFlags, flags)
	return nil
}

// prepBundleNow is [SQE.PrepRecvProvided] by a single bundle that does not wait.
func (s SQE) prepBundleNow(fd FD, br *BufRing, msgFlags int, flags IOFlags) error {
	if s.Flags&cgo.SQEAsync != 0 || s.linked() {
		return s.refuse(errLateBundle)
	}
	s.prep(cgo.OpRecv, fd, 0, 0, 0)
	s.selectBuffer(br, msgFlags, flags)
	return nil
}

// PrepRecvMultishot receives again and again, each time into buffers that the
// kernel picks from br, until a completion comes without [CQE.More]: at the
// end of the stream, on an error, when br is used up, or when the completion
// queue was full. In all but the first two cases prepare another. With [Bundle]
// a completion covers several buffers. Hand every completion to
// [BufRing.Consume] or [BufRing.Segments].
//
// It brings 33 completions at a turn, if there is so much data, before a
// cancellation can end it: one peer can take the buffers of all others. Where
// that matters use [SQE.PrepRecvMultishotLimit], or [SQE.PrepRecvProvided] again
// and again.
//
// Kernels can miss the end: when data for more than 32 buffers, or than a limit,
// is there and behind it the reset of a TCP connection (6.12 and later), or the
// end of a UNIX stream (6.17 and later), the data comes and then nothing.
// 6.12.43, 6.17.13 and 6.18 were seen to miss the latter behind little data too,
// but rarely: 5 times of 594,092 on 6.18.44, and not once of 323,706 with TCP.
// Where a peer may do that, keep a [SQE.PrepPollAdd] for no events beside the
// receive. It completes when the peer is gone; if the receive still runs then,
// cancel it and go on with [SQE.PrepRecvProvided], which gets what is left.
// [KernelBugs] says whether the kernel is one of them.
//
// Linux 6.0, with Bundle 6.10. See io_uring_prep_recv_multishot(3).
func (s SQE) PrepRecvMultishot(fd FD, br *BufRing, flags IOFlags) error {
	if flags&PollFirst != 0 {
		return s.refuse(errors.New("uring: PollFirst does not go with a multishot receive: the kernel could miss the end of the stream"))
	}
	if err := br.checkRecv(s, fd, 0, flags); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpRecv, fd, 0, 0, 0)
	s.selectBuffer(br, 0, flags|cgo.RecvMultishot)
	return nil
}

// PrepRecvMultishotLimit is [SQE.PrepRecvMultishot] with limits, for buffers that
// several connections share: each completion brings at most each bytes, and
// when total bytes or more were received the request ends with a completion
// without [CQE.More]. 0 is no limit. Linux 6.17. See
// io_uring_prep_recv_multishot(3).
func (s SQE) PrepRecvMultishotLimit(fd FD, br *BufRing, each, total int, flags IOFlags) error {
	if each < 0 || each > math.MaxInt32 || total < 0 || total > math.MaxInt32 {
		return s.refuse(fmt.Errorf("uring: receive limited to %d bytes each and %d in all, want 0 to %d", each, total, math.MaxInt32))
	}
	if err := HaveRecvMultishotLimit(); err != nil {
		return s.refuse(err)
	}
	if err := s.PrepRecvMultishot(fd, br, flags); err != nil {
		return err
	}
	s.Len = uint32(each)
	s.FileIndex = uint32(total) // optlen
	return nil
}

// PrepRecvMsgMultishot receives messages again and again. Each buffer holds
// one message with its source address and control data, as many bytes of each
// as m has room for; [Msg.Parse] takes it apart. Parts of m are not used. With
// MSG_TRUNC the kernel tells how long a message was that was cut off. After an empty message, too,
// the request is over: see [CQE.More]. m must stay as it is until the last
// completion. Buffers of an incremental ring need MinLeft large enough for
// all of it. Linux 6.0. See io_uring_prep_recvmsg_multishot(3).
func (s SQE) PrepRecvMsgMultishot(fd FD, br *BufRing, m *Msg, msgFlags int) error {
	m.makeRoom()
	if err := br.checkRecvMsg(s, m, msgFlags); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpRecvMsg, fd, s.message(m, false), 1, 0)
	s.selectBuffer(br, msgFlags, cgo.RecvMultishot)
	return nil
}

func (s SQE) selectBuffer(br *BufRing, msgFlags int, flags IOFlags) {
	if flags&cgo.RecvMultishot == 0 && (s.Flags&cgo.SQEAsync != 0 || msgFlags&cgo.MsgWaitAll != 0) {
		br.async = true
	}
	s.Flags |= cgo.SQEBufferSelect
	s.BufIndex = br.group
	s.OpFlags = uint32(msgFlags)
	s.IOPrio = uint16(flags)
}

// PrepSendZC sends p without copying it. Two completions follow: the result,
// with [CQE.More], and when the kernel is done with the memory a notification,
// see [CQE.Notif]. p must stay reachable, and unchanged, until then. Without
// More on the first there is no second.
//
// UNIX sockets do not support it, and neither do connections accepted from a
// listener for multipath TCP, which is what net.Listen makes unless
// [net.ListenConfig.SetMultipathTCP] turns it off: EOPNOTSUPP. A zero-copy send
// must not be linked: see [SQE.SetFlags]. Linux 6.0. See
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

func (s SQE) checkZC(p []byte, flags IOFlags) error {
	if s.linked() {
		return errors.New("uring: a zero-copy send must not follow a request with Link or HardLink: its notification would come unannounced")
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
	return nil
}
