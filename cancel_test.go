//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// cancelled waits for n completions, which must be those of cancelled requests,
// and returns their user data. The kernel may post them after the cancellation
// has returned.
func cancelled(t *testing.T, r *Ring, n int) map[uint64]bool {
	t.Helper()
	got := map[uint64]bool{}
	for _, c := range rigOn(t, r).await(n) {
		equal(t, "result", c.Res, -int32(syscall.ECANCELED))
		got[c.UserData] = true
	}
	return got
}

func TestSyncCancelMatches(t *testing.T) {
	a, _ := streamPair(t)
	b, _ := streamPair(t)
	all := []uint64{1, 2, 3, 4}
	for _, c := range []struct {
		name string
		m    Match
		all  bool
		want []uint64
		n    int
	}{
		{"user data", Match{UserData: ptr(uint64(2))}, false, []uint64{2}, 0},
		{"all of some user data", Match{UserData: ptr(uint64(3))}, true, []uint64{3}, 1},
		{"all on a descriptor", Match{FD: ptr(FD(a))}, true, []uint64{1, 2}, 2},
		{"all on a direct descriptor", Match{FD: ptr(DirectSlot(0).FD())}, true, []uint64{3, 4}, 2},
		{"all of an opcode", Match{Op: ptr(OpRecv)}, true, all, 4},
		{"an opcode on a descriptor", Match{Op: ptr(OpRecv), FD: ptr(FD(a))}, true, []uint64{1, 2}, 2},
		{"user data on a descriptor", Match{UserData: ptr(uint64(1)), FD: ptr(FD(a))}, true, []uint64{1}, 1},
		{"any", Match{Any: true}, true, all, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.m.Op != nil {
				needCancel(t, HaveCancelOp, c.m)
			}
			if c.m.UserData != nil && c.m.FD != nil {
				needCancel(t, HaveCancelBoth, c.m)
			}
			r := newRig(t, Config{Entries: 8})
			if err := r.RegisterFDs([]int{b}); err != nil {
				t.Fatal(err)
			}
			waiting(t, r.Ring, FD(a), 1, 2)
			waiting(t, r.Ring, DirectSlot(0).FD(), 3, 4)
			n, err := r.SyncCancel(c.m, c.all, time.Second)
			equal(t, "error", err, nil)
			equal(t, "number", n, c.n)
			want := map[uint64]bool{}
			for _, u := range c.want {
				want[u] = true
			}
			equal(t, "cancelled", cancelled(t, r.Ring, len(want)), want)
		})
	}
}

// needCancel skips the test on kernels that lack a way to match, after a look
// that nothing is cancelled there.
func needCancel(t *testing.T, have func() error, m Match) {
	t.Helper()
	if err := have(); errors.Is(err, ErrNotSupported) {
		r := newRig(t, Config{Entries: 8})
		a, b := streamPair(t)
		if m.FD != nil {
			m.FD = ptr(FD(a))
		}
		waiting(t, r.Ring, FD(a), 1)
		_, got := r.SyncCancel(m, true, time.Second)
		equal(t, "error", got, err)
		if _, err := syscall.Write(b, []byte("x")); err != nil {
			t.Fatal(err)
		}
		equal(t, "the request goes on", r.next(), CQE{UserData: 1, Res: 1})
	}
	testutil.Need(t, have)
}

func TestSyncCancelOfNothing(t *testing.T) {
	r := newRig(t, Config{Entries: 8})
	a, _ := streamPair(t)
	waiting(t, r.Ring, FD(a), 1)
	cases := map[string]Match{"user data": {UserData: ptr(uint64(9))}}
	if HaveCancelOp() == nil {
		cases["opcode"] = Match{Op: ptr(OpSend)}
		cases["two that do not fit"] = Match{UserData: ptr(uint64(1)), Op: ptr(OpSend)}
	}
	for name, m := range cases {
		_, err := r.SyncCancel(m, false, -1)
		if !errors.Is(err, syscall.ENOENT) {
			t.Errorf("%s: error is %v", name, err)
		}
		n, err := r.SyncCancel(m, true, -1)
		equal(t, name+": number of all", n, 0)
		equal(t, name+": error for all", err, nil)
	}
	_, err := r.SyncCancel(Match{}, true, -1)
	wantError(t, err, "the Match is empty")
	_, err = r.SyncCancel(Match{Any: true, Op: ptr(OpSend)}, true, -1)
	wantError(t, err, "takes no other condition")
}

