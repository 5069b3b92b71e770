package uring

import (
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// needs is [testutil.Need] for what has no Have function: lack is how the
// running kernel answered when the test tried it, nil if it has it.
func needs(tb testing.TB, what string, since kernel.Version, lack error) {
	tb.Helper()
	testutil.Need(tb, func() error {
		if lack == nil {
			return nil
		}
		return &feature.MissingError{Feature: what, Since: since, Cause: lack}
	})
}

// needsCall is needs for a call whose error says since when there is what it
// does.
func needsCall(tb testing.TB, err error) {
	tb.Helper()
	testutil.Need(tb, func() error { return err })
}

// needsCloseRingFD skips the test where a ring cannot do without its descriptor.
func needsCloseRingFD(t *testing.T) {
	t.Helper()
	g := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer})
	g.must(g.RegisterRingFD())
	needsCall(t, g.CloseRingFD())
}

// refusal returns the completion's error if it is one with which a kernel
// refuses what it does not know.
func refusal(c CQE) error {
	switch err := c.Err(); err {
	case syscall.EINVAL, syscall.EOPNOTSUPP:
		return err
	default:
		return nil
	}
}

// hasLinux says whether the running kernel is of version v or later, for tests
// that expect something else of older ones.
func hasLinux(tb testing.TB, v kernel.Version) bool {
	tb.Helper()
	running, err := kernel.Running()
	if err != nil {
		tb.Fatal(err)
	}
	return !running.Less(v)
}
