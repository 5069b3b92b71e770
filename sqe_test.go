//go:build linux

package uring

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func errno(e syscall.Errno) int32 { return -int32(e) }

func TestNop(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.queue(0xdeadbeefcafe, func(s SQE) { s.PrepNop() })
		equal(t, "completions", g.await(1), []CQE{{UserData: 0xdeadbeefcafe}})
	})
}

func TestNopResult(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		c := g.answer(func(s SQE) { s.PrepNopResult(1) })
		lack := refusal(c)
		if c.Res == 0 {
			lack = errors.New("the result is 0")
		}
		needs(t, "results of no-op requests", kernel.V(6, 10), lack)
		for _, res := range []int32{0, 1, math.MaxInt32, -1, errno(syscall.ECONNRESET)} {
			g.queue(7, func(s SQE) { s.PrepNopResult(res) })
			equal(t, "completions", g.await(1), []CQE{{UserData: 7, Res: res}})
		}
		failing := g.queue(1, func(s SQE) { s.PrepNopResult(errno(syscall.EIO)) })
		g.must(failing.SetFlags(Link))
		g.queue(2, func(s SQE) { s.PrepNop() })
		equal(t, "linked request", g.byUserData(2)[2].Res, errno(syscall.ECANCELED))
	})
}

// The kernel lets nobody ask for polls that are triggered by level:
// IORING_POLL_ADD_LEVEL has no Go name for that.
func TestLevelTriggeredPollsAreRefused(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := g.unixPair()
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
		a, b := g.unixPair()
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

func TestLinks(t *testing.T) {
	canceled := errno(syscall.ECANCELED)
	badFD := func(s SQE) { s.PrepRead(-1, held(make([]byte, 1)), 0) }
	for name, c := range map[string]struct {
		flags SQEFlags
		first func(SQE)
		want  [2]int32
	}{
		"link after success":      {Link, func(s SQE) { s.PrepNop() }, [2]int32{0, 0}},
		"link after failure":      {Link, badFD, [2]int32{errno(syscall.EBADF), canceled}},
		"hard link after failure": {HardLink, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, 0) }, [2]int32{errno(syscall.ETIME), 0}},
	} {
		t.Run(name, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, g *rig) {
				s := g.queue(1, c.first)
				g.must(s.SetFlags(c.flags))
				g.queue(2, func(s SQE) { s.PrepNop() })
				m := g.byUserData(2)
				equal(t, "results", [2]int32{m[1].Res, m[2].Res}, c.want)
			})
		})
	}
}

// Drain waits for what was queued before it, and holds back what comes after.
func TestDrain(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.queue(1, func(s SQE) { s.PrepTimeout(10*time.Millisecond, 0, 0) })
		s := g.queue(2, func(s SQE) { s.PrepNop() })
		g.must(s.SetFlags(Drain))
		var order []uint64
		for _, c := range g.await(2) {
			order = append(order, c.UserData)
		}
		equal(t, "order", order, []uint64{1, 2})
	})
}

func TestSkipSuccess(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		s := g.queue(1, func(s SQE) { s.PrepNop() })
		g.must(s.SetFlags(SkipSuccess))
		s = g.queue(2, func(s SQE) { s.PrepRead(-1, held(make([]byte, 1)), 0) })
		g.must(s.SetFlags(SkipSuccess))
		equal(t, "completions", g.await(1), []CQE{{UserData: 2, Res: errno(syscall.EBADF)}})
	})
}

// Where the program says which slot it opens, no completion need tell.
func TestSkipSuccessWithAGivenSlot(t *testing.T) {
	testutil.Need(t, HaveSocket)
	g := newRig(t, Config{Entries: 4})
	g.must(g.RegisterFiles(1))
	s := g.queue(1, func(s SQE) { s.PrepSocketDirect(syscall.AF_UNIX, syscall.SOCK_STREAM, 0, DirectSlot(0)) })
	g.must(s.SetFlags(SkipSuccess))
	g.none()
	g.queue(2, func(s SQE) { s.PrepCloseDirect(DirectSlot(0)) })
	equal(t, "completions", g.await(1), []CQE{{UserData: 2}})
}

func TestAsync(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		p := make([]byte, 8)
		s := g.queue(1, func(s SQE) { s.PrepRecv(FD(a), p, 0) })
		g.must(s.SetFlags(Async))
		g.submit()
		g.write(b, "later")
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 5}})
		equal(t, "data", string(p[:5]), "later")
	})
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
		a, b := g.unixPair()
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
		a, _ := g.unixPair()
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
		a, _ := g.unixPair()
		b, _ := g.unixPair()
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
		a, _ := g.unixPair()
		b, _ := g.unixPair()
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
		a, _ := g.unixPair()
		b, _ := g.unixPair()
		g.armReads(FD(a), FD(b), FD(a))
		g.queue(10, func(s SQE) { s.PrepCancel(0, CancelAny|CancelAll) })
		c := g.byUserData(4)
		equal(t, "number of cancelled requests", c[10].Res, 3)
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
		a, b := g.unixPair()
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
		a, b := g.unixPair()
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

