//go:build linux

package uring

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestNextSQEUntilTheQueueIsFull(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for range 3 {
			for i := range 16 {
				equal(t, "queued", g.Queued(), i)
				equal(t, "space", g.SQSpace(), 16-i)
				g.queue(uint64(i), func(s SQE) { s.PrepNop() })
			}
			_, err := g.NextSQE()
			equal(t, "error of the 17th", err, ErrSQFull)
			equal(t, "space", g.SQSpace(), 0)
			g.await(16)
			equal(t, "queued after the submit", g.Queued(), 0)
			g.must(g.MakeRoom(16)) // a kernel's thread completes requests before it gives back their entries
		}
	})
}

// An entry is all zero when it is taken, whatever the one before it in the same
// place was.
func TestNextSQEIsZero(t *testing.T) {
	for _, flags := range []SetupFlags{SetupSubmitAll, SetupSQE128} {
		g := newRig(t, Config{Entries: 2, Flags: flags})
		for i := range 6 {
			s := g.sqe()
			equal(t, "entry", *s.SQE, cgo.SQE{})
			equal(t, "place", g.q.Index(s.SQE), i%2)
			*s.SQE = cgo.SQE{Opcode: cgo.OpNop, FD: 1, Off: 2, Addr: 3, Len: 4, UserData: 5, Addr3: 6}
			g.await(1)
		}
	}
}

func TestMakeRoom(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		g.must(g.MakeRoom(16))
		equal(t, "queued", g.Queued(), 0)
		for range 50 {
			nops(t, g.Ring, 7)
			g.must(g.MakeRoom(9))
			if n := g.Queued(); n != 7 && g.Flags()&SetupSQPoll == 0 {
				t.Fatalf("%d entries are queued, want 7: there was room", n)
			}
			g.must(g.MakeRoom(12))
			if n := g.SQSpace(); n < 12 {
				t.Fatalf("%d entries are free, want 12", n)
			}
			equal(t, "queued", g.Queued(), 0)
			g.await(7)
		}
		wantError(t, g.MakeRoom(17), "17 entries in a submission queue of 16")
	})
}

func TestWaitSQ(t *testing.T) {
	g := newRig(t, Config{Entries: 2, CQEntries: 1024, Flags: SetupSQPoll, SQThreadIdle: time.Second})
	g.must(g.WaitSQ())
	nops(t, g.Ring, 2)
	wantError(t, g.WaitSQ(), "call Submit first")
	for range 100 {
		g.submit()
		g.must(g.WaitSQ())
		for g.SQSpace() > 0 {
			g.sqe().PrepNop()
		}
	}
	plain := newRig(t, Config{Entries: 2})
	nops(t, plain.Ring, 2)
	plain.must(plain.WaitSQ())
	equal(t, "queued", plain.Queued(), 2)
}

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
		a, b := streamPair(g)
		p := make([]byte, 8)
		s := g.queue(1, func(s SQE) { s.PrepRecv(FD(a), p, 0) })
		g.must(s.SetFlags(Async))
		g.submit()
		g.write(b, "later")
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 5}})
		equal(t, "data", string(p[:5]), "later")
	})
}

// SetFlags refuses what the kernel gets wrong; the request then does nothing.
func TestSetFlagsRefusals(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	testutil.Need(t, HaveSendMsgZC)
	g := newRig(t, Config{Entries: 16})
	a, b := streamPair(g)
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
		a, b := streamPair(g)
		s := g.sqe()
		if err := s.PrepSendZC(FD(a), held([]byte("data")), 0, Bundle); err == nil {
			t.Fatal("a zero-copy send takes provided buffers")
		}
		s.PrepSend(FD(a), held([]byte("data")), 0)
		s.UserData = 5
		equal(t, "completions", g.await(1), []CQE{{UserData: 5, Res: 4}})
		equal(t, "received", g.read(b), "data")
	})
}

// Some requests must not be held back by one that links to them.
func TestPrepRefusesToBeLinked(t *testing.T) {
	testutil.Need(t, HaveSendMsgZC)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
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
				if err := prep(g.sqe()); err == nil || !strings.Contains(err.Error(), "HardLink") {
					t.Errorf("%s: %v", name, err)
				}
				equal(t, "completions", g.await(1), []CQE{{UserData: 1}})

				// An entry of an earlier submit links to nothing, in whatever place.
				head = g.queue(1, func(s SQE) { s.PrepNop() })
				g.must(head.SetFlags(flag))
				g.await(1)
				s := g.sqe()
				if err := prep(s); err != nil {
					t.Errorf("%s alone: %v", name, err)
				}
				*s.SQE = cgo.SQE{Opcode: cgo.OpNop}
				g.await(1)
			}
		}
	})
}

