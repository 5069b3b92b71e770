package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
)

// checkRecv says what is wrong with a receive into b.
func (b *BufRing) checkRecv(s SQE, fd FD, msgFlags int, flags IOFlags) error {
	if err := b.checkUse(s, msgFlags); err != nil {
		return err
	}
	if flags&^(PollFirst|Bundle) != 0 {
		return fmt.Errorf("uring: I/O flags %#x do not go with a receive", uint16(flags&^(PollFirst|Bundle)))
	}
	if flags&Bundle != 0 {
		if b.minLeft > 1 {
			return errBundleMinLeft
		}
		if err := b.haveBundles(); err != nil {
			return err
		}
		if msgFlags&cgo.MsgWaitAll != 0 {
			return errors.New("uring: MSG_WAITALL does not go with a receive bundle: the kernel could lose buffers")
		}
	}
	return b.checkRest(fd)
}

// The kernel fills a bundle in up to two goes. After the first one it may write
// off the rest of a buffer, which then lies in the middle of what the completion
// claims.
var errBundleMinLeft = errors.New("uring: Bundle does not go with BufRingConfig.MinLeft above 1: the kernel may leave out the rest of a buffer in the middle of a bundle, and does not say so")

// checkRest says whether what fd brings must not meet the rest of a buffer.
func (b *BufRing) checkRest(fd FD) error {
	if !b.incremental || b.minLeft > 0 || fd.IsDirect() {
		return nil
	}
	if typ := cgo.SocketType(int(fd)); typ == cgo.SockDgram || typ == cgo.SockSeqpacket {
		return errors.New("uring: an incremental buffer ring truncates datagrams that meet a short rest: set BufRingConfig.MinLeft to the largest datagram")
	}
	return nil
}

// checkRead says what is wrong with a read into b. Where the kernel cannot wait
// for data, it takes as much of an incremental buffer as was asked for, not as
// much as it fills, and no completion tells.
func (b *BufRing) checkRead(s SQE, fd FD) error {
	if err := b.checkUse(s, 0); err != nil {
		return err
	}
	if !b.incremental {
		return nil
	}
	if fd.IsDirect() {
		return errors.New("uring: a direct descriptor may be a file, whose reads an incremental buffer ring cannot account for: use PrepRecvProvided for a socket, or a ring without Incremental")
	}
	if typ := cgo.FileType(int(fd)); typ == cgo.SIFReg || typ == cgo.SIFBlk {
		return errors.New("uring: an incremental buffer ring cannot account for reads of files: use a ring without Incremental")
	}
	return b.checkRest(fd)
}

// haveBundles says why bundles cannot be received into b. To find out takes a
// few milliseconds in a process's first call.
func (b *BufRing) haveBundles() error {
	if b.bundles {
		return nil
	}
	have := HaveBundles
	if b.incremental {
		have = HaveIncrementalBundles
	}
	err := have()
	b.bundles = err == nil
	return err
}

// checkRecvMsg says what is wrong with a multishot receive of messages into b.
func (b *BufRing) checkRecvMsg(s SQE, m *Msg, msgFlags int) error {
	if err := b.checkUse(s, msgFlags&^cgo.MsgTrunc); err != nil {
		return err
	}
	if b.incremental && int(b.minLeft) < m.Overhead() {
		return fmt.Errorf("uring: an incremental buffer ring for messages needs BufRingConfig.MinLeft of at least the header, %d, and the largest payload: it is %d", m.Overhead(), b.minLeft)
	}
	if int(b.size) < m.Overhead() {
		return fmt.Errorf("uring: buffers of %d bytes have no room for a message's header of %d", b.size, m.Overhead())
	}
	return nil
}

var errAsyncIncremental = errors.New("uring: Async does not go with an incremental buffer ring: the kernel would lose track of the receive point")

var errSkipProvided = errors.New("uring: SkipSuccess does not go with a buffer ring: without a completion nobody knows of the buffer, and what was received is lost with it")

func (b *BufRing) checkUse(s SQE, msgFlags int) error {
	switch {
	case b == nil:
		return errors.New("uring: no buffer ring; Ring.NewBufRing makes one")
	case b.closed:
		return fmt.Errorf("buffer ring %d: %w", b.group, ErrClosed)
	case b.ring != s.ring:
		return fmt.Errorf("uring: buffer ring %d belongs to another Ring", b.group)
	case msgFlags&cgo.MsgTrunc != 0:
		return errors.New("uring: MSG_TRUNC makes a completion claim more bytes than its buffer holds; PrepRecvMsgMultishot reports truncation")
	case msgFlags&cgo.MsgPeek != 0:
		return errors.New("uring: MSG_PEEK would use up provided buffers for the same bytes again and again")
	case msgFlags&cgo.MsgWaitAll != 0 && b.incremental:
		return errors.New("uring: MSG_WAITALL does not go with an incremental buffer ring: the kernel would overwrite received bytes")
	case s.SQE.Flags&cgo.SQEAsync != 0 && b.incremental:
		return errAsyncIncremental
	}
	return nil
}
