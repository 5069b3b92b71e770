package uring

import (
	"fmt"

	"github.com/uring-go/uring/cgo"
)

// zcState is what a send queue knows of its zero-copy sends. The kernel uses a
// send's memory until its notification, which may come late, and before that
// of an earlier send; memory is released in order.
type zcState struct {
	gather   bool // one request may take many pieces of a registered buffer
	ioFlags  uint16
	flight   bool // the request in flight is a zero-copy send
	requests []zcRequest
	begin    uint32 // the oldest request whose notification has not come
	end      uint32 // where the next one goes
	copies   int    // notifications in a row that said it was copied
}

// A zcRequest is a zero-copy send whose notification is still to come, or one
// after such.
type zcRequest struct {
	gen   uint32
	first uint32 // position of the first piece it sends
	done  bool
}

const (
	// maxUnnotified bounds the sends whose memory the kernel holds. A peer
	// that does not read can hold it for ever.
	maxUnnotified = 64
	// copiesToChange is how many copies in a row make the queue copy itself,
	// which is cheaper.
	copiesToChange = 8
)

func (z *zcState) open(mode SendMode) {
	z.requests = make([]zcRequest, maxUnnotified)
	z.gather = mode == SendZCGather && HaveSendMsgZCFixed() == nil
	if HaveReportUsage() == nil {
		z.ioFlags = cgo.SendZCReportUsage
	}
}

func (z *zcState) at(i uint32) *zcRequest { return &z.requests[i%maxUnnotified] }

// full reports whether no further send may be started.
func (z *zcState) full() bool { return z.end-z.begin == maxUnnotified }

// first returns the position of the first piece that the kernel still uses.
func (z *zcState) first() (pos uint32, ok bool) {
	if z.begin == z.end {
		return 0, false
	}
	return z.at(z.begin).first, true
}

// Unnotified returns how many zero-copy sends there are whose memory the kernel
// still uses.
func (q *SendQueue) Unnotified() int {
	n := 0
	for i := q.zc.begin; i != q.zc.end; i++ {
		if !q.zc.at(i).done {
			n++
		}
	}
	return n
}

// prepareZC sends without copying: many pieces that lie in one registered
// buffer, or the next one alone.
func (q *SendQueue) prepareZC(s SQE, limit int) {
	reg := q.out.at(q.out.sent).reg
	if q.zc.gather && reg != unregistered && limit == 0 {
		q.gather(q.out.tail, func(p *piece) bool { return p.reg == reg })
		s.prep(cgo.OpSendMsgZC, q.fd, q.message(), 1, 0)
	} else {
		q.prepareFirst(s, cgo.OpSendZC, limit)
	}
	s.OpFlags = sendFlags
	s.IOPrio = q.zc.ioFlags
	if reg != unregistered {
		s.IOPrio |= cgo.RecvSendFixedBuf
		s.BufIndex = uint16(reg)
	}
	*q.zc.at(q.zc.end) = zcRequest{gen: (q.flightGen + 1) & 0xffffff, first: q.out.sent}
	q.zc.end++
	q.zc.flight = true
	q.stats.ZeroCopy++
	q.ring.sentZC = true
}

// result notes that the request in flight has its result; more says that it
// has a notification, which may have been handled before.
func (z *zcState) result(more bool) {
	z.flight = false
	if !more && z.begin != z.end {
		z.at(z.end - 1).done = true
		z.trim()
	}
}

// trim forgets the oldest requests that are done.
func (z *zcState) trim() {
	for z.begin != z.end && z.at(z.begin).done {
		z.begin++
	}
}

// notified handles a notification. The kernel posts it after the result, but a
// program may handle completions in another order: the pieces of the request
// in flight stay until they count as sent.
func (q *SendQueue) notified(c CQE) error {
	gen := c.Token().Generation()
	for i := q.zc.begin; i != q.zc.end; i++ {
		r := q.zc.at(i)
		if r.gen != gen || r.done {
			continue
		}
		r.done = true
		q.stats.Notifications++
		q.countCopy(c.Copied())
		q.zc.trim()
		q.releaseSent()
		return nil
	}
	return fmt.Errorf("%w: notification for send %d, which is not on its way", ErrBadCompletion, gen)
}

// countCopy changes over to copying when the kernel copies anyhow, as it does
// on loopback and with devices that cannot gather.
func (q *SendQueue) countCopy(copied bool) {
	if !copied {
		q.zc.copies = 0
		return
	}
	q.stats.Copied++
	q.zc.copies++
	if q.zc.copies >= copiesToChange && !q.cfg.ZCAlways && q.mode.zeroCopy() {
		q.mode = SendVectored
	}
}
