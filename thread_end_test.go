//go:build linux

package uring

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/kernel"
)

// onEndingThread runs f on a thread, and returns when that is over.
func onEndingThread(t *testing.T, f func()) {
	t.Helper()
	thread := make(chan int)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if syscall.Gettid() != os.Getpid() {
			f()
			thread <- syscall.Gettid()
			return
		}
		onEndingThread(t, f) // Go keeps the first thread
		runtime.UnlockOSThread()
		thread <- 0
	}()
	id := <-thread
	for deadline := time.Now().Add(patience); id != 0; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", id)); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Error("the thread does not end")
			return
		}
	}
}

// waiters queues a request to receive and one to poll, with the user data u and
// u+1.
func (g *rig) waiters(u uint64, fd int) {
	g.queue(u, func(s SQE) { s.PrepRecv(FD(fd), held(make([]byte, 8)), 0) })
	g.queue(u+1, func(s SQE) { s.PrepPollAdd(FD(fd), 1) })
	g.submit()
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
			mine, toMine := g.unixPair()
			ended, toEnded := g.unixPair()
			never, _ := g.unixPair()
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
	fd, to := g.unixPair()
	onEndingThread(t, func() { g.waiters(10, fd) })
	g.none()
	g.write(to, "data")
	got := g.byUserData(2)
	equal(t, "received", got[10].Res, 4)
	equal(t, "polled", got[11].Res, 1)
}

// A request that needs a worker of the kernel starts one on the submitting
// thread if none is idle. Signals, which Go's scheduler sends too, get in the way
// of that, and some kernels then give up and cancel the request.
func TestSignalsWhileAWorkerStarts(t *testing.T) {
	file := openTemp(t, "0123456789")
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
