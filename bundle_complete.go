package uring

import (
	"fmt"
	"syscall"

	"github.com/uring-go/uring/internal/invariant"
)

// Owns says whether c belongs to one of the queue's requests.
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
// Flush tries again.
func (q *SendQueue) Complete(c CQE) (int, error) {
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
	q.settle()
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

// findPicked finds out which pieces the kernel has taken from its ring by the
// time the request in flight ends, with n bytes more: it takes them when it
// picks them, whether they are sent or not.
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
		// Cannot be: a kernel that sends provided buffers answers, and truly.
		// What it would send from its ring is not known, so nothing is sent
		// from there any more.
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
	q.settle()
	return q.err
}

const opSend = "send"

// settle releases the pieces that nothing needs any more.
func (q *SendQueue) settle() {
	end := q.out.sent
	if q.err != nil {
		end = q.out.tail // what waits will never be sent
	}
	if first, ok := q.zc.first(); ok {
		end = first // where the oldest send without notification begins
	}
	for q.out.free != end {
		p := q.out.at(q.out.free)
		if p.br != nil {
			p.br.releaseRun(p.bid, p.bids)
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
