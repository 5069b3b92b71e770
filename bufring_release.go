package uring

import (
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/invariant"
	"github.com/uring-go/uring/internal/live"
)

// retire takes a buffer from the kernel's side of the account.
func (b *BufRing) retire(bid uint16) {
	buf := &b.bufs[bid]
	buf.state = retired
	b.out++
	b.stats.Buffers++
	b.stats.Wasted += uint64(b.size - buf.off)
	if buf.pos != b.head {
		b.outOfOrder(buf.pos + 1)
		return
	}
	b.head++
	for b.disorder() {
		first := &b.bufs[b.order[b.head&b.mask]]
		if first.state == inRing && first.pos == b.head {
			return
		}
		b.head++
	}
}

// outOfOrder notes that positions after head, and before end, were used.
func (b *BufRing) outOfOrder(end uint32) {
	if int32(end-b.upTo) > 0 {
		b.upTo = end
	}
}

// disorder reports whether a buffer after head is not whole, or not with the kernel.
func (b *BufRing) disorder() bool { return int32(b.upTo-b.head) > 0 }

// release ends the loan of one slice of a buffer.
func (b *BufRing) release(bid uint16) {
	buf := &b.bufs[bid]
	buf.refs--
	b.stats.Lent--
	if b.detached {
		b.freeUnused()
		return
	}
	if buf.refs == 0 && buf.state == retired {
		b.giveBack(bid)
	}
}

// releaseRun releases one slice of each of n buffers from bid on.
func (b *BufRing) releaseRun(bid, n uint16) {
	if b.closed || n == 1 {
		for i := range n {
			b.release(bid + i)
		}
		return
	}
	before := len(b.returned)
	for end := bid + n; bid != end; bid++ {
		buf := &b.bufs[bid]
		if buf.refs--; buf.refs == 0 && buf.state == retired {
			buf.state, buf.off = returned, 0
			b.returned = append(b.returned, bid)
		}
	}
	b.stats.Lent -= int(n)
	b.gaveBack(before)
}

// gaveBack sees to it that the buffers returned since there were n get to the
// kernel.
func (b *BufRing) gaveBack(n int) {
	if invariant.On {
		for _, bid := range b.returned[n:] {
			poison(b.buffer(bid))
		}
	}
	b.out -= len(b.returned) - n
	b.publishSoon()
}

// giveBack puts a buffer on its way to the kernel.
func (b *BufRing) giveBack(bid uint16) {
	if b.closed {
		return
	}
	buf := &b.bufs[bid]
	buf.state, buf.off = returned, 0
	b.returned = append(b.returned, bid)
	b.gaveBack(len(b.returned) - 1)
}

// publishSoon asks the ring to call publish at the next submit.
func (b *BufRing) publishSoon() {
	if !b.queued {
		b.queued = true
		b.ring.unsent = append(b.ring.unsent, b)
	}
}

// publish gives the returned buffers to the kernel. It reports whether it must be
// called again.
func (b *BufRing) publish() (again bool) {
	if b.closed || b.broken != nil {
		return false // what is with the kernel is not known
	}
	b.settleDoubts()
	b.refill()
	b.queued = len(b.doubts) > 0
	return b.queued
}

func (b *BufRing) refill() {
	if len(b.returned) == 0 {
		return
	}
	b.dry = false
	for _, bid := range b.returned {
		if invariant.On {
			invariant.Check(b.bufs[bid].refs == 0, "buffer %d given to the kernel with %d slices lent", bid, b.bufs[bid].refs)
		}
		b.order[b.tail&b.mask] = bid
		b.bufs[bid].pos, b.bufs[bid].state = b.tail, inRing
		b.tail++
	}
	if !b.disorder() {
		b.upTo = b.head // or it would seem to be ahead when positions have gone round
	}
	cgo.RefillIDs(b.entries.Pointer(), b.mask, b.base, b.size, b.first, b.returned)
	b.returned = b.returned[:0]
}

// address returns where a buffer begins.
func (b *BufRing) address(bid uint16) uint64 { return b.base + uint64(bid)*uint64(b.size) }

func (b *BufRing) buffer(bid uint16) []byte {
	lo := int(bid) * int(b.size)
	return b.arena.Bytes()[lo : lo+int(b.size)]
}

// poison overwrites memory whose loan has ended: whoever kept it will notice.
func poison(p []byte) {
	for i := range p {
		p[i] = 0xDB
	}
}

// A leaseTable remembers which segments are out, so that releasing one twice
// cannot take a buffer from under another.
type leaseTable struct {
	leases []lease
	free   int32 // index+1 of the first free one
}

type lease struct {
	gen  uint32 // odd while out
	bid  uint16
	next int32
}

func (t *leaseTable) open(bid uint16) (index, gen uint32) {
	if t.free == 0 {
		t.leases = append(t.leases, lease{})
		t.free = int32(len(t.leases))
	}
	index = uint32(t.free - 1)
	l := &t.leases[index]
	t.free = l.next
	l.gen++
	l.bid = bid
	return index, l.gen
}

// look returns the buffer of a lease that is out.
func (t *leaseTable) look(index, gen uint32) (bid uint16, ok bool) {
	if int(index) >= len(t.leases) || t.leases[index].gen != gen {
		return 0, false
	}
	return t.leases[index].bid, true
}

