//go:build linux

package uring

import (
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

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
