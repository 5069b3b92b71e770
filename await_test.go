//go:build linux

package uring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

func TestAwaitWhatIsReady(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for i := range uint64(3) {
			g.queue(i, func(s SQE) { s.PrepNop() })
		}
		n, err := g.Await(soon(t), 3)
		equal(t, "submitted", n, 3)
		equal(t, "error", err, nil)
		n, err = g.Await(context.Background(), 2) // of the three that are still there
		equal(t, "submitted", n, 0)
		equal(t, "error", err, nil)
		equal(t, "completions", userData(g.Ring), []uint64{0, 1, 2})
	})
}

func TestAwaitForNothingDoesNotWait(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) })
		n, err := g.Await(context.Background(), 0)
		equal(t, "submitted", n, 1)
		equal(t, "error", err, nil)
	})
}

// What comes later wakes the goroutine, each time again, and before the
// context would.
func TestAwaitWhatComesLater(t *testing.T) { inEachMode(t, awaitWhatComesLater) }

func awaitWhatComesLater(t *testing.T, g *rig) {
	a, b := streamPair(g)
	p := make([]byte, 4)
	for i := range uint64(20) {
		g.queue(i, func(s SQE) { s.PrepRecv(FD(a), p, 0) })
		later := time.AfterFunc(time.Millisecond, func() { syscall.Write(b, []byte("data")) })
		start := time.Now()
		if n, err := g.Await(soon(t), 1); n != 1 || err != nil {
			t.Fatalf("Await: %d, %v", n, err)
		}
		if took := time.Since(start); took > patience/2 {
			t.Fatalf("woke after %v", took)
		}
		later.Stop()
		equal(t, "completions", g.await(1), []CQE{{UserData: i, Res: 4}})
	}
}

// On a kernel that signals the eventfd of deferred work once only, Await
// registers it again and again. That loses no wake-up on any kernel.
func TestAwaitWithAnEventFDThatFallsSilent(t *testing.T) {
	g := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun})
	for g.parked == nil { // on a busy machine the time may be over before Await waits
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		equal(t, "error while nothing comes", second(g.Await(short, 1)), context.DeadlineExceeded)
		cancel()
	}
	answer, err := bugEventFD.check()
	g.must(err)
	equal(t, "renews", g.parked.renew, answer != "")
	g.parked.renew = true
	awaitWhatComesLater(t, g)
}

func TestAwaitSeveral(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for i := range uint64(5) {
			g.queue(i, func(s SQE) { s.PrepTimeout(time.Duration(i+1)*4*time.Millisecond, 0, 0) })
		}
		n, err := g.Await(soon(t), 5)
		equal(t, "submitted", n, 5)
		equal(t, "error", err, nil)
		equal(t, "ready", g.Ready(), 5)
		// What runs out while the thread does not run, older kernels report last first.
		want := map[uint64]CQE{}
		for i := range uint64(5) {
			want[i] = CQE{UserData: i, Res: -int32(cgo.ETime)}
		}
		equal(t, "completions", g.byUserData(5), want)
	})
}

// When the context ends first the requests go on.
func TestAwaitEndsWithItsContext(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) })

		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(5*time.Millisecond, cancel)
		n, err := g.Await(ctx, 1)
		equal(t, "submitted", n, 1)
		equal(t, "error of a cancelled context", err, context.Canceled)

		_, err = g.Await(ctx, 1)
		equal(t, "error of a context cancelled before", err, context.Canceled)

		ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		_, err = g.Await(ctx, 1)
		equal(t, "error of a deadline", err, context.DeadlineExceeded)

		g.write(b, "data")
		if _, err = g.Await(soon(t), 1); err != nil {
			t.Fatal(err)
		}
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 4}})
	})
}

// A context that ends while its Await returns does not wake the next one.
func TestAwaitIsNotWokenByAnEarlierContext(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	for i := range uint64(200) {
		ctx, cancel := context.WithCancel(context.Background())
		g.queue(i, func(s SQE) { s.PrepTimeout(100*time.Microsecond, 0, 0) })
		time.AfterFunc(100*time.Microsecond, cancel)
		if _, err := g.Await(ctx, 1); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := g.Await(soon(t), 1); err != nil {
			t.Fatalf("the next Await: %v", err)
		}
		g.await(1)
	}
}

