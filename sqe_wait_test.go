//go:build linux

package uring

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// The kernel lets nobody ask for polls that are triggered by level:
// IORING_POLL_ADD_LEVEL has no Go name for that.
func TestLevelTriggeredPollsAreRefused(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		for _, multi := range []uint32{0, cgo.PollAddMulti} {
			g.fails(syscall.EINVAL, func(s SQE) {
				s.PrepPollAdd(FD(a), 1)
				s.Len = cgo.PollAddLevel | multi
			})
			g.fails(syscall.EINVAL, func(s SQE) {
				s.PrepPollUpdate(1, 0, 1, PollUpdateEvents|PollUpdateFlags(cgo.PollAddLevel|multi))
			})
		}
	})
}

func TestTimeoutFires(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		const d = 15 * time.Millisecond
		for _, flags := range []TimeoutFlags{0, TimeoutBoottime, TimeoutRealtime} {
			start := time.Now()
			g.queue(1, func(s SQE) { s.PrepTimeout(d, 0, flags) })
			equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: errno(syscall.ETIME)}})
			if took := time.Since(start); took < d-time.Millisecond {
				t.Errorf("flags %#x: fired after %v", flags, took)
			}
		}
		for _, d := range []time.Duration{0, -time.Hour} {
			g.fails(syscall.ETIME, func(s SQE) { s.PrepTimeout(d, 0, 0) })
		}
	})
}

// Each timeout has memory of its own for its time, whichever place of the queue
// it goes through: none fires early.
func TestTimeoutsInManyPlaces(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for range 4 {
			g.queue(99, func(s SQE) { s.PrepNop() })
			g.await(1)
			start := time.Now()
			for _, d := range []time.Duration{12, 3, 21, 6, 15} {
				g.queue(uint64(d), func(s SQE) { s.PrepTimeout(d*time.Millisecond, 0, 0) })
			}
			for range 5 {
				c, err := g.Wait()
				g.must(err)
				if took := time.Since(start); took < time.Duration(c.UserData)*time.Millisecond {
					t.Errorf("timeout of %d ms fires after %v", c.UserData, took)
				}
			}
		}
	})
}

func TestTimeoutCountsCompletions(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.queue(1, func(s SQE) { s.PrepTimeout(time.Hour, 2, 0) })
		g.submit()
		g.queue(2, func(s SQE) { s.PrepNop() })
		g.queue(3, func(s SQE) { s.PrepNop() })
		c := g.byUserData(3)
		equal(t, "timeout", c[1], CQE{UserData: 1})
	})
}

func TestTimeoutMultishot(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		c := g.answer(func(s SQE) { s.PrepTimeout(time.Millisecond, 1, TimeoutMultishot) })
		needs(t, "multishot timeouts", kernel.V(6, 4), refusal(c))
		g.queue(1, func(s SQE) { s.PrepTimeout(2*time.Millisecond, 3, TimeoutMultishot) })
		for i, c := range g.await(3) {
			equal(t, "result", c.Res, errno(syscall.ETIME))
			equal(t, "more", c.More(), i < 2)
		}
		g.none()
	})
}

func TestTimeoutETimeSuccess(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		s := g.queue(1, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, TimeoutETimeSuccess) })
		g.must(s.SetFlags(Link))
		g.queue(2, func(s SQE) { s.PrepNop() })
		equal(t, "linked request", g.byUserData(2)[2], CQE{UserData: 2})
	})
}

func TestLinkTimeoutCancelsARead(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		p := make([]byte, 8)
		read := func() {
			s := g.queue(1, func(s SQE) { s.PrepRead(FD(a), p, CurrentOffset) })
			g.must(s.SetFlags(Link))
		}
		read()
		g.queue(2, func(s SQE) { s.PrepLinkTimeout(10*time.Millisecond, 0) })
		c := g.byUserData(2)
		equal(t, "read", c[1], CQE{UserData: 1, Res: errno(syscall.ECANCELED)})
		equal(t, "timeout", c[2], CQE{UserData: 2, Res: errno(syscall.ETIME)})

		g.write(b, "in time")
		read()
		g.queue(2, func(s SQE) { s.PrepLinkTimeout(time.Hour, 0) })
		c = g.byUserData(2)
		equal(t, "read", c[1], CQE{UserData: 1, Res: 7})
		equal(t, "timeout", c[2], CQE{UserData: 2, Res: errno(syscall.ECANCELED)})
	})
}

