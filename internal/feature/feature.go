// Package feature finds out what the kernel can do by trying it.
package feature

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/uring-go/uring/internal/kernel"
)

// ErrNotSupported is what every [MissingError] matches.
var ErrNotSupported = errors.New("not supported")

// No is the answer of a Try that found out why the feature is missing.
func No(why error) error { return no{why} }

type no struct{ why error }

func (n no) Error() string        { return n.why.Error() }
func (n no) Is(target error) bool { return target == ErrNotSupported }
func (n no) Unwrap() error        { return n.why }

// Unknown is the answer of a Try that could not find out, whichever errors why
// matches.
func Unknown(why error) error { return unknown{why} }

type unknown struct{ error }

func (u unknown) Unwrap() error { return u.error }

// IsUnknown reports whether err is, or wraps, what [Unknown] returns.
func IsUnknown(err error) bool { return errors.As(err, new(unknown)) }

// ErrSwitchedOff is matched by what [Off] returns.
var ErrSwitchedOff = errors.New("switched off")

// Off is the answer of a Try that found the feature, and a reason not to use it.
func Off(why string) error { return off{errors.New("switched off: " + why)} }

type off struct{ error }

func (off) Is(target error) bool { return target == ErrNotSupported || target == ErrSwitchedOff }

// A MissingError names what the kernel, or the library, lacks.
type MissingError struct {
	Feature string         // as in the documentation, such as "send bundles"
	Since   kernel.Version // the first mainline kernel that has it
	// Backports are the first patch levels of older stable kernels that have it.
	Backports []kernel.Version
	Cause     error // what the kernel answered, or why it was switched off; may be nil
}

// Error names the feature and what has it.
func (e *MissingError) Error() string {
	s := fmt.Sprintf("uring: %s not supported (needs Linux %s or later", e.Feature, e.Since)
	for _, v := range e.Backports {
		s += ", or " + v.String()
	}
	s += ")"
	if e.Cause != nil && e.Cause != ErrNotSupported {
		s += ": " + strings.ReplaceAll(e.Cause.Error(), "uring: ", "")
	}
	return s
}

// Is makes errors.Is(err, ErrNotSupported) true.
func (e *MissingError) Is(target error) bool { return target == ErrNotSupported }

// Expected reports whether kernel v should have the feature.
func (e *MissingError) Expected(v kernel.Version) bool {
	if !v.Less(e.Since) {
		return true
	}
	for _, b := range e.Backports {
		if v.Major == b.Major && v.Minor == b.Minor && !v.Less(b) {
			return true
		}
	}
	return false
}

// Unwrap returns the cause.
func (e *MissingError) Unwrap() error { return e.Cause }

// A Probe finds out once whether the kernel has a feature.
type Probe struct {
	Name  string
	Since kernel.Version
	// Backports are the first patch levels of older stable kernels that have
	// the feature too.
	Backports []kernel.Version
	// Advice says what to do where the feature is missing.
	Advice string
	// Try uses the feature. nil means yes, and an error that wraps
	// ErrNotSupported means no. Any other error, or one from Unknown, means
	// that Try could not find out.
	Try func() error

	mu      sync.Mutex
	done    bool
	verdict error
}

// Check returns nil if the kernel has the feature, a *MissingError if it lacks
// it, and another error if Try could not find out. It remembers only the first
// two.
func (p *Probe) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return p.verdict
	}
	err := p.try()
	switch {
	case err == nil:
		p.done = true
	case errors.Is(err, ErrNotSupported) && !IsUnknown(err):
		p.done, p.verdict = true, &MissingError{Feature: p.Name, Since: p.Since, Backports: p.Backports, Cause: err}
	default:
		return fmt.Errorf("uring: could not find out whether the kernel has %s: %w", p.Name, err)
	}
	return p.verdict
}

func (p *Probe) try() error {
	if forcedOff(p.Name) {
		return errForced
	}
	return p.Try()
}

var errForced = Off("URING_WITHOUT names it")

// forcedOff lets a new kernel take an old kernel's paths:
//
//	URING_WITHOUT="receive bundles,incremental buffers" go test ./...
func forcedOff(name string) bool {
	for n := range strings.SplitSeq(os.Getenv("URING_WITHOUT"), ",") {
		if n = strings.TrimSpace(n); n != "" && n == name {
			return true
		}
	}
	return false
}
