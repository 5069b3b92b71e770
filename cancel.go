package uring

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// A Match says which requests [Ring.SyncCancel] and [SQE.PrepCancelMatch] cancel:
// those that agree with each pointer that is set.
type Match struct {
	UserData *uint64
	FD       *FD // the file that they work on; together with UserData see [HaveCancelBoth]
	Op       *Op // see [HaveCancelOp]
	// Any matches every request, and takes no other condition. All are cancelled.
	Any bool
}

// SyncCancel cancels requests and waits until they are over: when it returns
// without an error, the kernel does not use their memory any more. It needs no
// entry in the submission queue. With all, and with Match.Any, it cancels every
// request that matches, and returns how many there were, not counting those that a
// worker thread had begun; otherwise the first that it finds.
//
// The kernel finds neither direct I/O that a device works on, nor a zero-copy send
// that waits for its notification, nor, by descriptor, what waits for a worker
// thread to begin with it. With Match.Any those are waited for, too, if
// [Ring.InFlight] is exact; with other conditions they go on: look at their
// completions. On a ring with [SetupSQPoll] it does not find what a worker thread
// carries out either: [SQE.PrepCancel] does.
//
// With Match.Any all completions are in the queue when it returns, unless that
// overflows, see [Ring.Overflowed], or InFlight is not exact. Otherwise those of
// requests that another thread submitted may come a little later.
//
// The error is ENOENT if no request matches, unless all is set or Match.Any, and
// [os.ErrDeadlineExceeded] if one is not over after the time limit; a negative
// limit is none. It matches [ErrBusy] if requests that the kernel does not find
// are still in flight, and none has ended for 2 seconds. Linux 6.0. See
// io_uring_register_sync_cancel(3).
func (r *Ring) SyncCancel(m Match, all bool, limit time.Duration) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	c, err := m.raw()
	if err != nil {
		return 0, err
	}
	if err := m.supported(); err != nil {
		return 0, err
	}
	if all || m.Any {
		c.Flags |= cgo.AsyncCancelAll
	}
	until := deadline{time.Now().Add(limit), limit < 0}
	r.syncHead()
	if !r.awaitSQThread(until) {
		return 0, errCancelLate
	}
	n, err := r.syncCancel(&c, until)
	if err != nil || c.Flags&(cgo.AsyncCancelAll|cgo.AsyncCancelAny) == 0 {
		return n, err
	}
	return n, r.awaitCancelled(c, until)
}

var errCancelLate = fmt.Errorf("uring: cancel: %w", os.ErrDeadlineExceeded)

// A deadline is when to give up, or never.
type deadline struct {
	at    time.Time
	never bool
}

func (d deadline) left() time.Duration {
	if d.never {
		return forever
	}
	return max(time.Until(d.at), 0)
}

func (d deadline) over() bool { return d.left() == 0 }

// cancelSlice is how long the kernel waits for a worker at most before it is asked
// again. It looks anew only when a completion wakes it, which does not come from a
// worker that gives the request back to wait for its file, nor with
// SetupDeferTaskrun.
const cancelSlice = 100 * time.Millisecond

// syncCancel cancels what matches. It returns how many the kernel found; what a
// worker thread carries out may go on.
func (r *Ring) syncCancel(c *cgo.SyncCancel, until deadline) (int, error) {
	rc := r.syncCancelOnce(c, until)
	for syscall.Errno(-rc) == cgo.ETime {
		if until.over() {
			return 0, errCancelLate
		}
		r.runWork()
		if rc = r.syncCancelOnce(c, until); rc == -int(syscall.ENOENT) {
			rc = 0 // it has ended since
		}
	}
	if rc >= 0 {
		r.cancelled()
		r.runWork()
	}
	return max(rc, 0), checkSince("cancel", rc, kernel.V(6, 0), "")
}

func (r *Ring) syncCancelOnce(c *cgo.SyncCancel, until deadline) int {
	return afterSignals(func() int {
		left := cancelSlice
		if !until.never {
			left = min(until.left(), left)
		}
		c.Sec, c.Nsec = int64(left/time.Second), int64(left%time.Second)
		return r.drv.SyncCancel(c)
	})
}

// awaitCancelled waits until nothing is left of what was cancelled.
func (r *Ring) awaitCancelled(c cgo.SyncCancel, until deadline) error {
	if c.Flags&cgo.AsyncCancelAny != 0 {
		return r.awaitPosted(c, until)
	}
	// The kernel does not wait for workers when it is to cancel all, but when it
	// is to cancel the first.
	c.Flags &^= cgo.AsyncCancelAll
	return r.cancelEach(c, until)
}

// cancelEach cancels one request after the other, until the kernel finds none.
// It finds one again whose thread has still to end it.
func (r *Ring) cancelEach(c cgo.SyncCancel, until deadline) error {
	for pause := time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		_, err := r.syncCancel(&c, until)
		switch {
		case errors.Is(err, syscall.ENOENT):
			return nil
		case err != nil:
			return err
		case until.over():
			return errCancelLate
		}
		time.Sleep(pause)
	}
}

// awaitPosted waits until all requests have posted their last completion, as far
// as can be seen. The kernel can miss a request that is on its way to a worker, or
// back, so this cancels again and again.
func (r *Ring) awaitPosted(any cgo.SyncCancel, until deadline) error {
	left, since := r.unposted(), time.Now()
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		if err := r.cancelByOp(until); err != nil {
			return err
		}
		found, err := r.syncCancel(&any, until)
		if err != nil {
			return err
		}
		if n := r.unposted(); n != left || found > 0 {
			left, since = n, time.Now()
		}
		counts := r.countsAll() && !r.Overflowed()
		switch {
		case found == 0 && (left <= 0 || !counts):
			return nil
		case until.over():
			return errCancelLate
		case time.Since(since) > drainTime:
			return wrapf("cancel: requests that the kernel does not find are in flight (%d), and none ended in %v: %w", left, drainTime, ErrBusy)
		}
		time.Sleep(pause)
	}
}

