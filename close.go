package uring

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/live"
)

// drainTime is how long Close waits for running requests to stop, and then for
// notifications of zero-copy sends. Tests shorten it.
var drainTime = 2 * time.Second

// Close cancels every request, waits until the kernel has let go of all
// memory, closes what was made from the ring and frees it. Completions not yet
// handled are gone with it. A second Close does nothing.
//
// A zero-copy send whose peer does not read may hold its memory for longer
// than Close waits. That memory is then never reused, nor freed, and Close
// returns an error that says how much.
//
// A request that cannot be cancelled, such as I/O on a disk that hangs, makes
// Close give up with [ErrBusy]; the ring stays open, for another Close.
//
// On a ring with [SetupSingleIssuer] only the owner may call Close; others get
// [ErrWrongThread]. See io_uring_queue_exit(3).
func (r *Ring) Close() error {
	if r == nil || r.q == nil {
		return errNoRing
	}
	if r.closed {
		return nil
	}
	if err := r.quiesce(); err != nil {
		return err
	}
	err := r.drainNotifications()
	r.buffers.release(r)
	for _, q := range r.queues {
		q.abandon()
	}
	for _, b := range r.bufRings {
		b.abandon()
	}
	for _, b := range r.unfreed {
		b.detach()
	}
	if r.parked != nil {
		err = errors.Join(err, r.parked.close())
	}
	r.closed, r.noSQE = true, ErrClosed
	r.q, r.head = r.q.Closed(), 0
	closeRaw(r.drv)
	r.leaveMemory()
	for _, g := range r.regions {
		err = errors.Join(err, g.release())
	}
	for _, z := range r.zcrx {
		err = errors.Join(err, z.release())
	}
	if r.scratch != nil {
		err = errors.Join(err, r.scratch.Unmap())
	}
	live.Closed(r)
	return err
}

// quiesce cancels all requests and waits for them: afterwards the kernel
// touches no buffer any more, except zero-copy sends that are on their way.
func (r *Ring) quiesce() error {
	if err := r.usable(); err != nil {
		return err
	}
	r.syncHead()
	if r.disabled {
		return nil // nothing was ever submitted
	}
	deadline := time.Now().Add(drainTime)
	if !r.awaitSQThread(deadline) {
		return fmt.Errorf("uring: close: the kernel's thread has not taken all entries after %v: %w", drainTime, ErrBusy)
	}
	for {
		rc := r.drv.SyncCancelAll(int64(max(time.Until(deadline), 0)))
		switch syscall.Errno(-rc) {
		case syscall.EINTR:
			continue // a signal, such as the Go runtime's own
		case syscall.EEXIST:
			return check("close", rc)
		case cgo.ETime:
			return fmt.Errorf("uring: close: requests still run after %v: %w", drainTime, ErrBusy)
		}
		// ENOENT: nothing ran. Anything else cannot be helped, and the kernel
		// cancels what is left itself when the ring goes.
		return nil
	}
}

// awaitSQThread waits until the kernel's thread has taken all entries that
// were submitted: what it takes later would not be cancelled.
func (r *Ring) awaitSQThread(deadline time.Time) bool {
	for r.flags&SetupSQPoll != 0 && r.q.SQSubmitted() > 0 {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(50 * time.Microsecond)
	}
	return true
}

// drainNotifications waits until no zero-copy send of a queue uses memory, or
// for drainTime.
func (r *Ring) drainNotifications() error {
	if r.unnotified() == 0 {
		return nil
	}
	// Waiting submits. What was never submitted must not start now, and a send
	// of which that is true has no notification.
	r.q.Clear()
	deadline := time.Now().Add(drainTime)
	for {
		for c := range r.Completions() {
			if q := r.queues[c.UserData&^tokenGeneration]; q != nil {
				_, _ = q.Complete(c)
			}
		}
		if r.unnotified() == 0 || !time.Now().Before(deadline) {
			break
		}
		_, _ = r.SubmitAndWaitTimeout(1, time.Until(deadline))
	}
	if n := r.unnotified(); n > 0 {
		return fmt.Errorf("uring: close: %d zero-copy sends still on their way after %v, their memory is never reused: %w", n, drainTime, ErrBusy)
	}
	return nil
}

func (r *Ring) unnotified() int {
	n := 0
	for _, q := range r.queues {
		n += q.Unnotified()
	}
	return n
}
