//go:build linux

package uring

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

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
		{least: time.Hour, most: time.Second, usec: 1e6},
		{least: 2 * time.Hour, most: 2 * time.Hour, usec: math.MaxUint32},
	} {
		t.Run(fmt.Sprint(c.least, " of ", c.most), func(t *testing.T) {
			r, m, drv := newMockRing(t, 0)
			drv.SubmitAndWaitTimeout(uint32(8), int64(c.most), c.usec).DoAndReturn(func(uint32, int64, uint32) int {
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

func TestCompletionsEnterTheKernelOnlyForWhatIsThere(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		r, _, _ := newMockRing(t, 0) // any call would fail the test
		equal(t, "completions", userData(r), nil)
	})
	t.Run("ready ones", func(t *testing.T) {
		r, m, _ := newMockRing(t, 0)
		m.post(1, 2)
		equal(t, "completions", userData(r), []uint64{1, 2})
		equal(t, "queue's head", m.cqHead, 2)
	})
	for name, flag := range map[string]uint32{"deferred work": cgo.SQTaskrun, "overflow": cgo.SQCQOverflow} {
		t.Run(name, func(t *testing.T) {
			r, m, drv := newMockRing(t, 0)
			m.sqFlags = flag
			drv.GetEvents().DoAndReturn(func() int {
				m.sqFlags = 0
				m.post(1, 2)
				return 0
			})
			equal(t, "completions", userData(r), []uint64{1, 2})
		})
	}
	t.Run("overflow behind ready ones", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		m.sqFlags = cgo.SQCQOverflow
		m.post(1, 2)
		drv.GetEvents().DoAndReturn(func() int {
			equal(t, "queue's head when the kernel is asked", m.cqHead, 2)
			m.sqFlags = 0
			m.post(3)
			return 0
		})
		equal(t, "completions", userData(r), []uint64{1, 2, 3})
	})
	t.Run("deferred work in parts", func(t *testing.T) {
		r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
		m.sqFlags = cgo.SQTaskrun
		gomock.InOrder(
			drv.GetEvents().Return(0), // work that leads to no completion
			drv.Wait(cgo.Wait{N: 1}).DoAndReturn(func(cgo.Wait) int { m.post(1); return 0 }),
		)
		equal(t, "completions", userData(r), []uint64{1})
	})
	t.Run("deferred work in parts, and signals", func(t *testing.T) {
		r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
		m.sqFlags = cgo.SQTaskrun
		gomock.InOrder(
			drv.GetEvents().Return(-int(syscall.EINTR)),
			drv.Wait(cgo.Wait{N: 1}).Return(-int(syscall.EINTR)).Times(3),
			drv.Wait(cgo.Wait{N: 1}).DoAndReturn(func(cgo.Wait) int { m.post(1); return 0 }),
		)
		equal(t, "completions", userData(r), []uint64{1})
	})
	t.Run("deferred work that was run already", func(t *testing.T) {
		r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
		m.sqFlags = cgo.SQTaskrun // and it stays
		drv.GetEvents().Return(0)
		drv.Wait(cgo.Wait{N: 1}).Return(-cgo.ETime)
		equal(t, "completions", userData(r), nil)
	})
	t.Run("deferred work of another thread", func(t *testing.T) {
		r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
		m.sqFlags = cgo.SQTaskrun
		drv.GetEvents().Return(-int(syscall.EEXIST))
		equal(t, "completions", userData(r), nil)
	})
	t.Run("overflow that does not come in", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		m.sqFlags = cgo.SQCQOverflow
		m.post(1)
		drv.GetEvents().Return(-int(syscall.EINTR))
		equal(t, "completions", userData(r), []uint64{1})
		equal(t, "still overflowed", r.Overflowed(), true)
	})
}

// What the loop over completions calls may itself take completions.
func TestCompletionsTakenInsideTheLoop(t *testing.T) {
	r, m, _ := newMockRing(t, 0)
	m.post(1, 2, 3)
	var outer, inner []uint64
	for c := range r.Completions() {
		outer = append(outer, c.UserData)
		m.post(4, 5)
		inner = append(inner, userData(r)...)
		if len(outer) > 1 {
			t.Fatal("the outer loop went on after the inner one took everything")
		}
	}
	equal(t, "outer", outer, []uint64{1})
	equal(t, "inner", inner, []uint64{2, 3, 4, 5})
	equal(t, "queue's head", m.cqHead, 5)
}

func TestBreakKeepsTheRest(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	m.post(1, 2, 3)
	for c := range r.Completions() {
		equal(t, "first", c.UserData, uint64(1))
		break
	}
	equal(t, "ready", r.Ready(), 2)
	drv.Submit().DoAndReturn(func() int {
		equal(t, "queue's head at the next submit", m.cqHead, 1)
		return 0
	})
	_, err := r.Submit()
	equal(t, "error", err, nil)
	equal(t, "completions", userData(r), []uint64{2, 3})
}

// A mixed queue has completions of one or two places, and places that only fill
// the gap before its end.
func TestMixedCompletions(t *testing.T) {
	r, m, _ := newMockRing(t, SetupCQEMixed)
	m.post(1, 2, 0, 3, 0, 4)
	m.cqes[1].Flags = cgo.CQEF32
	m.cqes[4].Flags = cgo.CQEFSkip

	dst := make([]CQE, 16)
	var peeked []uint64
	for _, c := range dst[:r.Peek(dst)] {
		peeked = append(peeked, c.UserData)
	}
	equal(t, "peeked", peeked, []uint64{1, 2, 3, 4})
	r.Advance(2)
	equal(t, "queue's head", m.cqHead, 3)
	equal(t, "the rest", userData(r), []uint64{3, 4})
	equal(t, "queue's head", m.cqHead, 6)
}

func newTestArena(t *testing.T, size int) *Arena {
	t.Helper()
	a, err := NewArena(ArenaConfig{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestCloseCancelsBeforeItFrees(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	gomock.InOrder(
		drv.RegisterBuffersSparse(uint32(registeredBuffers)).Return(0),
		drv.UpdateBuffer(uint32(0), gomock.Any(), uint64(os.Getpagesize())).Return(1),
		drv.SyncCancelAll(gomock.Any()).Return(-int(syscall.EINTR)).Times(2), // requests may still run
		drv.SyncCancelAll(gomock.Any()).Return(-int(syscall.ENOENT)),         // none did
		drv.UnregisterBuffers().Return(0),
		drv.Exit(),
	)
	a := newTestArena(t, 4096)
	if _, err := r.RegisterArena(a); err != nil {
		t.Fatal(err)
	}
	equal(t, "arena is busy", errors.Is(a.Close(), ErrBusy), true)
	equal(t, "error", r.Close(), nil)
	equal(t, "error of the second Close", r.Close(), nil)
	equal(t, "users of the arena", a.users, 0)
}

// Where nothing but the count of requests tells when the kernel has let go, a
// request that cannot be stopped keeps the ring open.
func TestCloseGivesUpOnRequestsThatDoNotStop(t *testing.T) {
	closesWith(t, 20*time.Millisecond)
	r, m, drv := newMockRing(t, 0)
	nops(t, r, 2)
	m.take(2)
	m.post(1)
	drv.SyncCancelAll(gomock.Any()).Return(-int(syscall.ETIME)).AnyTimes()
	drv.RegisterFiles(gomock.Len(1), nil).Return(-int(syscall.EACCES)).Times(2) // restricted
	err := r.Close()
	equal(t, "error", text(err), "uring: close: the kernel has not let go of requests (in flight: 1) after 20ms; the ring stays open: still in use")
	equal(t, "is busy", errors.Is(err, ErrBusy), true)
	if _, err := r.NextSQE(); err != nil {
		t.Errorf("the ring is not usable any more: %v", err)
	}
	m.post(2)
	drv.Exit()
	equal(t, "error of the second Close", r.Close(), nil)
}

// The witness is the only file in the ring's table, and its own copy is closed.
func TestCloseGivesTheRingAWitness(t *testing.T) {
	closesWith(t, 20*time.Millisecond)
	for _, files := range []int{0, 3} {
		r, m, drv := newMockRing(t, 0)
		if files > 0 {
			drv.RegisterFilesSparse(uint32(files)).Return(0)
			equal(t, "error", r.RegisterFiles(files), nil)
		}
		nops(t, r, 1)
		m.take(1)
		ring := -1 // what the kernel's side of the ring has
		keep := func(fd int32) {
			var err error
			ring, err = syscall.Dup(int(fd))
			equal(t, "error of dup", err, nil)
		}
		drv.SyncCancelAll(gomock.Any()).Return(0).AnyTimes()
		if files > 0 {
			drv.UpdateFiles(uint32(0), gomock.Len(files)).DoAndReturn(func(_ uint32, fds []int32) int {
				equal(t, "the other slots", fds[1:], []int32{-1, -1})
				keep(fds[0])
				return files
			})
		} else {
			drv.RegisterFiles(gomock.Len(1), nil).DoAndReturn(func(fds []int32, _ []uint64) int { keep(fds[0]); return 0 })
		}
		drv.Exit()
		err := r.Close()
		equal(t, "error", text(err), "uring: close: the kernel has not let go of requests (in flight: 1) after 20ms; wait by another Close: still in use")
		_, err = r.NextSQE()
		equal(t, "error of a closed ring", err, ErrClosed)
		equal(t, "error of close", syscall.Close(ring), nil)
		equal(t, "error of the second Close", r.Close(), nil)
		equal(t, "error of the third Close", r.Close(), nil)
	}
}

func TestCloseOfARingThatWasNeverEnabled(t *testing.T) {
	r, _, drv := newMockRing(t, SetupRDisabled)
	drv.Exit()
	equal(t, "error", r.Close(), nil)
}

// What the kernel's thread takes after the cancellation would not be cancelled.
func TestCloseWaitsForTheKernelsThread(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSQPoll)
	nops(t, r, 3)
	drv.Submit().DoAndReturn(func() int { m.sqGiven = m.sqTail; return 3 })
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	nops(t, r, 1) // never submitted, so nobody takes it
	go func() {
		for range 3 {
			time.Sleep(time.Millisecond)
			m.take(1)
		}
	}()
	gomock.InOrder(
		drv.SyncCancelAll(gomock.Any()).DoAndReturn(func(int64) int {
			equal(t, "entries taken at the cancellation", atomic.LoadUint32(&m.sqHead), 3)
			m.post(1, 2, 3)
			return 3
		}),
		drv.RegisterFiles(gomock.Len(1), nil).Return(0),
		drv.Exit(),
	)
	equal(t, "error", r.Close(), nil)
}

func TestCloseGivesUpOnAKernelThreadThatHangs(t *testing.T) {
	t.Parallel() // it takes drainTime
	r, m, drv := newMockRing(t, SetupSQPoll)
	m.sqGiven = 1
	drv.SyncCancelAll(gomock.Any()).Return(0).AnyTimes()
	drv.RegisterFiles(gomock.Len(1), nil).Return(-int(syscall.EMFILE))
	equal(t, "is busy", errors.Is(r.Close(), ErrBusy), true)
	m.take(1)
	m.post(1)
	drv.Exit()
	equal(t, "error of the second Close", r.Close(), nil)
}

func TestFailedRegistrationsLeaveNothing(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	a := newTestArena(t, 4096)
	gomock.InOrder(
		drv.RegisterBuffersSparse(gomock.Any()).Return(-int(syscall.ENOMEM)),
		drv.RegisterBuffersSparse(gomock.Any()).Return(0),
		drv.UpdateBuffer(uint32(0), gomock.Any(), gomock.Any()).Return(-int(syscall.ENOMEM)),
		drv.UpdateBuffer(uint32(0), gomock.Any(), gomock.Any()).Return(1),
		drv.UpdateBuffer(uint32(0), uint64(0), uint64(0)).Return(1),
	)
	for range 2 {
		_, err := r.RegisterArena(a)
		if !errors.Is(err, syscall.ENOMEM) || !strings.Contains(err.Error(), "register buffers") {
			t.Fatalf("error is %v", err)
		}
		equal(t, "users of the arena", a.users, 0)
	}
	reg, err := r.RegisterArena(a)
	equal(t, "error", err, nil)
	equal(t, "index", reg.Index(), 0)
	equal(t, "error of UnregisterArena", r.UnregisterArena(reg), nil)
}

func TestFailedFileRegistrationsKeepTheState(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	drv.RegisterFilesSparse(uint32(9)).Return(-int(syscall.EMFILE))
	err := r.RegisterFiles(9)
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") {
		t.Errorf("error is %v", err)
	}
	if err := r.UpdateFile(DirectSlot(0), 0); err == nil {
		t.Error("UpdateFile works without a table")
	}

	drv.RegisterFilesSparse(uint32(9)).Return(0)
	equal(t, "error", r.RegisterFiles(9), nil)
	drv.UnregisterFiles().Return(-int(syscall.EEXIST))
	if err := r.UnregisterFiles(); err == nil {
		t.Error("UnregisterFiles hides an error")
	}
	drv.UpdateFiles(uint32(8), []int32{5}).Return(1)
	equal(t, "error of UpdateFile after it", r.UpdateFile(DirectSlot(8), 5), nil)
}

func TestEnableFails(t *testing.T) {
	r, _, drv := newMockRing(t, SetupRDisabled)
	drv.Submit().Return(-cgo.EBadFD)
	_, err := r.Submit()
	if err == nil || !strings.Contains(err.Error(), "Ring.Enable") {
		t.Errorf("error of Submit is %v", err)
	}
	drv.Enable().Return(-int(syscall.ENOMEM))
	equal(t, "is ENOMEM", errors.Is(r.Enable(), syscall.ENOMEM), true)
	drv.Enable().Return(0)
	equal(t, "error", r.Enable(), nil)
}

// BufRing memory goes to the kernel before a submit, and only then.
func TestSubmitPublishesReturnedBuffers(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	var entries unsafe.Pointer
	drv.RegisterBufRing(gomock.Any(), uint32(2), uint32(7), uint32(0), uint32(0)).DoAndReturn(
		func(mem unsafe.Pointer, _, _, _, _ uint32) int { entries = mem; return 0 })
	b, err := r.NewBufRing(BufRingConfig{Group: 7, Entries: 2, BufSize: 16})
	if err != nil {
		t.Fatal(err)
	}
	tail := func() uint16 { return *(*uint16)(unsafe.Add(entries, 14)) }
	equal(t, "tail at first", tail(), 2)

	m.cqes[0] = cgo.CQE{Res: 4, Flags: cgo.CQEFBuffer}
	m.cqTail = 1
	for c := range r.Completions() {
		if err := b.Consume(c, func(p []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "tail after Consume", tail(), 2)
	drv.Submit().DoAndReturn(func() int {
		equal(t, "tail at the submit", tail(), 3)
		return 0
	})
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	m.take(1) // of which the completion was
	drv.SyncCancelAll(gomock.Any()).Return(0)
	drv.Exit()
	equal(t, "error", r.Close(), nil)
}

// A lateWork is a context that is asked when Await parks: then work comes.
type lateWork struct {
	context.Context
	once sync.Once
	come func()
}

func (w *lateWork) Err() error {
	w.once.Do(w.come)
	return w.Context.Err()
}

// The end of a context may come so late that it meets the next Await.
func TestAwaitIsNotWokenByTheContextOfTheOneBefore(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // what the context's end starts waits
	r, m, drv := newMockRing(t, 0)
	first, cancel := context.WithCancel(context.Background())
	drv.Submit().Return(0).AnyTimes()
	r.fd.Store(int32(newEventFD(t))) // never signalled
	drv.GetEvents().DoAndReturn(func() int {
		cancel()
		m.sqFlags = 0
		m.post(1)
		return 0
	})
	parks := &lateWork{Context: first, come: func() { m.sqFlags = cgo.SQTaskrun }}
	equal(t, "error of the first", second(r.Await(parks, 1)), nil)
	equal(t, "completions", userData(r), []uint64{1})

	next, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	equal(t, "error of the next", second(r.Await(next, 1)), context.DeadlineExceeded)
	m.take(1) // of which the completion was
	drv.SyncCancelAll(gomock.Any()).Return(0)
	drv.Exit()
	equal(t, "error of Close", r.Close(), nil)
}
