package uring

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// ringOf opens a ring that is closed when the test ends.
func ringOf(t *testing.T, c Config) *Ring {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// onOwner runs f with a ring on a thread that stays with it.
func onOwner(t *testing.T, c Config, f func(r *Ring)) {
	t.Helper()
	if err := Serve(c, func(r *Ring) error { f(r); return nil }); err != nil {
		t.Error(err)
	}
}

// one submits a request and returns the next completion, which must be its own.
func one(t *testing.T, r *Ring, prep func(s SQE)) CQE {
	t.Helper()
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	prep(s)
	s.UserData = 0xbeef
	c := next(t, r)
	if c.UserData != 0xbeef {
		t.Fatalf("completion of another request: %+v", c)
	}
	return c
}

// next submits, and returns the next completion.
func next(t *testing.T, r *Ring) CQE {
	t.Helper()
	if r.Ready() == 0 || r.Queued() > 0 {
		if _, err := r.SubmitAndWaitTimeout(1, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for c := range r.Completions() {
		return c
	}
	t.Fatal("no completion")
	return CQE{}
}

// none fails if there is a completion.
func none(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.GetEvents(); err != nil {
		t.Fatal(err)
	}
	for c := range r.Completions() {
		t.Errorf("unexpected completion %+v", c)
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v, want one with %q", err, text)
	}
}

// library skips a test of what liburing has since a version.
func library(t *testing.T, minor int) {
	t.Helper()
	if cgo.HeaderMajor == 2 && cgo.HeaderMinor < minor {
		t.Skipf("needs liburing 2.%d", minor)
	}
}

// A ring whose descriptor is closed goes on working, for its thread only.
func TestRingWithoutItsDescriptor(t *testing.T) {
	needsCloseRingFD(t)
	onOwner(t, Config{Entries: 4}, func(r *Ring) {
		wantError(t, r.CloseRingFD(), "RegisterRingFD first")
		equal(t, "error of RegisterRingFD", r.RegisterRingFD(), nil)
		fd := r.FD()
		equal(t, "error of CloseRingFD", r.CloseRingFD(), nil)
		equal(t, "descriptor", r.FD(), -1)
		if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && strings.Contains(link, "io_uring") {
			t.Errorf("descriptor %d is still open: %s", fd, link)
		}
		equal(t, "result of a request", one(t, r, func(s SQE) { s.PrepNop() }).Res, 0)
		equal(t, "error of a registration", r.RegisterFiles(2), nil)
		wantError(t, r.CloseRingFD(), "no descriptor to close")
		wantError(t, r.UnregisterRingFD(), "would be lost")
	})
}

func TestEventFDCanBeSwitchedOff(t *testing.T) {
	r := ringOf(t, Config{Entries: 4})
	efd := cgo.EventFD()
	defer cgo.CloseFD(efd)
	if err := r.RegisterEventFD(efd, false); err != nil {
		t.Fatal(err)
	}
	signals := func() (n uint64) {
		var buf [8]byte
		if _, err := syscall.Read(efd, buf[:]); errors.Is(err, syscall.EAGAIN) {
			return 0
		} else if err != nil {
			t.Fatal(err)
		}
		return uint64(buf[0])
	}
	for _, on := range []bool{true, false, true} {
		equal(t, "error of SetEventFDEnabled", r.SetEventFDEnabled(on), nil)
		equal(t, "EventFDEnabled", r.EventFDEnabled(), on)
		one(t, r, func(s SQE) { s.PrepNop() })
		if got := signals() > 0; got != on {
			t.Errorf("signalled: %v, want %v", got, on)
		}
	}
	equal(t, "error of UnregisterEventFD", r.UnregisterEventFD(), nil)
}

func TestClocksOfWaits(t *testing.T) {
	r := ringOf(t, Config{Entries: 4})
	needsCall(t, r.RegisterClock(ClockMonotonic))
	for _, c := range []Clock{ClockBoottime, ClockMonotonic} {
		equal(t, "error of RegisterClock", r.RegisterClock(c), nil)
		start := time.Now()
		_, err := r.SubmitAndWaitTimeout(1, 20*time.Millisecond)
		equal(t, "error of the wait", err, os.ErrDeadlineExceeded)
		if d := time.Since(start); d < 20*time.Millisecond || d > 10*time.Second {
			t.Errorf("waited for %v", d)
		}
	}
	const realtime = 0
	equal(t, "a clock that can be set is refused", errors.Is(r.RegisterClock(realtime), syscall.EINVAL), true)
}

// What the kernel is told is tested in package cgo: its statistics are those of
// the whole system.
func TestWaitsNeedNotCountAsIO(t *testing.T) {
	library(t, 10)
	testutil.Need(t, probeNoIowait.Check)
	r := ringOf(t, Config{Entries: 4})
	for _, on := range []bool{false, true} {
		equal(t, "error of SetIOWait", r.SetIOWait(on), nil)
		_, err := r.SubmitAndWaitTimeout(1, time.Millisecond)
		equal(t, "error of a wait", err, os.ErrDeadlineExceeded)
		equal(t, "result of a request", one(t, r, func(s SQE) { s.PrepNop() }).Res, 0)
	}
}

func TestLibraryThatIsTooOldIsNamed(t *testing.T) {
	err := answer("do a thing", -int(syscall.ENOSYS), kernel.V(6, 0), "2.12")
	equal(t, "is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
	wantError(t, err, "liburing 2.12")
}

func TestKernelThatIsTooOldIsNamed(t *testing.T) {
	err := answer("do a thing", -int(syscall.EINVAL), kernel.V(99, 1), "")
	equal(t, "is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
	equal(t, "is EINVAL", errors.Is(err, syscall.EINVAL), true)
	wantError(t, err, "needs Linux 99.1")
	equal(t, "EINVAL of a kernel that is new enough stays what it is",
		errors.Is(answer("do a thing", -int(syscall.EINVAL), kernel.V(2, 6), ""), ErrNotSupported), false)
}

// locked runs f on a thread that no other goroutine gets.
func locked(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// last is after for calls that return two things before the error.
func last[T, U any](_ T, _ U, err error) error { return err }