// What a worker thread has taken is cancelled too.
func TestSyncCancelOfWorkers(t *testing.T) {
	r := newRig(t, Config{Entries: 8})
	a, _ := streamPair(t)
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	s.PrepRecv(FD(a), held(make([]byte, 8)), 0)
	s.UserData = 5
	if err := s.SetFlags(Async); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.SyncCancel(Match{UserData: ptr(uint64(5))}, false, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c := r.next()
	equal(t, "user data", c.UserData, 5)
	if e := syscall.Errno(-c.Res); e != syscall.ECANCELED && e != syscall.EINTR {
		t.Errorf("result is %v", e)
	}
}

func TestSyncCancelGoesOnAfterSignals(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	limits := []int64{}
	look := anyCancel{func(sec, nsec int64) { limits = append(limits, sec*1e9+nsec) }}
	drv.SyncCancel(look).Return(-int(syscall.EINTR)).Times(2)
	drv.SyncCancel(look).DoAndReturn(func(*cgo.SyncCancel) int {
		time.Sleep(time.Millisecond)
		return -int(syscall.ETIME)
	}).AnyTimes()
	_, err := r.SyncCancel(Match{Any: true}, true, 10*time.Millisecond)
	equal(t, "is ErrDeadlineExceeded", errors.Is(err, os.ErrDeadlineExceeded), true)
	for i, l := range limits {
		if l < 0 || l > int64(10*time.Millisecond) || i > 0 && l > limits[i-1] {
			t.Errorf("limits are %v", limits)
		}
	}
}

// The kernel may not notice that a worker gives a request back, and waits for as
// long as it may. It is asked again.
func TestSyncCancelAsksAgain(t *testing.T) {
	for _, last := range []int{0, -int(syscall.ENOENT)} {
		r, _, drv := newMockRing(t, 0)
		limits := []int64{}
		look := anyCancel{func(sec, nsec int64) { limits = append(limits, sec*1e9+nsec) }}
		late := drv.SyncCancel(look).Return(-int(syscall.ETIME)).Times(2)
		drv.SyncCancel(look).Return(last).After(late)
		_, err := r.SyncCancel(Match{UserData: ptr(uint64(1))}, false, -1)
		equal(t, "error", err, nil)
		for _, l := range limits {
			if l != int64(cancelSlice) {
				t.Errorf("limits are %v", limits)
			}
		}
	}
}

// anyCancel matches a cancellation and looks at its limit.
type anyCancel struct{ look func(sec, nsec int64) }

func (a anyCancel) Matches(x any) bool {
	c, ok := x.(*cgo.SyncCancel)
	if ok {
		a.look(c.Sec, c.Nsec)
	}
	return ok
}

func (anyCancel) String() string { return "is a cancellation" }

// Workers that copy from the page cache go on for a while. When SyncCancel
// returns, they do not.
func TestSyncCancelWaitsForWorkers(t *testing.T) {
	f, size := pageCache(t)
	for name, m := range map[string]Match{
		"any": {Any: true}, "user data": {UserData: ptr(uint64(1))}, "descriptor": {FD: ptr(FD(f.Fd()))},
	} {
		for _, all := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/all=", all), func(t *testing.T) {
				g := newRig(t, Config{Entries: 4})
				a := newArena(t, size)
				s := g.queue(1, func(s SQE) { s.PrepRead(FD(f.Fd()), a.Bytes(), 0) })
				g.must(s.SetFlags(Async))
				g.submit()
				for deadline := time.Now().Add(patience); a.Bytes()[0] == 0 && time.Now().Before(deadline); {
					time.Sleep(10 * time.Microsecond) // until a worker has begun
				}
				n, err := g.SyncCancel(m, all, patience)
				if errors.Is(err, syscall.ENOENT) {
					t.Skip("it was over before")
				}
				equal(t, "error", err, nil)
				if n > 1 {
					t.Errorf("%d requests", n)
				}
				overwrite(a.Bytes())
				untouched(t, a.Bytes())
				equal(t, "completion", g.await(1)[0].UserData, 1)
			})
		}
	}
}

