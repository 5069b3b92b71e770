package uring

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/invariant"
)

// Flush queues a request for what waits, unless one is in flight. The kernel gets
// it with the next submit; Flush submits only when the submission queue is full. It
// does nothing when nothing waits. After a queued request with [Link] or [HardLink]
// it returns an error: the send would become part of that chain.
func (q *SendQueue) Flush() error { return q.flush(0) }

// FlushN is [SendQueue.Flush] for at most n bytes, all from the first piece that
// waits, for programs that pace what they send: a piece is what was received
// into one buffer, or what lies in one run in the queue's memory. In the modes
// that send from a ring of buffers the kernel takes the piece from the ring whole;
// its rest is sent from where it lies, with the next Flush or FlushN. That needs
// Linux 6.12; older kernels give [ErrNotSupported].
func (q *SendQueue) FlushN(n int) error {
	if n < 1 {
		return fmt.Errorf("uring: FlushN of %d bytes, want at least 1", n)
	}
	if q.mode.provided() {
		if err := HaveSendProvidedPart(); err != nil {
			return err
		}
	}
	return q.flush(n)
}

// flush starts a send, of at most limit bytes if that is not 0.
func (q *SendQueue) flush(limit int) error {
	if err := q.usable(); err != nil {
		return err
	}
	if q.inFlight || q.out.bytes == 0 || q.mode.zeroCopy() && q.zc.full() {
		return nil
	}
	if links(q.ring.q.Last()) {
		return errLinkedFlush
	}
	s, err := q.nextSQE()
	if err != nil {
		return err
	}
	q.prepare(s, limit)
	q.flightGen = (q.flightGen + 1) & 0xffffff
	s.UserData = q.token | uint64(q.flightGen)<<32
	q.inFlight = true
	q.flightBytes = clip(q.out.span(q.flightEnd), limit)
	if int32(q.flightEnd-q.out.armed) > 0 {
		q.out.armed = q.flightEnd
	}
	q.stats.Requests++
	return nil
}

var errLinkedFlush = errors.New("uring: Flush after a request with Link or HardLink: the send would belong to its chain; queue the rest of the chain, or Submit, first")

func (q *SendQueue) nextSQE() (SQE, error) {
	s, err := q.ring.NextSQE()
	if err != ErrSQFull {
		return s, err
	}
	if err := q.ring.MakeRoom(1); err != nil {
		return SQE{}, err
	}
	return q.ring.NextSQE()
}

// sendFlags: no signal for a broken connection, and no short sends but for
// errors.
const sendFlags = cgo.MsgNoSignal | cgo.MsgWaitAll

func (q *SendQueue) prepare(s SQE, limit int) {
	q.fromRing = false
	// Pieces that the kernel picked but did not send are in its ring no more.
	// They go first.
	repair := q.mode.provided() && int32(q.picked-q.out.sent) > 0
	if repair {
		q.stats.Resent++
	}
	switch {
	case q.mode.provided() && !repair:
		q.prepareProvided(s, limit)
	case q.mode.zeroCopy() && q.out.at(q.out.sent).copied && limit == 0:
		q.prepareCopies(s)
	case q.mode.zeroCopy() && q.out.bytes >= q.cfg.ZCMin && q.ring.holdsZC() == nil:
		q.prepareZC(s, limit)
	case q.mode == SendPlain || limit > 0:
		q.prepareFirst(s, cgo.OpSend, limit)
	case repair:
		q.prepareVectored(s, q.picked)
	default:
		q.prepareVectored(s, q.out.tail)
	}
}

// prepareVectored sends pieces before end as the parts of one message.
func (q *SendQueue) prepareVectored(s SQE, end uint32) {
	q.gather(end, func(*piece) bool { return true })
	s.prep(cgo.OpSendMsg, q.fd, q.message(), 1, 0)
	s.OpFlags = sendFlags
}

// prepareCopies sends what was copied so that buffers go back, and that alone: the
// kernel copies it again, and does not keep it until the receiver has it.
func (q *SendQueue) prepareCopies(s SQE) {
	q.gather(q.out.tail, func(p *piece) bool { return p.copied })
	s.prep(cgo.OpSendMsg, q.fd, q.message(), 1, 0)
	s.OpFlags = sendFlags
}

// gather lists pieces before end, up to the first one that take refuses, as
// parts of a message and sets flightEnd after them.
func (q *SendQueue) gather(end uint32, take func(*piece) bool) {
	q.iov = q.iov[:0]
	off, total := q.out.off, uint64(0)
	limit := min(q.cfg.Entries, maxIovecs)
	pos := q.out.sent
	for ; pos != end && len(q.iov) < limit; pos++ {
		p := q.out.at(pos)
		total += uint64(p.n)
		if tooLong := total > math.MaxInt32 && len(q.iov) > 0; tooLong || !take(p) {
			break
		}
		q.iov = append(q.iov, cgo.IovecAddr{Addr: p.addr + uint64(off), Len: uint64(p.n - off)})
		off = 0
	}
	q.flightEnd = pos
}

