package uring

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/uring-go/uring/cgo"
)

// Flush gives the kernel a request for what waits, unless one is in flight. It
// becomes known to the kernel with the next submit; Flush submits only when
// the submission queue is full. It does nothing when nothing waits. Behind a
// queued request with [Link] or [HardLink] it refuses: the send would take the
// place of the one that is meant.
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

var errLinkedFlush = errors.New("uring: Flush behind a request with Link or HardLink: the send would belong to its chain; queue the rest of the chain, or Submit, first")

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
	case q.mode.zeroCopy() && q.out.bytes >= q.cfg.ZCMin:
		q.prepareZC(s, limit)
	case q.mode == SendPlain || limit > 0:
		q.prepareFirst(s, cgo.OpSend, limit)
	case repair:
		q.prepareVectored(s, q.picked)
	default:
		q.prepareVectored(s, q.out.tail)
	}
}

// prepareProvided sends from the ring of buffers, after filling it up.
func (q *SendQueue) prepareProvided(s SQE, limit int) {
	q.publish()
	q.fromRing = true
	q.flightEnd = q.out.sent + 1
	part := 0 // all
	if limit > 0 {
		part = min(limit, int(q.out.at(q.out.sent).n))
	}
	s.prep(cgo.OpSend, q.fd, 0, uint32(part), 0)
	s.Flags |= cgo.SQEBufferSelect
	s.BufIndex = q.group
	s.OpFlags = sendFlags
	if q.mode == SendBundle && limit == 0 {
		// A bundle waits for all by itself, and a length would only limit its
		// first round.
		s.OpFlags = cgo.MsgNoSignal
		s.IOPrio = cgo.RecvSendBundle
		q.flightEnd = q.out.armed
	}
}

// prepareFirst sends the first piece, or limit bytes of it.
func (q *SendQueue) prepareFirst(s SQE, op uint8, limit int) {
	p := q.out.at(q.out.sent)
	s.prep(op, q.fd, p.addr+uint64(q.out.off), uint32(clip(int(p.n-q.out.off), limit)), 0)
	s.OpFlags = sendFlags
	q.flightEnd = q.out.sent + 1
}

// clip returns n, or limit if that is less and not 0.
func clip(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// publish puts pieces into the ring of buffers until it is full.
func (q *SendQueue) publish() {
	room := uint32(q.cfg.Entries) - (q.out.armed - q.out.sent)
	n := min(q.out.tail-q.out.armed, room)
	if n == 0 {
		return
	}
	mask := uint32(q.cfg.Entries - 1)
	slots := q.ring.slots[:0]
	for pos := q.out.armed; pos != q.out.armed+n; pos++ {
		p := q.out.at(pos)
		slots = append(slots, cgo.Slot{Addr: p.addr, Len: p.n, BID: sendBids | uint16(pos&mask)})
	}
	cgo.Refill(q.entries.Pointer(), mask, slots)
	q.ring.slots = slots
	q.out.armed += n
}

// prepareVectored sends pieces before end as the parts of one message.
func (q *SendQueue) prepareVectored(s SQE, end uint32) {
	q.gather(end, func(*piece) bool { return true })
	s.prep(cgo.OpSendMsg, q.fd, q.message(), 1, 0)
	s.OpFlags = sendFlags
}

// gather lists pieces before end, up to the first one that take refuses, as
// parts of a message and sets flightEnd behind them.
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