// The completions are there when all requests of the ring were cancelled, whoever
// submitted them, and however many kernel threads are between.
func TestSyncCancelOfAllBringsTheCompletions(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		p := newArena(t, 4096).Bytes()
		for range 20 {
			async := 0
			for i := range 8 {
				s := g.queue(uint64(i), func(s SQE) { s.PrepRecv(FD(a), p[8*i:][:8], 0) })
				if i%4 == 3 {
					g.must(s.SetFlags(Async))
					async++
				}
			}
			g.submit()
			n, err := g.SyncCancel(Match{Any: true}, true, patience)
			equal(t, "error", err, nil)
			if n < 8-async || n > 8 {
				t.Errorf("%d of 8 requests, %d of them with workers", n, async)
			}
			equal(t, "completions", g.Ready(), 8)
			equal(t, "last ones", g.unposted(), 0)
			for range g.Completions() {
			}
		}
	})
}

func TestSyncCancelOfAnotherThreadsRequests(t *testing.T) {
	const n = 16
	for range 20 {
		g := newRig(t, Config{Entries: n})
		a, _ := streamPair(g)
		submitted, done := make(chan bool), make(chan bool)
		go func() { // its thread lives on
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for i := range n {
				g.queue(uint64(i), func(s SQE) { s.PrepPollAdd(FD(a), 1) })
			}
			g.submit()
			close(submitted)
			<-done
		}()
		<-submitted
		found, err := g.SyncCancel(Match{Any: true}, true, patience)
		ready := g.Ready()
		close(done)
		equal(t, "error", err, nil)
		equal(t, "number", found, n)
		equal(t, "completions", ready, n)
	}
}

// What the kernel does not find is waited for, but not for ever.
func TestSyncCancelOfAZeroCopySend(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 50*time.Millisecond)
	g := newRig(t, Config{Entries: 4})
	fd, peer := testutil.TCPPair(t)
	g.must(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, beyond))
	p := newArena(t, beyond).Bytes()
	c := g.answer(func(s SQE) { g.must(s.PrepSendZC(FD(fd), p, 0, 0)) })
	_, err := g.SyncCancel(Match{Any: true}, true, time.Millisecond)
	equal(t, "is ErrDeadlineExceeded", errors.Is(err, os.ErrDeadlineExceeded), true)
	_, err = g.SyncCancel(Match{Any: true}, true, -1)
	equal(t, "error", text(err), "uring: cancel: requests that the kernel does not find are in flight (1), and none ended in 50ms: still in use")
	equal(t, "is busy", errors.Is(err, ErrBusy), true)
	readFull(t, peer, int(c.Res))
	n, err := g.SyncCancel(Match{Any: true}, true, patience)
	equal(t, "number", n, 0)
	equal(t, "error", err, nil)
	equal(t, "is the notification", g.await(1)[0].Notif(), true)
}

// Entries that the kernel's thread has not taken yet are not left out.
func TestSyncCancelWithTheKernelsThread(t *testing.T) {
	g := newRig(t, Config{Entries: 64, Flags: SetupSQPoll, SQThreadIdle: time.Millisecond})
	a, _ := streamPair(g)
	for range 50 {
		for i := range 64 {
			g.queue(uint64(i), func(s SQE) { s.PrepPollAdd(FD(a), 1) })
		}
		g.submit()
		n, err := g.SyncCancel(Match{FD: ptr(FD(a))}, true, patience)
		equal(t, "error", err, nil)
		equal(t, "number", n, 64)
		g.await(64)
	}
}

// armReads queues reads that wait, with user data from 1 on.
func (g *rig) armReads(fds ...FD) {
	g.Helper()
	for i, fd := range fds {
		g.queue(uint64(i+1), func(s SQE) { s.PrepRecv(fd, held(make([]byte, 8)), 0) })
	}
	g.submit()
}

func TestCancelByUserData(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.armReads(FD(a), FD(a))
		g.queue(10, func(s SQE) { s.PrepCancel(1, 0) })
		c := g.byUserData(2)
		equal(t, "cancellation", c[10], CQE{UserData: 10})
		equal(t, "request", c[1], CQE{UserData: 1, Res: errno(syscall.ECANCELED)})
		g.fails(syscall.ENOENT, func(s SQE) { s.PrepCancel(1, 0) })
		g.write(b, "x")
		equal(t, "the other request", g.await(1), []CQE{{UserData: 2, Res: 1}})
	})
}

