//go:build linux

package uring

import (
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestCompletionsSayWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		cqe  CQE
		want string
	}{
		{CQE{UserData: 7, Res: 5}, "user data 0x7, result 5"},
		{CQE{Res: -int32(syscall.ENOBUFS)}, "user data 0x0, result -105 (no buffer space available)"},
		{CQE{Res: 9, Flags: 3<<cgo.CQEBufferShift | cgo.CQEFBuffer | cgo.CQEFBufMore | cgo.CQEFMore | cgo.CQEFSockNonEmpty},
			"user data 0x0, result 9, buffer 3, buffer kept, more, socket not empty"},
		{CQE{Flags: cgo.CQEFNotif}, "user data 0x0, result 0, notification"},
	} {
		equal(t, "text", c.cqe.String(), c.want)
	}
}

func TestCompletion(t *testing.T) {
	type answers struct {
		err                                       error
		more, bufferMore, nonEmpty, notif, copied bool
		buffer                                    int // -1: none
	}
	copied := uint32(cgo.NotifUsageZCCopied)
	for _, c := range []struct {
		cqe  CQE
		want answers
	}{
		{CQE{Res: 5}, answers{buffer: -1}},
		{CQE{Res: -int32(syscall.ECANCELED)}, answers{err: syscall.ECANCELED, buffer: -1}},
		{CQE{Flags: cgo.CQEFBuffer}, answers{buffer: 0}},
		{CQE{Flags: cgo.CQEFBuffer | 0xffff<<16}, answers{buffer: 0xffff}},
		{CQE{Flags: 7 << 16}, answers{buffer: -1}}, // without the flag there is none
		{CQE{Flags: cgo.CQEFMore | cgo.CQEFSockNonEmpty}, answers{more: true, nonEmpty: true, buffer: -1}},
		{CQE{Flags: cgo.CQEFBuffer | cgo.CQEFBufMore}, answers{bufferMore: true}},
		{CQE{Flags: cgo.CQEFNotif}, answers{notif: true, buffer: -1}},
		{CQE{Res: int32(copied), Flags: cgo.CQEFNotif}, answers{notif: true, copied: true, buffer: -1}}, // negative, and no error
	} {
		got := answers{
			err: c.cqe.Err(), more: c.cqe.More(), bufferMore: c.cqe.BufferMore(), nonEmpty: c.cqe.SockNonEmpty(),
			notif: c.cqe.Notif(), copied: c.cqe.Copied(), buffer: -1,
		}
		if id, ok := c.cqe.BufferID(); ok {
			got.buffer = int(id)
		}
		if got != c.want {
			t.Errorf("%+v\ngives %+v\n want %+v", c.cqe, got, c.want)
		}
	}
	canceled := CQE{Res: -int32(syscall.ECANCELED)}
	equal(t, "allocations of Err", testing.AllocsPerRun(100, func() { _ = canceled.Err() }), 0)
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
			a, b := streamPair(g)
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

func TestCompletionsEnterTheKernelOnlyForWhatIsThere(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		r, _, _ := newMockRing(t, 0) // any call would fail the test
		equal(t, "completions", userData(r), nil)
	})
	t.Run("ready ones", func(t *testing.T) {
		r, m, _ := newMockRing(t, 0)
		m.post(1, 2)
		equal(t, "completions", userData(r), []uint64{1, 2})
		equal(t, "queue's head", m.cqHead, 2)
	})
	for name, flag := range map[string]uint32{"deferred work": cgo.SQTaskrun, "overflow": cgo.SQCQOverflow} {
		t.Run(name, func(t *testing.T) {
			r, m, drv := newMockRing(t, 0)
			m.sqFlags = flag
			drv.GetEvents().DoAndReturn(func() int {
				m.sqFlags = 0
				m.post(1, 2)
				return 0
			})
			equal(t, "completions", userData(r), []uint64{1, 2})
		})
	}
	t.Run("overflow behind ready ones", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		m.sqFlags = cgo.SQCQOverflow
		m.post(1, 2)
		drv.GetEvents().DoAndReturn(func() int {
			equal(t, "queue's head when the kernel is asked", m.cqHead, 2)
			m.sqFlags = 0
			m.post(3)
			return 0
		})
		equal(t, "completions", userData(r), []uint64{1, 2, 3})
	})
	t.Run("deferred work in parts", deferredWorkInParts)
	t.Run("deferred work in parts, and signals", deferredWorkAndSignals)
	t.Run("deferred work that was run already", deferredWorkThatWasRun)
	t.Run("deferred work of another thread", func(t *testing.T) {
		r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
		m.sqFlags = cgo.SQTaskrun
		drv.GetEvents().Return(-int(syscall.EEXIST))
		equal(t, "completions", userData(r), nil)
	})
	t.Run("overflow that does not come in", func(t *testing.T) {
		r, m, drv := newMockRing(t, 0)
		m.sqFlags = cgo.SQCQOverflow
		m.post(1)
		drv.GetEvents().Return(-int(syscall.EINTR))
		equal(t, "completions", userData(r), []uint64{1})
		equal(t, "still overflowed", r.Overflowed(), true)
	})
}

