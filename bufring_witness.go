package uring

import (
	"fmt"
	"slices"

	"github.com/uring-go/uring/cgo"
)

// The account of a buffer ring has two witnesses. The queue knows in which order
// completions came: one that was skipped, or is handed over twice, is noticed.
// The kernel writes into the entry of an incremental buffer how much of it is
// left: a receive point that differs from the account's is noticed too.

// A BufRing gets numbers for its buffers that no other one of the Ring has, so
// that a completion tells whose it is. Send queues use numbers from sendBids on.
const (
	watchedBids = 1 << 15
	sendBids    = 1 << 15
)

// watch gives b numbers of its own. When there are none left, or buffers of
// groups without a ring may have any number, nobody can tell whose a completion
// is: then b relies on the program, and on the kernel's entries.
func (b *BufRing) watch() {
	r := b.ring
	r.freeBids()
	n := len(b.bufs)
	first := 0
	for !r.freeFrom(first, n) {
		first += n
	}
	if r.unwatched || first+n > watchedBids {
		b.first = sendBids
		return
	}
	for len(r.byBid) < first+n {
		r.byBid = append(r.byBid, nil)
	}
	for i := range n {
		r.byBid[first+i] = b
	}
	b.first, b.watched = uint16(first), true
}

// freeFrom reports whether nobody has one of n numbers from first on.
func (r *Ring) freeFrom(first, n int) bool {
	for ; n > 0 && first < len(r.byBid); first, n = first+1, n-1 {
		if r.byBid[first] != nil {
			return false
		}
	}
	return true
}

// freeBids lets numbers of closed buffer rings be used again, when no completion
// can name one any more.
func (r *Ring) freeBids() {
	if len(r.closedBids) == 0 || r.ready() > 0 || r.Overflowed() {
		return
	}
	for _, b := range r.closedBids {
		clear(r.byBid[b.first:][:len(b.bufs)])
	}
	r.closedBids = nil
}

// unwatch stops telling completions apart by their numbers.
func (r *Ring) unwatch() {
	r.unwatched = true
	for _, b := range r.bufRings {
		b.watched = false
	}
	clear(r.byBid)
}

// see notes completion c at position i of the queue, which is about to be handed
// out, for the buffer ring that it is about, and returns its number there.
func (r *Ring) see(c CQE, i uint32) (order uint32) {
	b := r.bufRingOf(c)
	if b == nil {
		return 0
	}
	if int32(i-r.noted) < 0 { // Peek has shown it before
		return r.seen(b, c, i)
	}
	r.noted = i + 1
	if c.Res <= 0 { // nobody needs to take bytes: it only raises a doubt
		b.doubt(c)
		return 0
	}
	b.arrived++
	if b.singles {
		c.order = b.arrived
		b.handed = append(b.handed, c)
	}
	return b.arrived
}

// noteHanded notes that c was handed over.
func (b *BufRing) noteHanded(c CQE) {
	b.taken = c.order
	for i := range b.handed {
		if b.handed[i].order == c.order {
			b.handed = append(b.handed[:0], b.handed[i+1:]...)
			return
		}
	}
}

// bufRingOf returns the buffer ring that c is about, if that can be told.
func (r *Ring) bufRingOf(c CQE) *BufRing {
	bid, ok := c.BufferID()
	if !ok || int(bid) >= len(r.byBid) {
		return nil
	}
	return r.byBid[bid]
}

// seen returns the number of c, which is at position i and was seen before: it
// counts back from the last one that was.
func (r *Ring) seen(b *BufRing, c CQE, i uint32) (order uint32) {
	if c.Res <= 0 {
		return 0
	}
	order = b.arrived
	for i++; int32(r.noted-i) > 0; {
		e, next, _ := r.q.CQE(i)
		if later := newCQE(e); later.Res > 0 && r.bufRingOf(later) == b {
			order--
		}
		i = next
	}
	return order
}

// local returns the buffer that c names, as b numbers them.
func (b *BufRing) local(c CQE) uint16 {
	bid, _ := c.BufferID()
	return bid - b.first
}

// doubt remembers that c, a completion without bytes, named a buffer and did not say
// that the kernel keeps it; see settleDoubts.
func (b *BufRing) doubt(c CQE) {
	if bid := b.local(c); b.bufs[bid].state == inRing && !(b.incremental && c.BufferMore()) {
		b.doubts = append(b.doubts, doubt{b.bufs[bid].pos, bid})
		b.publishSoon()
	}
}

