//go:build linux

package uring

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestNextSQEUntilTheQueueIsFull(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for range 3 {
			for i := range 16 {
				equal(t, "queued", g.Queued(), i)
				equal(t, "space", g.SQSpace(), 16-i)
				g.queue(uint64(i), func(s SQE) { s.PrepNop() })
			}
			_, err := g.NextSQE()
			equal(t, "error of the 17th", err, ErrSQFull)
			equal(t, "space", g.SQSpace(), 0)
			g.await(16)
			equal(t, "queued after the submit", g.Queued(), 0)
			g.must(g.MakeRoom(16)) // a kernel's thread completes requests before it gives back their entries
		}
	})
}

// An entry is all zero when it is taken, whatever the one before it in the same
// place was.
func TestNextSQEIsZero(t *testing.T) {
	for _, flags := range []SetupFlags{SetupSubmitAll, SetupSQE128} {
		g := newRig(t, Config{Entries: 2, Flags: flags})
		for i := range 6 {
			s := g.take()
			equal(t, "entry", *s.SQE, cgo.SQE{})
			equal(t, "place", g.q.Index(s.SQE), i%2)
			*s.SQE = cgo.SQE{Opcode: cgo.OpNop, FD: 1, Off: 2, Addr: 3, Len: 4, UserData: 5, Addr3: 6}
			g.await(1)
		}
	}
}

func TestSubmitCounts(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		nop := func(s SQE) { s.PrepNop() }
		n, err := g.Submit()
		equal(t, "Submit of nothing", n, 0)
		equal(t, "error", err, nil)

		g.queue(1, nop)
		g.queue(2, nop)
		n, err = g.Submit()
		equal(t, "Submit of two", n, 2)
		equal(t, "error", err, nil)
		g.await(2)

		g.queue(3, nop)
		n, err = g.SubmitAndWait(1)
		equal(t, "SubmitAndWait of one", n, 1)
		equal(t, "error", err, nil)
		equal(t, "ready", g.Ready(), 1)

		g.queue(4, nop) // with a completion ready
		n, err = g.SubmitAndWaitTimeout(2, patience)
		equal(t, "SubmitAndWaitTimeout of one", n, 1)
		equal(t, "error", err, nil)
		equal(t, "completions", userData(g.Ring), []uint64{3, 4})

		g.queue(5, nop)
		n, err = g.SubmitAndWait(0)
		equal(t, "SubmitAndWait for nothing", n, 1)
		equal(t, "error", err, nil)
		g.await(1)
	})
}

func TestSubmitAndWaitTimeout(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
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
				a, b := g.unixPair()
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

func TestPeekShowsAndAdvanceTakes(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for i := range uint64(5) {
			g.queue(i, func(s SQE) { s.PrepNop() })
		}
		if _, err := g.SubmitAndWait(5); err != nil {
			t.Fatal(err)
		}
		dst := make([]CQE, 3)
		equal(t, "peeked", g.Peek(dst), 3)
		equal(t, "peeked", dst, []CQE{{UserData: 0}, {UserData: 1}, {UserData: 2}})
		equal(t, "ready", g.Ready(), 5)
		g.Advance(2)
		equal(t, "ready", g.Ready(), 3)
		equal(t, "peeked", g.Peek(make([]CQE, 9)), 3)
		g.Advance(100)
		equal(t, "ready", g.Ready(), 0)
		equal(t, "peeked", g.Peek(dst), 0)
		equal(t, "peeked into nothing", g.Peek(nil), 0)
	})
}

func TestSubmitInsideTheLoop(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		const total = 100
		g.queue(0, func(s SQE) { s.PrepNop() })
		var got []uint64
		for len(got) < total {
			if _, err := g.SubmitAndWaitTimeout(1, patience); err != nil {
				t.Fatal(err)
			}
			for c := range g.Completions() {
				got = append(got, c.UserData)
				if next := c.UserData + 1; next < total {
					g.queue(next, func(s SQE) { s.PrepNop() })
					g.submit()
				}
			}
		}
		for i, u := range got {
			equal(t, "user data", u, uint64(i))
		}
		equal(t, "completions", len(got), total)
	})
}

// The kernel keeps completions for which the queue has no room.
func TestOverflowLosesNothing(t *testing.T) {
	for _, flags := range []SetupFlags{SetupSubmitAll, SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun} {
		t.Run(flags.String(), func(t *testing.T) {
			g := newRig(t, Config{Entries: 4, CQEntries: 4, Flags: flags})
			for i := range uint64(40) {
				g.queue(i, func(s SQE) { s.PrepNop() })
				if g.SQSpace() == 0 {
					g.submit()
				}
			}
			equal(t, "overflowed", g.Overflowed(), true)
			equal(t, "ready", g.Ready(), 4)
			var got, want []uint64
			for i := range uint64(40) {
				want = append(want, i)
			}
			for c := range g.Completions() {
				got = append(got, c.UserData)
			}
			equal(t, "completions", got, want)
			equal(t, "overflowed", g.Overflowed(), false)
		})
	}
}