func deferredWorkInParts(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
	m.sqFlags = cgo.SQTaskrun
	gomock.InOrder(
		drv.GetEvents().Return(0), // work that leads to no completion
		drv.Wait(cgo.Wait{N: 1}).DoAndReturn(func(cgo.Wait) int { m.post(1); return 0 }),
	)
	equal(t, "completions", userData(r), []uint64{1})
}

func deferredWorkAndSignals(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
	m.sqFlags = cgo.SQTaskrun
	gomock.InOrder(
		drv.GetEvents().Return(-int(syscall.EINTR)),
		drv.Wait(cgo.Wait{N: 1}).Return(-int(syscall.EINTR)).Times(3),
		drv.Wait(cgo.Wait{N: 1}).DoAndReturn(func(cgo.Wait) int { m.post(1); return 0 }),
	)
	equal(t, "completions", userData(r), []uint64{1})
}

func deferredWorkThatWasRun(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSingleIssuer|SetupDeferTaskrun)
	m.sqFlags = cgo.SQTaskrun // and it stays
	drv.GetEvents().Return(0)
	drv.Wait(cgo.Wait{N: 1}).Return(-cgo.ETime)
	equal(t, "completions", userData(r), nil)
}

// What the loop over completions calls may itself take completions.
func TestCompletionsTakenInsideTheLoop(t *testing.T) {
	r, m, _ := newMockRing(t, 0)
	m.post(1, 2, 3)
	var outer, inner []uint64
	for c := range r.Completions() {
		outer = append(outer, c.UserData)
		m.post(4, 5)
		inner = append(inner, userData(r)...)
		if len(outer) > 1 {
			t.Fatal("the outer loop went on after the inner one took everything")
		}
	}
	equal(t, "outer", outer, []uint64{1})
	equal(t, "inner", inner, []uint64{2, 3, 4, 5})
	equal(t, "queue's head", m.cqHead, 5)
}

func TestBreakKeepsTheRest(t *testing.T) {
	r, m, drv := newMockRing(t, 0)
	m.post(1, 2, 3)
	for c := range r.Completions() {
		equal(t, "first", c.UserData, uint64(1))
		break
	}
	equal(t, "ready", r.Ready(), 2)
	drv.Submit().DoAndReturn(func() int {
		equal(t, "queue's head at the next submit", m.cqHead, 1)
		return 0
	})
	_, err := r.Submit()
	equal(t, "error", err, nil)
	equal(t, "completions", userData(r), []uint64{2, 3})
}

