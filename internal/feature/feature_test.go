package feature

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/internal/kernel"
)

// answers returns a probe whose tries give errs one after the other, and a
// count of those used.
func answers(errs ...error) (*Probe, *int) {
	used := new(int)
	return &Probe{Name: "mind reading", Since: kernel.V(9, 1), Try: func() error {
		err := errs[*used]
		*used++
		return err
	}}, used
}

func TestYesIsRemembered(t *testing.T) {
	p, used := answers(nil, syscall.EIO)
	for range 2 {
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if *used != 1 {
		t.Errorf("tried %d times, want once", *used)
	}
}

func TestNoIsRemembered(t *testing.T) {
	for name, no := range map[string]error{
		"plain":      ErrNotSupported,
		"wrapped":    fmt.Errorf("wrapped: %w", ErrNotSupported),
		"with cause": No(syscall.EINVAL),
		"off":        Off("it loses data"),
	} {
		t.Run(name, func(t *testing.T) {
			p, used := answers(no, nil)
			for range 2 {
				err := p.Check()
				var missing *MissingError
				if !errors.Is(err, ErrNotSupported) || !errors.As(err, &missing) {
					t.Fatalf("got %v, want a *MissingError that matches ErrNotSupported", err)
				}
			}
			if *used != 1 {
				t.Errorf("tried %d times, want once", *used)
			}
		})
	}
}

func TestNoAnswerIsNotRemembered(t *testing.T) {
	p, _ := answers(syscall.EPERM, syscall.ENOMEM, nil)
	for _, want := range []error{syscall.EPERM, syscall.ENOMEM} {
		err := p.Check()
		if !errors.Is(err, want) || errors.Is(err, ErrNotSupported) {
			t.Fatalf("got %v, want %v and not ErrNotSupported", err, want)
		}
	}
	if err := p.Check(); err != nil {
		t.Fatalf("third: %v", err)
	}
}

func TestTriesDoNotOverlap(t *testing.T) {
	var tries, inside atomic.Int32
	p := &Probe{Try: func() error {
		if inside.Add(1) > 1 {
			t.Error("two tries at once")
		}
		defer inside.Add(-1)
		if tries.Add(1) < 3 {
			return syscall.EAGAIN
		}
		return nil
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_ = p.Check()
		}()
	}
	wg.Wait()
	if n := tries.Load(); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
}

func TestErrorTexts(t *testing.T) {
	backports := []kernel.Version{{Major: 9, Patch: 7}, {Major: 8, Minor: 3, Patch: 11}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&MissingError{Feature: "mind reading", Since: kernel.V(9, 1)},
			"uring: mind reading not supported (needs Linux 9.1 or later)"},
		{&MissingError{Feature: "mind reading", Since: kernel.V(9, 1), Cause: ErrNotSupported},
			"uring: mind reading not supported (needs Linux 9.1 or later)"},
		{&MissingError{Feature: "mind reading", Since: kernel.V(9, 1), Cause: No(syscall.EINVAL)},
			"uring: mind reading not supported (needs Linux 9.1 or later): invalid argument"},
		{&MissingError{Feature: "mind reading", Since: kernel.V(9, 1), Backports: backports, Cause: Off("it guesses")},
			"uring: mind reading not supported (needs Linux 9.1 or later, or 9.0.7, or 8.3.11): switched off: it guesses"},
	} {
		if diff := cmp.Diff(c.want, c.err.Error()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOnlyOffIsSwitchedOff(t *testing.T) {
	if err := error(&MissingError{Cause: Off("x")}); !errors.Is(err, ErrSwitchedOff) {
		t.Errorf("%v does not match ErrSwitchedOff", err)
	}
	if err := error(&MissingError{Cause: No(syscall.EINVAL)}); errors.Is(err, ErrSwitchedOff) || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("%v matches ErrSwitchedOff, or not EINVAL", err)
	}
}

func TestExpected(t *testing.T) {
	e := &MissingError{Since: kernel.V(7, 1), Backports: []kernel.Version{
		{Major: 7, Patch: 13}, {Major: 6, Minor: 18, Patch: 44},
	}}
	for s, want := range map[string]bool{
		"7.1": true, "7.1.0-rc3": true, "7.2.1": true, "8.0": true,
		"7.0.13": true, "7.0.14": true, "7.0.12": false,
		"6.18.44": true, "6.18.45-1-amd64": true, "6.18.43": false,
		"6.19.99": false, "6.12.107": false,
	} {
		v, err := kernel.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Expected(v); got != want {
			t.Errorf("%s: got %v, want %v", s, got, want)
		}
	}
}

func TestURINGWithout(t *testing.T) {
	for env, off := range map[string]bool{
		"": false, "mind": false, "mind reading": true, " mind reading ": true,
		"flying,mind reading": true, "mind reading and more": false,
	} {
		t.Run(env, func(t *testing.T) {
			t.Setenv("URING_WITHOUT", env)
			p, used := answers(nil)
			err := p.Check()
			if got := errors.Is(err, ErrSwitchedOff); got != off {
				t.Fatalf("got %v, want switched off: %v", err, off)
			}
			if off && *used != 0 {
				t.Error("tried a feature that is switched off")
			}
		})
	}
}