// A context that never ends costs nothing, and does not meet what an earlier one
// has left.
func TestAwaitAfterOneThatEnded(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepRecv(FD(a), make([]byte, 4), 0) })
		for range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			equal(t, "error of a deadline", second(g.Await(ctx, 1)), context.DeadlineExceeded)
			cancel()
		}
		time.AfterFunc(20*time.Millisecond, func() { syscall.Write(b, []byte("data")) })
		equal(t, "error", second(g.Await(context.Background(), 1)), nil)
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 4}})
	})
}

// Deferred work that leads to no completion, however much it is, hides none that
// does. The kernel runs a part of the work in each call, and signals only work that
// is added to none.
func TestMuchWorkWithoutCompletions(t *testing.T) {
	const flags = SetupSingleIssuer | SetupDeferTaskrun
	for name, take := range map[string]func(g *rig) []CQE{
		"Await": func(g *rig) []CQE {
			g.must(second(g.Await(soon(g), 1)))
			return allOf(g.Ring)
		},
		"Completions": func(g *rig) []CQE { return allOf(g.Ring) },
		"Peek": func(g *rig) []CQE {
			got := make([]CQE, 4)
			got = got[:g.Peek(got)]
			g.Advance(len(got))
			return got
		},
		"Wait": func(g *rig) []CQE {
			c, err := g.Wait()
			g.must(err)
			return []CQE{c}
		},
	} {
		for _, skipped := range []int{1, 100, 3000, 6000} {
			t.Run(fmt.Sprintf("%s, %d", name, skipped), func(t *testing.T) {
				g := newRig(t, Config{Entries: 8192, Flags: flags})
				g.must(second(g.Await(context.Background(), 0)))
				short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				equal(t, "error while nothing comes", second(g.Await(short, 1)), context.DeadlineExceeded)
				r, w := streamPair(g)
				// What is added first is woken last.
				g.queue(42, func(s SQE) { s.PrepPollAdd(FD(r), 1) })
				for range skipped {
					g.queue(7, func(s SQE) {
						s.PrepPollAdd(FD(r), 1)
						g.must(s.SetFlags(SkipSuccess))
					})
				}
				n, err := g.Submit()
				equal(t, "error", err, nil)
				equal(t, "submitted", n, skipped+1)
				if strings.HasPrefix(name, "Await") {
					time.AfterFunc(5*time.Millisecond, func() { syscall.Write(w, []byte("x")) })
				} else {
					g.write(w, "x")
				}
				equal(t, "completions", take(g), []CQE{{UserData: 42, Res: 1}})
			})
		}
	}
}

func allOf(r *Ring) (all []CQE) {
	for c := range r.Completions() {
		all = append(all, c)
	}
	return all
}

