package uring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
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

// afterSignals repeats a call that a signal interrupted, such as the Go runtime's
// own. Before Linux 6.13 that includes unregistering what requests still use.
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

// WaitReady waits until n completions are ready, for at most the time limit,
// and submits nothing. When the time is up first, the error is
// [os.ErrDeadlineExceeded]; a negative limit is none. A timeout request that
// expires ends it, see [Ring.SubmitAndWait]. See io_uring_wait_cqes(3),
// io_uring_wait_cqe_timeout(3) and io_uring_wait_cqe_nr(3).
func (r *Ring) WaitReady(n int, limit time.Duration) error {
	return r.waitReady(n, 0, limit)
}

// WaitReadyMin is [Ring.SubmitAndWaitMin] without submitting. See
// io_uring_wait_cqes_min_timeout(3).
func (r *Ring) WaitReadyMin(n int, least, most time.Duration) error {
	if err := r.minTimeout(); err != nil {
		return err
	}
	if most >= 0 {
		most = max(most, least)
	}
	return r.waitReady(n, max(least, 0), most)
}

func (r *Ring) waitReady(n int, least, limit time.Duration) error {
	w := wait{least: least, most: limit}
	_, err := r.wait(n, w, func(want uint32, left time.Duration) int {
		return r.drv.Wait(r.raw(w, want, left))
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

// SubmitAndWaitSignals is [Ring.SubmitAndWaitTimeout] for programs that also wait
// for signals. A signal that reaches the thread ends the wait with EINTR. Signals
// of the set block do not: they stay pending until the wait is over. A negative
// limit is none.
//
// Which thread a signal reaches is up to the kernel and to Go, which has its
// own use for SIGURG: block at least that one, or the scheduler ends waits. See
// io_uring_submit_and_wait_timeout(3).
func (r *Ring) SubmitAndWaitSignals(n int, limit time.Duration, block SignalSet) (int, error) {
	w := wait{most: limit, block: block, interruptible: true, submit: true}
	return r.wait(n, w, func(want uint32, left time.Duration) int {
		return r.drv.Wait(r.raw(w, want, left))
	})
}

// wait says how to wait.
type wait struct {
	least, most   time.Duration // for ever if most is negative
	block         SignalSet
	interruptible bool // a signal ends the wait
	submit        bool
	absolute      bool // most is forever, until is on the ring's clock
	until         time.Duration
}

// timeUp returns the error of a wait that a timeout request ends: if the wait has a
// limit, the one of its own time.
func (w wait) timeUp() error {
	if w.most < 0 && !w.absolute {
		return nil
	}
	return os.ErrDeadlineExceeded
}

// forever stands for a time that is not limited.
const forever = time.Duration(-1)

// years are as good as forever where liburing needs some limit.
const years = 100_000 * time.Hour

// raw says how to wait. Without a limit liburing goes on waiting after a timeout
// request has ended the first wait.
func (r *Ring) raw(w wait, want uint32, left time.Duration) cgo.Wait {
	if left == forever && r.timed {
		left = years
	}
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
	_, from := r.q.CQ()
	// A call that also submits does not report a signal. With SetupSQRewind liburing
	// would also submit the first entries again if the kernel took only some.
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
		case r.expired(from):
			return r.submitted(queued), w.timeUp()
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
		if w.absolute && r.clock.Now() >= w.until {
			return r.submitted(queued), os.ErrDeadlineExceeded
		}
		if w.interruptible {
			// The kernel does not report the timeout if some completions are ready.
			return r.submitted(queued), check(opWait, -int(syscall.EINTR))
		}
	}
}

// expired reports whether a timeout request has expired since the completion queue
// ended at from. Then the kernel ends a wait early. The end of a system call does
// not tell: a signal ends it, too.
func (r *Ring) expired(from uint32) bool {
	if !r.timed {
		return false
	}
	_, tail := r.q.CQ()
	for i := from; int32(tail-i) > 0; {
		e, next, ok := r.q.CQE(i)
		if ok && e.Res == -cgo.ETime {
			return true
		}
		i = next
	}
	return false
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

// SubmitAndWait submits and waits until n completions are ready, or as many
// as the completion queue holds. It returns how many entries the kernel took.
// Signals do not end the wait. See io_uring_submit_and_wait(3) and, for when
// nothing is queued, io_uring_wait_cqe_nr(3).
//
// A request of [SQE.PrepTimeout] that expires ends this wait, and all others in the
// kernel, before n completions are ready. It is no error of a wait without a limit;
// one with a limit gives [os.ErrDeadlineExceeded]. A request that ends by its count
// ends no wait. On a ring that has had such a request, one of [SQE.PrepLinkTimeout]
// that expires ends waits, too.
func (r *Ring) SubmitAndWait(n int) (int, error) {
	r.submitting()
	if err := r.beforeEnter(); err != nil {
		return 0, err
	}
	want, queued := r.wanted(n), r.q.SQUnsubmitted()
	_, from := r.q.CQ()
	for {
		before, left := r.q.SQReady(), r.q.SQUnsubmitted()
		rc := r.drv.SubmitAndWait(want)
		r.keepUnsubmitted(before, rc)
		if rc < 0 && rc != -int(syscall.EINTR) {
			return r.submitted(queued), check(opWait, rc)
		}
		// A signal, such as the Go runtime's own, also ends the wait of a call
		// that submitted something, without an error.
		if r.ready() >= want || r.expired(from) {
			return r.submitted(queued), nil
		}
		if err := r.stuck(left, rc); err != nil {
			return r.submitted(queued), err
		}
	}
}

// stuck returns an error if a call that ended with rc took none of the entries that
// were queued. Such a call does not wait either.
func (r *Ring) stuck(queued uint32, rc int) error {
	if rc < 0 || queued == 0 || r.q.SQUnsubmitted() < queued {
		return nil
	}
	return check(opSubmit, -int(syscall.EAGAIN))
}

// SubmitAndWaitTimeout is [Ring.SubmitAndWait] for at most d. When the time is
// up first, the error is [os.ErrDeadlineExceeded]; what was queued has been
// submitted all the same. See io_uring_submit_and_wait_timeout(3) and, for when
// nothing is queued, io_uring_wait_cqe_timeout(3) and io_uring_wait_cqes(3).
func (r *Ring) SubmitAndWaitTimeout(n int, d time.Duration) (int, error) {
	return r.waitTimeout(n, 0, d)
}

// SubmitAndWaitMin submits and waits until n completions are ready, for at
// least the time least: after that one completion is enough, and after most it
// gives up with [os.ErrDeadlineExceeded]. If least is more than most, both are least,
// as in the kernel. It makes batches under load without
// holding up a lone request for long. Linux 6.12; older kernels give
// [ErrNotSupported]. Without [SetupDeferTaskrun] kernels before 6.18.15, except
// 6.12.107, may not let a completion that comes after the least time end the
// wait, but wait for the others until most. See
// io_uring_submit_and_wait_min_timeout(3) and io_uring_wait_cqes_min_timeout(3).
func (r *Ring) SubmitAndWaitMin(n int, least, most time.Duration) (int, error) {
	if err := r.minTimeout(); err != nil {
		return 0, err
	}
	least = max(least, 0)
	return r.waitTimeout(n, least, max(least, most))
}

// SubmitAndWaitUntil is [Ring.SubmitAndWait] until a point in time of the ring's
// clock, as [Clock.Now] of [ClockMonotonic], or of another that [Ring.RegisterClock]
// chose, tells it. When that has come first, the error is [os.ErrDeadlineExceeded].
// Linux 6.12. It is IORING_ENTER_ABS_TIMER of io_uring_enter(2).
func (r *Ring) SubmitAndWaitUntil(n int, at time.Duration) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if r.features&cgo.FeatMinTimeout == 0 { // the same kernel has it
		return 0, checkSince("wait until a point in time", -int(syscall.EINVAL), kernel.V(6, 12), "")
	}
	at = max(at, 0)
	w := wait{most: forever, absolute: true, until: at, submit: true}
	return r.wait(n, w, func(want uint32, _ time.Duration) int {
		return r.drv.SubmitAndWaitUntil(want, int64(at))
	})
}

func (r *Ring) waitTimeout(n int, least, most time.Duration) (int, error) {
	most = max(most, 0)
	return r.wait(n, wait{least: least, most: most, submit: true}, func(want uint32, left time.Duration) int {
		return r.drv.SubmitAndWaitTimeout(want, int64(left), units(least, time.Microsecond))
	})
}

// wanted clamps a number of completions to what the queue can hold; nothing
// is gained by waiting for more.
func (r *Ring) wanted(n int) uint32 {
	return uint32(min(max(n, 0), int(r.q.CQEntries())))
}

// Wait takes the next completion, waiting for it if need be; before it waits
// it submits what is queued. It has no limit of time: [Ring.WaitTimeout] has. It is
// for simple programs: loops are better off with [Ring.SubmitAndWait] and
// [Ring.Completions]. See io_uring_wait_cqe(3).
//
//uring:covers __io_uring_get_cqe
func (r *Ring) Wait() (CQE, error) {
	return r.takeOne(func() error {
		_, err := r.SubmitAndWait(1)
		return err
	})
}

// WaitTimeout is [Ring.Wait] for at most d. When the time is up first, the error is
// [os.ErrDeadlineExceeded]; what was queued has been submitted all the same. See
// io_uring_wait_cqe_timeout(3).
func (r *Ring) WaitTimeout(d time.Duration) (CQE, error) {
	deadline := time.Now().Add(d)
	return r.takeOne(func() error {
		_, err := r.SubmitAndWaitTimeout(1, time.Until(deadline))
		return err
	})
}

// takeOne takes the next completion; wait waits for one.
func (r *Ring) takeOne(wait func() error) (CQE, error) {
	if err := r.usable(); err != nil {
		return CQE{}, err
	}
	for {
		for c := range r.Completions() {
			return c, nil
		}
		if err := wait(); err != nil {
			return CQE{}, err
		}
	}
}

// A RegWait is what [Ring.SubmitAndWaitReg] waits by.
type RegWait struct {
	// Limit is how long to wait at most; a negative one is none.
	Limit time.Duration
	// Least is how long to wait for more than one completion, see
	// [Ring.SubmitAndWaitMin].
	Least time.Duration
	// Block has signals that stay pending until the wait is over. If there are any,
	// other signals end it, see [Ring.SubmitAndWaitSignals].
	Block SignalSet
}

// SetWait puts w at slot i of a region with RegionConfig.Waits. It may be
// changed between waits.
func (g *Region) SetWait(i int, w RegWait) error {
	switch {
	case g.ring.closed:
		return ErrClosed
	case !g.waits:
		return errors.New("uring: SetWait needs a region with RegionConfig.Waits")
	case i < 0 || i >= g.Waits():
		return fmt.Errorf("uring: SetWait: no slot %d, the region has %d", i, g.Waits())
	}
	raw := cgo.RegWait{MinWaitUsec: units(max(w.Least, 0), time.Microsecond)}
	if w.Limit >= 0 {
		raw.Sec, raw.Nsec = int64(w.Limit/time.Second), int64(w.Limit%time.Second)
		raw.Flags = cgo.RegWaitTS
	}
	if w.Block != 0 && g.masks == nil {
		g.masks, g.blocks = make([]uint64, g.Waits()), make([]SignalSet, g.Waits())
	}
	if g.masks != nil {
		g.blocks[i] = w.Block
	}
	if w.Block != 0 {
		raw.SigMask, raw.SigMaskSize = pointer(&g.masks[i]), 8
	}
	*g.wait(i) = raw
	return nil
}

func (g *Region) wait(i int) *cgo.RegWait {
	return (*cgo.RegWait)(unsafe.Pointer(&g.mem[i*regWaitSize]))
}

// SubmitAndWaitReg is [Ring.SubmitAndWaitTimeout], or [Ring.SubmitAndWaitMin],
// by the wait at slot i of the ring's region: the kernel finds the times there
// and need not copy them. Linux 6.13. See io_uring_submit_and_wait_reg(3).
func (r *Ring) SubmitAndWaitReg(n, i int) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if len(r.regions) == 0 || !r.regions[0].waits {
		return 0, errors.New("uring: SubmitAndWaitReg needs a region with RegionConfig.Waits: see RegisterRegion")
	}
	g := r.regions[0]
	if i < 0 || i >= g.Waits() {
		return 0, fmt.Errorf("uring: SubmitAndWaitReg: no slot %d, the region has %d", i, g.Waits())
	}
	raw := g.wait(i)
	w := wait{most: forever, least: time.Duration(raw.MinWaitUsec) * time.Microsecond, submit: true}
	if raw.Flags&cgo.RegWaitTS != 0 {
		w.most = time.Duration(raw.Sec)*time.Second + time.Duration(raw.Nsec)
	}
	if g.blocks != nil && g.blocks[i] != 0 {
		w.block, w.interruptible = g.blocks[i], true
		g.masks[i] = cgo.ThreadSignals() | uint64(w.block) // in place of the thread's
	}
	again := false
	return r.wait(n, w, func(want uint32, left time.Duration) int {
		if again {
			return r.drv.Wait(r.raw(w, want, left)) // after a signal, for the rest of the time
		}
		again = true
		return r.drv.SubmitAndWaitReg(want, i)
	})
}