func TestCancelAllWithTheSameUserData(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		for range 3 {
			g.queue(7, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 8)), 0) })
		}
		g.submit()
		g.queue(10, func(s SQE) { s.PrepCancel(7, CancelAll) })
		for _, c := range g.await(4) {
			if c.UserData == 10 {
				equal(t, "number of cancelled requests", c.Res, 3)
			} else {
				equal(t, "request", c, CQE{UserData: 7, Res: errno(syscall.ECANCELED)})
			}
		}
	})
}

func TestCancelByDescriptor(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		b, _ := streamPair(g)
		g.armReads(FD(a), FD(b), FD(a))
		g.queue(10, func(s SQE) { s.PrepCancelFD(FD(a), CancelAll) })
		c := g.byUserData(3)
		equal(t, "number of cancelled requests", c[10].Res, 2)
		equal(t, "requests", [2]int32{c[1].Res, c[3].Res}, [2]int32{errno(syscall.ECANCELED), errno(syscall.ECANCELED)})

		g.queue(11, func(s SQE) { s.PrepCancelFD(FD(b), 0) })
		c = g.byUserData(2)
		equal(t, "one cancellation", c[11], CQE{UserData: 11})
		equal(t, "request", c[2].Res, errno(syscall.ECANCELED))
		g.fails(syscall.ENOENT, func(s SQE) { s.PrepCancelFD(FD(b), 0) })
	})
}

func TestCancelByDirectDescriptor(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		b, _ := streamPair(g)
		g.must(g.RegisterFiles(4))
		da, db := g.direct(1, a), g.direct(2, b)
		g.armReads(da.FD(), db.FD(), da.FD())
		g.queue(10, func(s SQE) { s.PrepCancelFD(da.FD(), CancelAll) })
		c := g.byUserData(3)
		equal(t, "number of cancelled requests", c[10].Res, 2)
		equal(t, "requests", [2]int32{c[1].Res, c[3].Res}, [2]int32{errno(syscall.ECANCELED), errno(syscall.ECANCELED)})
	})
}

func TestCancelAny(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		b, _ := streamPair(g)
		g.armReads(FD(a), FD(b), FD(a))
		g.queue(10, func(s SQE) { s.PrepCancel(0, CancelAny|CancelAll) })
		c := g.byUserData(4)
		equal(t, "number of cancelled requests", c[10].Res, 3)
	})
}

func TestCancelByOpcode(t *testing.T) {
	g := newRig(t, Config{})
	testutil.Need(t, HaveCancelOp)
	in, _ := g.pipe()
	in2, _ := g.pipe()
	g.start(1, func(s SQE) { s.PrepPollAdd(in, 1) })
	g.start(2, func(s SQE) { s.PrepRead(in, held(make([]byte, 1)), CurrentOffset) })
	g.start(3, func(s SQE) { s.PrepPollAdd(in2, 1) })
	g.start(4, func(s SQE) { s.PrepCancelFDOp(in, cgo.OpPollAdd, 0) })
	if diff := cmp.Diff(map[uint64]int32{1: errCanceled, 4: 0}, g.results(2)); diff != "" {
		t.Errorf("by descriptor and opcode: %s", diff)
	}
	g.start(5, func(s SQE) { s.PrepCancelOp(cgo.OpPollAdd, CancelAll) })
	if diff := cmp.Diff(map[uint64]int32{3: errCanceled, 5: 1}, g.results(2)); diff != "" {
		t.Errorf("by opcode: %s", diff)
	}
	g.start(6, func(s SQE) { s.PrepCancelOp(cgo.OpRead, 0) })
	if got := g.results(2); got[6] != 0 || got[2] != errCanceled && got[2] != -int32(syscall.EINTR) {
		t.Errorf("the read: %v", got)
	}
	g.fails(syscall.ENOENT, func(s SQE) { s.PrepCancelOp(cgo.OpPollAdd, 0) })
}

