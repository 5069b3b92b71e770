//go:build linux

package uring

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/invariant"
	"github.com/uring-go/uring/internal/live"

	"github.com/uring-go/uring/internal/testutil"
)

// A slice belongs to the program until it is released, once, whatever happens
// around it.

// Slices of many connections lie in the same buffers and are released in any
// order; their bytes stay what they were until then.
func TestSlicesOfManyConnectionsReleasedInAnyOrder(t *testing.T) {
	for _, c := range []BufRingConfig{
		{Entries: 16, BufSize: 64},
		{Entries: 16, BufSize: 64, Incremental: true},
	} {
		t.Run(name(c), func(t *testing.T) {
			s := &borrower{stage: newStage(t, c), rnd: rand.New(rand.NewSource(9)), byFD: map[uint64]*conn{}}
			conns := make([]conn, 5)
			for i := range conns {
				conns[i].in, conns[i].out = streamPair(t)
				s.byFD[uint64(conns[i].in)] = &conns[i]
				s.armOn(conns[i].in, 0)
			}
			for range 2000 {
				to := &conns[s.rnd.Intn(len(conns))]
				p := randomBytes(s.rnd.Int63(), s.rnd.Intn(40)+1)
				to.waiting = append(to.waiting, p...)
				writeAll(s, to.out, p)
				s.submit()
				s.handleReady()
				s.keep(s.rnd.Intn(20))
				s.balanced()
			}
			for i := range conns {
				for len(conns[i].waiting) > 0 {
					s.keep(0)
					s.handle(s.next())
				}
			}
			s.keep(0)
			s.submit()
			s.handleReady() // receives that found no buffers
			for _, c := range conns {
				for _, cqe := range s.cancel(uint64(c.in)) {
					s.failed(cqe, syscall.ECANCELED)
				}
			}
			s.settled()
			s.available(16)
		})
	}
}

// A borrower is a stage with connections, whose slices it keeps for a while.
type borrower struct {
	*stage
	rnd   *rand.Rand
	byFD  map[uint64]*conn
	loans []loan
}

type loan struct {
	Segment
	want string
}

func (s *borrower) handleReady() {
	s.Helper()
	for cqe := range s.Completions() {
		s.handle(cqe)
	}
}

func (s *borrower) handle(cqe CQE) {
	s.Helper()
	for seg, err := range s.br.Segments(cqe) {
		switch err {
		case nil:
			s.loans = append(s.loans, loan{seg, s.byFD[cqe.UserData].take(s, seg.Bytes)})
		case syscall.ENOBUFS:
		default:
			s.Fatal(err)
		}
	}
	if !cqe.More() {
		s.armOn(int(cqe.UserData), PollFirst)
	}
}

// keep releases all slices but n, in any order.
func (s *borrower) keep(n int) {
	s.Helper()
	for len(s.loans) > n {
		i := s.rnd.Intn(len(s.loans))
		equal(s, "kept bytes", string(s.loans[i].Bytes), s.loans[i].want)
		s.release(s.loans[i].Segment)
		s.loans[i] = s.loans[len(s.loans)-1]
		s.loans = s.loans[:len(s.loans)-1]
	}
}

// A conn is one of several connections into the same buffers.
type conn struct {
	in, out int
	waiting []byte // sent, not received yet
}

// take checks that p comes next, and returns it.
func (c *conn) take(tb testing.TB, p []byte) string {
	tb.Helper()
	if len(p) > len(c.waiting) || string(p) != string(c.waiting[:len(p)]) {
		tb.Fatalf("got %x, want the start of %x", p, c.waiting)
	}
	c.waiting = c.waiting[len(p):]
	return string(p)
}

func TestSecondReleaseTakesNothingFromOthers(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 1, BufSize: 16})
	again := func(segs ...Segment) {
		t.Helper()
		before := s.br.Stats()
		for _, seg := range segs {
			if err := seg.Release(); !errors.Is(err, ErrReleased) {
				t.Errorf("Release: %v", err)
			}
		}
		equal(t, "stats", s.br.Stats(), before)
		s.balanced()
	}
	again(Segment{})

	s.send(4)
	first := s.hold(s.recv(0, 0, 0), place{0, 0, 4})[0]
	copied := first
	s.release(first)
	again(first, copied)

	// The same buffer, filled anew: old segments have no hold on it.
	s.send(5)
	second := s.hold(s.recv(0, 0, 0), place{0, 0, 5})[0]
	again(first, copied)
	equal(t, "lent", s.br.Stats().Lent, 1)
	s.available(0)
	equal(t, "bytes", string(second.Bytes), string(stream(4, 5)))
	s.release(second)
	again(second, first)
	s.available(1)
	s.settled()
}

