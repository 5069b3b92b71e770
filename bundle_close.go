package uring

import (
	"fmt"

	"github.com/uring-go/uring/internal/live"
)

// Close frees the queue and releases what still waits in it. It returns
// [ErrBusy], and does nothing, while the kernel uses its memory: when a send is
// in flight, which can be cancelled with [SQE.PrepCancelFD], or a notification
// is still to come. A second Close does nothing.
func (q *SendQueue) Close() error {
	if q.closed {
		return nil
	}
	if q.inFlight || q.Unnotified() > 0 {
		return fmt.Errorf("send queue: %w: a send is in flight, or its notification is still to come", ErrBusy)
	}
	if err := q.ring.usable(); err != nil {
		return err
	}
	if q.entries != nil {
		if err := check("unregister the buffer ring", q.ring.drv.UnregisterBufRing(uint32(q.group))); err != nil {
			return err
		}
		delete(q.ring.groups, q.group)
	}
	if q.ring.buffers.holds(q.own.reg) {
		if err := q.ring.UnregisterArena(q.own.reg); err != nil {
			return err
		}
	}
	q.abandon()
	return nil
}

// abandon releases everything; the kernel runs none of its requests any more, and
// no notification can come.
func (q *SendQueue) abandon() {
	q.closed = true
	if q.err == nil {
		q.err = ErrClosed
	}
	q.zc.begin = q.zc.end
	q.settle()
	delete(q.ring.queues, q.token)
	live.Closed(q)
	q.free()
}

// free unmaps the queue's memory.
func (q *SendQueue) free() {
	if q.entries != nil {
		_ = q.entries.Unmap()
	}
	if q.own.arena != nil {
		q.own.arena.abandon()
	}
}
