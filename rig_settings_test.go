//go:build linux

package uring

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// ringOf opens a ring that is closed when the test ends.
func ringOf(t *testing.T, c Config) *Ring {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// onOwner runs f with a ring on a thread that stays with it.
func onOwner(t *testing.T, c Config, f func(r *Ring)) {
	t.Helper()
	if err := Serve(c, func(r *Ring) error { f(r); return nil }); err != nil {
		t.Error(err)
	}
}

// one submits a request and returns the next completion, which must be its own.
func one(t *testing.T, r *Ring, prep func(s SQE)) CQE {
	t.Helper()
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	prep(s)
	s.UserData = 0xbeef
	c := next(t, r)
	if c.UserData != 0xbeef {
		t.Fatalf("completion of another request: %+v", c)
	}
	return c
}

// next submits, and returns the next completion.
func next(t *testing.T, r *Ring) CQE {
	t.Helper()
	if r.Ready() == 0 || r.Queued() > 0 {
		if _, err := r.SubmitAndWaitTimeout(1, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for c := range r.Completions() {
		return c
	}
	t.Fatal("no completion")
	return CQE{}
}

// none fails if there is a completion.
func none(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.GetEvents(); err != nil {
		t.Fatal(err)
	}
	for c := range r.Completions() {
		t.Errorf("unexpected completion %+v", c)
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v, want one with %q", err, text)
	}
}

// last is after for calls that return two things before the error.
func last[T, U any](_ T, _ U, err error) error { return err }

// closesWith sets how long Close waits.
func closesWith(t *testing.T, d time.Duration) {
	old := drainTime
	drainTime = d
	t.Cleanup(func() { drainTime = old })
}

// closesLater closes a ring whose kernel has let go, or soon will.
func closesLater(t *testing.T, r *Ring) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = r.Close(); err == nil {
			return
		}
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
	}
	t.Fatal(err)
}