func TestSecondReleaseInASharedBuffer(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 1, BufSize: 16, Incremental: true})
	s.send(8)
	a := s.hold(s.recv(0, 0, 0), place{0, 0, 8})[0]
	s.send(8)
	b := s.hold(s.recv(0, 0, 0), place{0, 8, 8})[0]
	s.release(a)
	for range 3 {
		if err := a.Release(); !errors.Is(err, ErrReleased) {
			t.Errorf("Release: %v", err)
		}
	}
	s.available(0)
	equal(t, "bytes", string(b.Bytes), string(stream(8, 8)))
	s.release(b)
	s.available(1)
	s.settled()
}

func TestEmptySegmentSaysSo(t *testing.T) {
	const want = "uring: empty segment: segment was released before"
	equal(t, "error", text(Segment{}.Release()), want)
	_, err := Segment{}.Share()
	equal(t, "error", text(err), want)
}

// A shared segment keeps the buffer until each holder has released it, in
// whichever order.
func TestSharedSegmentHasSeveralHolders(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 1, BufSize: 16})
	s.send(4)
	first := s.hold(s.recv(0, 0, 0), place{0, 0, 4})[0]
	var held []Segment
	for range 3 {
		seg, err := first.Share()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, seg)
	}
	equal(t, "lent", s.br.Stats().Lent, 4)
	s.release(held[1], first)
	if _, err := first.Share(); err != ErrReleased {
		t.Errorf("Share after Release: %v", err)
	}
	if err := first.Release(); err != ErrReleased {
		t.Errorf("second Release: %v", err)
	}
	equal(t, "lent", s.br.Stats().Lent, 2)
	again, err := held[2].Share()
	if err != nil {
		t.Fatal(err)
	}
	s.release(held[0], held[2])
	s.available(0)
	equal(t, "bytes", string(again.Bytes), string(stream(0, 4)))
	s.release(again)
	s.settled()
	s.available(1)
}

// fourBuffers receives four buffers in one completion.
func fourBuffers(t *testing.T) (*stage, CQE) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(64)
	c := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	s.is(c, 64, 0, "B")
	return s, c
}

func TestConsumeLosesNoBufferWhenItsFunctionFails(t *testing.T) {
	s, c := fourBuffers(t)
	err := s.br.Consume(c, func(p []byte) error {
		s.inStream(p)
		if s.got == 32 {
			return errStop
		}
		return nil
	})
	if err != errStop {
		t.Fatal(err)
	}
	equal(t, "bytes seen", s.got, 32)
	s.got = 64 // the rest is dropped
	s.settled()
	s.available(4)
}

func TestConsumeLosesNoBufferWhenItsFunctionPanics(t *testing.T) {
	s, c := fourBuffers(t)
	func() {
		defer func() { equal(t, "panic", recover(), any(errStop)) }()
		s.br.Consume(c, func(p []byte) error { s.inStream(p); panic(errStop) })
	}()
	equal(t, "bytes seen", s.got, 16)
	s.got = 64
	s.settled()
	s.available(4)
}

func TestBrokenSegmentsLoopDropsTheRest(t *testing.T) {
	for _, how := range []string{"break", "panic"} {
		t.Run(how, func(t *testing.T) {
			s, c := fourBuffers(t)
			var held []Segment
			func() {
				defer func() { _ = recover() }()
				for seg, err := range s.br.Segments(c) {
					if err != nil {
						t.Fatal(err)
					}
					s.inStream(seg.Bytes)
					held = append(held, seg)
					if len(held) == 2 {
						if how == "panic" {
							panic(errStop)
						}
						break
					}
				}
			}()
			equal(t, "lent", s.br.Stats().Lent, 2)
			s.available(2)
			equal(t, "kept", string(held[0].Bytes)+string(held[1].Bytes), string(stream(0, 32)))
			s.release(held[1], held[0])
			s.got = 64
			s.settled()
			s.available(4)
		})
	}
}

func TestSegmentsDoNotReachIntoTheNextSlice(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 1, BufSize: 16, Incremental: true})
	s.send(4)
	a := s.hold(s.recv(0, 0, 0), place{0, 0, 4})[0]
	s.send(4)
	b := s.hold(s.recv(0, 0, 0), place{0, 4, 4})[0]
	_ = append(a.Bytes, "overwritten?"...)
	equal(t, "neighbour", string(b.Bytes), string(stream(4, 4)))

	s.send(4)
	c := s.recv(0, 0, 0)
	if err := s.br.Consume(c, func(p []byte) error { equal(t, "capacity", cap(p), 4); s.inStream(p); return nil }); err != nil {
		t.Fatal(err)
	}
	s.release(a, b)
	s.settled()
}