func TestMsgRing(t *testing.T) {
	testutil.Need(t, HaveMsgRing)
	inEachMode(t, func(t *testing.T, g *rig) {
		to := newRig(t, Config{Entries: 4})
		equal(t, "result", g.do(func(s SQE) { s.PrepMsgRing(to.Ring, 0xfeed, -77) }), 0)
		equal(t, "message", to.await(1), []CQE{{UserData: 0xfeed, Res: -77}})

		other := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun})
		equal(t, "result", g.do(func(s SQE) { s.PrepMsgRing(other.Ring, 1, 2) }), 0)
		equal(t, "message", other.await(1), []CQE{{UserData: 1, Res: 2}})

		g.must(to.Close())
		g.fails(syscall.EBADF, func(s SQE) { s.PrepMsgRing(to.Ring, 1, 2) })
	})
}

func TestMsgRingFD(t *testing.T) {
	testutil.Need(t, HaveMsgRing)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		to := newRig(t, Config{Entries: 4})
		g.must(g.RegisterFiles(4))
		to.must(to.RegisterFiles(8))
		src := g.direct(2, a)

		g.do(func(s SQE) { s.PrepMsgRingFD(to.Ring, src, DirectSlot(5), 0xfeed) })
		equal(t, "message", to.await(1), []CQE{{UserData: 0xfeed}})
		p := make([]byte, 8)
		g.write(b, "hello")
		n := to.do(func(s SQE) { s.PrepRecv(DirectSlot(5).FD(), p, 0) })
		equal(t, "received through the other ring", string(p[:n]), "hello")

		slot := g.do(func(s SQE) { s.PrepMsgRingFD(to.Ring, src, DirectAlloc, 0xbeef) })
		equal(t, "message", to.await(1), []CQE{{UserData: 0xbeef, Res: int32(slot)}})
		g.write(b, "again")
		n = to.do(func(s SQE) { s.PrepRecv(DirectSlot(slot).FD(), p, 0) })
		equal(t, "received through the slot that was free", string(p[:n]), "again")

		g.fails(syscall.EBADF, func(s SQE) { s.PrepMsgRingFD(to.Ring, DirectSlot(3), DirectAlloc, 1) })
	})
}

// SetFlags refuses what the kernel gets wrong; the request then does nothing.
func TestSetFlagsRefusals(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	testutil.Need(t, HaveSendMsgZC)
	g := newRig(t, Config{Entries: 16})
	a, b := g.unixPair()
	br, err := g.NewBufRing(BufRingConfig{Group: 3, Entries: 2, BufSize: 4096, Incremental: true})
	g.must(err)
	classic, err := g.NewBufRing(BufRingConfig{Group: 4, Entries: 2, BufSize: 4096})
	g.must(err)
	testutil.Need(t, HaveBundles)
	p := g.arena(4096).Bytes()
	g.write(b, "data")
	for name, c := range map[string]struct {
		prep  func(SQE) error
		flags SQEFlags
		want  string
	}{
		"Async with incremental buffers": {func(s SQE) error { return s.prepRecvSingle(FD(a), br, 0, 0, 0) }, Async, "must not start in a worker"},
		"Async with a bundle":            {func(s SQE) error { return s.PrepRecvProvided(FD(a), classic, 0, syscall.MSG_DONTWAIT, Bundle) }, Async, "must not start in a worker"},
		"SkipSuccess with a buffer ring": {func(s SQE) error { return s.PrepRecvMultishot(FD(a), br, 0) }, SkipSuccess, "nobody knows of the buffer"},
		"Link with send_zc":              {func(s SQE) error { return s.PrepSendZC(FD(a), p[:4], 0, 0) }, Link, "zero-copy"},
		"HardLink with sendmsg_zc":       {func(s SQE) error { return s.PrepSendMsgZC(FD(a), NewMsg(p[:4]), 0, 0) }, HardLink, "zero-copy"},
		"Drain with a socket option":     {func(s SQE) error { return s.PrepSetsockopt(FD(a), 1, 1, p[:4]) }, Drain, "must be set at once"},
		"SkipSuccess with openat":        {func(s SQE) error { return s.PrepOpenat(AtFDCWD, "/", 0, 0) }, SkipSuccess, "nobody knows which"},
		"SkipSuccess with accept":        {func(s SQE) error { s.PrepAccept(FD(a), 0); return nil }, SkipSuccess, "nobody knows which"},
		"SkipSuccess with any slot":      {func(s SQE) error { s.PrepSocketDirect(2, 1, 0, DirectAlloc); return nil }, SkipSuccess, "nobody knows which"},
		"SkipSuccess with install":       {func(s SQE) error { s.PrepFixedFDInstall(DirectSlot(0), 0); return nil }, SkipSuccess, "nobody knows which"},
		"SkipSuccess with send_zc":       {func(s SQE) error { return s.PrepSendZC(FD(a), p[:4], 0, 0) }, SkipSuccess, "zero-copy"},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			s := g.queue(1, func(s SQE) { err = c.prep(s) })
			g.must(err)
			if err := s.SetFlags(c.flags); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			g.none()
		})
	}
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "data is still there", g.read(a), "data")
}

