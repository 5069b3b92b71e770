package uring

import (
	"fmt"

	"github.com/uring-go/uring/internal/live"
)

// Close takes the buffers from the kernel. It returns [ErrBusy], and does
// nothing, while slices are lent. Cancel requests that still use the group, and
// wait for their last completions, first: they end with ENOBUFS, or take the
// buffers of the group's next user. Memory that one of them may still write to
// is kept until the Ring is closed. A second Close does nothing. See
// io_uring_free_buf_ring(3) and io_uring_unregister_buf_ring(3).
func (b *BufRing) Close() error {
	if b.closed {
		return nil
	}
	if b.stats.Lent > 0 {
		return fmt.Errorf("buffer ring %d: %w: %d slices are lent; release them first", b.group, ErrBusy, b.stats.Lent)
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
		// A buffer is with a request that has not completed yet, or there is no
		// way to tell: the memory must outlive the request.
		b.ring.unfreed = append(b.ring.unfreed, b)
		return nil
	}
	b.detach()
	return nil
}

// forget gives the numbers of the buffers up, unless a completion may still name
// one.
func (b *BufRing) forget(quiet bool) {
	if quiet && b.watched {
		b.ring.closedBids = append(b.ring.closedBids, b)
		b.ring.freeBids()
	}
}

// quiet reports whether no request uses a buffer: none may be in the middle of one,
// and the kernel can pick all that it has by this account.
func (b *BufRing) quiet() bool {
	if b.async && !(b.ring.countsAll() && b.ring.InFlight() == 0) || b.broken != nil {
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
	if b.stats.Lent == 0 {
		b.free()
	}
}

func (b *BufRing) free() {
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
