//go:build linux

package core

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/sharing"
)

// watchSubmits notes of which submits Go's scheduler is told, until the test ends.
// Its cores must be closed by then.
func watchSubmits(t *testing.T) (told func() []bool) {
	t.Helper()
	submit := sharing.Submit
	t.Cleanup(func() { sharing.Submit = submit })
	var calls []bool
	sharing.Submit = func(ring any, tell bool) (int, error) {
		calls = append(calls, tell)
		return submit(ring, tell)
	}
	return func() []bool { defer func() { calls = nil }(); return calls }
}

// The scheduler is told of a submit unless all its requests are short, and they
// are few and move little.
func TestSchedulerIsToldOfLongSubmits(t *testing.T) {
	told := watchSubmits(t)
	core := open(t, Config{Depth: 4 * mostUntold})
	core.trust = trust{} // until the first submit that happens to take long
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, test := range []struct {
		name     string
		n, bytes int
		long     int // requests that are not short
		want     bool
	}{
		{"one", 1, 100, 0, false},
		{"several", 10, 100, 0, false},
		{"one that is not short", 10, 100, 1, true},
		{"many", mostUntold + 1, 1, 0, true},
		{"much", 2, mostUntoldBytes, 0, true},
		{"one again", 1, 100, 0, false},
	} {
		core.trust = trust{}
		var list []*Request
		for i := range test.n {
			r := Get()
			r.Class, r.FD, r.Buf, r.Short = Disk, fd(f), make([]byte, test.bytes), i >= test.long
			r.Prep = func(s uring.SQE, r *Request) error { s.PrepRead(r.FD, r.Buf, 0); return nil }
			list = append(list, r)
		}
		core.RunAll(context.Background(), list)
		if got := told(); !slices.Contains(got, test.want) || slices.Contains(got, !test.want) {
			t.Errorf("%s: told of submits: %v, want only %v", test.name, got, test.want)
		}
		for _, r := range list {
			if n, err := r.Result(); err != nil || n != min(100, test.bytes) {
				t.Errorf("%s: read %d, %v", test.name, n, err)
			}
			r.Free()
		}
	}
}

// After a submit that took long the scheduler is told of the next, of more each
// time, until one is short again.
func TestTrustFollowsHowLongSubmitsTake(t *testing.T) {
	var q trust
	for _, want := range []int{1, 3, 7, 15, 31, 63, 127, 127} {
		q.took(longSubmit)
		if q.told != want {
			t.Errorf("told of %d submits, want %d", q.told, want)
		}
	}
	q.told = 0
	q.took(longSubmit - time.Nanosecond)
	q.took(longSubmit)
	if q.told != 1 {
		t.Errorf("told of %d submits after a short and a long one, want 1", q.told)
	}
}
