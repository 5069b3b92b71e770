//go:build linux

package uring

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
)

// These tests put a mock in the place of liburing, for faults that a kernel
// does not show on demand.

func TestSubmitRetriesAfterSignals(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	nops(t, r, 3)
	gomock.InOrder(
		drv.Submit().Return(-int(syscall.EINTR)).Times(3),
		drv.Submit().DoAndReturn(func() int { return m.take(3) }),
	)
	n, err := r.Submit()
	equal(t, "entries taken", n, 3)
	equal(t, "error", err, nil)
}

// The kernel may take fewer entries than it was given, or none: what it leaves
// stays queued and goes with the next submit.
func TestShortSubmitKeepsTheRest(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	nops(t, r, 5)
	gomock.InOrder(
		drv.Submit().DoAndReturn(func() int { return m.take(2) }),
		drv.Submit().Return(-int(syscall.EAGAIN)),
		drv.Submit().DoAndReturn(func() int { return m.take(3) }),
	)

	n, err := r.Submit()
	equal(t, "entries taken at first", n, 2)
	equal(t, "error", err, nil)
	equal(t, "queued after it", r.Queued(), 3)

	n, err = r.Submit()
	equal(t, "entries taken without memory", n, 0)
	equal(t, "is EAGAIN", errors.Is(err, syscall.EAGAIN), true)
	equal(t, "queued after it", r.Queued(), 3)

	n, err = r.Submit()
	equal(t, "entries taken in the end", n, 3)
	equal(t, "error", err, nil)
	equal(t, "queued after it", r.Queued(), 0)
}

// What the kernel's thread has still to look at was submitted before.
func TestSubmitCountsEntriesOnce(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSQPoll)
	give := func() int { m.sqGiven = m.sqTail; return int(m.sqTail - m.sqHead) } // as liburing counts
	drv.Submit().DoAndReturn(give).Times(3)
	for _, n := range []int{3, 0, 2} {
		nops(t, r, n)
		equal(t, "queued", r.Queued(), n)
		got, err := r.Submit()
		equal(t, "submitted", got, n)
		equal(t, "error", err, nil)
		equal(t, "queued after it", r.Queued(), 0)
	}
	equal(t, "space", r.SQSpace(), 16-5)

	nops(t, r, 1)
	gomock.InOrder(
		drv.SubmitAndWait(uint32(1)).DoAndReturn(func(uint32) int { return give() }).Times(20), // ended by signals
		drv.SubmitAndWait(uint32(1)).DoAndReturn(func(uint32) int { m.post(1); return give() }),
	)
	got, err := r.SubmitAndWait(1)
	equal(t, "submitted", got, 1)
	equal(t, "error", err, nil)
}

func TestSubmitSaysThatCompletionsMustBeHandled(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	drv.Submit().Return(-int(syscall.EBUSY))
	_, err := r.Submit()
	var op *OpError
	if !errors.As(err, &op) || op.Err != syscall.EBUSY || !strings.Contains(err.Error(), "handle completions, then submit again") {
		t.Errorf("error is %v", err)
	}
}

func TestWaitGoesOnUntilEnoughIsReady(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	nops(t, r, 4)
	gomock.InOrder(
		drv.SubmitAndWait(uint32(3)).Return(-int(syscall.EINTR)),
		drv.SubmitAndWait(uint32(3)).DoAndReturn(func(uint32) int { return m.take(1) }), // short, so it did not wait
		drv.SubmitAndWait(uint32(3)).DoAndReturn(func(uint32) int { m.post(1); return m.take(3) }),
		drv.SubmitAndWait(uint32(3)).DoAndReturn(func(uint32) int { m.post(2, 3, 4); return 0 }),
	)
	n, err := r.SubmitAndWait(3)
	equal(t, "entries taken", n, 4)
	equal(t, "error", err, nil)
	equal(t, "completions", userData(r), []uint64{1, 2, 3, 4})
}