// With the checks compiled in, whoever keeps a slice too long sees it.
func TestKeptSlicesArePoisoned(t *testing.T) {
	if !invariant.On {
		t.Skip("needs -tags uring_debug")
	}
	const poisoned = "\xdb"
	t.Run("after Consume", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 1, BufSize: 16, Incremental: true})
		s.send(4)
		held := s.hold(s.recv(0, 0, 0), place{0, 0, 4})[0]
		s.send(6)
		c := s.recv(0, 0, 0)
		var kept []byte
		if err := s.br.Consume(c, func(p []byte) error { s.inStream(p); kept = p; return nil }); err != nil {
			t.Fatal(err)
		}
		equal(t, "kept", string(kept), strings.Repeat(poisoned, 6))
		equal(t, "neighbour", string(held.Bytes), string(stream(0, 4)))
		s.release(held)
	})
	t.Run("when the buffer goes back", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 8, Incremental: true})
		s.send(4)
		a := s.hold(s.recv(0, 0, 0), place{0, 0, 4})[0]
		s.send(4)
		b := s.hold(s.recv(0, 0, 0), place{0, 4, 4})[0]
		s.release(a)
		equal(t, "while the other is lent", string(a.Bytes)+string(b.Bytes), string(stream(0, 8)))
		s.release(b)
		equal(t, "released", string(a.Bytes)+string(b.Bytes), strings.Repeat(poisoned, 8))
	})
}

// BufRing memory goes to the kernel before a submit, and only then.
func TestSubmitPublishesReturnedBuffers(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	var entries unsafe.Pointer
	drv.RegisterBufRing(gomock.Any(), uint32(2), uint32(7), uint32(0), uint32(0)).DoAndReturn(
		func(mem unsafe.Pointer, _, _, _, _ uint32) int { entries = mem; return 0 })
	b, err := r.NewBufRing(BufRingConfig{Group: 7, Entries: 2, BufSize: 16})
	if err != nil {
		t.Fatal(err)
	}
	tail := func() uint16 { return *(*uint16)(unsafe.Add(entries, 14)) }
	equal(t, "tail at first", tail(), 2)

	m.cqes[0] = cgo.CQE{Res: 4, Flags: cgo.CQEFBuffer}
	m.cqTail = 1
	for c := range r.Completions() {
		if err := b.Consume(c, func(p []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "tail after Consume", tail(), 2)
	drv.Submit().DoAndReturn(func() int {
		equal(t, "tail at the submit", tail(), 3)
		return 0
	})
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	m.take(1) // of which the completion was
	drv.SyncCancelAll(gomock.Any()).Return(0)
	drv.Exit()
	equal(t, "error", r.Close(), nil)
}

// A used-up group says nothing about who has its buffers: only those that were
// released go back.
func TestUsedUpGroupGetsBackOnlyWhatWasReleased(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(4 * 16)
	s.arm(Bundle)
	_, held := s.bundle(4*16, place{0, 0, 16}, place{1, 0, 16}, place{2, 0, 16}, place{3, 0, 16})
	s.arm(Bundle)
	s.failed(s.next(), syscall.ENOBUFS)
	s.available(0)

	s.release(held[1], held[3])
	s.available(2)
	s.send(2 * 16)
	s.arm(Bundle)
	_, more := s.bundle(2*16, place{1, 0, 16}, place{3, 0, 16})
	equal(t, "kept", string(held[0].Bytes)+string(held[2].Bytes), string(stream(0, 16))+string(stream(32, 16)))
	s.release(held[0], held[2])
	s.release(more...)
	s.settled()
	s.available(4)
}

func TestCloseIsRefusedWhileSlicesAreLent(t *testing.T) {
	s := newStage(t, BufRingConfig{Group: 5, Entries: 2, BufSize: 16})
	s.send(10)
	held := s.hold(s.recv(0, 0, 0), place{0, 0, 10})
	busy := func() {
		t.Helper()
		err := s.br.Close()
		if !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
		equal(t, "error", text(err), "uring: buffer ring 5: still in use: 1 slices are lent; release them first")
	}
	busy()
	s.release(held...)

	s.send(10)
	c := s.recv(0, 0, 0)
	if err := s.br.Consume(c, func(p []byte) error { busy(); s.inStream(p); return nil }); err != nil {
		t.Fatal(err)
	}
	s.settled() // nothing was closed
	s.closeBuffers()
}

func TestSegmentsOutliveTheRing(t *testing.T) {
	for _, registered := range []bool{false, true} {
		t.Run(fmt.Sprintf("registered=%v", registered), func(t *testing.T) {
			s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16, Registered: registered})
			s.send(64)
			s.arm(Bundle)
			_, held := s.bundle(64, place{0, 0, 16}, place{1, 0, 16}, place{2, 0, 16}, place{3, 0, 16})
			s.outliveRing(held)
		})
	}
}