// A request that is cancelled at once completes once, and so does its
// cancellation, whichever is first.
func TestCancelRacesWithItsRequest(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		in, _ := g.pipe()
		empty, _ := g.pipe()
		g.must(syscall.SetNonblock(int(empty), true))
		for name, c := range map[string]struct {
			prep   func(SQE)
			result []syscall.Errno
		}{
			"poll":             {func(s SQE) { s.PrepPollAdd(in, pollIn) }, []syscall.Errno{syscall.ECANCELED}},
			"read":             {func(s SQE) { s.PrepRead(in, held(make([]byte, 1)), CurrentOffset) }, []syscall.Errno{syscall.ECANCELED, syscall.EINTR}},
			"read of no block": {func(s SQE) { s.PrepRead(empty, held(make([]byte, 1)), CurrentOffset) }, []syscall.Errno{syscall.EAGAIN, syscall.ECANCELED}},
			"nop":              {SQE.PrepNop, []syscall.Errno{0}},
		} {
			for range 200 {
				g.queue(1, c.prep)
				g.queue(2, func(s SQE) { s.PrepCancel(1, 0) })
				m := g.byUserData(2)
				if !slices.Contains(c.result, syscall.Errno(-m[1].Res)) {
					t.Fatalf("%s: %v", name, m[1])
				}
				if e := syscall.Errno(-m[2].Res); e != 0 && e != syscall.ENOENT && e != syscall.EALREADY {
					t.Fatalf("%s: cancellation: %v", name, m[2])
				}
			}
		}
		g.none()
	})
}

// A ring that cancels all it has leaves the requests of others alone.
func TestCancelAnyOfAnotherRing(t *testing.T) {
	g := newRig(t, Config{Entries: 64, CQEntries: 1024})
	in, _ := streamPair(t)
	const polls = 500
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		stopped <- Serve(Config{}, func(r *Ring) error {
			for {
				s, err := r.Request(MakeToken(1, 0, 0))
				if err != nil {
					return err
				}
				s.PrepCancel(0, CancelAny|CancelAll)
				if c, err := r.Wait(); err != nil || c.Res > 0 {
					return fmt.Errorf("cancelled %v, %w", c, err)
				}
				select {
				case <-stop:
					return nil
				default:
				}
			}
		})
	}()
	for u := range uint64(polls) {
		g.must(g.MakeRoom(1))
		g.queue(u, func(s SQE) { s.PrepPollAdd(FD(in), pollIn) })
	}
	g.submit()
	g.none()
	close(stop)
	g.must(<-stopped)
	n, err := g.SyncCancel(Match{Any: true}, true, patience)
	g.must(err)
	equal(t, "cancelled", n, polls)
	for range polls {
		equal(t, "result", g.next().Res, errCanceled)
	}
}

// What a request cancels by user data and descriptor must have both.
func TestPrepCancelMatch(t *testing.T) {
	testutil.Need(t, HaveCancelBoth)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		polls := func() {
			for i, fd := range []int{a, b, a} {
				g.start(uint64(1+i/2), func(s SQE) { s.PrepPollAdd(FD(fd), PollIn) }) // a: 1, b: 1, a: 2
			}
		}
		match := func(m Match, flags CancelFlags, want int32, left int) {
			t.Helper()
			polls()
			g.queue(9, func(s SQE) { g.must(s.PrepCancelMatch(m, flags)) })
			results := map[uint64][]int32{}
			n := 1 + max(1, int(want))
			for _, c := range g.await(n) {
				results[c.UserData] = append(results[c.UserData], c.Res)
			}
			equal(t, "result", results[9], []int32{want})
			k, err := g.SyncCancel(Match{Any: true}, true, patience)
			equal(t, "error", err, nil)
			equal(t, "left", k, left)
			g.await(left)
		}
		one, two, op := uint64(1), uint64(2), OpPollAdd
		fdA, fdB := FD(a), FD(b)
		match(Match{UserData: &one, FD: &fdB}, 0, 0, 2)
		match(Match{UserData: &one, FD: &fdA}, CancelAll, 1, 2)
		match(Match{FD: &fdA}, CancelAll, 2, 1)
		match(Match{UserData: &two, FD: &fdA, Op: &op}, 0, 0, 2)
		match(Match{Any: true}, CancelAll, 3, 0)
		g.queue(9, func(s SQE) { g.must(s.PrepCancelMatch(Match{UserData: &two, FD: &fdB}, 0)) })
		equal(t, "of nothing", g.await(1)[0].Res, errno(syscall.ENOENT))
		wantError(t, g.sqe().PrepCancelMatch(Match{}, 0), "the Match is empty")
		g.none()
	})
}