// Submitting goes on where the kernel takes a part, and ends with an error where it
// takes nothing, with what is left still queued.
func TestWaitsEndWhenTheKernelTakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		expect func(drv *mockDriverMockRecorder, take func() int) *gomock.Call
		submit func(r *Ring) (int, error)
	}{
		"SubmitAndWait": {
			func(drv *mockDriverMockRecorder, take func() int) *gomock.Call {
				return drv.SubmitAndWait(uint32(3)).DoAndReturn(func(uint32) int { return take() })
			},
			func(r *Ring) (int, error) { return r.SubmitAndWait(3) },
		},
		"SubmitAndWaitTimeout": {
			func(drv *mockDriverMockRecorder, take func() int) *gomock.Call {
				return drv.SubmitAndWaitTimeout(uint32(3), gomock.Any(), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int { return take() })
			},
			func(r *Ring) (int, error) { return r.SubmitAndWaitTimeout(3, time.Hour) },
		},
		"SubmitAndWaitSignals": {
			func(drv *mockDriverMockRecorder, take func() int) *gomock.Call { return drv.Submit().DoAndReturn(take) },
			func(r *Ring) (int, error) { return r.SubmitAndWaitSignals(3, -1, 0) },
		},
		"Await": {
			func(drv *mockDriverMockRecorder, take func() int) *gomock.Call { return drv.Submit().DoAndReturn(take) },
			func(r *Ring) (int, error) { return r.Await(context.Background(), 3) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, m, drv := newMockRing(t, 0)
			nops(t, r, 4)
			calls := 0
			c.expect(drv, func() int {
				if calls++; calls < 3 {
					return m.take(1)
				}
				return 0
			}).Times(3)
			n, err := c.submit(r)
			equal(t, "entries taken", n, 2)
			equal(t, "is EAGAIN", errors.Is(err, syscall.EAGAIN), true)
			equal(t, "queued after it", r.Queued(), 2)
		})
	}
}

func TestFailedWaitSaysWhatWasSubmitted(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	nops(t, r, 2)
	gomock.InOrder(
		drv.SubmitAndWait(uint32(1)).DoAndReturn(func(uint32) int { return m.take(2) }),
		drv.SubmitAndWait(uint32(1)).Return(-cgo.EBadR),
	)
	n, err := r.SubmitAndWait(1)
	equal(t, "entries taken", n, 2)
	if err == nil || !strings.Contains(err.Error(), "no memory for a completion") {
		t.Errorf("error is %v", err)
	}
}

func TestWaitAsksForNoMoreThanTheQueueHolds(t *testing.T) {
	for _, n := range []int{16, 17, 1 << 20, math.MaxInt} {
		r, m, drv := newMockRing(t, 0)
		drv.SubmitAndWait(uint32(16)).DoAndReturn(func(uint32) int {
			m.post(make([]uint64, 16)...)
			return 0
		})
		if _, err := r.SubmitAndWait(n); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// liburing returns 0 where completions were ready before it submitted.
func TestTimedWaitCountsSubmissionsThatLiburingDoesNot(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	nops(t, r, 3)
	m.post(1)
	drv.SubmitAndWaitTimeout(uint32(2), gomock.Any(), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int {
		m.take(3)
		m.post(2)
		return 0
	})
	n, err := r.SubmitAndWaitTimeout(2, time.Minute)
	equal(t, "entries taken", n, 3)
	equal(t, "error", err, nil)
}

func TestTimedWaitEnds(t *testing.T) {
	t.Run("with a deadline error when nothing came", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		nops(t, r, 1)
		drv.SubmitAndWaitTimeout(uint32(1), int64(time.Millisecond), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int {
			m.take(1)
			time.Sleep(time.Millisecond)
			return -int(syscall.ETIME)
		})
		n, err := r.SubmitAndWaitTimeout(1, time.Millisecond)
		equal(t, "entries taken", n, 1)
		equal(t, "error", err, os.ErrDeadlineExceeded)
	})
	t.Run("well when enough came at the last moment", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		drv.SubmitAndWaitTimeout(uint32(1), gomock.Any(), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int {
			m.post(1)
			return -int(syscall.ETIME)
		})
		_, err := r.SubmitAndWaitTimeout(1, time.Millisecond)
		equal(t, "error", err, nil)
	})
	t.Run("with other errors", func(t *testing.T) {
		r, _, drv := newMockRing(t, 0)
		drv.SubmitAndWaitTimeout(uint32(1), gomock.Any(), uint32(0)).Return(-int(syscall.EAGAIN))
		_, err := r.SubmitAndWaitTimeout(1, time.Minute)
		equal(t, "is EAGAIN", errors.Is(err, syscall.EAGAIN), true)
	})
	t.Run("at once when there is no time", func(t *testing.T) {
		for _, d := range []time.Duration{0, -time.Second} {
			r, _, drv := newMockRing(t, 0)
			drv.SubmitAndWaitTimeout(uint32(1), int64(0), uint32(0)).Return(-int(syscall.ETIME))
			_, err := r.SubmitAndWaitTimeout(1, d)
			equal(t, "error", err, os.ErrDeadlineExceeded)
		}
	})
}

