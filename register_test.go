//go:build linux

package uring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

func TestRegisterRingFD(t *testing.T) {
	testutil.Need(t, HaveRingFD)
	g := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer}) // on one thread
	g.must(g.RegisterRingFD())
	equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0)
	if err := g.RegisterRingFD(); err == nil || !strings.Contains(err.Error(), "the descriptor is registered") {
		t.Errorf("a second time: %v", err)
	}
	g.must(g.UnregisterRingFD())
	if err := g.UnregisterRingFD(); err == nil || !strings.Contains(err.Error(), "RegisterRingFD was not called") {
		t.Errorf("UnregisterRingFD without one: %v", err)
	}
	equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0)
	g.must(g.RegisterRingFD()) // Close undoes it
}

func TestRegisterNAPI(t *testing.T) {
	testutil.Need(t, HaveNAPI)
	g := newRig(t, Config{Entries: 4})
	for _, d := range []time.Duration{-time.Microsecond, (math.MaxUint32 + 1) * time.Microsecond} {
		if _, err := g.RegisterNAPI(NAPI{BusyPoll: d}); err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("%v: %v", d, err)
		}
	}
	g.must(second(g.RegisterNAPI(NAPI{BusyPoll: 50 * time.Microsecond, Prefer: true})))
	a, b := testutil.TCPPair(t)
	g.write(b, "data")
	equal(t, "received", g.do(func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 8)), 0) }), 4)
	g.must(second(g.UnregisterNAPI()))
}

func TestRegisterEventFD(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	fd := newEventFD(t)
	if err := g.UnregisterEventFD(); err == nil || !strings.Contains(err.Error(), "RegisterEventFD was not called") {
		t.Errorf("UnregisterEventFD without one: %v", err)
	}
	g.must(g.RegisterEventFD(fd, false))
	equal(t, "is busy", errors.Is(g.RegisterEventFD(fd, false), syscall.EBUSY), true)
	equal(t, "signals before", signals(t, fd), 0)
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "signals for a completion", signals(t, fd), 1)
	g.must(g.UnregisterEventFD())
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "signals after", signals(t, fd), 0)

	g.must(g.RegisterEventFD(fd, true))
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "signals for one that took no worker", signals(t, fd), 0)
	s := g.queue(1, func(s SQE) { s.PrepNop() })
	g.must(s.SetFlags(Async))
	g.await(1)
	waitSignal(t, fd) // comes just after the completion
}

// A ring whose descriptor is closed goes on working, for its thread only.
func TestRingWithoutItsDescriptor(t *testing.T) {
	needsCloseRingFD(t)
	onOwner(t, Config{Entries: 4}, func(r *rig) {
		wantError(t, r.CloseRingFD(), "RegisterRingFD first")
		equal(t, "error of RegisterRingFD", r.RegisterRingFD(), nil)
		fd := r.FD()
		equal(t, "error of CloseRingFD", r.CloseRingFD(), nil)
		equal(t, "descriptor", r.FD(), -1)
		if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && strings.Contains(link, "io_uring") {
			t.Errorf("descriptor %d is still open: %s", fd, link)
		}
		equal(t, "result of a request", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
		equal(t, "error of a registration", r.RegisterFiles(2), nil)
		wantError(t, r.CloseRingFD(), "no descriptor to close")
		wantError(t, r.UnregisterRingFD(), "would be lost")
	})
}

func TestEventFDCanBeSwitchedOff(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
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
		r.answer(func(s SQE) { s.PrepNop() })
		if got := signals() > 0; got != on {
			t.Errorf("signalled: %v, want %v", got, on)
		}
	}
	equal(t, "error of UnregisterEventFD", r.UnregisterEventFD(), nil)
}