func TestLargeEntries(t *testing.T) {
	r := newRig(t, Config{Entries: 4, Flags: SetupSQE128})
	for i := range uint64(10) {
		s, err := r.NextSQE128()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepNop()
		s.UserData = i
		equal(t, "completion", r.next().UserData, i)
	}
	plain := newRig(t, Config{Entries: 4})
	s, err := plain.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, s.PrepNopBig(0, [2]uint64{}), "SetupCQE32 or SetupCQEMixed")
	_, err = plain.NextSQE128()
	wantError(t, err, "SetupSQEMixed or SetupSQE128")
}

// mixedRing is a ring of 8 entries of both sizes, over memory of the test.
func mixedRing(t *testing.T) (*Ring, *memory, *mockDriverMockRecorder) {
	t.Helper()
	return newMockRing(t, SetupSQEMixed)
}

func TestMixedEntriesTakeTwoPlaces(t *testing.T) {
	r, m, drv := mixedRing(t)
	n := len(m.sqes)
	for i := range m.sqes {
		m.sqes[i] = cgo.SQE{Opcode: 0xff, UserData: 0xdead, Pad2: 0xdead}
	}
	nops(t, r, 1)
	s, err := r.NextSQE128()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "is all zero", [2]cgo.SQE{m.sqes[1], m.sqes[2]}, [2]cgo.SQE{})
	equal(t, "place", unsafe.Pointer(s.SQE) == unsafe.Pointer(&m.sqes[1]), true)
	equal(t, "error of PrepNop128", s.PrepNop128(), nil)
	equal(t, "queued", r.Queued(), 3)
	nops(t, r, n-4)
	_, err = r.NextSQE128()
	equal(t, "with one place left", err, ErrSQFull)
	equal(t, "queued", r.Queued(), n-1)

	// The last place is too short for it: the entry begins at the first one.
	drv.Submit().DoAndReturn(func() int { return m.take(uint32(n - 1)) })
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	s, err = r.NextSQE128()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "place", unsafe.Pointer(s.SQE) == unsafe.Pointer(&m.sqes[0]), true)
	equal(t, "filler", m.sqes[n-1], cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1})
	equal(t, "queued", r.Queued(), 3)
	for range (n - 3) / 2 {
		if _, err := r.NextSQE128(); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.NextSQE128()
	equal(t, "full", err, ErrSQFull)
}

func TestMixedEntriesNeedRoomForTheFiller(t *testing.T) {
	r, m, drv := mixedRing(t)
	n := len(m.sqes)
	nops(t, r, n-1)
	drv.Submit().DoAndReturn(func() int { return m.take(2) }) // two places are free now, and one at the end
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	m.sqHead = 1 // only one of them
	_, err := r.NextSQE128()
	equal(t, "with the last place and one more", err, ErrSQFull)
	equal(t, "nothing was taken", r.Queued(), n-2)
	m.sqHead = 2
	_, err = r.NextSQE128()
	equal(t, "with the last place and two more", err, nil)
}

// With a refused entry of 128 bytes, its second half is a request for the
// kernel: it must do nothing either. The entry may be filled again.
func TestMixedEntryIsRefusedAsAWhole(t *testing.T) {
	r, m, _ := mixedRing(t)
	s, err := r.NextSQE128()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, s.PrepUringCmd128(1, 2, make([]byte, cmdBytes128+1)), "room for 80")
	refused := cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1, Addr: cgo.RefusedMark}
	equal(t, "halves", [2]cgo.SQE(m.sqes[:2]), [2]cgo.SQE{refused, refused})
	equal(t, "error of a shorter one", s.PrepUringCmd128(1, 2, nil), nil)
	want := cgo.SQE{Opcode: cgo.OpUringCmd128, FD: 1, Off: words(2, 0)}
	equal(t, "halves", [2]cgo.SQE(m.sqes[:2]), [2]cgo.SQE{want, {}})
}