func TestTimedWaitGoesOnAfterSignalsForTheTimeThatIsLeft(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	const most = time.Minute
	last := int64(most) + 1
	shorter := func(n uint32, nsec int64, _ uint32) int {
		if nsec >= last {
			t.Errorf("waits for %v after %v", time.Duration(nsec), time.Duration(last))
		}
		last = nsec
		time.Sleep(10 * time.Microsecond)
		return -int(syscall.EINTR)
	}
	gomock.InOrder(
		drv.SubmitAndWaitTimeout(uint32(1), gomock.Any(), uint32(0)).DoAndReturn(shorter).Times(5),
		drv.SubmitAndWaitTimeout(uint32(1), gomock.Any(), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int { m.post(1); return 0 }),
	)
	_, err := r.SubmitAndWaitTimeout(1, most)
	equal(t, "error", err, nil)
}

func TestMinimumWait(t *testing.T) {
	for _, c := range []struct {
		least, most time.Duration
		usec        uint32
	}{
		{least: 50 * time.Microsecond, most: time.Second, usec: 50},
		{least: time.Nanosecond, most: time.Second, usec: 1},
		{least: 1500 * time.Nanosecond, most: time.Second, usec: 2},
		{least: -time.Second, most: time.Second, usec: 0},
		{least: time.Hour, most: time.Second, usec: 3600e6},
		{least: 2 * time.Hour, most: 2 * time.Hour, usec: math.MaxUint32},
	} {
		t.Run(fmt.Sprint(c.least, " of ", c.most), func(t *testing.T) {
			r, m, drv := newMockRing(t, 0)
			drv.SubmitAndWaitTimeout(uint32(8), int64(max(c.least, c.most)), c.usec).DoAndReturn(func(uint32, int64, uint32) int {
				m.post(make([]uint64, 8)...)
				return 0
			})
			_, err := r.SubmitAndWaitMin(8, c.least, c.most)
			equal(t, "error", err, nil)
		})
	}
	t.Run("one completion is enough after it", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		drv.SubmitAndWaitTimeout(uint32(8), gomock.Any(), uint32(10)).DoAndReturn(func(uint32, int64, uint32) int { m.post(7); return 0 })
		_, err := r.SubmitAndWaitMin(8, 10*time.Microsecond, time.Minute)
		equal(t, "error", err, nil)
		equal(t, "completions", userData(r), []uint64{7})
	})
}

func TestMinimumWaitIsNotSupported(t *testing.T) {
	replaceProbe(t, &probeMinTimeout, lacking("minimum wait time", 6, 12))
	r, _, _ := newMockRing(t, 0)
	r.features = 0
	_, err := r.SubmitAndWaitMin(1, time.Microsecond, time.Second)
	equal(t, "is not supported", errors.Is(err, ErrNotSupported), true)
}

// In a queue of mixed completions liburing itself takes entries that only fill
// a gap, when it waits.
func TestTimedWaitFollowsLiburingPastFillers(t *testing.T) {
	r, m, drv := newMockRing(t, SetupCQEMixed)
	drv.SubmitAndWaitTimeout(uint32(1), gomock.Any(), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int {
		m.post(1, 2)
		m.cqes[0].Flags = cgo.CQEFSkip
		m.cqHead = 1
		return 0
	})
	_, err := r.SubmitAndWaitTimeout(1, time.Minute)
	equal(t, "error", err, nil)
	equal(t, "completions", userData(r), []uint64{2})
	equal(t, "queue's head", m.cqHead, 2)
}