// expects returns the error of handing c over, if it is not the next one.
func (b *BufRing) expects(c CQE) error {
	switch skipped := c.order - b.taken - 1; {
	case !b.watched:
		return nil
	case c.order > 0 && b.ring.bufRingOf(c) != b:
		return b.bad(c, "it is about another buffer ring")
	case skipped == 0:
		return nil
	case c.order == 0:
		return b.bad(c, "it does not come from the ring's queue")
	case int32(skipped) < 0:
		return b.bad(c, "it was handed over before")
	default:
		return b.bad(c, fmt.Sprintf("%d completions before it were not handed over: hand over each that has bytes, in the order in which they come", skipped))
	}
}

// judge settles which of two is right when the flag of completion c, that the
// kernel keeps the last buffer it filled, is not as accounted: the buffer at
// position pos. Some kernels set the flag wrong. Where the flag is right the kernel
// took the whole rest of the buffer, as it does for a request in a worker thread:
// then no later completion is about it, and the rest holds nothing. But if the entry
// has another address, a worker took a part before, and the bytes of c lie elsewhere.
func (b *BufRing) judge(c CQE, pos uint32, kept bool) (bool, error) {
	if b.reused(pos) {
		return false, nil
	}
	bid := b.order[pos&b.mask]
	addr, left := b.entry(pos)
	switch {
	case kept && left == 0 && b.singles && !b.comesAgain(c, bid):
		if from := b.address(bid) + uint64(b.bufs[bid].off); addr != from {
			return false, b.bad(c, fmt.Sprintf("the kernel put its bytes %d bytes further on", addr-from))
		}
		return false, nil
	case !kept && left > 0:
		return false, b.bad(c, fmt.Sprintf("by the account the buffer is used up, and the kernel keeps %d bytes of it", left))
	}
	b.stats.Mismatches++
	return kept, nil
}

// comesAgain reports whether a completion after c may go on in the buffer.
func (b *BufRing) comesAgain(c CQE, bid uint16) bool {
	r := b.ring
	for _, later := range b.handed {
		if int32(later.order-c.order) > 0 && b.local(later) == bid {
			return true
		}
	}
	if r.Overflowed() {
		return true // perhaps: what found no room is not here
	}
	_, tail := r.q.CQ()
	for i := r.head; int32(tail-i) > 0; {
		e, next, _ := r.q.CQE(i)
		if later := newCQE(e); r.bufRingOf(later) == b && b.local(later) == bid {
			return true
		}
		i = next
	}
	return false
}

// passedWhole reports whether the kernel gave all that was left of each buffer before
// pos that it has passed over to one request. It may be long until that completes,
// and the slot in the ring is reused: so look at once. Those before upTo were looked
// at before.
func (b *BufRing) passedWhole(pos uint32) bool {
	at := b.head
	if b.disorder() {
		at = b.upTo
	}
	for ; b.incremental && int32(pos-at) > 0; at++ {
		buf := &b.bufs[b.order[at&b.mask]]
		if buf.pos == at && buf.state == inRing && !b.reused(at) && !b.goesOn(at, buf.off) {
			return false
		}
	}
	return true
}

// reused reports whether the slot of a position in the ring has another buffer by
// now: a worker thread may keep one while the others go round.
func (b *BufRing) reused(pos uint32) bool { return b.tail-pos > uint32(len(b.bufs)) }

// entry returns what the kernel has left of the buffer at a position.
func (b *BufRing) entry(pos uint32) (addr uint64, left uint32) {
	return cgo.Left(b.entries.Pointer(), b.mask, pos)
}

// verifyBuffers compares the accounts of buffer rings with the kernel's, if all
// completions have been handed over.
func (r *Ring) verifyBuffers() {
	r.unverified = slices.DeleteFunc(r.unverified, func(b *BufRing) bool { return !b.verify() })
}

// moved asks for verify before the next entry into the kernel.
func (b *BufRing) moved() {
	if b.incremental && b.watched && !b.unverified {
		b.unverified = true
		b.ring.unverified = append(b.ring.unverified, b)
	}
}

// verify compares the receive point with the kernel's. It reports whether it must
// be called again, as there are completions that were not handed over.
func (b *BufRing) verify() (again bool) {
	if !b.closed && b.broken == nil {
		if b.pending() {
			return true
		}
		// Other threads may receive just now, see foreseen.
		for !b.agrees() {
			_, left := b.entry(b.head)
			b.ring.drv.BufRingHead(uint32(b.group))
			if b.pending() {
				return true
			}
			if _, now := b.entry(b.head); now == left && !b.agrees() {
				b.broken = b.disagreement()
				break
			}
		}
	}
	b.unverified = false
	return false
}