// message returns the address of the message header for the parts listed. The
// queue is on the heap, and reachable through its ring, so the header stays.
func (q *SendQueue) message() uint64 {
	q.hdr.Iov = unsafe.Pointer(unsafe.SliceData(q.iov))
	q.hdr.IovLen = uint64(len(q.iov))
	return uint64(uintptr(unsafe.Pointer(&q.hdr)))
}

// Owns reports whether c belongs to one of the queue's requests.
func (q *SendQueue) Owns(c CQE) bool {
	return c.UserData&^tokenGeneration == q.token
}

// Complete accounts for a completion of one of the queue's requests and returns
// how many bytes it says the kernel has accepted. Sent segments are released.
// Call Flush afterwards, for what still waits.
//
// An error after which the stream cannot go on, such as EPIPE, is also
// [SendQueue.Err] from then on, and everything that waited is released. After
// EINTR, EAGAIN, ECANCELED, ENOBUFS and ENOMEM all that was not sent still waits:
// Flush tries again. A [RecvStream] that was held back goes on when enough was sent.
func (q *SendQueue) Complete(c CQE) (int, error) {
	n, err := q.complete(c)
	if s := q.source; s != nil && s.held {
		if sErr := s.drained(); err == nil {
			err = sErr
		}
	}
	return n, err
}

func (q *SendQueue) complete(c CQE) (int, error) {
	switch {
	case !q.Owns(c):
		return 0, fmt.Errorf("%w: user data %#x is not of this send queue", ErrBadCompletion, c.UserData)
	case q.closed:
		return 0, ErrClosed
	case c.Notif():
		return 0, q.notified(c)
	case !q.inFlight || c.Token().Generation() != q.flightGen:
		return 0, fmt.Errorf("%w: send %d is not in flight", ErrBadCompletion, c.Token().Generation())
	case int(c.Res) > q.flightBytes:
		return 0, fmt.Errorf("%w: %d bytes sent, %d were given to the kernel", ErrBadCompletion, c.Res, q.flightBytes)
	}
	n := max(int(c.Res), 0)
	zeroCopy := q.zc.flight
	over := zeroCopy || !c.More() // a bundle goes on after 256 buffers
	if over && q.fromRing {
		if err := q.findPicked(n); err != nil {
			return 0, err
		}
	}
	q.account(n)
	if zeroCopy {
		q.zc.result(c.More())
	}
	q.inFlight = !over
	q.releaseSent()
	if err := c.Err(); err != nil && over {
		return n, q.failed(err.(syscall.Errno), zeroCopy)
	}
	return n, nil
}

// account notes that n bytes more were sent.
func (q *SendQueue) account(n int) {
	before := q.out.sent
	q.out.advance(n)
	q.flightBytes -= n
	q.stats.Bytes += uint64(n)
	q.stats.Pieces += uint64(q.out.sent - before)
}

// findPicked finds out which pieces the kernel has taken from its ring when the
// request in flight ends, after n more bytes. It takes them when it picks them,
// whether they are sent or not.
func (q *SendQueue) findPicked(n int) error {
	if n == q.flightBytes {
		q.picked = q.flightEnd
		return nil
	}
	head := q.ring.drv.BufRingHead(uint32(q.group))
	if head == -int(syscall.EEXIST) {
		return check(opBufRingHead, head)
	}
	q.picked = q.out.sent + uint32(uint16(head)-uint16(q.out.sent))
	if head < 0 || int32(q.out.armed-q.picked) < 0 || q.out.span(q.picked) < n {
		// This cannot happen: a kernel that sends provided buffers knows the head.
		// If it does, send nothing from the ring any more: its content is not known.
		q.mode = SendVectored
	}
	return nil
}

// failed decides what the error of a request means for the stream.
func (q *SendQueue) failed(errno syscall.Errno, zeroCopy bool) error {
	if zeroCopy && (errno == syscall.ENOMEM || errno == syscall.EOPNOTSUPP) {
		// Locked memory is used up, or the socket cannot do it: copy.
		q.mode = SendVectored
		return nil
	}
	switch errno {
	case syscall.EINTR, syscall.EAGAIN, syscall.ECANCELED, syscall.ENOBUFS, syscall.ENOMEM:
		return &OpError{opSend, errno}
	}
	q.err = &OpError{opSend, errno}
	q.out.bytes = 0
	q.releaseSent()
	return q.err
}

const opSend = "send"

// releaseSent releases the pieces that nothing needs any more.
func (q *SendQueue) releaseSent() {
	end := q.out.sent
	if q.err != nil {
		end = q.out.tail // what waits will never be sent
	}
	if first, ok := q.zc.first(); ok {
		end = first // where the oldest send without notification begins
	}
	for q.out.free != end {
		p := q.out.at(q.out.free)
		if p.copied {
			q.releaseCopies(p)
			*p = piece{}
		} else if p.br != nil {
			p.br.releaseRun(p.bid, p.bids)
			q.buffers -= int(p.bids)
			p.br = nil
		} else if invariant.On {
			poison(q.own.bytes(p))
		}
		q.own.r += uint64(p.own)
		q.out.free++
	}
	if q.err != nil && q.out.free == q.out.tail {
		q.out.sent, q.out.armed, q.out.off, q.out.bytes = q.out.tail, q.out.tail, 0, 0
	}
}