// A mixed queue has completions of one or two places, and places that only fill
// the gap before its end.
func TestMixedCompletions(t *testing.T) {
	r, m, _ := newMockRing(t, SetupCQEMixed)
	m.post(1, 2, 0, 3, 0, 4)
	m.cqes[1].Flags = cgo.CQEF32
	m.cqes[4].Flags = cgo.CQEFSkip

	dst := make([]CQE, 16)
	var peeked []uint64
	for _, c := range dst[:r.Peek(dst)] {
		peeked = append(peeked, c.UserData)
	}
	equal(t, "peeked", peeked, []uint64{1, 2, 3, 4})
	r.Advance(2)
	equal(t, "queue's head", m.cqHead, 3)
	equal(t, "the rest", userData(r), []uint64{3, 4})
	equal(t, "queue's head", m.cqHead, 6)
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

func TestLargeCompletions(t *testing.T) {
	for name, flags := range map[string]SetupFlags{"all": SetupCQE32, "mixed": SetupCQEMixed} {
		t.Run(name, func(t *testing.T) {
			if flags == SetupCQEMixed {
				testutil.Need(t, HaveCQEMixed)
			}
			needsNopBig(t)
			r := newRig(t, Config{Entries: 8, CQEntries: 8, Flags: flags})
			for i := range uint64(20) { // around the queue, at each of its places
				nopBig(t, r.Ring, 10*i, 100+i, 200+i)
				nops(t, r.Ring, 1)
				if i%3 == 0 {
					nops(t, r.Ring, 1)
				}
				if _, err := r.SubmitAndWait(2); err != nil {
					t.Fatal(err)
				}
				big := CQE{UserData: 10 * i, Res: int32(10 * i)}
				if flags == SetupCQEMixed {
					big.Flags = cgo.CQEF32
				}
				want := []bigCQE{{big, bigOf(t, i)}, {}}
				if i%3 == 0 {
					want = append(want, bigCQE{})
				}
				got := bigOnes(r.Ring)
				equal(t, "completions", got, want)
				equal(t, "is big", got[0].Big(), flags == SetupCQEMixed)
			}
		})
	}
}

// bigOf is what the kernel puts into the completion of request i.
func bigOf(t *testing.T, i uint64) [2]uint64 { return [2]uint64{100 + i, 200 + i} }

// A break leaves the rest, with all its bytes.
func TestLargeCompletionsAfterABreak(t *testing.T) {
	needsNopBig(t)
	r := newRig(t, Config{Entries: 8, Flags: SetupCQE32})
	for i := range uint64(3) {
		nopBig(t, r.Ring, i, 100+i, 200+i)
	}
	if _, err := r.SubmitAndWait(3); err != nil {
		t.Fatal(err)
	}
	for c, extra := range r.CompletionsBig() {
		equal(t, "first", bigCQE{c, extra}, bigCQE{CQE{}, bigOf(t, 0)})
		break
	}
	equal(t, "rest", bigOnes(r.Ring), []bigCQE{
		{CQE{UserData: 1, Res: 1}, bigOf(t, 1)},
		{CQE{UserData: 2, Res: 2}, bigOf(t, 2)},
	})
}

// Reads whose completions find no room in the queue all complete, and one that
// fails among them.
func TestOverflowOfReads(t *testing.T) {
	const reads, block, failing = 64, 64, 12
	want := randomBytes(1, reads*block)
	fd := int(newFile(t, string(want)).Fd())
	g := newRig(t, Config{Entries: 4, CQEntries: 8})
	got := g.arena(reads * block).Bytes()
	for i := range reads {
		g.start(uint64(i), func(s SQE) {
			s.PrepRead(FD(fd), got[i*block:(i+1)*block], uint64(i*block))
			if i == failing {
				s.Addr = 8 // there is nothing
			}
		})
	}
	for range reads {
		c := g.next()
		n := int(c.UserData) * block
		if c.UserData == failing {
			equal(t, "read to nowhere", c.Err(), error(syscall.EFAULT))
			continue
		}
		equal(t, "result", c.Res, block)
		equal(t, "bytes", got[n:n+block], want[n:n+block])
	}
	g.none()
}

// PeekBig shows both halves, and takes nothing.
func TestPeekBig(t *testing.T) {
	for _, flags := range []SetupFlags{SetupCQE32, SetupCQEMixed} {
		if flags == SetupCQEMixed && HaveCQEMixed() != nil {
			continue
		}
		g := newRig(t, Config{Entries: 8, Flags: flags})
		equal(t, "nothing", g.PeekBig(make([]CQE, 1), make([][2]uint64, 1)), 0)
		if err := g.sqe().PrepNopBig(0, [2]uint64{}); err != nil {
			t.Fatal(err)
		}
		if c := g.next(); refusal(c) != nil {
			needs(t, "no-op requests with large completions", kernel.V(6, 18), refusal(c))
		}
		for i := range uint64(4) { // a small one, a large one, …
			g.queue(i, func(s SQE) {
				if i%2 == 0 {
					s.PrepNop()
				} else {
					g.must(s.PrepNopBig(int32(i), [2]uint64{10 + i, 20 + i}))
				}
			})
		}
		g.submit()
		cqes, second := make([]CQE, 8), make([][2]uint64, 3)
		equal(t, "as many as there is room for", g.PeekBig(cqes, second), 3)
		equal(t, "second halves", second, [][2]uint64{{}, {11, 21}, {}})
		equal(t, "completion", cqes[1].UserData, 1)
		g.Advance(3)
		equal(t, "the last", g.PeekBig(cqes, second), 1)
		equal(t, "second half", second[0], [2]uint64{13, 23})
		g.Advance(1)
	}
}

func TestDropped(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	for range 5 {
		nops(t, g.Ring, 4)
		g.submit()
	}
	sqes, cqes := g.Dropped()
	equal(t, "overflow loses nothing", []uint32{sqes, cqes}, []uint32{0, 0})
	g.await(20)

	r, m, _ := newMockRing(t, 0)
	m.dropped, m.overflow = 2, 3
	sqes, cqes = r.Dropped()
	equal(t, "what the kernel counted", []uint32{sqes, cqes}, []uint32{2, 3})
}
