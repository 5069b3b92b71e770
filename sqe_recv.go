package uring

import (
	"errors"
	"fmt"
	"math"

	"github.com/uring-go/uring/cgo"
)

// PrepRecv receives into p, which must stay reachable, and untouched, until
// the completion. See io_uring_prep_recv(3).
func (s SQE) PrepRecv(fd FD, p []byte, msgFlags int) {
	s.prep(cgo.OpRecv, fd, s.address(p), length(p), 0)
	s.OpFlags = uint32(msgFlags)
}

// PrepRecvMsg receives into m, which must stay as it is until the completion.
// Where several receives wait on one datagram socket that is O_NONBLOCK, it may
// fail with EAGAIN after 128 datagrams that others took: prepare it again. See
// io_uring_prep_recvmsg(3).
func (s SQE) PrepRecvMsg(fd FD, m *Msg, msgFlags int) {
	m.makeRoom()
	s.prepMsg(cgo.OpRecvMsg, fd, m, msgFlags)
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
		return s.refuse(wrapf("a receive of at most %d bytes into an incremental buffer ring: use 0, for all that the buffer has room for: %w", n, br.haveLimit()))
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
	if s.Flags&cgo.SQEAsync != 0 || s.startsLate() {
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
// It brings all that is there before a cancellation can end it, except with
// [SetupDeferTaskrun], where it brings 33 completions at a turn (not yet on Linux
// 6.1): one peer can take the buffers of all others. Where that matters use
// [SQE.PrepRecvMultishotLimit], or [SQE.PrepRecvProvided] again and again.
//
// Kernels can miss the end: when data for more than 32 buffers, or than a limit,
// is there and after it the reset of a TCP connection (6.12 and later), or the
// end of a UNIX stream (6.17 and later), the data comes and then nothing.
// 6.12.43, 6.17.13 and 6.18 were seen to miss the latter after little data too,
// but rarely: 5 times of 594,092 on 6.18.44, and not once of 323,706 with TCP.
// Where a peer may do that, keep a [SQE.PrepPollAdd] for no events beside the
// receive. It completes when the peer is gone; if the receive still runs then,
// cancel it and go on with [SQE.PrepRecvProvided], which gets what is left.
// [KernelBugs] reports whether the kernel is one of them.
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
	if flags&cgo.RecvMultishot == 0 && (s.Flags&cgo.SQEAsync != 0 || s.startsLate() || msgFlags&cgo.MsgWaitAll != 0) {
		br.async = true
	}
	s.Flags |= cgo.SQEBufferSelect
	s.BufIndex = br.group
	s.OpFlags = uint32(msgFlags)
	s.IOPrio = uint16(flags)
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