// Many rings wait in the poller at once, without a thread for each.
func TestAwaitInManyGoroutines(t *testing.T) {
	const rings = 50
	var waiting, done sync.WaitGroup
	waiting.Add(rings)
	fail := make(chan error, rings)
	release := make(chan struct{})
	for i := range rings {
		done.Add(1)
		go func() {
			defer done.Done()
			fail <- func() (err error) {
				r, err := New(Config{Entries: 4})
				if err != nil {
					waiting.Done()
					return err
				}
				defer func() { err = errors.Join(err, r.Close()) }()
				fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
				waiting.Done()
				if err != nil {
					return err
				}
				defer syscall.Close(fds[0])
				defer syscall.Close(fds[1])
				for j := range 10 {
					s, err := r.NextSQE()
					if err != nil {
						return err
					}
					p := make([]byte, 4)
					s.PrepRecv(FD(fds[0]), p, 0)
					s.UserData = uint64(j)
					time.AfterFunc(time.Duration(1+j%3)*time.Millisecond, func() { syscall.Write(fds[1], []byte("data")) })
					if _, err := r.Await(soon(t), 1); err != nil {
						return err
					}
					for c := range r.Completions() {
						if (c != CQE{UserData: uint64(j), Res: 4}) || string(p) != "data" {
							return fmt.Errorf("ring %d: completion %+v, received %q", i, c, p)
						}
					}
				}
				<-release
				return nil
			}()
		}()
	}
	waiting.Wait()
	close(release)
	done.Wait()
	close(fail)
	for err := range fail {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestAwaitTakesNoThread(t *testing.T) {
	const rings = 40
	g := make([]*rig, rings)
	for i := range g {
		g[i] = newRig(t, Config{Entries: 4})
	}
	threads := func() int {
		names, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := threads()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range g {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := g[i].Await(ctx, 1); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	if n := threads(); n > before+runtime.GOMAXPROCS(0)+5 {
		t.Errorf("%d threads before, %d while %d rings wait", before, n, rings)
	}
	cancel()
	wg.Wait()
}

func TestAwaitInServe(t *testing.T) {
	a, b := streamPair(t)
	p := make([]byte, 4)
	err := Serve(Config{Entries: 4}, func(r *Ring) error {
		for range 20 {
			s, err := r.NextSQE()
			if err != nil {
				return err
			}
			s.PrepRecv(FD(a), p, 0)
			later := time.AfterFunc(time.Millisecond, func() { syscall.Write(b, []byte("data")) })
			defer later.Stop()
			if _, err := r.Await(soon(t), 1); err != nil {
				return err
			}
			equal(t, "completions", len(userData(r)), 1)
		}
		return nil
	})
	equal(t, "error", err, nil)
}

// With SetupDeferTaskrun Await has the ring's only eventfd.
func TestAwaitAndRegisterEventFD(t *testing.T) {
	const flags = SetupSingleIssuer | SetupDeferTaskrun
	fd := newEventFD(t)
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "has taken") {
			t.Errorf("%s: %v", what, err)
		}
	}
	t.Run("after RegisterEventFD", func(t *testing.T) {
		g := newRig(t, Config{Entries: 4, Flags: flags})
		g.must(g.RegisterEventFD(fd, false))
		refused("Await", second(g.Await(soon(t), 1)))
		g.must(g.UnregisterEventFD())
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		equal(t, "error", second(g.Await(ctx, 1)), context.DeadlineExceeded)
	})
	t.Run("before RegisterEventFD", func(t *testing.T) {
		g := newRig(t, Config{Entries: 4, Flags: flags})
		// Long enough for Await to get as far as to wait, on a slow machine too.
		short, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		equal(t, "error", second(g.Await(short, 1)), context.DeadlineExceeded)
		refused("RegisterEventFD", g.RegisterEventFD(fd, false))
		if err := g.UnregisterEventFD(); err == nil {
			t.Error("UnregisterEventFD takes the eventfd from Await")
		}
	})
	t.Run("of another ring", func(t *testing.T) {
		g := newRig(t, Config{Entries: 4})
		g.must(g.RegisterEventFD(fd, false))
		g.queue(1, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, 0) })
		if _, err := g.Await(soon(t), 1); err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitIsRefusedWhereNothingWouldWakeIt(t *testing.T) {
	g := newRig(t, Config{Entries: 4, Flags: SetupIOPoll})
	if _, err := g.Await(context.Background(), 1); err == nil || !strings.Contains(err.Error(), "SetupIOPoll") {
		t.Errorf("with SetupIOPoll: %v", err)
	}
	needSmallNoMMap(t)
	testutil.Need(t, have(SetupRegisteredFDOnly))
	g = newRig(t, Config{Entries: 4, Flags: SetupNoMMap | SetupRegisteredFDOnly | SetupSingleIssuer})
	if _, err := g.Await(context.Background(), 1); err == nil || !strings.Contains(err.Error(), "SetupRegisteredFDOnly") {
		t.Errorf("without a descriptor: %v", err)
	}
	g = newRig(t, Config{Entries: 4, Flags: SetupNoMMap | SetupRegisteredFDOnly | SetupSingleIssuer | SetupDeferTaskrun})
	g.queue(1, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, 0) })
	if _, err := g.Await(soon(t), 1); err != nil {
		t.Errorf("with an eventfd in its place: %v", err)
	}
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
