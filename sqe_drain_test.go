//go:build linux && cgo

package uring

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// letDrain makes what comes after it wait for what came before it.
func (g *rig) letDrain() {
	g.Helper()
	g.must(g.queue(99, SQE.PrepNop).SetFlags(Drain))
	g.await(1)
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
		a, _ := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, 0) })
		s := g.queue(2, func(s SQE) { s.PrepNop() })
		g.must(s.SetFlags(Drain))
		g.submit()
		err := g.sqe().PrepSetsockopt(FD(a), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, make([]byte, 4))
		if err == nil || !strings.Contains(err.Error(), "request with Drain") {
			t.Errorf("error is %v", err)
		}
		g.await(2)
		g.none()
	})
}

// A request with Drain, and those behind it, wait for the last completion of a
// multishot request, not for its first.
func TestDrainWaitsForTheEndOfAMultishotRequest(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		poll := uint64(1)
		g.queue(poll, func(s SQE) { s.PrepPollAddMultishot(FD(a), pollIn) })
		g.must(g.queue(2, SQE.PrepNop).SetFlags(Drain))
		g.queue(3, SQE.PrepNop)
		g.submit()
		for range 3 {
			g.write(b, "x")
			c := g.next()
			equal(t, "poll", []any{c.UserData, c.More()}, []any{poll, true})
			g.read(a)
		}
		g.none()
		// A request to cancel it would wait, too.
		if _, err := g.SyncCancel(Match{UserData: &poll}, false, patience); err != nil {
			t.Fatal(err)
		}
		equal(t, "the end of the poll", g.next(), CQE{UserData: poll, Res: errCanceled})
		equal(t, "the others", g.byUserData(2), map[uint64]CQE{2: {UserData: 2}, 3: {UserData: 3}}) // Linux 6.1 starts the last one first
	})
}

// What must start at once is refused wherever a Drain would hold it back: on the request,
// on one after it in its chain, and on any request before it.
func TestDrainsDoNotHoldBackWhatMustStartAtOnce(t *testing.T) {
	testutil.Need(t, HaveBundles)
	testutil.Need(t, HaveIncremental)
	for name, c := range map[string]struct {
		prep func(s *stage, q SQE, incremental *BufRing) error
		want error
	}{
		"option": {func(s *stage, q SQE, _ *BufRing) error {
			return q.PrepSetsockopt(FD(s.in), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, make([]byte, 4))
		}, errLateOption},
		"bundle": {func(s *stage, q SQE, _ *BufRing) error {
			return q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_DONTWAIT, Bundle)
		}, errLateBundle},
		"receive": {func(s *stage, q SQE, incremental *BufRing) error {
			return q.prepRecvSingle(FD(s.in), incremental, 0, 0, 0)
		}, errLateIncremental},
		"multishot read": {func(s *stage, q SQE, incremental *BufRing) error {
			return q.PrepReadMultishot(FD(s.in), incremental)
		}, errLateIncremental},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Entries: 4, BufSize: 64})
			s.must(syscall.SetNonblock(s.in, true))
			incremental, err := s.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: 64, Incremental: true})
			s.must(err)
			prep := func(q SQE) error { return c.prep(s, q, incremental) }
			s.refuses(func(q SQE) error { s.must(prep(q)); return q.SetFlags(Drain) }, c.want.Error())
			equal(t, "drained by a refused request", s.drained, false)

			s.queue(1, func(q SQE) { s.must(prep(q)); s.must(q.SetFlags(Link)) })
			last := s.queue(2, SQE.PrepNop)
			equal(t, "Drain at the end of the chain", text(last.SetFlags(Drain)), c.want.Error())
			s.submit()
			for s.InFlight() > 0 {
				if _, err := s.SyncCancel(Match{Any: true}, true, patience); err != nil && !errors.Is(err, syscall.ENOENT) {
					t.Fatal(err)
				}
				for range s.Completions() {
				}
			}

			s.letDrain()
			s.refuses(prep, c.want.Error())
		})
	}
}

// A zero-copy send that a Drain holds back would never start on many kernels, and
// nothing after it. It is refused there.
func TestZeroCopySendsBehindADrain(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	stuck := heldZC()
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := testutil.TCPPair(t)
		zc := func(s SQE) error { return s.PrepSendZC(FD(a), held([]byte("data")), 0, 0) }
		s := g.queue(1, func(s SQE) { g.must(zc(s)) })
		if err := s.SetFlags(Drain); stuck != nil {
			equal(t, "error with Drain", text(err), text(stuck))
			g.none()
		} else {
			g.must(err)
			equal(t, "completions", len(g.await(2)), 2)
			equal(t, "received", g.read(b), "data")
		}

		g.queue(1, func(s SQE) { g.must(zc(s)); g.must(s.SetFlags(Link)) })
		all := 3
		if err := g.queue(2, SQE.PrepNop).SetFlags(Drain); stuck != nil {
			equal(t, "error with Drain at the end of its chain", text(err), text(stuck))
			all = 2 // the chain is without it, and starts
		}
		equal(t, "completions", len(g.await(all)), all)
		equal(t, "the chain", g.read(b), "data")
	})
}

func TestZeroCopySendsAfterADrain(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	stuck := heldZC()
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := testutil.TCPPair(t)
		g.letDrain()
		s := g.sqe()
		if err := s.PrepSendZC(FD(a), held([]byte("data")), 0, 0); stuck != nil {
			equal(t, "error after a Drain", text(err), text(stuck))
		} else {
			g.must(err)
			equal(t, "completions", len(g.await(2)), 2)
			equal(t, "received", g.read(b), "data")
		}
		g.do(SQE.PrepNop)
	})
}

// A send queue sends on where a Drain forbids zero copy.
func TestSendQueueOnARingThatDrains(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	for _, mode := range []SendMode{SendZC, SendZCGather, SendBundle, SendVectored} {
		t.Run(mode.String(), func(t *testing.T) {
			if mode == SendBundle {
				testutil.Need(t, HaveBundles)
			}
			s := newSender(t, SendQueueConfig{Mode: mode, Memory: 4096, ZCAlways: true})
			for range 3 {
				s.must(s.queue(1, func(q SQE) { q.PrepTimeout(time.Millisecond, 0, TimeoutETimeSuccess) }).SetFlags(Drain))
				n, err := s.q.Write(held([]byte("data")))
				s.must(err)
				equal(t, "written", n, 4)
				s.must(s.q.Flush())
				for s.q.Queued() > 0 || s.q.InFlight() || s.q.Unnotified() > 0 {
					c := s.next()
					if s.q.Owns(c) {
						_, err := s.q.Complete(c)
						if !errors.Is(err, syscall.ECANCELED) { // a bundle that starts in a worker: Flush tries again
							s.must(err)
						}
						s.must(s.q.Flush())
					}
				}
				equal(t, "received", s.read(s.peer), "data")
			}
		})
	}
}

// A Drain waits for a request before it, whatever zero-copy sends there were, or is
// refused.
func TestDrainAfterAZeroCopySend(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := testutil.TCPPair(t)
		g.queue(1, func(s SQE) { g.must(s.PrepSendZC(FD(a), held([]byte("data")), 0, 0)) })
		g.await(2)
		g.queue(2, func(s SQE) { s.PrepTimeout(10*time.Millisecond, 0, TimeoutETimeSuccess) })
		if err := g.queue(3, SQE.PrepNop).SetFlags(Drain); err != nil {
			equal(t, "error", text(err), text(uncountedZC()))
			g.await(1)
			return
		}
		equal(t, "first", g.next().UserData, uint64(2))
		equal(t, "second", g.next().UserData, uint64(3))
	})
}
