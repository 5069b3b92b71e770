//go:build linux

package uring

import (
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// InFlight counts a request from when the kernel has it until its last
// completion is taken, however that is done.
func TestInFlight(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		p := newArena(t, 4096).Bytes()
		for i := range 3 {
			g.queue(uint64(i), func(s SQE) { s.PrepRecv(FD(a), p[8*i:][:1], 0) })
		}
		equal(t, "before the submit", g.InFlight(), 0)
		g.submit()
		equal(t, "after it", g.InFlight(), 3)
		g.write(b, "xyz")
		if _, err := g.SubmitAndWait(3); err != nil {
			t.Fatal(err)
		}
		equal(t, "of which the completions are ready", g.InFlight(), 3)
		equal(t, "the last ones", g.readyEnds(), 3)
		for range g.Completions() {
			break
		}
		equal(t, "of which one was taken", g.InFlight(), 2)
		equal(t, "shown", g.Peek(make([]CQE, 8)), 2)
		equal(t, "of which two were shown", g.InFlight(), 2)
		g.Advance(2)
		equal(t, "in the end", g.InFlight(), 0)
	})
}

// A request that completes many times is over with the last of them.
func TestInFlightOfRequestsWithManyCompletions(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.queue(1, func(s SQE) { s.PrepPollAddMultishot(FD(a), 1) })
		g.submit()
		for range 5 {
			g.write(b, "x")
			equal(t, "more", g.await(1)[0].More(), true)
			equal(t, "in flight", g.InFlight(), 1)
			g.read(a)
		}
		g.queue(2, func(s SQE) { s.PrepPollRemove(1) })
		g.byUserData(2)
		equal(t, "in the end", g.InFlight(), 0)
	})
}

func TestInFlightOfZeroCopySends(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	g := newRig(t, Config{Entries: 4})
	fd, peer := testutil.TCPPair(t)
	p := newArena(t, 4096).Bytes()
	g.queue(1, func(s SQE) { g.must(s.PrepSendZC(FD(fd), p, 0, 0)) })
	if _, err := g.SubmitAndWait(1); err != nil {
		t.Fatal(err)
	}
	for c := range g.Completions() {
		equal(t, "more", c.More(), true)
		break
	}
	equal(t, "before the notification", g.InFlight(), 1)
	readFull(t, peer, len(p))
	for g.InFlight() > 0 {
		c, err := g.Wait()
		g.must(err)
		equal(t, "is the notification", c.Notif(), true)
	}
}

// Entries that were refused, linked timeouts, chains that break, and entries that
// the kernel refuses: each has one last completion, or none if it does nothing.
func TestInFlightOfOddRequests(t *testing.T) {
	g := newRig(t, Config{Entries: 8})
	a, _ := streamPair(g)
	p := newArena(t, 4096).Bytes()

	s := g.queue(1, func(s SQE) { s.PrepRecv(FD(a), p, 0) })
	g.must(s.SetFlags(Link))
	g.queue(2, func(s SQE) { s.PrepLinkTimeout(time.Millisecond, 0) })
	g.byUserData(2)
	equal(t, "after a linked timeout", g.InFlight(), 0)

	s = g.queue(1, func(s SQE) { s.PrepRead(-1, p, 0) })
	g.must(s.SetFlags(Link))
	g.queue(2, func(s SQE) { s.PrepNop() })
	g.byUserData(2)
	equal(t, "after a chain that broke", g.InFlight(), 0)

	refuse := func() { _ = g.sqe().refuse(syscall.EINVAL) }
	refuse()
	equal(t, "with a refused entry", g.InFlight(), 0)
	refuse()
	s = g.sqe()
	_ = s.refuse(syscall.EINVAL)
	_ = s.refuse(syscall.EINVAL)
	s.PrepNop() // after all
	s.UserData = 7
	g.await(1)
	equal(t, "after refused entries", g.InFlight(), 0)

	s = g.sqe()
	s.Opcode = 0xff
	equal(t, "result", g.await(1)[0].Res, -int32(syscall.EINVAL))
	equal(t, "after an unknown request", g.InFlight(), 0)
}

// Around the wrap of the queues' counters, and through a full completion queue.
func TestInFlightOfMany(t *testing.T) {
	g := newRig(t, Config{Entries: 4, CQEntries: 4})
	for range 100 {
		for range 3 {
			for range 4 {
				g.queue(0, func(s SQE) { s.PrepNop() })
			}
			g.submit()
		}
		equal(t, "in flight", g.InFlight(), 12)
		n := 0
		for range g.Completions() {
			n++
			equal(t, "in flight", g.InFlight(), 12-n)
		}
		equal(t, "completions", n, 12)
	}
}

// Entries of 128 bytes take two places of a mixed queue, and one that would wrap
// around has another before it.
func TestInFlightOfWideEntries(t *testing.T) {
	r, m, _ := newMockRing(t, SetupSQEMixed)
	flights := func(what string, n int) {
		t.Helper()
		equal(t, what, r.InFlight(), n)
	}
	wide := func() SQE {
		t.Helper()
		s, err := r.NextSQE128()
		equal(t, "error", err, nil)
		return s
	}
	nops(t, r, 14)
	m.take(14)
	flights("plain ones", 14)
	nops(t, r, 1)
	equal(t, "error", wide().PrepNop128(), nil) // with one before it
	flights("with wide ones queued", 14)
	m.take(1)
	flights("taken in part", 15)
	m.take(3)
	flights("all taken", 16)
	s := wide()
	_ = s.refuse(syscall.EINVAL)
	equal(t, "error", s.PrepNop128(), nil)
	s = wide()
	equal(t, "error", s.PrepNop128(), nil)
	_ = s.refuse(syscall.EINVAL)
	flights("with a refused one queued", 16)
	m.take(4)
	flights("with a refused one taken", 17)
	wide().PrepNop() // and the second half does nothing, with a completion
	m.take(2)
	flights("with a narrow request in a wide entry", 19)
	m.post(make([]uint64, 16)...)
	userData(r)
	m.post(1, 2, 3)
	userData(r)
	flights("in the end", 0)
}

// With SetupSQRewind the kernel keeps no position.
func TestInFlightWithRewind(t *testing.T) {
	r, m, drv := newMockRing(t, SetupNoSQArray|SetupSQRewind)
	nops(t, r, 3)
	gomock.InOrder(
		drv.Submit().DoAndReturn(func() int { m.sqTail = 0; return 2 }),
		drv.Submit().DoAndReturn(func() int { m.sqTail = 0; return -int(syscall.EAGAIN) }),
		drv.Submit().DoAndReturn(func() int { m.sqTail = 0; return 1 }),
	)
	for _, n := range []int{2, 2, 3} {
		_, _ = r.Submit()
		equal(t, "in flight", r.InFlight(), n)
	}
	m.post(1, 2, 3)
	userData(r)
	equal(t, "in the end", r.InFlight(), 0)
}

// Fillers and completions of 32 bytes of a mixed completion queue.
func TestInFlightOfMixedCompletions(t *testing.T) {
	r, m, _ := newMockRing(t, SetupCQEMixed)
	nops(t, r, 2)
	m.take(2)
	m.post(0, 1, 2, 0)
	m.cqes[0].Flags = cgo.CQEFSkip
	m.cqes[2].Flags = cgo.CQEF32 // and the next is its second half
	equal(t, "last ones", r.readyEnds(), 2)
	equal(t, "completions", userData(r), []uint64{1, 2})
	equal(t, "in flight", r.InFlight(), 0)
}