// cancelByOp cancels every request, one opcode after the other: so the kernel
// waits for workers. Before Linux 6.6 that is left to the count of requests.
func (r *Ring) cancelByOp(until deadline) error {
	if HaveCancelOp() != nil {
		return nil
	}
	for op := range opNames {
		if err := r.cancelEach(cgo.SyncCancel{FD: -1, Flags: cgo.AsyncCancelOp, Opcode: uint8(op)}, until); err != nil {
			return err
		}
	}
	return nil
}

// runWork runs the work that has been put off: what was cancelled is over after
// it.
func (r *Ring) runWork() {
	if r.flags&(SetupCoopTaskrun|SetupDeferTaskrun) != 0 {
		r.drv.GetEvents()
	}
}

// unposted returns the number of requests whose last completion is not in the queue
// yet.
func (r *Ring) unposted() int { return r.InFlight() - r.readyEnds() }

// supported refuses conditions that the kernel ignores: it would cancel other
// requests.
func (m Match) supported() error {
	if m.Op != nil {
		if err := HaveCancelOp(); err != nil {
			return err
		}
	}
	if m.UserData != nil && m.FD != nil {
		return HaveCancelBoth()
	}
	return nil
}

func (m Match) raw() (cgo.SyncCancel, error) {
	c := cgo.SyncCancel{FD: -1}
	none := m.UserData == nil && m.FD == nil && m.Op == nil
	switch {
	case m.Any && !none:
		return c, errors.New("uring: cancel: Match.Any takes no other condition")
	case m.Any:
		c.Flags = cgo.AsyncCancelAny
		return c, nil
	case none:
		return c, errors.New("uring: cancel: the Match is empty; Any matches every request")
	}
	if m.UserData != nil {
		c.Flags |= cgo.AsyncCancelUserData
		c.Addr = *m.UserData
	}
	if m.FD != nil {
		c.Flags |= cgo.AsyncCancelFD
		c.FD = int32(*m.FD)
		if m.FD.IsDirect() {
			c.Flags |= cgo.AsyncCancelFDFixed
			c.FD = int32(*m.FD &^ directBit)
		}
	}
	if m.Op != nil {
		c.Flags |= cgo.AsyncCancelOp
		c.Opcode = uint8(*m.Op)
	}
	return c, nil
}

// CancelFlags say what a cancellation matches.
type CancelFlags uint32

// The flags of cancellations.
const (
	// CancelAll cancels every request that matches, not just one; the result
	// is their number. Linux 5.19.
	CancelAll CancelFlags = cgo.AsyncCancelAll
	// CancelAny matches every request of the ring. Linux 5.19.
	CancelAny CancelFlags = cgo.AsyncCancelAny
)

// PrepCancel cancels the request with this user data. The result is 0, or
// ENOENT if there is none, or EALREADY if it is too late; with [CancelAll] a
// number. The cancelled request still posts its own completion, perhaps after
// this one. See io_uring_prep_cancel64(3).
//
//uring:covers io_uring_prep_cancel
func (s SQE) PrepCancel(userData uint64, flags CancelFlags) {
	s.prep(cgo.OpAsyncCancel, -1, userData, 0, 0)
	s.OpFlags = uint32(flags)
}

// PrepCancelFD cancels requests on fd. Linux 5.19. See
// io_uring_prep_cancel_fd(3).
func (s SQE) PrepCancelFD(fd FD, flags CancelFlags) {
	s.prep(cgo.OpAsyncCancel, fd, 0, 0, 0)
	s.OpFlags = uint32(flags) | cgo.AsyncCancelFD
	if fd.IsDirect() {
		// Named by a flag of the cancellation, not of the entry.
		s.Flags &^= cgo.SQEFixedFile
		s.OpFlags |= cgo.AsyncCancelFDFixed
	}
}

// PrepCancelOp cancels requests with this opcode, sqe->opcode. Linux 6.6. See
// io_uring_prep_cancel64(3).
func (s SQE) PrepCancelOp(op uint8, flags CancelFlags) {
	s.prep(cgo.OpAsyncCancel, -1, 0, uint32(op), 0)
	s.OpFlags = uint32(flags) | cgo.AsyncCancelOp
}

// PrepCancelFDOp cancels requests on fd that have this opcode. Linux 6.6. See
// io_uring_prep_cancel_fd(3).
func (s SQE) PrepCancelFDOp(fd FD, op uint8, flags CancelFlags) {
	s.PrepCancelFD(fd, flags)
	s.Len = uint32(op)
	s.OpFlags |= cgo.AsyncCancelOp
}

// PrepCancelMatch cancels what m matches, such as the request with this user data
// on this descriptor, as [Ring.SyncCancel] does, and does not wait. The result is
// as of [SQE.PrepCancel]. By user data it needs Linux 5.19, by opcode 6.6, and by
// user data and descriptor together 6.12.85, 6.18.15 or 7.0: see
// [HaveCancelBoth]. See io_uring_prep_cancel64(3) and io_uring_prep_cancel_fd(3).
func (s SQE) PrepCancelMatch(m Match, flags CancelFlags) error {
	c, err := m.raw()
	if err == nil {
		err = m.supported()
	}
	if err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpAsyncCancel, FD(c.FD), c.Addr, uint32(c.Opcode), 0)
	s.OpFlags = c.Flags | uint32(flags)
	return nil
}
