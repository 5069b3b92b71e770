//go:build linux

package uring

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// waiting submits receives that wait for data, one for each user data.
func waiting(t *testing.T, r *Ring, fd FD, userData ...uint64) {
	t.Helper()
	for _, u := range userData {
		s, err := r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepRecv(fd, held(make([]byte, 8)), 0)
		s.UserData = u
	}
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
}

// cancelled waits for n completions, which must be those of cancelled requests,
// and returns their user data. The kernel may post them after the cancellation
// has returned.
func cancelled(t *testing.T, r *Ring, n int) map[uint64]bool {
	t.Helper()
	got := map[uint64]bool{}
	for _, c := range (&rig{TB: t, Ring: r}).await(n) {
		equal(t, "result", c.Res, -int32(syscall.ECANCELED))
		got[c.UserData] = true
	}
	return got
}

func ptr[T any](v T) *T { return &v }

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
			r := ringOf(t, Config{Entries: 8})
			if err := r.RegisterFDs([]int{b}); err != nil {
				t.Fatal(err)
			}
			waiting(t, r, FD(a), 1, 2)
			waiting(t, r, DirectSlot(0).FD(), 3, 4)
			n, err := r.SyncCancel(c.m, c.all, time.Second)
			equal(t, "error", err, nil)
			equal(t, "number", n, c.n)
			want := map[uint64]bool{}
			for _, u := range c.want {
				want[u] = true
			}
			equal(t, "cancelled", cancelled(t, r, len(want)), want)
		})
	}
}

// needCancel skips the test on kernels that lack a way to match, after a look
// that nothing is cancelled there.
func needCancel(t *testing.T, have func() error, m Match) {
	t.Helper()
	if err := have(); errors.Is(err, ErrNotSupported) {
		r := ringOf(t, Config{Entries: 8})
		a, b := streamPair(t)
		if m.FD != nil {
			m.FD = ptr(FD(a))
		}
		waiting(t, r, FD(a), 1)
		_, got := r.SyncCancel(m, true, time.Second)
		equal(t, "error", got, err)
		if _, err := syscall.Write(b, []byte("x")); err != nil {
			t.Fatal(err)
		}
		equal(t, "the request goes on", next(t, r), CQE{UserData: 1, Res: 1})
	}
	testutil.Need(t, have)
}

func TestSyncCancelOfNothing(t *testing.T) {
	r := ringOf(t, Config{Entries: 8})
	a, _ := streamPair(t)
	waiting(t, r, FD(a), 1)
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
	r := ringOf(t, Config{Entries: 8})
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
	c := next(t, r)
	equal(t, "user data", c.UserData, 5)
	if e := syscall.Errno(-c.Res); e != syscall.ECANCELED && e != syscall.EINTR {
		t.Errorf("result is %v", e)
	}
}

func TestSyncCancelGoesOnAfterSignals(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	limits := []int64{}
	drv.SyncCancel(anyCancel{func(sec, nsec int64) { limits = append(limits, sec*1e9+nsec) }}).Return(-int(syscall.EINTR)).Times(2)
	drv.SyncCancel(anyCancel{func(sec, nsec int64) { limits = append(limits, sec*1e9+nsec) }}).Return(-int(syscall.ETIME))
	_, err := r.SyncCancel(Match{Any: true}, true, time.Minute)
	equal(t, "is ErrDeadlineExceeded", errors.Is(err, os.ErrDeadlineExceeded), true)
	for i, l := range limits {
		if l <= 0 || l > int64(time.Minute) || i > 0 && l > limits[i-1] {
			t.Errorf("limits are %v", limits)
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
