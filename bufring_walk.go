package uring

import (
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/uring-go/uring/internal/invariant"
)

// Consume hands the bytes that completion c brought to fn, one call for each
// buffer they lie in, in the order in which they were received. It returns the
// completion's error if it has one, or that of fn, which is then not called
// again; the other bytes of the completion are dropped. With no bytes, as at
// the end of a stream, fn is not called.
//
// p is memory shared with the kernel: it must not be used after fn returns.
// Each completion of a request that picks from b goes through Consume or
// [BufRing.Segments] once, in the order in which [Ring.Completions] yields them, and
// failed ones do, too: they may have cost a buffer, and are harmless otherwise. One
// with bytes that was left out, or comes again, gives [ErrBadCompletion]. That one
// without bytes was left out is made up for, unless the buffer rings of the Ring have
// more than 32768 buffers in all, or it has had groups of another kind, a
// [RawBufRing] or those of [SQE.PrepProvideBuffers].
func (b *BufRing) Consume(c CQE, fn func(p []byte) error) error {
	w, err := b.begin(c)
	if err != nil {
		return err
	}
	defer w.drop() // what fn did not get to see, even when it panics
	for w.left > 0 {
		p := w.bytes()
		err := fn(p)
		if invariant.On {
			poison(p)
		}
		b.release(w.step())
		if err != nil {
			return err
		}
	}
	return c.Err()
}

// Segments yields the bytes that completion c brought, one segment for each
// buffer they lie in, in the order in which they were received. Each must be
// released, when and in whichever order suits; until then its bytes stay as
// they are. Segments that a broken loop did not get to are dropped. An error,
// that of the completion or [ErrBadCompletion], comes once, with an empty
// segment; a completion without bytes yields nothing. Loop over it once.
//
// See [BufRing.Consume] for the simple form, and for which completions must be
// handed over.
func (b *BufRing) Segments(c CQE) iter.Seq2[Segment, error] {
	return func(yield func(Segment, error) bool) {
		w, err := b.begin(c)
		if err != nil {
			yield(Segment{}, err)
			return
		}
		defer w.drop()
		for w.left > 0 {
			if !yield(w.segment(), nil) {
				return
			}
		}
		if err := c.Err(); err != nil {
			yield(Segment{}, err)
		}
	}
}

// begin finds the bytes of c in the shadow ring. It takes all of them from the
// kernel's side of the account before any is handed out, so that the account is up
// to date if the caller handles further completions meanwhile. Completions without
// bytes may have cost a buffer: see settleDoubts. A completion that is refused
// changes nothing.
func (b *BufRing) begin(c CQE) (walk, error) {
	if b.detached {
		return walk{}, ErrClosed
	}
	if b.broken != nil {
		return walk{}, b.broken
	}
	id, ok := c.BufferID()
	if !ok {
		if c.Res > 0 {
			return walk{}, b.bad(c, "it names no buffer")
		}
		return walk{b: b}, nil
	}
	bid := id - b.first
	if b.watched && c.Res <= 0 {
		return walk{b: b}, nil // see arrive
	}
	if err := b.expects(c); err != nil {
		return walk{}, err
	}
	if b.singles && !b.foreseen() {
		b.broken = b.disagreement()
		return walk{}, b.broken
	}
	if int(bid) >= len(b.bufs) || b.bufs[bid].state != inRing {
		return walk{}, b.fail(b.bad(c, "the kernel did not have that buffer"))
	}
	if c.Res <= 0 {
		b.doubt(c)
		return walk{b: b}, nil
	}
	n := uint32(c.Res)
	kept, err := b.fits(c, bid, n)
	if err != nil {
		return walk{}, b.fail(err)
	}
	b.noteHanded(c)
	b.stats.Completions++
	b.stats.Bytes += uint64(n)
	w := walk{b: b, left: n, bid: bid, off: b.bufs[bid].off}
	b.claim(bid, n, kept)
	b.moved()
	return w, nil
}

// fits checks that the kernel can have put n bytes, as c says, into buffer bid and
// those after it, and returns whether it keeps the last one of them.
func (b *BufRing) fits(c CQE, bid uint16, n uint32) (kept bool, err error) {
	end, kept, ok := b.span(bid, n)
	if !ok {
		return false, b.bad(c, "it claims more bytes than the kernel had room for")
	}
	// Buffers that the kernel has passed over are with requests in worker threads,
	// which complete out of order.
	if b.bufs[bid].pos != b.head {
		if !b.reached(end) {
			return false, b.bad(c, "the kernel has not come to that buffer")
		}
		if !b.passedWhole(b.bufs[bid].pos) {
			return false, b.bad(c, "the kernel gave the rest of a buffer before it to several requests")
		}
		b.outOfOrder(end)
	}
	if b.incremental && kept != c.BufferMore() {
		if !kept {
			end--
		}
		return b.judge(c, end, kept)
	}
	return kept, nil
}

func (b *BufRing) bad(c CQE, why string) error {
	return fmt.Errorf("%w: group %d, result %d, flags %#x: %s", ErrBadCompletion, b.group, c.Res, c.Flags, why)
}