func TestRingMayCloseInConsume(t *testing.T) {
	open := live.Counts()["buffer ring"] // those that tests that failed left
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(48)
	c := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	err := s.br.Consume(c, func(p []byte) error {
		s.inStream(p)
		return s.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "bytes received", s.got, int(c.Res))
	equal(t, "buffer rings open", live.Counts()["buffer ring"], open)
}

func TestUseAfterClose(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(*stage) error
	}{
		{"of the buffer ring", func(s *stage) error { return s.br.Close() }},
		{"of the ring", func(s *stage) error { return s.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
			s.send(10)
			cqe := s.recv(0, 0, 0)
			held := s.hold(cqe, place{0, 0, 10})
			s.release(held...)
			s.submit()
			if err := c.close(s); err != nil {
				t.Fatal(err)
			}
			if s.memoryKept() {
				// A kernel that cannot be asked may still use the buffers, and
				// completions bring their bytes until the ring is closed.
				equal(t, "error", errors.Is(HaveBufRingStatus(), ErrNotSupported), true)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s.failed(cqe, ErrClosed)
			for seg, err := range s.br.Segments(cqe) {
				if !errors.Is(err, ErrClosed) || seg.Bytes != nil {
					t.Errorf("segment of %d bytes, error %v", len(seg.Bytes), err)
				}
			}
			if err := held[0].Release(); !errors.Is(err, ErrReleased) {
				t.Errorf("Release: %v", err)
			}
			if _, err := s.br.Head(); !errors.Is(err, ErrClosed) {
				t.Errorf("Head: %v", err)
			}
			equal(t, "size", s.br.BufSize(), 16)
			equal(t, "entries", s.br.Entries(), 2)
			if err := s.br.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
	t.Run("NewBufRing", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 16}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestCloseThatTheKernelRefusesChangesNothing(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 16}, 0)
	k.fails = syscall.EBUSY
	before := account(k.br)
	if err := k.br.Close(); !errors.Is(err, syscall.EBUSY) {
		t.Fatal(err)
	}
	equal(t, "account", account(k.br), before)
	k.fails = 0
	k.ring.unwatch()
	if err := k.br.Consume(k.receive([]byte("data"), 1), func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := k.br.Close(); err != nil {
		t.Fatal(err)
	}
}

// A buffer ring whose buffers a request may still use is kept until the Ring is
// closed, and does not keep it from that.
func TestKeptEntriesOfTheKernelDoNotKeepTheRingOpen(t *testing.T) {
	in, _ := streamPair(t)
	ring, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	br, err := ring.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: 64, KernelMemory: true})
	if err != nil {
		ring.Close()
		needsCall(t, err)
	}
	s := &stage{rig: &rig{Ring: ring, TB: t}, br: br, in: in}
	s.queue(1, func(q SQE) { s.must(errors.Join(q.PrepRecvProvided(FD(in), br, 0, 0, 0), q.SetFlags(Async))) })
	q, err := ring.NextSQE() // it posts no completion: how many are in flight is not known
	s.must(err)
	if q.PrepRecvMultishot(FD(in), br, PollFirst) == nil {
		t.Fatal("PollFirst is accepted")
	}
	s.submit()
	br.async = true // as where that receive can be in a worker thread
	s.must(br.Close())
	s.must(ring.Close())
}

// Buffers can go back before the next submit.
func TestReturnBuffers(t *testing.T) {
	testutil.Need(t, HaveBufRingStatus)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 1, BufSize: 16})
		g.must(err)
		available := func(want int) {
			t.Helper()
			n, err := br.Available()
			g.must(err)
			equal(t, "available", n, want)
		}
		g.write(b, "data")
		c := g.answer(func(s SQE) { g.must(s.PrepRecvProvided(FD(a), br, 0, 0, 0)) })
		g.must(br.Consume(c, func([]byte) error { return nil }))
		available(0)
		g.must(g.ReturnBuffers())
		available(1)
		g.must(g.ReturnBuffers())
		available(1)
	})
}
