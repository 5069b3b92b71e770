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
	"github.com/uring-go/uring/internal/testutil"
)

func TestWaitReadySubmitsNothing(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		s := g.take()
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
		g.take().PrepNop()
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
		g.take().PrepNop()
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

func TestMakeRoom(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.must(g.MakeRoom(16))
		equal(t, "queued", g.Queued(), 0)
		for range 50 {
			nops(t, g.Ring, 7)
			g.must(g.MakeRoom(9))
			if n := g.Queued(); n != 7 && g.Flags()&SetupSQPoll == 0 {
				t.Fatalf("%d entries are queued, want 7: there was room", n)
			}
			g.must(g.MakeRoom(12))
			if n := g.SQSpace(); n < 12 {
				t.Fatalf("%d entries are free, want 12", n)
			}
			equal(t, "queued", g.Queued(), 0)
			g.await(7)
		}
		wantError(t, g.MakeRoom(17), "17 entries in a submission queue of 16")
	})
}

func TestWaitSQ(t *testing.T) {
	g := newRig(t, Config{Entries: 2, CQEntries: 1024, Flags: SetupSQPoll, SQThreadIdle: time.Second})
	g.must(g.WaitSQ())
	nops(t, g.Ring, 2)
	wantError(t, g.WaitSQ(), "call Submit first")
	for range 100 {
		g.submit()
		g.must(g.WaitSQ())
		for g.SQSpace() > 0 {
			g.take().PrepNop()
		}
	}
	plain := newRig(t, Config{Entries: 2})
	nops(t, plain.Ring, 2)
	plain.must(plain.WaitSQ())
	equal(t, "queued", plain.Queued(), 2)
}

func TestSignalsEndSomeWaits(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	got := make(chan os.Signal, 100)
	signal.Notify(got, syscall.SIGUSR1)
	defer signal.Stop(got)
	r := ringOf(t, Config{Entries: 4})

	stop := signalEvery(t, 10*time.Millisecond, syscall.SIGUSR1)
	nops(t, r, 1)
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