func TestClocksOfWaits(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
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
	r := newRig(t, Config{Entries: 4})
	for _, on := range []bool{false, true} {
		equal(t, "error of SetIOWait", r.SetIOWait(on), nil)
		_, err := r.SubmitAndWaitTimeout(1, time.Millisecond)
		equal(t, "error of a wait", err, os.ErrDeadlineExceeded)
		equal(t, "result of a request", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
	}
}

func TestBusyPollSettingsComeBack(t *testing.T) {
	testutil.Need(t, HaveNAPI)
	_, err := newRig(t, Config{Entries: 4}).RegisterNAPI(NAPI{Tracking: NAPIStatic})
	needsCall(t, err) // older ones do not tell how queues are tracked
	r := newRig(t, Config{Entries: 4})
	first := NAPI{BusyPoll: 50 * time.Microsecond, Prefer: true}
	was, err := r.RegisterNAPI(first)
	equal(t, "error", err, nil)
	equal(t, "before the first", was, NAPI{Tracking: NAPIInactive})

	second := NAPI{BusyPoll: 20 * time.Microsecond, Tracking: NAPIStatic}
	was, err = r.RegisterNAPI(second)
	equal(t, "error", err, nil)
	equal(t, "before the second", was, first)

	const id = 1 << 20
	equal(t, "error of AddNAPI", r.AddNAPI(id), nil)
	err = r.AddNAPI(id)
	equal(t, "adding it again is EEXIST", errors.Is(err, syscall.EEXIST), true)
	equal(t, "on this thread", errors.Is(err, ErrWrongThread), false)
	equal(t, "error of RemoveNAPI", r.RemoveNAPI(id), nil)
	equal(t, "removing it again is ENOENT", errors.Is(r.RemoveNAPI(id), syscall.ENOENT), true)
	equal(t, "a number that no queue has is EINVAL", errors.Is(r.AddNAPI(0), syscall.EINVAL), true)

	was, err = r.UnregisterNAPI()
	equal(t, "error of UnregisterNAPI", err, nil)
	equal(t, "at the end", was, NAPI{BusyPoll: second.BusyPoll})
	equal(t, "AddNAPI without NAPIStatic is EINVAL", errors.Is(r.AddNAPI(id), syscall.EINVAL), true)

	_, err = r.RegisterNAPI(NAPI{BusyPoll: -time.Microsecond})
	wantError(t, err, "out of range")
	_, err = r.RegisterNAPI(NAPI{BusyPoll: 2 * time.Hour})
	wantError(t, err, "out of range")
	_, err = r.RegisterNAPI(NAPI{Tracking: 17})
	equal(t, "a tracking that nobody has is EINVAL", errors.Is(err, syscall.EINVAL), true)
}

// occupy submits requests that take a worker each until the ring is closed:
// they open a FIFO that nobody writes to.
func occupy(t *testing.T, r *Ring, n int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Error(err)
		return
	}
	name := append([]byte(path), 0)
	for range n {
		s, err := r.NextSQE()
		if err != nil {
			t.Error(err)
			return
		}
		s.prep(cgo.OpOpenat, -100, address(name), 0, 0)
		if err := s.SetFlags(Async); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Submit(); err != nil { // and the path is copied
		t.Error(err)
	}
	runtime.KeepAlive(name)
}

// amongOwnWorkers is onOwner in a process of its own, where no other test's
// workers are.
func amongOwnWorkers(t *testing.T, f func(*rig)) {
	t.Helper()
	if testutil.Confined(t, func() error { return nil }) {
		onOwner(t, Config{Entries: 64}, f)
	}
}

func TestWorkersRunOnChosenCPUs(t *testing.T) {
	amongOwnWorkers(t, func(r *rig) {
		if err := r.RegisterIOWQAff(0); err != nil {
			t.Error(err)
			return
		}
		before := workers(t)
		occupy(t, r.Ring, len(before)+1)
		started := map[string]string{}
		for deadline := time.Now().Add(5 * time.Second); len(started) == 0 && time.Now().Before(deadline); {
			for file, list := range workers(t) {
				if _, old := before[file]; !old {
					started[file] = list
				}
			}
		}
		if len(started) == 0 {
			t.Error("no worker started")
		}
		for file, list := range started {
			equal(t, file, list, "0")
		}
		equal(t, "error of UnregisterIOWQAff", r.UnregisterIOWQAff(), nil)
		wantError(t, r.RegisterIOWQAff(), "UnregisterIOWQAff allows all")
		for _, cpu := range []int{-1, maxCPU, maxCPU + 1, 1 << 20} {
			wantError(t, r.RegisterIOWQAff(0, cpu), fmt.Sprint("no CPU ", cpu))
		}
	})
}

func TestWorkersAreLimited(t *testing.T) {
	amongOwnWorkers(t, func(r *rig) {
		b0, u0, err := r.RegisterIOWQMaxWorkers(2, 3)
		equal(t, "error", err, nil)
		if b0 < 1 || u0 < 1 {
			t.Errorf("limits at first are %d and %d", b0, u0)
		}
		b, u, err := r.RegisterIOWQMaxWorkers(0, 0)
		equal(t, "error of asking", err, nil)
		equal(t, "bounded", b, 2)
		equal(t, "unbounded", u, 3)

		before := len(workers(t))
		occupy(t, r.Ring, 16)
		for deadline := time.Now().Add(patience); len(workers(t)) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // for more to start than may
		// Those before may be unbounded ones, which do not count.
		if n := len(workers(t)); n < 1 || n > before+2 {
			t.Errorf("%d workers, after %d", n, before)
		}
		// The limits belong to the thread, which may come to other tests.
		_, _, err = r.RegisterIOWQMaxWorkers(b0, u0)
		equal(t, "error of lifting the limits", err, nil)
		_, _, err = r.RegisterIOWQMaxWorkers(-1, 0)
		wantError(t, err, "-1 and 0 workers")
	})
}

// opens submits an open of a file and returns the errno, 0 if it worked.
func opens(t *testing.T, r *rig, path string, personality uint16) syscall.Errno {
	t.Helper()
	name := append([]byte(path), 0)
	c := r.answer(func(s SQE) {
		const atFDCWD = -100
		s.prep(cgo.OpOpenat, atFDCWD, address(name), 0, 0)
		s.OpFlags = syscall.O_RDONLY | syscall.O_CLOEXEC
		s.Personality = personality
	})
	runtime.KeepAlive(name)
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	syscall.Close(int(c.Res))
	return 0
}

// Requests act with the credentials that were registered, not with those of
// the thread that submits them.
func TestPersonalities(t *testing.T) {
	testutil.NeedOtherUsers(t)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with the goroutine
		r, err := New(Config{Entries: 4})
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		g := rigOn(t, r)
		const nobody = 65534
		setUID := func(uid uintptr) {
			const same = ^uintptr(0)
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, same, uid, same); errno != 0 {
				t.Errorf("setresuid %d: %v", uid, errno)
			}
		}
		root, err := r.RegisterPersonality()
		equal(t, "error of registering root", err, nil)
		setUID(nobody)
		other, err := r.RegisterPersonality()
		equal(t, "error of registering nobody", err, nil)
		equal(t, "as nobody", opens(t, g, path, 0), syscall.EACCES)
		equal(t, "as nobody, with root's credentials", opens(t, g, path, root), 0)
		setUID(0)
		equal(t, "as root", opens(t, g, path, 0), 0)
		equal(t, "as root, with nobody's credentials", opens(t, g, path, other), syscall.EACCES)

		equal(t, "error of UnregisterPersonality", r.UnregisterPersonality(other), nil)
		equal(t, "with credentials that are gone", opens(t, g, path, other), syscall.EINVAL)
		equal(t, "unregistering again is EINVAL", errors.Is(r.UnregisterPersonality(other), syscall.EINVAL), true)
		equal(t, "error of UnregisterPersonality", r.UnregisterPersonality(root), nil)
	}()
	<-done
}