// The values of poll(2).
const (
	pollIn  PollMask = 0x1
	pollOut PollMask = 0x4
	pollHup PollMask = 0x10
)

func TestPoll(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		equal(t, "events of an idle socket", PollMask(g.do(func(s SQE) { s.PrepPollAdd(FD(a), pollIn|pollOut) })), pollOut)

		g.queue(1, func(s SQE) { s.PrepPollAdd(FD(a), pollIn) })
		g.none()
		g.write(b, "x")
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: int32(pollIn)}})
		g.none()
		syscall.Shutdown(b, syscall.SHUT_RDWR)
		got := PollMask(g.do(func(s SQE) { s.PrepPollAdd(FD(a), pollIn) }))
		equal(t, "events at the end", got&(pollIn|pollHup), pollIn|pollHup)
	})
}

func TestPollMultishotAndRemove(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepPollAddMultishot(FD(a), pollIn) })
		g.submit()
		for range 3 {
			g.write(b, "x")
			c := g.await(1)[0]
			equal(t, "events", PollMask(c.Res), pollIn)
			equal(t, "more", c.More(), true)
		}
		g.queue(2, func(s SQE) { s.PrepPollRemove(1) })
		m := g.byUserData(2)
		equal(t, "removal", m[2], CQE{UserData: 2})
		equal(t, "end", m[1], CQE{UserData: 1, Res: errno(syscall.ECANCELED)})
		g.fails(syscall.ENOENT, func(s SQE) { s.PrepPollRemove(1) })
	})
}

func TestTimeoutsAtAPointInTime(t *testing.T) {
	g := newRig(t, Config{})
	const ahead = 30 * time.Millisecond
	for _, zero := range []struct {
		name  string
		clock int
		flags TimeoutFlags
	}{{"monotonic", 1, 0}, {"boottime", 7, TimeoutBoottime}, {"realtime", 0, TimeoutRealtime}} {
		began := time.Now()
		now := readClock(t, zero.clock)
		g.fails(syscall.ETIME, func(s SQE) { s.PrepTimeout(now+ahead, 0, zero.flags|TimeoutAbs) })
		if took := time.Since(began); took < ahead*9/10 || took > ahead+time.Second {
			t.Errorf("%s: it took %v", zero.name, took)
		}
		g.fails(syscall.ETIME, func(s SQE) { s.PrepTimeout(now-time.Second, 0, zero.flags|TimeoutAbs) })
	}
	at := time.Now().Add(ahead)
	g.fails(syscall.ETIME, func(s SQE) {
		s.PrepTimeout(time.Duration(at.UnixNano()), 0, TimeoutRealtime|TimeoutAbs)
	})
	if late := time.Since(at); late < 0 || late > time.Second {
		t.Errorf("%v after the point in time", late)
	}
}

func TestTimeoutRemove(t *testing.T) {
	g := newRig(t, Config{})
	g.start(1, func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) })
	g.start(2, func(s SQE) { s.PrepTimeoutRemove(1) })
	if diff := cmp.Diff(map[uint64]int32{1: errCanceled, 2: 0}, g.results(2)); diff != "" {
		t.Error(diff)
	}
	g.fails(syscall.ENOENT, func(s SQE) { s.PrepTimeoutRemove(1) })
}

func TestTimeoutUpdate(t *testing.T) {
	g := newRig(t, Config{})
	for name, update := range map[string]func(SQE){
		"relative": func(s SQE) { s.PrepTimeoutUpdate(1, time.Millisecond, 0) },
		"absolute": func(s SQE) { s.PrepTimeoutUpdate(1, readClock(t, 1)+time.Millisecond, TimeoutAbs) },
	} {
		g.start(1, func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) })
		g.start(2, update)
		if diff := cmp.Diff(map[uint64]int32{1: errTime, 2: 0}, g.results(2)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	g.fails(syscall.ENOENT, func(s SQE) { s.PrepTimeoutUpdate(1, 0, 0) })
}

