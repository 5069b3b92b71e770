//go:build linux

package uring

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

func TestWaitReadySubmitsNothing(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		s := g.sqe()
		s.PrepNop()
		equal(t, "error", g.WaitReady(1, 5*time.Millisecond), os.ErrDeadlineExceeded)
		equal(t, "still queued", g.Queued(), 1)
		g.submit()
		equal(t, "error", g.WaitReady(1, -1), nil)
		equal(t, "completions", len(userData(g.Ring)), 1)
	})
}

func TestWaitReadyMin(t *testing.T) {
	testutil.Need(t, HaveMinTimeout)
	inEachMode(t, func(t *testing.T, g *rig) {
		equal(t, "error of nothing", g.WaitReadyMin(2, time.Millisecond, 20*time.Millisecond), os.ErrDeadlineExceeded)
		g.sqe().PrepNop()
		g.submit()
		for g.Flags()&SetupSQPoll != 0 && g.Ready() == 0 {
			time.Sleep(time.Millisecond) // or it may not end the wait, see below
		}
		start := time.Now()
		equal(t, "error of one", g.WaitReadyMin(2, time.Millisecond, 20*time.Second), nil)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("waited for %v", d)
		}
		equal(t, "completions", len(userData(g.Ring)), 1)
	})
}

// When the least time is over and nothing came, the first completion ends the
// wait. Without SetupDeferTaskrun Linux 6.12.43, 6.16.12 and 6.17.13 may go on to
// wait for the others; 6.12.107 and 6.18.15 do not.
func TestFirstCompletionAfterTheLeastTimeEndsTheWait(t *testing.T) {
	testutil.Need(t, HaveMinTimeout)
	inEachMode(t, func(t *testing.T, g *rig) {
		const least, later = 20 * time.Millisecond, 60 * time.Millisecond
		most := 2 * time.Second
		if g.Flags()&SetupDeferTaskrun != 0 {
			most = 2 * patience
		}
		in, out := streamPair(t)
		buf := make([]byte, 8)
		g.queue(1, func(s SQE) { s.PrepRead(FD(in), buf, CurrentOffset) })
		start := time.Now()
		write := time.AfterFunc(later, func() { _, _ = syscall.Write(out, []byte("data")) })
		defer write.Stop()
		_, err := g.SubmitAndWaitMin(2, least, most)
		equal(t, "error", err, nil)
		if d := time.Since(start); d < later || d > patience {
			t.Errorf("waited for %v, want %v", d, later)
		}
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 4}})
		equal(t, "bytes", string(buf[:4]), "data")
	})
}

func TestSubmitAndGetEvents(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.sqe().PrepNop()
		n, err := g.SubmitAndGetEvents()
		equal(t, "entries taken", n, 1)
		equal(t, "error", err, nil)
		g.await(1)
	})
}

// Overflowed completions come in, and work that was put off is done.
func TestGetEventsLetsCompletionsIn(t *testing.T) {
	g := newRig(t, Config{Entries: 4, CQEntries: 4, Flags: SetupSubmitAll})
	for range 2 {
		nops(t, g.Ring, 4)
		g.submit()
	}
	equal(t, "overflowed", g.Overflowed(), true)
	g.Advance(4)
	equal(t, "ready", g.Ready(), 0)
	g.must(g.GetEvents())
	equal(t, "ready", g.Ready(), 4)
	equal(t, "overflowed", g.Overflowed(), false)
}

func TestSignalsEndSomeWaits(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	got := make(chan os.Signal, 100)
	signal.Notify(got, syscall.SIGUSR1)
	defer signal.Stop(got)
	r := newRig(t, Config{Entries: 4})

	stop := signalEvery(t, 10*time.Millisecond, syscall.SIGUSR1)
	nops(t, r.Ring, 1)
	n, err := r.SubmitAndWaitSignals(2, 10*time.Second, Signals(syscall.SIGURG))
	stop()
	equal(t, "entries taken", n, 1)
	equal(t, "is EINTR", errors.Is(err, syscall.EINTR), true)
	<-got
	for len(got) > 0 {
		<-got
	}

	// A blocked one comes when the wait is over.
	stop = signalEvery(t, 10*time.Millisecond, syscall.SIGUSR1)
	_, err = r.SubmitAndWaitSignals(2, 100*time.Millisecond, Signals(syscall.SIGUSR1, syscall.SIGURG))
	stop()
	equal(t, "error", err, os.ErrDeadlineExceeded)
	select {
	case <-got:
	case <-time.After(5 * time.Second):
		t.Error("the signal is lost")
	}
}