func (t *leaseTable) close(index, gen uint32) (bid uint16, ok bool) {
	if bid, ok = t.look(index, gen); !ok {
		return 0, false
	}
	l := &t.leases[index]
	l.gen++
	l.next = t.free
	t.free = int32(index + 1)
	return bid, true
}

// A Segment is a slice of a buffer that the program holds.
type Segment struct {
	// Bytes is memory shared with the kernel, as it was received. It must not
	// be used after Release.
	Bytes []byte

	br    *BufRing
	lease uint32
	gen   uint32
}

// Release ends the use of the segment. When all segments of a buffer that the
// kernel has let go of are released, the buffer goes back to it at the next
// submit. A second Release, of this value or a copy, gives [ErrReleased] and
// does nothing. It belongs to the ring's goroutine, like everything else.
func (s Segment) Release() error {
	bid, err := s.endLease()
	if err != nil {
		return err
	}
	s.br.release(bid)
	return nil
}

// Share returns another segment of the same bytes, which is released by itself:
// for bytes that several holders need, such as the send queues of a broadcast.
// The error is [ErrReleased] if the segment was released.
func (s Segment) Share() (Segment, error) {
	if s.br == nil {
		return Segment{}, wrapf("empty segment: %w", ErrReleased)
	}
	bid, ok := s.br.leases.look(s.lease, s.gen)
	if !ok {
		return Segment{}, ErrReleased
	}
	s.br.bufs[bid].refs++
	s.br.stats.Lent++
	s.lease, s.gen = s.br.leases.open(bid)
	return s, nil
}

// endLease ends the lease, and leaves its hold on the buffer to the caller.
func (s Segment) endLease() (bid uint16, err error) {
	if s.br == nil {
		return 0, wrapf("empty segment: %w", ErrReleased)
	}
	bid, ok := s.br.leases.close(s.lease, s.gen)
	if !ok {
		return 0, ErrReleased
	}
	return bid, nil
}

// Close takes the buffers from the kernel. It returns [ErrBusy], and does
// nothing, while slices are lent, or copied. Cancel requests that still use the group, and
// wait for their last completions, first: they end with ENOBUFS, or take the
// buffers of the group's next user. Memory that one of them may still write to
// is kept until the Ring is closed. A second Close does nothing. See
// io_uring_free_buf_ring(3) and io_uring_unregister_buf_ring(3).
func (b *BufRing) Close() error {
	if b.closed {
		return nil
	}
	if b.stats.Lent > 0 {
		return wrapf("buffer ring %d: %w: %d slices are lent; release them first", b.group, ErrBusy, b.stats.Lent)
	}
	if b.copies.used > 0 {
		return wrapf("buffer ring %d: %w: send queues hold copies of what was received", b.group, ErrBusy)
	}
	if err := b.ring.usable(); err != nil {
		return err
	}
	b.settleDoubts()
	quiet := b.quiet()
	if err := check("unregister the buffer ring", b.ring.drv.UnregisterBufRing(uint32(b.group))); err != nil {
		return err
	}
	delete(b.ring.bufRings, b.group)
	delete(b.ring.groups, b.group)
	b.closed = true
	b.forget(quiet)
	if !quiet {
		// A request that has not completed yet may have a buffer: the memory must
		// outlive the request.
		b.ring.unfreed = append(b.ring.unfreed, b)
		if b.kernelMemory {
			return b.entries.Unmap() // or the mapping would keep the Ring open
		}
		return nil
	}
	b.detach()
	return nil
}

// forget lets others use the numbers of the buffers, unless a completion may still
// name one.
func (b *BufRing) forget(quiet bool) {
	if quiet && b.watched {
		b.ring.closedBids = append(b.ring.closedBids, b)
		b.ring.freeBids()
	}
}

// quiet reports whether no request uses a buffer: nothing is in flight, or none has
// one half filled and the kernel can still pick all that it has by the account.
func (b *BufRing) quiet() bool {
	switch {
	case b.broken != nil:
		return false
	case b.ring.countsAll() && b.ring.InFlight() == 0:
		return true
	case b.async:
		return false
	}
	n, err := b.Available()
	return err == nil && n == len(b.bufs)-b.out-len(b.returned)
}

// abandon is Close when the ring goes: no request runs any more.
func (b *BufRing) abandon() {
	b.closed = true
	b.detach()
}

// detach frees the memory, or leaves that to the last release.
func (b *BufRing) detach() {
	b.detached = true
	b.freeUnused()
}

// freeUnused frees the memory of a ring that is gone, if nothing holds it.
func (b *BufRing) freeUnused() {
	if b.detached && b.stats.Lent == 0 && b.copies.used == 0 {
		b.free()
	}
}

func (b *BufRing) free() {
	b.copies.shut()
	b.freeArena()
	_ = b.entries.Unmap()
	live.Closed(b)
}

// freeArena unmaps the buffers. What the kernel does not unregister, for want of
// memory, is unmapped when the Ring is closed.
func (b *BufRing) freeArena() {
	if b.ring.buffers.holds(b.reg) && b.ring.unregisterMapping(b.reg) != nil {
		b.ring.unfreed = append(b.ring.unfreed, b)
		return
	}
	b.arena.abandon()
}