// With SetupDeferTaskrun the kernel runs completion work only when it is
// entered; Completions enters it.
func TestDeferredWorkIsFoundWithoutWaiting(t *testing.T) {
	for _, flags := range []SetupFlags{SetupSingleIssuer | SetupDeferTaskrun, SetupCoopTaskrun} {
		t.Run(flags.String(), func(t *testing.T) {
			g := newRig(t, Config{Entries: 4, Flags: flags})
			a, b := g.unixPair()
			g.queue(9, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) })
			g.submit()
			equal(t, "before the data", userData(g.Ring), nil)
			g.write(b, "data")
			var got []CQE
			for deadline := time.Now().Add(patience); len(got) == 0 && time.Now().Before(deadline); {
				for c := range g.Completions() {
					got = append(got, c)
				}
			}
			equal(t, "completions", got, []CQE{{UserData: 9, Res: 4}})
		})
	}
}

// onAnotherThread runs f on a thread that is not the caller's.
func onAnotherThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
	wg.Wait()
}

func TestAnotherThreadIsRefused(t *testing.T) {
	for _, flags := range []SetupFlags{SetupSingleIssuer, SetupSingleIssuer | SetupDeferTaskrun} {
		t.Run(flags.String(), func(t *testing.T) {
			g := newRig(t, Config{Entries: 4, Flags: flags})
			a := newTestArena(t, 4096)
			g.queue(1, func(s SQE) { s.PrepNop() })
			onAnotherThread(func() {
				for name, err := range map[string]error{
					"Submit":               second(g.Submit()),
					"SubmitAndWait":        second(g.SubmitAndWait(1)),
					"SubmitAndWaitTimeout": second(g.SubmitAndWaitTimeout(1, time.Second)),
					"Wait":                 second(g.Wait()),
					"RegisterFiles":        g.RegisterFiles(1),
					"RegisterArena":        second(g.RegisterArena(a)),
					"NewBufRing":           second(g.NewBufRing(BufRingConfig{Entries: 1, BufSize: 1})),
					"RegisterEventFD":      g.RegisterEventFD(0, false),
					"Close":                g.Close(),
				} {
					if !errors.Is(err, ErrWrongThread) {
						t.Errorf("%s: %v", name, err)
					}
				}
				equal(t, "completions", userData(g.Ring), nil)
			})
			equal(t, "completions of the owner", g.await(1), []CQE{{UserData: 1}})
		})
	}
}

// The kernel's thread sleeps when there is nothing to do, and wakes up again.
func TestSQPollThreadSleepsAndWakes(t *testing.T) {
	g := newRig(t, Config{Entries: 4, Flags: SetupSQPoll, SQThreadIdle: time.Millisecond})
	for i := range uint64(5) {
		asleep := time.Now().Add(patience)
		for g.q.SQFlags()&cgo.SQNeedWakeup == 0 {
			if time.Now().After(asleep) {
				t.Fatal("the thread does not go to sleep")
			}
			time.Sleep(time.Millisecond)
		}
		g.queue(i, func(s SQE) { s.PrepNop() })
		equal(t, "completions", g.await(1), []CQE{{UserData: i}})
	}
}

// A queue of mixed completions wraps around in the middle of a long one, where
// the kernel puts an entry that only fills the gap.
func TestMixedCompletionsOfTheKernel(t *testing.T) {
	testutil.Need(t, HaveCQEMixed)
	const injectResult, long = 1 << 0, 1 << 5 // IORING_NOP_INJECT_RESULT, IORING_NOP_CQE32
	for name, await := range map[string]func(*rig) []CQE{
		"timed wait": func(g *rig) []CQE { return g.await(1) },
		"wait": func(g *rig) []CQE {
			c, err := g.Wait()
			g.must(err)
			return []CQE{c}
		},
		"peek": func(g *rig) []CQE {
			g.submit()
			dst := make([]CQE, 4)
			n := g.Peek(dst)
			g.Advance(n)
			return dst[:n]
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, Config{Entries: 4, CQEntries: 8, Flags: SetupCQEMixed})
			for i := range uint64(100) {
				want := CQE{UserData: i, Res: int32(i) + 7}
				g.queue(i, func(s SQE) {
					s.PrepNop()
					s.OpFlags, s.Len = injectResult, uint32(i)+7
					if i%3 != 0 {
						s.OpFlags |= long
						want.Flags = cgo.CQEF32
					}
				})
				equal(t, "completions", await(g), []CQE{want})
				equal(t, "ready", g.Ready(), 0)
			}
		})
	}
}

