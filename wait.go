package uring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
)

// GetEvents lets the kernel do what it has put off: completion work of
// [SetupDeferTaskrun] and [SetupCoopTaskrun], and completions that had
// overflowed. It waits for nothing and submits nothing. [Ring.Completions] does
// it when there is something. See io_uring_get_events(3).
func (r *Ring) GetEvents() error {
	if err := r.beforeEnter(); err != nil {
		return err
	}
	return check(opWait, afterSignals(r.drv.GetEvents))
}

// afterSignals makes a call again while a signal ends it, such as the Go
// runtime's own. Kernels before 6.13, too, are interrupted when they wait for
// the requests that use what is unregistered.
func afterSignals(call func() int) int {
	for {
		if rc := call(); rc != -int(syscall.EINTR) {
			return rc
		}
	}
}

// SubmitAndGetEvents is [Ring.Submit] and [Ring.GetEvents] in one system call.
// See io_uring_submit_and_get_events(3).
func (r *Ring) SubmitAndGetEvents() (int, error) {
	r.submitting()
	if err := r.beforeEnter(); err != nil {
		return 0, err
	}
	queued := r.q.SQUnsubmitted()
	for {
		before := r.q.SQReady()
		rc := r.drv.SubmitAndGetEvents()
		r.keepUnsubmitted(before, rc)
		if rc != -int(syscall.EINTR) {
			return r.submitted(queued), check(opSubmit, rc)
		}
	}
}

// WaitSQ waits until the kernel's thread has made room in the submission queue.
// On a ring without [SetupSQPoll] it returns at once: Submit makes room. See
// io_uring_sqring_wait(3); __io_uring_sqring_wait is it for rings that have the
// thread.
func (r *Ring) WaitSQ() error {
	if r.gone() || r.flags&SetupSQPoll == 0 {
		return r.usable()
	}
	for {
		if err := r.beforeEnter(); err != nil {
			return err
		}
		if rc := r.drv.WaitSQ(); rc < 0 && rc != -int(syscall.EINTR) {
			return check(opWaitSQ, rc)
		}
		if r.SQSpace() > 0 {
			return nil
		}
		if r.q.SQSubmitted() == 0 {
			return errors.New("uring: WaitSQ: no entry has been submitted: call Submit first")
		}
	}
}

// MakeRoom sees to it that n entries are free: when there are fewer it submits
// what is queued, and with [SetupSQPoll] waits for the kernel's thread. Call it
// before the first entry of a chain of linked requests, which must reach the
// kernel together, or whenever [Ring.NextSQE] must not fail with [ErrSQFull].
// See io_uring_sq_space_left(3).
func (r *Ring) MakeRoom(n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if most := int(r.q.SQEntries()); n > most {
		return fmt.Errorf("uring: MakeRoom for %d entries in a submission queue of %d: set Config.Entries", n, most)
	}
	for r.SQSpace() < n {
		took, err := r.Submit()
		switch {
		case err != nil:
			return err
		case r.flags&SetupSQPoll != 0:
			if err := r.WaitSQ(); err != nil {
				return err
			}
		case took == 0:
			return ErrSQFull
		}
	}
	return nil
}

// WaitReady waits until n completions are ready, for at most the time limit,
// and submits nothing. When the time is up first, the error is
// [os.ErrDeadlineExceeded]; a negative limit is none. See
// io_uring_wait_cqes(3), io_uring_wait_cqe_timeout(3) and
// io_uring_wait_cqe_nr(3).
func (r *Ring) WaitReady(n int, limit time.Duration) error {
	return r.waitReady(n, 0, limit)
}

// WaitReadyMin is [Ring.SubmitAndWaitMin] without submitting. See
// io_uring_wait_cqes_min_timeout(3).
func (r *Ring) WaitReadyMin(n int, least, most time.Duration) error {
	if err := r.minTimeout(); err != nil {
		return err
	}
	return r.waitReady(n, max(min(least, most), 0), most)
}

func (r *Ring) waitReady(n int, least, limit time.Duration) error {
	w := wait{least: least, most: limit}
	_, err := r.wait(n, w, func(want uint32, left time.Duration) int {
		return r.drv.Wait(w.raw(want, left))
	})
	return err
}

// A SignalSet is a set of signals.
type SignalSet uint64