func TestLinkTimeoutUpdate(t *testing.T) {
	g := newRig(t, Config{})
	in, _ := g.pipe()
	s := g.sqe()
	s.PrepRead(in, held(make([]byte, 1)), CurrentOffset)
	s.UserData = 1
	g.must(s.SetFlags(Link))
	g.start(2, func(s SQE) { s.PrepLinkTimeout(time.Hour, 0) })
	g.start(3, func(s SQE) { s.PrepLinkTimeoutUpdate(2, time.Millisecond, 0) })
	results := g.results(2)
	for id, res := range g.results(1) {
		results[id] = res
	}
	if diff := cmp.Diff(map[uint64]int32{1: errCanceled, 2: errTime, 3: 0}, results); diff != "" {
		t.Error(diff)
	}
}

func TestPollUpdate(t *testing.T) {
	g := newRig(t, Config{})
	in, out := g.pipe()
	const readable, urgent = 1, 2 // POLLIN, POLLPRI
	g.start(1, func(s SQE) { s.PrepPollAdd(in, urgent) })
	g.start(2, func(s SQE) { s.PrepPollUpdate(1, 9, 0, PollUpdateUserData) })
	if diff := cmp.Diff(map[uint64]int32{2: 0}, g.results(1)); diff != "" {
		t.Error(diff)
	}
	g.start(3, func(s SQE) { s.PrepPollUpdate(1, 0, readable, PollUpdateEvents) })
	if diff := cmp.Diff(map[uint64]int32{3: -int32(syscall.ENOENT)}, g.results(1)); diff != "" {
		t.Errorf("the old user data: %s", diff)
	}
	g.start(4, func(s SQE) { s.PrepPollUpdate(9, 0, readable, PollUpdateEvents) })
	if diff := cmp.Diff(map[uint64]int32{4: 0}, g.results(1)); diff != "" {
		t.Error(diff)
	}
	_, err := syscall.Write(int(out), []byte("x"))
	g.must(err)
	if diff := cmp.Diff(map[uint64]int32{9: readable}, g.results(1)); diff != "" {
		t.Error(diff)
	}
}

// What is there when the events change counts.
func TestPollUpdateToWhatIsThere(t *testing.T) {
	if !hasLinux(t, kernel.V(6, 18)) {
		return // some kernels lose the request, and never let go of its ring
	}
	g := newRig(t, Config{})
	in, out := g.pipe()
	const readable, urgent = 1, 2 // POLLIN, POLLPRI
	g.start(1, func(s SQE) { s.PrepPollAdd(in, urgent) })
	_, err := syscall.Write(int(out), []byte("x"))
	g.must(err)
	g.start(2, func(s SQE) { s.PrepPollUpdate(1, 0, readable, PollUpdateEvents) })
	if diff := cmp.Diff(map[uint64]int32{1: readable, 2: 0}, g.results(2)); diff != "" {
		t.Error(diff)
	}
}

func TestPollUpdateKeepsMultishot(t *testing.T) {
	g := newRig(t, Config{})
	in, out := g.pipe()
	const readable, urgent = 1, 2
	g.start(1, func(s SQE) { s.PrepPollAddMultishot(in, urgent) })
	g.start(2, func(s SQE) { s.PrepPollUpdate(1, 0, readable, PollUpdateEvents|PollAddMulti) })
	if diff := cmp.Diff(map[uint64]int32{2: 0}, g.results(1)); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		_, err := syscall.Write(int(out), []byte("x"))
		g.must(err)
		c := g.next()
		if got := (CQE{UserData: c.UserData, Res: c.Res}); got != (CQE{UserData: 1, Res: readable}) || !c.More() {
			t.Errorf("got %+v", c)
		}
	}
}