// The second halves of 32-byte completions.
func TestBigCompletions(t *testing.T) {
	needsNopBig(t)
	g := newRig(t, Config{Entries: 4, Flags: SetupCQE32})
	for i := range uint64(20) {
		g.queue(i, func(s SQE) {
			s.PrepNop()
			s.OpFlags, s.Len = 1<<0|1<<5, uint32(i)
			s.Off, s.Addr = 1000+i, 2000+i
		})
		if _, err := g.SubmitAndWait(1); err != nil {
			t.Fatal(err)
		}
		second := g.q.BigCQE(g.head)
		c := g.await(1)[0]
		equal(t, "completion", c, CQE{UserData: i, Res: int32(i)})
		equal(t, "second half", second, [2]uint64{1000 + i, 2000 + i})
	}
}

func TestServe(t *testing.T) {
	t.Run("on one thread, with the fastest flags", func(t *testing.T) {
		var served *Ring
		err := Serve(Config{Entries: 4}, func(r *Ring) error {
			served = r
			const want = SetupSingleIssuer | SetupDeferTaskrun | SetupSubmitAll | SetupTaskrunFlag
			equal(t, "flags", r.Flags()&^SetupNoSQArray, want)
			tid := syscall.Gettid()
			for range 100 {
				runtime.Gosched()
			}
			equal(t, "thread", syscall.Gettid(), tid)
			g := &rig{TB: t, Ring: r}
			equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0)
			return nil
		})
		equal(t, "error", err, nil)
		_, err = served.NextSQE()
		equal(t, "error of the ring after it", err, ErrClosed)
	})
	t.Run("with SQPoll", func(t *testing.T) {
		equal(t, "error", Serve(Config{Entries: 4, Flags: SetupSQPoll}, func(r *Ring) error {
			equal(t, "flags", r.Flags()&(SetupSQPoll|SetupDeferTaskrun), SetupSQPoll)
			return nil
		}), nil)
	})
	t.Run("returns the function's error and closes", func(t *testing.T) {
		failure := errors.New("failure")
		var served *Ring
		err := Serve(Config{Entries: 4}, func(r *Ring) error {
			served = r
			a, _ := testutil.UnixPair(t, syscall.SOCK_STREAM)
			g := &rig{TB: t, Ring: r}
			g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) }) // never completes
			g.submit()
			return failure
		})
		equal(t, "is the failure", errors.Is(err, failure), true)
		equal(t, "closed", served.closed, true)
	})
	t.Run("returns the error of Close too", func(t *testing.T) {
		failure := errors.New("failure")
		var served *Ring
		err := Serve(Config{Entries: 4}, func(r *Ring) error {
			served = r
			r.drv = busyDriver{r.drv}
			r.ended-- // a request that never ends
			return failure
		})
		equal(t, "is the failure", errors.Is(err, failure), true)
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
		equal(t, "closed", served.closed, false)
		closeRaw(served.drv) // nobody is left who may call Close
		live.Closed(served)
	})
	t.Run("closes and says so when the function ends its goroutine", func(t *testing.T) {
		var served *Ring
		err := Serve(Config{Entries: 4}, func(r *Ring) error {
			served = r
			runtime.Goexit()
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "runtime.Goexit") {
			t.Errorf("error is %v", err)
		}
		equal(t, "closed", served.closed, true)
	})
	t.Run("returns the error of New", func(t *testing.T) {
		err := Serve(Config{Entries: -1}, func(*Ring) error {
			t.Error("called without a ring")
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "Config.Entries") {
			t.Errorf("error is %v", err)
		}
	})
}

// A request costs no allocation on its way into the kernel and back.
func TestNothingIsAllocatedForARequest(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		p := newTestArena(t, 4096).Bytes()
		sum := 0
		for name, prep := range map[string]func(SQE){
			"nop":     func(s SQE) { s.PrepNop() },
			"timeout": func(s SQE) { s.PrepTimeout(0, 0, 0) },
			"send":    func(s SQE) { s.PrepSend(FD(a), p[:1], 0) },
			"recv":    func(s SQE) { s.PrepRecv(FD(b), p[8:16], syscall.MSG_DONTWAIT) },
		} {
			n := testing.AllocsPerRun(100, func() {
				s, err := g.NextSQE()
				if err != nil {
					t.Fatal(err)
				}
				prep(s)
				if _, err := g.SubmitAndWait(1); err != nil {
					t.Fatal(err)
				}
				for c := range g.Completions() {
					sum += int(c.UserData)
					if c.Err() == syscall.EBADF {
						t.Fatal(c.Err())
					}
				}
			})
			equal(t, "allocations for "+name, n, 0)
		}
	})
}