// Signals returns a set of signals.
func Signals(list ...syscall.Signal) SignalSet {
	var set SignalSet
	for _, s := range list {
		if s < 1 || s > 64 {
			panic("uring: there is no signal " + s.String())
		}
		set |= 1 << (s - 1)
	}
	return set
}

// SubmitAndWaitSignals is [Ring.SubmitAndWaitTimeout] for programs that wait
// for signals too. A signal that reaches the thread ends the wait with EINTR,
// save those of the set block, which stay pending until the wait is over. A
// negative limit is none.
//
// Which thread a signal reaches is up to the kernel and to Go, which has its
// own use for SIGURG: block at least that one, or the scheduler ends waits. See
// io_uring_submit_and_wait_timeout(3).
func (r *Ring) SubmitAndWaitSignals(n int, limit time.Duration, block SignalSet) (int, error) {
	w := wait{most: limit, block: block, interruptible: true, submit: true}
	return r.wait(n, w, func(want uint32, left time.Duration) int {
		return r.drv.Wait(w.raw(want, left))
	})
}

// wait says how to wait.
type wait struct {
	least, most   time.Duration // for ever if most is negative
	block         SignalSet
	interruptible bool // a signal ends the wait
	submit        bool
}

// forever stands for a time that is not limited.
const forever = time.Duration(-1)

func (w wait) raw(want uint32, left time.Duration) cgo.Wait {
	c := cgo.Wait{
		Sec: int64(left / time.Second), Nsec: int64(left % time.Second),
		Block: uint64(w.block), N: want, MinUsec: units(w.least, time.Microsecond),
	}
	if left == forever {
		c.Sec, c.Nsec = -1, 0
	}
	if w.submit {
		c.Submit = 1
	}
	return c
}

// wait calls enter until n completions are ready, with the time that is left.
// It returns how many entries the kernel took.
func (r *Ring) wait(n int, w wait, enter func(want uint32, left time.Duration) int) (int, error) {
	if w.submit {
		r.submitting()
	}
	if err := r.beforeEnter(); err != nil {
		return 0, err
	}
	want, queued := r.wanted(n), r.q.SQUnsubmitted()
	// A call that submits hides a signal. And with SetupSQRewind liburing would
	// submit the first entries again when the kernel took some only.
	if w.submit && (w.interruptible || r.flags&SetupSQRewind != 0) {
		if err := r.submitRest(); err != nil {
			return r.submitted(queued), err
		}
	}
	left, deadline := forever, time.Time{}
	if w.most >= 0 {
		left, deadline = w.most, time.Now().Add(w.most)
	}
	for {
		before := r.q.SQUnsubmitted()
		rc := enter(want, left)
		r.skipFillers()
		switch ready := r.ready(); {
		case rc < 0 && rc != -int(syscall.EINTR) && rc != -cgo.ETime:
			return r.submitted(queued), check(opWait, rc)
		case ready >= want, w.least > 0 && ready > 0:
			return r.submitted(queued), nil
		}
		if w.submit {
			if err := r.stuck(before, rc); err != nil {
				return r.submitted(queued), err
			}
		}
		if w.most >= 0 {
			if left = time.Until(deadline); left <= 0 {
				return r.submitted(queued), os.ErrDeadlineExceeded
			}
		}
		if w.interruptible {
			// The kernel does not say so when completions are ready, if too few.
			return r.submitted(queued), check(opWait, -int(syscall.EINTR))
		}
	}
}

// submitRest submits until nothing is queued.
func (r *Ring) submitRest() error {
	for {
		queued := r.q.SQUnsubmitted()
		if queued == 0 {
			return nil
		}
		took, err := r.Submit()
		if err == nil {
			err = r.stuck(queued, took)
		}
		if err != nil {
			return err
		}
	}
}

// minTimeout returns the error of a ring that knows no minimum time.
func (r *Ring) minTimeout() error {
	if r.gone() {
		return r.usable()
	}
	if r.features&cgo.FeatMinTimeout == 0 {
		return HaveMinTimeout()
	}
	return nil
}

// units returns how many units d has, rounded up, as far as a C field can say.
func units(d, unit time.Duration) uint32 {
	return uint32(min((d+unit-1)/unit, math.MaxUint32))
}