// span finds how far n bytes reach, from the receive point of buffer bid on. end is
// the position after the last buffer that they use up. kept reports whether they
// begin to fill the buffer there, which the kernel keeps. ok is false if the kernel
// did not have so much room.
func (b *BufRing) span(bid uint16, n uint32) (end uint32, kept, ok bool) {
	pos, room := b.bufs[bid].pos, b.size-b.bufs[bid].off
	if n > room && pos == b.head && !b.disorder() {
		// All buffers after it are whole.
		whole := (n - room - 1) / b.size
		if whole >= b.tail-pos-1 {
			return 0, false, false
		}
		n -= room + whole*b.size
		pos, room = pos+1+whole, b.size
	}
	for n > room {
		// A bundle goes on in the next buffer, which must be there and whole.
		n -= room
		pos++
		buf := &b.bufs[b.order[pos&b.mask]]
		if buf.pos != pos || buf.state != inRing || buf.off != 0 {
			return 0, false, false
		}
		room = b.size
	}
	if b.incremental && room-n >= b.least {
		return pos, true, true
	}
	return pos + 1, false, true
}

// claim takes n bytes from buffer bid on, with a hold on each buffer, and
// retires those that they use up, and the last one unless the kernel keeps it.
func (b *BufRing) claim(bid uint16, n uint32, kept bool) {
	for {
		if n > b.size && !b.disorder() && b.bufs[bid].pos == b.head && b.bufs[bid].off == 0 {
			bid, n = b.claimWhole(bid, n)
		}
		buf := &b.bufs[bid]
		part := min(n, b.size-buf.off)
		n -= part
		buf.off += part
		buf.refs++
		b.stats.Lent++
		if n > 0 || !kept {
			b.retire(bid)
		}
		if n == 0 {
			return
		}
		buf.next = b.order[(buf.pos+1)&b.mask]
		bid = buf.next
	}
}

// claimWhole is claim for the buffers that n bytes fill, from the first one in the
// ring on, except the last. It returns the bytes that are left.
func (b *BufRing) claimWhole(bid uint16, n uint32) (uint16, uint32) {
	pos := b.head
	for ; n > b.size; n -= b.size {
		buf := &b.bufs[bid]
		pos++
		buf.off, buf.refs, buf.state = b.size, 1, retired
		buf.next = b.order[pos&b.mask]
		bid = buf.next
	}
	whole := int(pos - b.head)
	b.head = pos
	b.out += whole
	b.stats.Buffers += uint64(whole)
	b.stats.Lent += whole
	return bid, n
}

// lose retires a buffer that brings no more bytes.
func (b *BufRing) lose(bid uint16) {
	b.retire(bid)
	if b.bufs[bid].refs == 0 {
		b.giveBack(bid)
	}
}

// settleDoubts finds out which buffers were used up by completions without bytes.
// Some that name a buffer have used it up, as at the end of a file, and some have
// not; what they say differs between kernels. The kernel's head tells, once all
// completions are handled. Before that, it may have passed the buffer because of a
// completion that still waits.
func (b *BufRing) settleDoubts() {
	if len(b.doubts) == 0 {
		return
	}
	// Ask first and look for completions then: each is there by the time the
	// head has moved.
	pos, err := b.letGo()
	if b.pending() {
		return
	}
	if err != nil && !errors.Is(err, ErrNotSupported) {
		return
	}
	for _, d := range b.doubts {
		buf := &b.bufs[d.bid]
		if buf.state != inRing || buf.pos != d.pos {
			continue // a later completion was about it
		}
		// Kernels too old to be asked have always let go of it.
		if err != nil || int32(pos-d.pos) > 0 {
			b.lose(d.bid)
		}
	}
	b.doubts = b.doubts[:0]
}

// reached reports whether the kernel has let go of all buffers before pos, as far
// as it can be asked.
func (b *BufRing) reached(pos uint32) bool {
	at, err := b.letGo()
	return err != nil || int32(at-pos) >= 0
}

// letGo asks for the position before which the kernel has let go of all
// buffers.
func (b *BufRing) letGo() (uint32, error) {
	head, err := b.Head()
	// The kernel knows the low 16 bits, and is not behind this account.
	return b.head + uint32(head-uint16(b.head)), err
}

// A walk goes over the bytes that a completion claimed.
type walk struct {
	b    *BufRing
	left uint32 // bytes to come
	off  uint32 // where they start in the buffer
	bid  uint16 // the buffer that comes next
}

// bytes returns the slice that comes next.
func (w *walk) bytes() []byte {
	b := w.b
	n := min(w.left, b.size-w.off)
	return unsafe.Slice((*byte)(unsafe.Add(b.data, uintptr(w.bid)*uintptr(b.size)+uintptr(w.off))), n)
}

// step goes past that slice and returns its buffer, which is still held.
func (w *walk) step() (bid uint16) {
	bid = w.bid
	w.left -= min(w.left, w.b.size-w.off)
	w.off = 0
	w.bid = w.b.bufs[bid].next
	return bid
}

// run consumes adjacent slices, at least one and at most `most` bytes, as one piece
// that keeps their holds.
func (w *walk) run(most uint32) piece {
	b := w.b
	p := piece{addr: b.base + uint64(w.bid)*uint64(b.size) + uint64(w.off), br: b, bid: w.bid}
	for {
		n := min(w.left, b.size-w.off)
		p.n += n
		p.bids++
		w.left -= n
		w.off = 0
		bid := w.bid
		w.bid = b.bufs[bid].next
		if w.left == 0 || w.bid != bid+1 || p.n+b.size > most {
			return p
		}
	}
}

// segment is bytes and step with a lease, which can be given back once.
func (w *walk) segment() Segment {
	p := w.bytes()
	lease, gen := w.b.leases.open(w.step())
	return Segment{Bytes: p, br: w.b, lease: lease, gen: gen}
}

// drop releases what is left of the completion.
func (w *walk) drop() {
	for w.left > 0 {
		w.b.release(w.step())
	}
}

// discard drops the bytes that c brought.
func (b *BufRing) discard(c CQE) error {
	w, err := b.begin(c)
	w.drop()
	return err
}