func TestMixedEntriesOnTheKernel(t *testing.T) {
	testutil.Need(t, HaveSQEMixed)
	r := newRig(t, Config{Entries: 8, Flags: SetupSQEMixed})
	for i := range uint64(20) {
		s, err := r.NextSQE128()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PrepNop128(); err != nil {
			t.Fatal(err)
		}
		s.UserData = 2 * i
		equal(t, "large", r.next(), CQE{UserData: 2 * i})
		if s, err = r.NextSQE128(); err != nil {
			t.Fatal(err)
		}
		wantError(t, s.PrepUringCmd128(1, 2, make([]byte, cmdBytes128+1)), "room for 80") // and no completion
		equal(t, "small", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
		r.none()
	}
}

// The sizes are those that make liburing say how much memory a ring takes.
func TestEntrySizes(t *testing.T) {
	for _, c := range []struct {
		flags    SetupFlags
		sqe, cqe int
	}{{0, 64, 16}, {SetupSQE128, 128, 16}, {SetupCQE32, 64, 32}, {SetupSQE128 | SetupCQE32, 128, 32}, {SetupSQEMixed | SetupCQEMixed, 64, 16}} {
		equal(t, "entry with "+c.flags.String(), c.flags.SQESize(), c.sqe)
		equal(t, "completion with "+c.flags.String(), c.flags.CQESize(), c.cqe)
	}
	library(t, 11)
	size := func(flags SetupFlags) int {
		n, err := MemorySize(Config{Entries: 1024, CQEntries: 4096, Flags: flags})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	both := SetupSQE128 | SetupCQE32
	equal(t, "more memory", size(both)-size(SetupClamp), 1024*(both.SQESize()-64)+4096*(both.CQESize()-16))
}

// badMemory is a write from an address that is not there: it fails when it is
// carried out, not when it is submitted.
func badMemory(out FD) func(SQE) {
	return func(s SQE) {
		s.PrepWrite(out, held(make([]byte, 100)), CurrentOffset)
		s.Addr = 8
	}
}

// Of a chain whose requests skip their completions there are the last one's, and
// that of one that fails. Those behind that one are cancelled, and skip it, too.
func TestSkipSuccessInChains(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		_, out := g.pipe()
		const length = 6
		for _, c := range []struct {
			failing  int // no request fails if it is as long as the chain
			skipLast bool
			want     []CQE
		}{
			{length, false, []CQE{{UserData: length - 1}}},
			{length, true, nil},
			{3, false, []CQE{{UserData: 3, Res: errno(syscall.EFAULT)}}},
			{length - 1, false, []CQE{{UserData: length - 1, Res: errno(syscall.EFAULT)}}},
		} {
			for i := range length {
				prep := SQE.PrepNop
				if i == c.failing {
					prep = badMemory(out)
				}
				flags := Link | SkipSuccess
				if i == length-1 {
					flags = 0
					if c.skipLast {
						flags = SkipSuccess
					}
				}
				g.must(g.queue(uint64(i), prep).SetFlags(flags))
			}
			equal(t, fmt.Sprintf("%+v", c), g.await(len(c.want)), c.want)
			g.none()
		}
	})
}

// A hard link goes on behind a failure, which is told even if its request skips
// its completion.
func TestSkipSuccessInHardLinks(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		_, out := g.pipe()
		const length = 5
		for _, failing := range []int{0, 2, length - 1} {
			for _, skipping := range []int{0, 2, length - 1} {
				var want []CQE
				for i := range length {
					prep, res := SQE.PrepNop, int32(0)
					if i == failing {
						prep, res = badMemory(out), errno(syscall.EFAULT)
					}
					flags := HardLink
					if i == length-1 {
						flags = 0
					}
					if i == skipping {
						flags |= SkipSuccess
					}
					if i != skipping || i == failing {
						want = append(want, CQE{UserData: uint64(i), Res: res})
					}
					g.must(g.queue(uint64(i), prep).SetFlags(flags))
				}
				equal(t, fmt.Sprintf("%d fails, %d skips", failing, skipping), g.await(len(want)), want)
			}
		}
	})
}

// A no-op looks for its file and its buffer, if it is told to. Before Linux 7.0, but
// for 6.18.44, its result does not tell that there is none.
func TestNopFlags(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	c := g.answer(func(s SQE) { s.PrepNopFlags(-1, 1, NopInjectResult|NopTaskWork) })
	lack := refusal(c)
	if c.Res == 0 {
		lack = errors.New("the result is 0")
	}
	needs(t, "flags of no-op requests", kernel.V(6, 17), lack)
	g.must(g.RegisterFiles(2))
	in, _ := g.pipe()
	g.must(g.UpdateFile(DirectSlot(1), int(in)))
	reg := g.register(4096)
	tells := hasLinux(t, kernel.V(7, 0))
	nop := func(what string, fd FD, flags NopFlags, buf uint16, want int32) {
		t.Helper()
		g.must(g.queue(1, func(s SQE) { s.PrepNopFlags(fd, 7, flags); s.BufIndex = buf }).SetFlags(Link))
		g.queue(2, SQE.PrepNop)
		c := g.byUserData(2)
		equal(t, what+": it ends the chain", c[2].Res == errCanceled, want < 0)
		if want >= 0 || tells || c[1].Res < 0 {
			equal(t, what, c[1].Res, want)
		}
	}
	badFD := errno(syscall.EBADF)
	nop("a result", -1, NopInjectResult|NopTaskWork, 0, 7)
	nop("a file", in, NopFile|NopInjectResult, 0, 7)
	nop("no file", -1, NopFile|NopInjectResult, 0, badFD)
	nop("a direct descriptor", DirectSlot(1).FD(), NopFile, 0, 0)
	nop("an empty slot", DirectSlot(0).FD(), NopFile, 0, badFD)
	nop("a buffer", -1, NopFixedBuffer, reg.Index(), 0)
	nop("no buffer", -1, NopFixedBuffer, 100, errno(syscall.EFAULT))
}