func TestFutexWaitAndWake(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpFutexWait, 6, 7)
	word := new(uint32)
	*word = 5
	for _, flags := range []FutexFlags{0, FutexPrivate} {
		g.fails(syscall.EAGAIN, func(s SQE) { s.PrepFutexWait(word, 6, FutexMatchAny, flags) })
		g.start(1, func(s SQE) { s.PrepFutexWait(word, 5, 0b01, flags) })
		g.start(2, func(s SQE) { s.PrepFutexWait(word, 5, 0b10, flags) })
		g.start(3, func(s SQE) { s.PrepFutexWake(word, 100, 0b10, flags) })
		if diff := cmp.Diff(map[uint64]int32{2: 0, 3: 1}, g.results(2)); diff != "" {
			t.Errorf("flags %d: %s", flags, diff)
		}
		g.start(4, func(s SQE) { s.PrepFutexWake(word, 1, FutexMatchAny, flags) })
		if diff := cmp.Diff(map[uint64]int32{1: 0, 4: 1}, g.results(2)); diff != "" {
			t.Errorf("flags %d: %s", flags, diff)
		}
		g.want(0, func(s SQE) { s.PrepFutexWake(word, 1, FutexMatchAny, flags) })
	}
}

func TestFutexWaitv(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpFutexWaitv, 6, 7)
	words := make([]uint32, 3)
	var waiters []FutexWaiter
	for i := range words {
		words[i] = uint32(i)
		waiters = append(waiters, FutexWaiter{&words[i], uint32(i), FutexPrivate})
	}
	g.start(1, func(s SQE) { g.must(s.PrepFutexWaitv(waiters)) })
	g.start(2, func(s SQE) { s.PrepFutexWake(&words[1], 1, FutexMatchAny, FutexPrivate) })
	if diff := cmp.Diff(map[uint64]int32{1: 1, 2: 1}, g.results(2)); diff != "" {
		t.Error(diff)
	}
	words[2] = 9
	g.fails(syscall.EAGAIN, func(s SQE) { g.must(s.PrepFutexWaitv(waiters)) })
	if err := g.sqe().PrepFutexWaitv(make([]FutexWaiter, 129)); err == nil {
		t.Error("129 futexes are not refused")
	}
	if err := g.sqe().PrepFutexWaitv(nil); err == nil {
		t.Error("no futex is not refused")
	}
}

func TestWaitid(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpWaitid, 6, 7)
	const exited, noWait, childExited, childKilled = 4, 0x1000000, 1, 2
	for _, c := range []struct {
		script string
		want   Siginfo
	}{
		{"exit 7", Siginfo{Signo: int32(syscall.SIGCHLD), Code: childExited, Status: 7}},
		{"kill -9 $$", Siginfo{Signo: int32(syscall.SIGCHLD), Code: childKilled, Status: 9}},
	} {
		cmd := exec.Command("sh", "-c", "read x; "+c.script)
		stdin, err := cmd.StdinPipe()
		g.must(err)
		g.must(cmd.Start())
		var info Siginfo
		g.start(1, func(s SQE) { s.PrepWaitid(PPID, cmd.Process.Pid, &info, exited|noWait) })
		g.must(stdin.Close())
		if diff := cmp.Diff(map[uint64]int32{1: 0}, g.results(1)); diff != "" {
			t.Error(diff)
		}
		c.want.PID, c.want.UID = int32(cmd.Process.Pid), uint32(syscall.Getuid())
		if info != c.want {
			t.Errorf("%s: got %+v, want %+v", c.script, info, c.want)
		}
		g.want(0, func(s SQE) { s.PrepWaitid(PPID, cmd.Process.Pid, nil, exited|noWait) })
		if _, ok := cmd.Wait().(*exec.ExitError); !ok {
			t.Error("the child is gone")
		}
		g.fails(syscall.ECHILD, func(s SQE) { s.PrepWaitid(PPID, cmd.Process.Pid, &info, exited) })
	}
}

