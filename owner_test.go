//go:build linux

package uring

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/kernel"
)

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
			a := newArena(t, 4096)
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

func TestAThreadIsToldFromTheNext(t *testing.T) {
	me := currentThread()
	equal(t, "this one has ended", me.ended(), false)
	equal(t, "one before it has", thread{me.id, "1"}.ended(), true)
	equal(t, "one of which nothing is known has", thread{me.id, ""}.ended(), false)
	var other thread
	onEndingThread(t, func() { other = currentThread() })
	equal(t, "another one has", other.ended(), true)
}

// What docs/threads.md says: when the thread that submitted a request has ended,
// the request goes on waiting, and what it waits for ends it with ECANCELED. The
// data is still there. Other threads' requests on the ring are not concerned.
func TestRequestsWithoutTheirThread(t *testing.T) {
	for _, flags := range []SetupFlags{0, SetupCoopTaskrun, SetupCoopTaskrun | SetupTaskrunFlag} {
		t.Run(flags.String(), func(t *testing.T) {
			runtime.LockOSThread() // this thread goes on
			defer runtime.UnlockOSThread()
			g := newRig(t, Config{Entries: 16, Flags: flags})
			mine, toMine := streamPair(g)
			ended, toEnded := streamPair(g)
			never, _ := streamPair(g)
			g.waiters(10, mine)
			onEndingThread(t, func() {
				g.waiters(30, ended)
				g.waiters(40, never)
			})
			g.none()

			g.write(toEnded, "data")
			got := g.byUserData(2)
			cancelled := errno(syscall.ECANCELED)
			equal(t, "receive of the thread", got[30], CQE{UserData: 30, Res: cancelled})
			equal(t, "poll of the thread", got[31], CQE{UserData: 31, Res: cancelled})
			equal(t, "left in the socket", g.read(ended), "data")

			for u := range uint64(2) { // they can be cancelled
				g.queue(1, func(s SQE) { s.PrepCancel(40+u, 0) })
				got = g.byUserData(2)
				equal(t, "cancelling", got[1], CQE{UserData: 1})
				equal(t, "cancelled", got[40+u], CQE{UserData: 40 + u, Res: cancelled})
			}

			g.write(toMine, "one")
			got = g.byUserData(2)
			equal(t, "received for this thread", got[10].Res, 3)
			equal(t, "polled for this thread", got[11].Res, 1)
		})
	}
}

// With SetupSQPoll it is a thread of the kernel's that submits.
func TestRequestsOfTheKernelsThread(t *testing.T) {
	g := newRig(t, Config{Entries: 16, Flags: SetupSQPoll, SQThreadIdle: time.Millisecond})
	fd, to := streamPair(g)
	onEndingThread(t, func() { g.waiters(10, fd) })
	g.none()
	g.write(to, "data")
	first := g.next()
	if first.UserData == 10 {
		g.write(to, "more") // the receive may have left nothing for the poll to see
	}
	second := g.next()
	got := map[uint64]CQE{first.UserData: first, second.UserData: second}
	equal(t, "received", got[10].Res, 4)
	equal(t, "polled", got[11].Res, 1)
}

// A request that needs a worker of the kernel starts one on the submitting
// thread if none is idle. Signals, which Go's scheduler sends too, get in the way
// of that, and some kernels then give up and cancel the request.
func TestSignalsWhileAWorkerStarts(t *testing.T) {
	file := int(newFile(t, "0123456789").Fd())
	cancelled, requests := 0, 0
	// On Linux 6.16 the thread then waits 5 seconds before it ends.
	for start := time.Now(); requests < 50 && time.Since(start) < patience; requests++ {
		onEndingThread(t, func() { // workers belong to a thread
			stop := signalEvery(t, 20*time.Microsecond, syscall.SIGURG)
			defer stop()
			r, err := New(Config{Entries: 4})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			s, err := r.NextSQE()
			if err != nil {
				t.Error(err)
				return
			}
			s.PrepRead(FD(file), held(make([]byte, 4)), 0)
			if err := s.SetFlags(Async); err != nil {
				t.Error(err)
			}
			c, err := r.Wait()
			switch {
			case err != nil:
				t.Error(err)
			case c.Err() == syscall.ECANCELED:
				cancelled++
			default:
				equal(t, "completion", c, CQE{Res: 4})
			}
		})
	}
	t.Logf("%d of %d requests were cancelled", cancelled, requests)
	if cancelled > 0 && hasLinux(t, kernel.V(6, 19)) {
		t.Error("as on Linux 6.1 and 6.18.15")
	}
}

// With a thread of the kernel's, a single issuer's ring takes requests from others,
// in debug builds, too.
func TestKernelsThreadServesOtherThreads(t *testing.T) {
	g := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupSQPoll})
	elsewhere(func() {
		g.queue(1, SQE.PrepNop)
		equal(t, "completion", g.await(1), []CQE{{UserData: 1}})
		equal(t, "a registration is ErrWrongThread", errors.Is(g.RegisterFiles(1), ErrWrongThread), true)
	})
}
