package uring

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

type bigCQE struct {
	CQE
	Extra [2]uint64
}

func bigOnes(r *Ring) (list []bigCQE) {
	for c, extra := range r.CompletionsBig() {
		list = append(list, bigCQE{c, extra})
	}
	return list
}

// nopBig takes an entry that does nothing and completes with its user data and
// 16 more bytes.
func nopBig(t *testing.T, r *Ring, userData, a, b uint64) {
	t.Helper()
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PrepNopBig(int32(userData), [2]uint64{a, b}); err != nil {
		t.Fatal(err)
	}
	s.UserData = userData
}

// needsNopBig skips the test where requests that do nothing cannot fill a large
// completion.
func needsNopBig(t *testing.T) {
	t.Helper()
	r := ringOf(t, Config{Entries: 4, Flags: SetupCQE32})
	nopBig(t, r, 1, 2, 3)
	if _, err := r.SubmitAndWait(1); err != nil {
		t.Fatal(err)
	}
	got := bigOnes(r)[0]
	lack := refusal(got.CQE)
	if lack == nil && got.Extra != [2]uint64{2, 3} {
		lack = fmt.Errorf("the completion is %+v", got)
	}
	needs(t, "large completions of no-op requests", kernel.V(6, 18), lack)
}

func TestLargeCompletions(t *testing.T) {
	for name, flags := range map[string]SetupFlags{"all": SetupCQE32, "mixed": SetupCQEMixed} {
		t.Run(name, func(t *testing.T) {
			if flags == SetupCQEMixed {
				testutil.Need(t, HaveCQEMixed)
			}
			needsNopBig(t)
			r := ringOf(t, Config{Entries: 8, CQEntries: 8, Flags: flags})
			for i := range uint64(20) { // around the queue, at each of its places
				nopBig(t, r, 10*i, 100+i, 200+i)
				nops(t, r, 1)
				if i%3 == 0 {
					nops(t, r, 1)
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
				got := bigOnes(r)
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
	r := ringOf(t, Config{Entries: 8, Flags: SetupCQE32})
	for i := range uint64(3) {
		nopBig(t, r, i, 100+i, 200+i)
	}
	if _, err := r.SubmitAndWait(3); err != nil {
		t.Fatal(err)
	}
	for c, extra := range r.CompletionsBig() {
		equal(t, "first", bigCQE{c, extra}, bigCQE{CQE{}, bigOf(t, 0)})
		break
	}
	equal(t, "rest", bigOnes(r), []bigCQE{
		{CQE{UserData: 1, Res: 1}, bigOf(t, 1)},
		{CQE{UserData: 2, Res: 2}, bigOf(t, 2)},
	})
}

func TestLargeEntries(t *testing.T) {
	r := ringOf(t, Config{Entries: 4, Flags: SetupSQE128})
	for i := range uint64(10) {
		s, err := r.NextSQE128()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepNop()
		s.UserData = i
		equal(t, "completion", next(t, r).UserData, i)
	}
	plain := ringOf(t, Config{Entries: 4})
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
	refused := cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1}
	equal(t, "halves", [2]cgo.SQE(m.sqes[:2]), [2]cgo.SQE{refused, refused})
	equal(t, "error of a shorter one", s.PrepUringCmd128(1, 2, nil), nil)
	want := cgo.SQE{Opcode: cgo.OpUringCmd128, FD: 1, Off: words(2, 0)}
	equal(t, "halves", [2]cgo.SQE(m.sqes[:2]), [2]cgo.SQE{want, {}})
}

func TestMixedEntriesOnTheKernel(t *testing.T) {
	testutil.Need(t, HaveSQEMixed)
	r := ringOf(t, Config{Entries: 8, Flags: SetupSQEMixed})
	for i := range uint64(20) {
		s, err := r.NextSQE128()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PrepNop128(); err != nil {
			t.Fatal(err)
		}
		s.UserData = 2 * i
		equal(t, "large", next(t, r), CQE{UserData: 2 * i})
		if s, err = r.NextSQE128(); err != nil {
			t.Fatal(err)
		}
		wantError(t, s.PrepUringCmd128(1, 2, make([]byte, cmdBytes128+1)), "room for 80") // and no completion
		equal(t, "small", one(t, r, func(s SQE) { s.PrepNop() }).Res, 0)
		none(t, r)
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