// A refused entry may be filled with another request, which completes.
func TestPrepAfterARefusal(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		s := g.take()
		if err := s.PrepSendZC(FD(a), held([]byte("data")), 0, Bundle); err == nil {
			t.Fatal("a zero-copy send takes provided buffers")
		}
		s.PrepSend(FD(a), held([]byte("data")), 0)
		s.UserData = 5
		equal(t, "completions", g.await(1), []CQE{{UserData: 5, Res: 4}})
		equal(t, "received", g.read(b), "data")
	})
}

// The kernel cannot count requests that post no completion.
func TestDrainAfterSkipSuccess(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		s := g.queue(1, func(s SQE) { s.PrepNop() })
		g.must(s.SetFlags(SkipSuccess))
		g.none()
		s = g.queue(2, func(s SQE) { s.PrepNop() })
		g.must(s.SetFlags(Drain))
		equal(t, "completions", g.await(1), []CQE{{UserData: 2, Res: errno(syscall.EOPNOTSUPP)}})
	})
}

// What fills up the end of a queue of entries of both sizes posts no completion
// either.
func TestDrainAfterAFiller(t *testing.T) {
	testutil.Need(t, HaveSQEMixed)
	g := newRig(t, Config{Entries: 4, Flags: SetupSQEMixed})
	for i := range 3 {
		g.queue(uint64(i), func(s SQE) { s.PrepNop() })
	}
	g.await(3)
	s, err := g.NextSQE128()
	g.must(err)
	g.must(s.PrepNop128())
	s.UserData = 4
	equal(t, "queued", g.Queued(), 3)
	equal(t, "completions", g.await(1), []CQE{{UserData: 4}})
	s = g.queue(5, func(s SQE) { s.PrepNop() })
	g.must(s.SetFlags(Drain))
	equal(t, "completions", g.await(1), []CQE{{UserData: 5, Res: errno(syscall.EOPNOTSUPP)}})
}

// The kernel would read the value of an option that is held back when another
// request may have its own there.
func TestNoSocketOptionBehindDrain(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := g.unixPair()
		g.queue(1, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, 0) })
		s := g.queue(2, func(s SQE) { s.PrepNop() })
		g.must(s.SetFlags(Drain))
		g.submit()
		err := g.take().PrepSetsockopt(FD(a), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, make([]byte, 4))
		if err == nil || !strings.Contains(err.Error(), "request with Drain") {
			t.Errorf("error is %v", err)
		}
		g.await(2)
		g.none()
	})
}

// Some requests must not be held back by one that links to them.
func TestPrepRefusesToBeLinked(t *testing.T) {
	testutil.Need(t, HaveSendMsgZC)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := g.unixPair()
		reg := g.register(4096)
		p := reg.Bytes()[:4]
		for name, prep := range map[string]func(SQE) error{
			"PrepSendZC":         func(s SQE) error { return s.PrepSendZC(FD(a), p, 0, 0) },
			"PrepSendZCFixed":    func(s SQE) error { return s.PrepSendZCFixed(FD(a), reg, p, 0, 0) },
			"PrepSendMsgZC":      func(s SQE) error { return s.PrepSendMsgZC(FD(a), NewMsg(p), 0, 0) },
			"PrepSendMsgZCFixed": func(s SQE) error { return s.PrepSendMsgZCFixed(FD(a), reg, NewMsg(p), 0, 0) },
			"PrepSetsockopt":     func(s SQE) error { return s.PrepSetsockopt(FD(a), syscall.SOL_SOCKET, syscall.SO_PRIORITY, p) },
		} {
			for _, flag := range []SQEFlags{Link, HardLink} {
				head := g.queue(1, func(s SQE) { s.PrepNop() })
				g.must(head.SetFlags(flag))
				if err := prep(g.take()); err == nil || !strings.Contains(err.Error(), "HardLink") {
					t.Errorf("%s: %v", name, err)
				}
				equal(t, "completions", g.await(1), []CQE{{UserData: 1}})

				// An entry of an earlier submit links to nothing, in whatever place.
				head = g.queue(1, func(s SQE) { s.PrepNop() })
				g.must(head.SetFlags(flag))
				g.await(1)
				s := g.take()
				if err := prep(s); err != nil {
					t.Errorf("%s alone: %v", name, err)
				}
				*s.SQE = cgo.SQE{Opcode: cgo.OpNop}
				g.await(1)
			}
		}
	})
}