func TestEpoll(t *testing.T) {
	g := newRig(t, Config{})
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	g.must(err)
	defer syscall.Close(epfd)
	in, out := g.pipe()
	ev := EpollEvent{Events: syscall.EPOLLIN, Fd: 1234, Pad: 5678}
	g.want(0, func(s SQE) { s.PrepEpollCtl(epfd, syscall.EPOLL_CTL_ADD, int(in), ev) })
	g.fails(syscall.EEXIST, func(s SQE) { s.PrepEpollCtl(epfd, syscall.EPOLL_CTL_ADD, int(in), ev) })
	_, err = syscall.Write(int(out), []byte("x"))
	g.must(err)
	var seen [4]syscall.EpollEvent
	n, err := syscall.EpollWait(epfd, seen[:], 1000)
	g.must(err)
	if diff := cmp.Diff([]syscall.EpollEvent{{Events: syscall.EPOLLIN, Fd: 1234, Pad: 5678}}, seen[:n]); diff != "" {
		t.Error(diff)
	}

	g.needOp(cgo.OpEpollWait, 6, 15)
	var events [4]EpollEvent
	g.want(1, func(s SQE) { s.PrepEpollWait(FD(epfd), events[:]) })
	if diff := cmp.Diff(ev, events[0]); diff != "" {
		t.Error(diff)
	}
	g.want(1, func(s SQE) { s.PrepRead(in, held(make([]byte, 9)), CurrentOffset) })
	g.start(1, func(s SQE) { s.PrepEpollWait(FD(epfd), events[:]) })
	g.start(2, func(s SQE) {
		s.PrepEpollCtl(epfd, syscall.EPOLL_CTL_MOD, int(in), EpollEvent{Events: syscall.EPOLLIN, Fd: 77})
	})
	if diff := cmp.Diff(map[uint64]int32{2: 0}, g.results(1)); diff != "" {
		t.Error(diff)
	}
	_, err = syscall.Write(int(out), []byte("x"))
	g.must(err)
	if diff := cmp.Diff(map[uint64]int32{1: 1}, g.results(1)); diff != "" || events[0].Fd != 77 {
		t.Errorf("%+v %s", events[0], diff)
	}
}

// chain queues a chain of requests, with 1, 2, 3 and so on as user data.
func (g *rig) chain(preps ...func(SQE)) {
	g.Helper()
	for i, prep := range preps {
		s := g.queue(uint64(i+1), prep)
		if i < len(preps)-1 {
			g.must(s.SetFlags(Link))
		}
	}
}

// A link timeout limits the request before it, and the chain goes on behind it
// as that request ended.
func TestLinkTimeoutsInChains(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		in, _ := g.pipe()
		read := func(s SQE) { s.PrepRead(in, held(make([]byte, 4)), CurrentOffset) }
		limit := func(d time.Duration) func(SQE) { return func(s SQE) { s.PrepLinkTimeout(d, 0) } }
		timeout := func(d time.Duration) func(SQE) { return func(s SQE) { s.PrepTimeout(d, 0, 0) } }
		poll := func(s SQE) { s.PrepPollAdd(in, pollIn) }
		bad := func(s SQE) { s.PrepRead(-1, held(make([]byte, 4)), 0) }
		const short, long = 5 * time.Millisecond, time.Hour
		const einval, ebadf = -int32(syscall.EINVAL), -int32(syscall.EBADF)
		for name, c := range map[string]struct {
			chain []func(SQE)
			want  map[uint64]int32
		}{
			"behind nothing":              {[]func(SQE){limit(short)}, map[uint64]int32{1: einval}},
			"behind what is done at once": {[]func(SQE){SQE.PrepNop, limit(long)}, map[uint64]int32{1: 0, 2: errCanceled}},
			"behind what fails":           {[]func(SQE){bad, limit(long)}, map[uint64]int32{1: ebadf, 2: errCanceled}},
			"behind a shorter timeout":    {[]func(SQE){timeout(short), limit(long)}, map[uint64]int32{1: errTime, 2: errCanceled}},
			"behind a longer timeout":     {[]func(SQE){timeout(long), limit(short)}, map[uint64]int32{1: errCanceled, 2: errTime}},
			"before another request":      {[]func(SQE){read, limit(short), SQE.PrepNop}, map[uint64]int32{1: errCanceled, 2: errTime, 3: errCanceled}},
			"of the second request":       {[]func(SQE){SQE.PrepNop, poll, limit(short)}, map[uint64]int32{1: 0, 2: errCanceled, 3: errTime}},
			"of two requests, the first expires": {[]func(SQE){poll, limit(short), SQE.PrepNop, poll, limit(short), SQE.PrepNop},
				map[uint64]int32{1: errCanceled, 2: errTime, 3: errCanceled, 4: errCanceled, 5: errCanceled, 6: errCanceled}},
		} {
			g.chain(c.chain...)
			equal(t, name, g.results(len(c.want)), c.want)
			g.none()
		}
		g.want(0, SQE.PrepNop)
		g.fails(syscall.ENOENT, func(s SQE) { s.PrepLinkTimeoutUpdate(77, short, 0) })
	})
}

