package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
)

// checkRecv returns the error of a receive into b, if it must be refused.
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

// The kernel fills a bundle in up to two steps. After the first it may retire a
// buffer with a short rest. The bundle then has a gap, and its completion does not
// tell.
var errBundleMinLeft = errors.New("uring: Bundle does not go with BufRingConfig.MinLeft above 1: the kernel may leave out the rest of a buffer in the middle of a bundle, and does not say so")

// checkRest refuses sockets whose datagrams a short buffer rest would truncate.
func (b *BufRing) checkRest(fd FD) error {
	if !b.incremental || b.minLeft > 0 {
		return nil
	}
	if fd.IsDirect() {
		return errors.New("uring: a direct descriptor may be a socket of messages, which the rest of an incremental buffer would cut: set BufRingConfig.MinLeft to the largest message, or to 1 if it is a stream")
	}
	if typ := cgo.SocketType(int(fd)); typ > 0 && typ != cgo.SockStream {
		return errCutsMessages
	}
	return nil
}

var errCutsMessages = errors.New("uring: the rest of an incremental buffer would cut a message that is longer: set BufRingConfig.MinLeft to the largest message")

// checkRead returns the error of a read into b, if it must be refused.
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
	// Where the kernel cannot poll, it consumes the length asked for, not the length
	// read, and does not report it.
	switch kind := cgo.ReadKind(int(fd)); {
	case kind == cgo.ReadsUnpollable:
		return errors.New("uring: an incremental buffer ring cannot account for reads of what cannot be polled, such as files: use a ring without Incremental")
	case kind == cgo.ReadsMessages && b.minLeft == 0:
		return errCutsMessages
	}
	return nil
}

// checkReadMultishot returns the error of a multishot read into b, if it must be
// refused. A descriptor that can only block is read in a worker thread, and once.
// With Async the worker decides when it starts, and the descriptor may have lost
// O_NONBLOCK by then; a multishot receive is never carried out there.
func (b *BufRing) checkReadMultishot(s SQE, fd FD) error {
	if err := b.checkRead(s, fd); err != nil {
		return err
	}
	if b.incremental && (s.SQE.Flags&cgo.SQEAsync != 0 || s.ring.drained) {
		return errLateIncremental
	}
	if !fd.IsDirect() && cgo.ReadBlocks(int(fd)) {
		return errors.New("uring: a multishot read of this descriptor waits in a worker thread: open it with O_NONBLOCK, or use PrepReadProvided")
	}
	return nil
}

// checkSingle returns the error of a request that may run in a worker thread, if it
// must be refused. There the kernel consumes the length asked for of an incremental
// buffer, and no completion tells: see foreseen.
func (b *BufRing) checkSingle(s SQE) error {
	if !b.incremental {
		return nil
	}
	if s.SQE.Flags&cgo.SQEAsync != 0 || s.startsLate() {
		return errLateIncremental
	}
	if !b.singles {
		b.singles, b.since = true, b.arrived
	}
	return nil
}

// haveLimit returns nil if the kernel has multishot receives that end at once.
func (b *BufRing) haveLimit() error {
	if b.limits {
		return nil
	}
	err := HaveRecvMultishotLimit()
	b.limits = err == nil
	return err
}

// haveBundles returns nil if bundles can be received into b. The first call of a
// process takes a few milliseconds.
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

// checkRecvMsg returns the error of a multishot receive of messages into b, if it
// must be refused.
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

var errLateIncremental = errors.New("uring: this request into an incremental buffer ring must not start in a worker thread, where it would take the rest of a buffer before there is data: " + noLateStart + "; multishot receives do")

var errLateBundle = errors.New("uring: a receive bundle must not start in a worker thread, where it does not lie in buffers that follow each other: " + noLateStart + "; multishot receives do")

const noLateStart = "it goes with no Async, with no Drain in its chain, not after Link or HardLink, and not on a ring that has had a request with Drain"

var errSkipProvided = errors.New("uring: SkipSuccess does not go with a buffer ring: without a completion nobody knows of the buffer, and what was received is lost with it")

func (b *BufRing) checkUse(s SQE, msgFlags int) error {
	switch {
	case b == nil:
		return errors.New("uring: no buffer ring; Ring.NewBufRing makes one")
	case b.closed:
		return wrapf("buffer ring %d: %w", b.group, ErrClosed)
	case b.ring != s.ring:
		return fmt.Errorf("uring: buffer ring %d belongs to another Ring", b.group)
	case msgFlags&cgo.MsgTrunc != 0:
		return errors.New("uring: MSG_TRUNC makes a completion claim more bytes than its buffer holds; PrepRecvMsgMultishot reports truncation")
	case msgFlags&cgo.MsgPeek != 0:
		return errors.New("uring: MSG_PEEK would use up provided buffers for the same bytes again and again")
	case msgFlags&cgo.MsgWaitAll != 0 && b.incremental:
		return errors.New("uring: MSG_WAITALL does not go with an incremental buffer ring: the kernel would overwrite received bytes")
	case s.SQE.Flags&cgo.SQECQESkipSuccess != 0 && !s.Silent():
		return errSkipProvided
	}
	return b.broken
}
