package uring

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// seenOn lists the measured kernels that have each bug.
var seenOn = map[*bug][]string{
	bugShortened:        {"6.12.43", "6.16.12", "6.17.13", "6.18.15", "6.19.14"},
	bugOrder:            nil, // 6.13.11 to 6.14.11, by report
	bugIncrementalOrder: nil,
	bugBundleBufMore:    {"6.16.12", "6.17.13", "6.18.15", "6.19.14"},
	bugEOFBufMore:       {"6.16.12", "6.17.13", "6.18.15"},
	bugErrorBuffer:      {"6.12.43", "6.16.12", "6.17.13"},
	bugTrunc:            {"6.12.107", "6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13"},
	bugWaitAll:          {"6.12.107", "6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13", "7.2.12"},
	bugMissedEnd:        {"6.12.43", "6.12.107", "6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13", "7.2.12", "7.3.4"},
	bugClone:            {"6.16.12", "6.17.13"},
}

func TestKernelBugsOfMeasuredKernels(t *testing.T) {
	running := runningMeasured(t)
	got, want := map[string]bool{}, map[string]bool{}
	for _, b := range KernelBugs() {
		if b.Err != nil {
			t.Error(b.Err)
		}
		if b.Seen != (b.Answer != "") {
			t.Errorf("%s: seen %v, answer %q", b.Name, b.Seen, b.Answer)
		}
		got[b.Name] = b.Seen
	}
	for _, b := range bugs {
		want[b.name] = false
		for _, v := range seenOn[b] {
			if v == running.String() {
				want[b.name] = true
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Linux %v (-want +got):\n%s", running, diff)
	}
}

// The kernel lets go of the rings that features and bugs are tried on. Where it
// cannot, one of its threads waits for that, for good.
func TestTrialsLeaveNothingInTheKernel(t *testing.T) {
	before := ringsThatEnd(t)
	for _, b := range bugs {
		if _, err := b.look(); err != nil && !errors.Is(err, ErrNotSupported) {
			t.Error(err)
		}
	}
	for _, p := range features {
		if err := p.Try(); err != nil && !errors.Is(err, ErrNotSupported) {
			t.Error(err)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left := ringsThatEnd(t)
		maps.DeleteFunc(left, func(thread string, _ bool) bool { return before[thread] })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the kernel still waits for rings to end: %v", left)
		}
	}
}

// ringsThatEnd returns the kernel's threads that wait for a ring to end.
func ringsThatEnd(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && strings.Contains(string(comm), "+iou_exit") {
			found[name] = true
		}
	}
	return found
}

func TestABugIsLookedForUntilThereIsAnAnswer(t *testing.T) {
	var calls int
	answers := []struct {
		answer string
		err    error
	}{{"", syscall.ENOMEM}, {"did wrong", nil}, {"not asked", nil}}
	b := &bug{name: "x", look: func() (string, error) {
		a := answers[calls]
		calls++
		return a.answer, a.err
	}}
	if _, err := b.check(); !errors.Is(err, syscall.ENOMEM) {
		t.Fatalf("first: got %v, want ENOMEM", err)
	}
	for range 2 {
		if answer, err := b.check(); answer != "did wrong" || err != nil {
			t.Fatalf("got %q, %v", answer, err)
		}
	}
	if calls != 2 {
		t.Errorf("looked %d times, want 2", calls)
	}
}

func TestABugOfAMissingFeatureIsNotSeen(t *testing.T) {
	b := &bug{name: "x", look: func() (string, error) { return "", feature.No(syscall.EINVAL) }}
	if answer, err := b.check(); answer != "" || err != nil {
		t.Fatalf("got %q, %v", answer, err)
	}
}

func TestABugSwitchesBundlesOff(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	p := &feature.Probe{Name: "bundles", Since: kernel.V(6, 10), Try: func() error {
		return bundlesUnless(
			&bug{name: "harmless", look: func() (string, error) { return "", nil }},
			&bug{name: "buffers shrink", look: func() (string, error) { return "cut a buffer", nil }})
	}}
	err := p.Check()
	if !errors.Is(err, ErrNotSupported) || !errors.Is(err, feature.ErrSwitchedOff) {
		t.Fatalf("got %v, want it switched off", err)
	}
	want := "uring: bundles not supported (needs Linux 6.10 or later): switched off: this kernel has a bug (buffers shrink): it cut a buffer"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestBundlesAreNeitherThereNorMissingWhileABugIsUnclear(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	p := &feature.Probe{Name: "x", Try: func() error {
		return bundlesUnless(&bug{name: "y", look: func() (string, error) { return "", syscall.EADDRNOTAVAIL }})
	}}
	if err := p.Check(); err == nil || errors.Is(err, ErrNotSupported) || !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatalf("got %v, want an unclear EADDRNOTAVAIL", err)
	}
}

// The order test must notice when the account is not what the kernel does.
func TestOrderTestNoticesASwappedBuffer(t *testing.T) {
	for _, incremental := range []bool{false, true} {
		t.Run(fmt.Sprintf("incremental=%v", incremental), func(t *testing.T) {
			testutil.Need(t, HaveSendBundles) // and so receive bundles, right or wrong
			if incremental {
				testutil.Need(t, HaveIncremental)
			}
			x := &orderTest{fds: [2]int{-1, -1}}
			defer x.close()
			if err := x.open(incremental); err != nil {
				t.Fatal(err)
			}
			order := x.br.order
			order[1], order[2] = order[2], order[1]
			x.br.bufs[1].pos, x.br.bufs[2].pos = 2, 1
			if answer, err := x.run(); answer == "" || err != nil {
				t.Fatalf("got %q, %v; want it to notice", answer, err)
			}
		})
	}
}

func TestOrderTestNoticesAWrongByte(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	x := &orderTest{fds: [2]int{-1, -1}}
	defer x.close()
	if err := x.open(false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(x.send(), x.recv()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.ring.SubmitAndWait(2); err != nil { // the first piece was sent and arrived
		t.Fatal(err)
	}
	x.data[500]++
	for c := range x.ring.Completions() {
		answer, err := x.handle(c)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(answer, "wrong bytes behind the first 0") {
			return
		}
	}
	t.Error("the changed byte was not noticed")
}

func TestCompareBufMore(t *testing.T) {
	for _, c := range []struct {
		flag, want bool
		answer     string
	}{
		{true, true, ""},
		{false, false, ""},
		{false, true, "a completion of 7 bytes came without the flag, and the buffer had room left"},
		{true, false, "a completion of 7 bytes came with the flag, and no room was left"},
	} {
		cqe := cgo.CQE{Res: 7}
		if c.flag {
			cqe.Flags = cgo.CQEFBufMore
		}
		if diff := cmp.Diff(c.answer, compareBufMore(cqe, c.want)); diff != "" {
			t.Errorf("flag %v, want %v: %s", c.flag, c.want, diff)
		}
	}
}

// A request that gets no completion must not hang the probe, nor leave
// anything behind.
func TestATrialEndsWithoutACompletion(t *testing.T) {
	before := openFDs(t)
	var x *trial
	err := onTrial(0, func(t *trial) error {
		x = t
		fd, _, err := t.pair(cgo.SockStream)
		if err != nil {
			return err
		}
		t.deadline = time.Now().Add(20 * time.Millisecond)
		_, err = t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: fd, Addr: t.data(), Len: 8})
		return err
	})
	if err != errNoAnswer {
		t.Errorf("got %v, want %v", err, errNoAnswer)
	}
	if x.running != 0 || x.mem.Len() != 0 {
		t.Errorf("%d requests run and %d bytes are mapped after the end, want none", x.running, x.mem.Len())
	}
	if diff := cmp.Diff(before, openFDs(t)); diff != "" {
		t.Errorf("descriptors before and after (-before +after):\n%s", diff)
	}
}

// Both completions of a zero-copy send are waited for before its memory goes.
func TestATrialWaitsForTheNotification(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	var x *trial
	err := onTrial(0, func(t *trial) error {
		x = t
		a, _, err := t.tcpPair()
		if err != nil {
			return err
		}
		c, err := t.do(cgo.SQE{Opcode: cgo.OpSendZC, FD: a, Addr: t.data(), Len: 8})
		if err != nil {
			return err
		}
		if c.Res != 8 || c.Flags&cgo.CQEFMore == 0 || t.running != 1 {
			return fmt.Errorf("result %d, flags %#x, %d running", c.Res, c.Flags, t.running)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if x.running != 0 || x.mem.Len() != 0 {
		t.Errorf("%d requests run and %d bytes are mapped after the end, want none", x.running, x.mem.Len())
	}
}