// Waiters on a futex are woken in the order in which they came, by the ring and
// by other threads; one that is cancelled is not woken.
func TestFutexWaitersAreWokenInOrder(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.needOp(cgo.OpFutexWaitv, 6, 7)
		word := new(uint32)
		alone := func(s SQE) { s.PrepFutexWait(word, 0, FutexMatchAny, FutexPrivate) }
		among := func(s SQE) {
			g.must(s.PrepFutexWaitv([]FutexWaiter{{new(uint32), 0, FutexPrivate}, {word, 0, FutexPrivate}}))
		}
		wake := func(n uint32) func(SQE) {
			return func(s SQE) { s.PrepFutexWake(word, n, FutexMatchAny, FutexPrivate) }
		}
		for result, wait := range map[int32]func(SQE){0: alone, 1: among} { // the place in the list
			for u := range uint64(4) {
				g.queue(u+1, wait)
			}
			equal(t, "cancelled", g.cancel(2), []CQE{{UserData: 2, Res: errCanceled}})
			g.queue(6, wake(1))
			equal(t, "one is woken", g.results(2), map[uint64]int32{1: result, 6: 1})
			g.queue(7, wake(100))
			equal(t, "all are woken", g.results(3), map[uint64]int32{3: result, 4: result, 7: 2})
		}
		g.start(8, alone)
		const futexWakePrivate = 1 | 128
		awaitCondition(t, func() bool { // with a thread of the kernel's it starts later
			n, _, _ := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakePrivate, 1, 0, 0, 0)
			return n == 1
		})
		equal(t, "woken by a system call", g.await(1), []CQE{{UserData: 8}})
		g.fails(syscall.EINVAL, func(s SQE) { s.PrepFutexWait(word, 0, FutexMatchAny, 0x1000) })
		g.fails(syscall.EINVAL, func(s SQE) { s.PrepFutexWake(word, 1, FutexMatchAny, 0x1000) })
	})
}

// awaitCondition waits until f is true.
func awaitCondition(tb testing.TB, f func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("it does not come true")
		}
	}
}

// A wait for one child is not ended by another, but by a link timeout, and by
// being cancelled.
func TestWaitidOfAChildThatRunsOn(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpWaitid, 6, 7)
	const exited, noWait = 4, 0x1000000
	child := exec.Command("sh", "-c", "read x")
	stdin, err := child.StdinPipe()
	g.must(err)
	g.must(child.Start())
	defer child.Wait()
	defer stdin.Close()
	var info Siginfo
	wait := func(s SQE) { s.PrepWaitid(PPID, child.Process.Pid, &info, exited|noWait) }

	g.must(g.queue(1, wait).SetFlags(Link))
	g.queue(2, func(s SQE) { s.PrepLinkTimeout(10*time.Millisecond, 0) })
	m := g.byUserData(2)
	equal(t, "wait that takes too long", m[1].Res, errCanceled)
	equal(t, "its timeout ended it", m[2].Res == errTime || m[2].Res == 1, true) // kernels differ

	g.start(1, wait)
	equal(t, "cancelled wait", g.cancel(1), []CQE{{UserData: 1, Res: errCanceled}})

	g.start(1, wait)
	g.must(exec.Command("true").Run())
	g.none()
	g.must(child.Process.Kill())
	equal(t, "wait", g.await(1), []CQE{{UserData: 1}})
	equal(t, "status", info.Status, int32(syscall.SIGKILL))
	g.fails(syscall.EFAULT, func(s SQE) { wait(s); s.Off = 8 })
}