func TestSignalSets(t *testing.T) {
	equal(t, "none", Signals(), 0)
	equal(t, "lowest and highest", Signals(1, 64), 1|1<<63)
	defer func() {
		if recover() == nil {
			t.Error("signal 65 is taken")
		}
	}()
	Signals(65)
}

func TestGetEventsFails(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	gomock.InOrder(
		drv.GetEvents().Return(-int(syscall.EINTR)),
		drv.GetEvents().Return(-int(syscall.EBADF)),
	)
	equal(t, "is EBADF", errors.Is(r.GetEvents(), syscall.EBADF), true)
}

func TestSubmitAndWaitTimeout(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) })
		const d = 30 * time.Millisecond
		start := time.Now()
		n, err := g.SubmitAndWaitTimeout(1, d)
		equal(t, "error", err, os.ErrDeadlineExceeded)
		equal(t, "submitted all the same", n, 1)
		if took := time.Since(start); took < d {
			t.Errorf("gave up after %v of %v", took, d)
		}
		g.write(b, "data")
		n, err = g.SubmitAndWaitTimeout(1, patience)
		equal(t, "error", err, nil)
		equal(t, "submitted", n, 0)
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 4}})
	})
}

// A lone completion ends the wait after the least time, enough of them end it
// at once, and none ends it with an error after the most.
func TestSubmitAndWaitMin(t *testing.T) {
	testutil.Need(t, HaveMinTimeout)
	const least, long = 150 * time.Millisecond, 5 * time.Second
	for name, c := range map[string]struct {
		queued   int
		most     time.Duration
		min, max time.Duration
		err      error
	}{
		"one":    {queued: 1, most: patience, min: least, max: long},
		"enough": {queued: 2, most: patience, max: least},
		"none":   {most: 2 * least, min: 2 * least, max: long, err: os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, Config{Entries: 4})
			for range c.queued {
				g.queue(1, func(s SQE) { s.PrepNop() })
			}
			start := time.Now()
			n, err := g.SubmitAndWaitMin(2, least, c.most)
			took := time.Since(start)
			equal(t, "submitted", n, c.queued)
			equal(t, "error", err, c.err)
			equal(t, "ready", g.Ready(), c.queued)
			if took < c.min || took > c.max {
				t.Errorf("took %v, want %v to %v", took, c.min, c.max)
			}
		})
	}
}

// bombard sends a signal to the calling thread again and again until the test
// ends. It calls then after enough of them.
func bombard(t *testing.T, sig syscall.Signal, enough int, then func()) {
	t.Helper()
	runtime.LockOSThread()
	pid, tid := os.Getpid(), syscall.Gettid()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Microsecond):
			}
			if err := syscall.Tgkill(pid, tid, sig); err != nil {
				t.Error(err)
				return
			}
			if i == enough {
				then()
			}
		}
	}()
	t.Cleanup(func() {
		close(quit)
		<-done
		runtime.UnlockOSThread()
	})
}

func TestWaitsSurviveSignals(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	defer signal.Stop(caught)
	for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			inEachMode(t, func(t *testing.T, g *rig) {
				a, b := streamPair(g)
				g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) })
				bombard(t, sig, 50, func() { syscall.Write(b, []byte("data")) })
				n, err := g.SubmitAndWait(1)
				equal(t, "submitted", n, 1)
				equal(t, "error", err, nil)
				equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 4}})

				start := time.Now()
				_, err = g.SubmitAndWaitTimeout(1, 30*time.Millisecond)
				took := time.Since(start)
				equal(t, "error", err, os.ErrDeadlineExceeded)
				if took < 30*time.Millisecond {
					t.Errorf("gave up after %v", took)
				}
			})
		})
	}
}

func TestWaitTakesOneAtATime(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for i := range uint64(5) {
			g.queue(i, func(s SQE) { s.PrepNop() })
		}
		for i := range uint64(5) {
			c, err := g.Wait()
			equal(t, "error", err, nil)
			equal(t, "completion", c, CQE{UserData: i})
		}
		g.none()
	})
}