// pending reports whether completions wait that the account does not know yet.
func (b *BufRing) pending() bool {
	return b.arrived != b.taken || b.ring.ready() > 0 || b.ring.Overflowed()
}

// agrees reports whether the kernel goes on where the account does. It also does
// if the kernel has given the whole rest of the buffer to a request that has not
// completed yet.
func (b *BufRing) agrees() bool {
	if b.head == b.tail || b.reused(b.head) {
		return true
	}
	bid := b.order[b.head&b.mask]
	return b.goesOn(b.head, b.bufs[bid].off)
}

// goesOn reports whether the kernel goes on in the buffer at position pos behind
// the first off bytes, or has given all that is behind them to one request.
func (b *BufRing) goesOn(pos, off uint32) bool {
	addr, left := b.entry(pos)
	return (left == 0 || left == b.size-off) && addr == b.address(b.order[pos&b.mask])+uint64(off)
}

// foreseen reports whether the kernel goes on where it should after all completions
// that have come. A request that moved to a worker thread may have consumed more of
// a buffer than its completion tells, and what those after it brought lies
// elsewhere. So with [BufRing.singles] this is looked at before any bytes are
// handed out, and not only afterwards.
func (b *BufRing) foreseen() bool {
	_, tail := b.ring.q.CQ()
	if tail == b.looked || !b.watched || int32(b.since-b.taken) > 0 {
		return true
	}
	b.looked = tail
	for {
		f, ok := b.forecast()
		if ok {
			return true
		}
		// Other threads may receive just now. The call takes the kernel's lock:
		// afterwards what they had consumed has its completion, and so the
		// forecast is further.
		b.ring.drv.BufRingHead(uint32(b.group))
		if again, ok := b.forecast(); ok {
			return true
		} else if again == f {
			return b.ring.Overflowed() // or those without room in the queue tell why
		}
	}
}

// forecast carries the account forward over what has come and compares it with the
// kernel's entry.
func (b *BufRing) forecast() (f forecast, ok bool) {
	if b.disorder() {
		return f, true // the worker's completion is still to come, and decides
	}
	f = forecast{b: b, pos: b.head, off: b.bufs[b.order[b.head&b.mask]].off}
	for _, c := range b.handed {
		if !f.add(c) {
			return f, true
		}
	}
	r := b.ring
	_, tail := r.q.CQ()
	for i := r.head; int32(tail-i) > 0; {
		e, next, ok := r.q.CQE(i)
		if c := newCQE(e); ok && int32(i-r.noted) >= 0 && c.Res > 0 && r.bufRingOf(c) == b && !f.add(c) {
			return f, true
		}
		i = next
	}
	if f.pos == b.tail {
		return f, true
	}
	return f, b.goesOn(f.pos, f.off)
}

// A forecast is where an account will be.
type forecast struct {
	b        *BufRing
	pos, off uint32
}

// add goes past the bytes of c. It returns false if they lie elsewhere, or where the
// kernel goes on cannot be told from c alone: then begin finds out.
func (f *forecast) add(c CQE) bool {
	b, n := f.b, uint32(c.Res)
	if f.pos == b.tail || b.order[f.pos&b.mask] != b.local(c) {
		return false
	}
	for n > b.size-f.off {
		n -= b.size - f.off
		f.pos, f.off = f.pos+1, 0
		if f.pos == b.tail {
			return false
		}
	}
	f.off += n
	switch kept := b.size-f.off >= b.least; {
	case kept != c.BufferMore():
		return false // see judge
	case !kept:
		f.pos, f.off = f.pos+1, 0
	}
	return true
}

func (b *BufRing) disagreement() error {
	bid := b.order[b.head&b.mask]
	_, left := b.entry(b.head)
	return fmt.Errorf("%w: group %d, buffer %d: %d bytes of it are left by the account, %d by the kernel's", ErrAccount, b.group, b.first+bid, b.size-b.bufs[bid].off, left)
}

// fail stops the ring from handing out bytes: a completion of the kernel's does
// not fit the account.
func (b *BufRing) fail(bad error) error {
	if b.watched {
		b.broken = wrapf("%w: %w", ErrAccount, bad)
		return b.broken
	}
	return bad // perhaps it is not of the kernel's
}