// A multishot poll whose completion finds no room in the queue ends: the last
// one that is told has no More, and there is one.
func TestPollMultishotOverflows(t *testing.T) {
	for _, flags := range []SetupFlags{SetupSubmitAll, SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun} {
		t.Run(flags.String(), func(t *testing.T) {
			g := newRig(t, Config{Entries: 2, CQEntries: 2, Flags: flags})
			a, b := streamPair(g)
			g.start(1, func(s SQE) { s.PrepPollAddMultishot(FD(a), pollIn) })
			for u := range uint64(2) {
				g.start(2+u, SQE.PrepNop)
			}
			for range 5 {
				g.write(b, "x")
				g.must(g.GetEvents())
				g.read(a)
			}
			for u := range uint64(2) {
				equal(t, "request that came first", g.next(), CQE{UserData: 2 + u})
			}
			over := false
			for !over {
				c := g.next()
				equal(t, "request", c.UserData, 1)
				g.must(c.Err())
				over = !c.More()
			}
			g.fails(syscall.ENOENT, func(s SQE) { s.PrepPollRemove(1) })
		})
	}
}

// Many multishot polls are updated while their events come: no byte is missed.
func TestPollUpdatesWhileEventsCome(t *testing.T) {
	if !hasLinux(t, kernel.V(6, 18)) {
		return // some kernels lose the request, and never let go of its ring
	}
	const files, batch, rounds, update = 64, 32, 20, 1000
	g := newRig(t, Config{Entries: 128, CQEntries: 1024})
	var in, out [files]int
	arm := func(i uint64) { g.queue(i, func(s SQE) { s.PrepPollAddMultishot(FD(in[i]), pollIn) }) }
	for i := range uint64(files) {
		in[i], out[i] = streamPair(g)
		arm(i)
	}
	g.submit()
	for round := range rounds {
		var writing sync.WaitGroup
		writing.Add(1)
		go func() {
			defer writing.Done()
			for i := range batch {
				syscall.Write(out[(round*37+i*3)%files], []byte{89})
			}
		}()
		for i := range uint64(batch) {
			g.queue(update+i, func(s SQE) { s.PrepPollUpdate(i, 0, pollIn, PollUpdateEvents|PollAddMulti) })
		}
		got, updated := 0, 0
		for got < batch || updated < batch {
			c := g.next()
			if c.UserData >= update {
				updated++
				continue
			}
			if !c.More() {
				arm(c.UserData)
			}
			if n, _, err := syscall.Recvfrom(in[c.UserData], make([]byte, 8), syscall.MSG_DONTWAIT); err == nil {
				got += n
			}
		}
		writing.Wait()
	}
}

// A poll of a descriptor for signals ends with the signal, which is then there
// to be read.
func TestPollOfSignals(t *testing.T) {
	locked(t, func() {
		signal := uint64(1) << (syscall.SIGUSR2 - 1)
		var old uint64
		mask := func(how uintptr, set, old *uint64) {
			if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), 8, 0, 0); errno != 0 {
				t.Fatal(errno)
			}
		}
		const block, set = 0, 2
		mask(block, &signal, &old)
		defer mask(set, &old, nil)
		fd, _, errno := syscall.RawSyscall6(syscall.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&signal)), 8, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		defer syscall.Close(int(fd))
		for _, flags := range []SetupFlags{SetupSubmitAll, SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun} {
			g := newRig(t, Config{Flags: flags})
			g.start(1, func(s SQE) { s.PrepPollAdd(FD(fd), pollIn) })
			g.must(syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGUSR2))
			equal(t, "poll", g.await(1), []CQE{{UserData: 1, Res: int32(pollIn)}})
			n, err := syscall.Read(int(fd), make([]byte, 128))
			g.must(err)
			equal(t, "bytes of a signal", n, 128)
		}
	})
}
