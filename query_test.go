//go:build linux

package uring

import (
	"errors"
	"math"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// What the kernel says it knows is what it shows elsewhere.
func TestQueryKernel(t *testing.T) {
	k, err := QueryKernel()
	if !needsLinux(t, err, kernel.V(6, 18), 15) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", k)
	p, err := ProbeOps()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "opcodes", k.Ops, p.Known())
	if k.Registers <= cgo.RegisterQuery {
		t.Errorf("%d registrations, and one of them is number %d", k.Registers, cgo.RegisterQuery)
	}
	r := newRig(t, Config{Entries: 4})
	equal(t, "features of a ring that are not known", r.Features()&^k.Features, 0)
	const always = SetupIOPoll | SetupSQPoll | SetupCQE32 | SetupDeferTaskrun | SetupCQEMixed
	equal(t, "setup flags", k.Setup&always, always)
	equal(t, "SetupSQEMixed", k.Setup&SetupSQEMixed != 0, HaveSQEMixed() == nil)
	equal(t, "SetupSQRewind", k.Setup&SetupSQRewind != 0, HaveSQRewind() == nil)
	equal(t, "enter flags", k.Enter&(cgo.EnterGetEvents|cgo.EnterExtArg), cgo.EnterGetEvents|cgo.EnterExtArg)
	const sqe = Drain | Link | HardLink | Async | SkipSuccess
	equal(t, "flags of requests", k.SQE&sqe, sqe)
	if k.Queries < 1 {
		t.Errorf("%d queries, and this is one", k.Queries)
	}
}

// The numbers are those of the machine's cache lines.
func TestQueryZCRXAndQueues(t *testing.T) {
	z, err := QueryZCRX()
	if needsLinux(t, err, kernel.V(6, 19), 15) {
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", z)
		if z.Controls < 2 || z.RefillHeader < 8 || z.RefillAlign&(z.RefillAlign-1) != 0 {
			t.Errorf("%+v", z)
		}
	}
	q, err := QueryQueues()
	if needsLinux(t, err, kernel.V(6, 19), 15) {
		if err != nil {
			t.Fatal(err)
		}
		if q.Header < 64 || q.Align&(q.Align-1) != 0 {
			t.Errorf("%+v", q)
		}
	}
}

func TestUnknownQuestion(t *testing.T) {
	newer := kernel.V(2, 6)
	for rc, want := range map[int]bool{
		0:                        false,
		-int(syscall.EOPNOTSUPP): true,
		-int(syscall.ENOSYS):     true,
		-int(syscall.EFAULT):     false,
	} {
		got := errors.Is(query("ask", rc, newer), ErrNotSupported)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d: %s", rc, diff)
		}
	}
	equal(t, "no error", query("ask", 0, newer), nil)
}

// FuzzQueryAnswers takes any answers: no number of anything is negative, and
// flags are those that the kernel names, as far as the package has room for them.
func FuzzQueryAnswers(f *testing.F) {
	f.Add(uint32(66), uint32(37), uint64(1<<18-1), uint64(1<<20-1))
	f.Add(uint32(0), uint32(math.MaxUint32), uint64(math.MaxUint64), uint64(1<<63))
	f.Fuzz(func(t *testing.T, m, n uint32, a, b uint64) {
		k := kernelInfo(cgo.QueryOpcodesAnswer{Requests: m, Registers: n, Features: a, Setup: b, Enter: a, SQE: b, Queries: m})
		equal(t, "counts", [3]int{k.Ops, k.Registers, k.Queries}, [3]int{int(m), int(n), int(m)})
		equal(t, "features", k.Features, FeatFlags(a))
		equal(t, "setup flags", k.Setup, SetupFlags(b))
		equal(t, "flags of requests", k.SQE, SQEFlags(b))
		z := zcrxInfo(cgo.QueryZCRXAnswer{Register: a, Area: b, Controls: m, Features: n, HeaderSize: m, HeaderAlignment: n})
		equal(t, "zero-copy receives", z, ZCRXInfo{
			Register: a, Area: b, Controls: int(m), BufSize: n&cgo.ZCRXFeatureRXPageSize != 0, RefillHeader: int(m), RefillAlign: int(n),
		})
		q := queueInfo(cgo.QuerySCQAnswer{HeaderSize: a, HeaderAlignment: b})
		if q.Header < 0 || q.Align < 0 || a < 1<<32 && q.Header != int(a) || b < 1<<32 && q.Align != int(b) {
			t.Fatalf("%+v of %d and %d", q, a, b)
		}
	})
}