// A timeout request that expires ends a wait for more completions, as the kernel
// does.
func TestTimeoutRequestEndsWaits(t *testing.T) {
	until := func(g *rig) error {
		if g.features&cgo.FeatMinTimeout == 0 {
			g.submit()
			return g.WaitReady(3, time.Hour)
		}
		return second(g.SubmitAndWaitUntil(3, ClockMonotonic.Now()+time.Hour))
	}
	for name, c := range map[string]struct {
		wait func(g *rig) error
		want error
	}{
		"SubmitAndWait":        {func(g *rig) error { return second(g.SubmitAndWait(3)) }, nil},
		"SubmitAndWaitTimeout": {func(g *rig) error { return second(g.SubmitAndWaitTimeout(3, time.Hour)) }, os.ErrDeadlineExceeded},
		"SubmitAndWaitSignals": {func(g *rig) error { return second(g.SubmitAndWaitSignals(3, -1, Signals(syscall.SIGURG))) }, nil},
		"SubmitAndWaitUntil":   {until, os.ErrDeadlineExceeded},
		"WaitReady":            {func(g *rig) error { g.submit(); return g.WaitReady(3, -1) }, nil},
	} {
		inEachMode(t, func(t *testing.T, g *rig) {
			g.queue(1, func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) })
			g.queue(2, func(s SQE) { s.PrepTimeout(20*time.Millisecond, 0, 0) })
			g.queue(3, SQE.PrepNop)
			equal(t, name+": error", c.wait(g), c.want)
			equal(t, name+": ready", g.Ready(), 2)
			results := g.results(2)
			equal(t, name+": results", results, map[uint64]int32{2: errno(syscall.ETIME), 3: 0})
		})
	}
}

// One that has expired before does not end the next wait.
func TestOldTimeoutsDoNotEndWaits(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.start(1, func(s SQE) { s.PrepTimeout(time.Microsecond, 0, 0) })
		g.must(g.WaitReady(1, patience))
		_, err := g.SubmitAndWaitTimeout(2, 20*time.Millisecond)
		equal(t, "error", err, os.ErrDeadlineExceeded)
	})
}

func TestSubmitAndWaitUntil(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		if _, err := g.SubmitAndWaitUntil(0, 0); err != nil {
			needsCall(t, err)
		}
		nops(t, g.Ring, 1)
		start := ClockMonotonic.Now()
		n, err := g.SubmitAndWaitUntil(2, start+30*time.Millisecond)
		equal(t, "error with one of two", err, os.ErrDeadlineExceeded)
		equal(t, "entries taken", n, 1)
		if d := ClockMonotonic.Now() - start; d < 30*time.Millisecond {
			t.Errorf("waited for %v only", d)
		}
		nops(t, g.Ring, 1)
		equal(t, "error with both", second(g.SubmitAndWaitUntil(2, start+time.Hour)), nil)
		equal(t, "error in the past", second(g.SubmitAndWaitUntil(3, start)), os.ErrDeadlineExceeded)
		equal(t, "error with completions there", second(g.SubmitAndWaitUntil(2, start)), nil)
		g.must(g.RegisterClock(ClockBoottime))
		equal(t, "error by another clock", second(g.SubmitAndWaitUntil(3, ClockBoottime.Now()+time.Millisecond)), os.ErrDeadlineExceeded)
	})
}

// A least time above the most is both, as in the kernel.
func TestLeastTimeAboveTheMost(t *testing.T) {
	testutil.Need(t, HaveMinTimeout)
	inEachMode(t, func(t *testing.T, g *rig) {
		const least = 40 * time.Millisecond
		for name, wait := range map[string]func() error{
			"SubmitAndWaitMin": func() error { return second(g.SubmitAndWaitMin(2, least, time.Millisecond)) },
			"WaitReadyMin":     func() error { return g.WaitReadyMin(2, least, time.Millisecond) },
		} {
			start := time.Now()
			equal(t, name+": error", wait(), os.ErrDeadlineExceeded)
			if d := time.Since(start); d < least {
				t.Errorf("%s: waited for %v only", name, d)
			}
		}
	})
}

func TestWaitTimeout(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		_, err := g.WaitTimeout(time.Millisecond)
		equal(t, "error of nothing", err, os.ErrDeadlineExceeded)
		g.queue(7, SQE.PrepNop)
		c, err := g.WaitTimeout(patience)
		equal(t, "error", err, nil)
		equal(t, "completion", c, CQE{UserData: 7})
	})
}
