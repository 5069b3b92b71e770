//go:build linux

package uring

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
)

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
	a := newArena(t, 4096)
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
