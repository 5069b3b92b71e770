//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
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

// needsLinux says whether a call must have worked: where the kernel, or the
// library, is older, the error must say so.
func needsLinux(t *testing.T, err error, v kernel.Version, minor int) bool {
	t.Helper()
	running, kerr := kernel.Running()
	if kerr != nil {
		t.Fatal(kerr)
	}
	if running.Less(v) || cgo.HeaderMajor == 2 && cgo.HeaderMinor < minor {
		equal(t, "the error is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
		if cgo.HeaderMinor >= minor {
			wantError(t, err, "needs Linux "+v.String())
		}
		return false
	}
	return true
}

// needBundles is for tests that receive bundles.
func needBundles(tb testing.TB, incremental bool) {
	tb.Helper()
	if incremental {
		testutil.Need(tb, HaveIncrementalBundles)
	} else {
		testutil.Need(tb, HaveBundles)
	}
}

// needSmallNoMMap skips the test where SetupNoMMap wants a huge page even for a
// small queue, as it does with older versions of liburing, and there is none.
func needSmallNoMMap(tb testing.TB) {
	tb.Helper()
	if !smallNoMMap() {
		tb.Skip("this liburing takes a huge page for the smallest queue, and none is reserved")
	}
}

// needsNopBig skips the test where requests that do nothing cannot fill a large
// completion.
func needsNopBig(t *testing.T) {
	t.Helper()
	r := newRig(t, Config{Entries: 4, Flags: SetupCQE32})
	nopBig(t, r.Ring, 1, 2, 3)
	if _, err := r.SubmitAndWait(1); err != nil {
		t.Fatal(err)
	}
	got := bigOnes(r.Ring)[0]
	lack := refusal(got.CQE)
	if lack == nil && got.Extra != [2]uint64{2, 3} {
		lack = fmt.Errorf("the completion is %+v", got)
	}
	needs(t, "large completions of no-op requests", kernel.V(6, 18), lack)
}

// needsRegions skips the test where no memory can be shared with the kernel.
func needsRegions(t *testing.T) {
	t.Helper()
	_, err := newRig(t, Config{Entries: 4}).RegisterRegion(RegionConfig{Size: os.Getpagesize()})
	needsCall(t, err)
}

// needsCloning skips the test where rings cannot share registered buffers.
func needsCloning(t *testing.T) {
	t.Helper()
	from := newRig(t, Config{Entries: 4})
	from.register(1)
	_, err := newRig(t, Config{Entries: 4}).CloneBuffersAt(from.Ring, 0, 0, 1)
	needsCall(t, err)
}

// needsResizing skips the test where queues keep their lengths.
func needsResizing(t *testing.T) {
	t.Helper()
	g := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun})
	needsCall(t, g.ResizeRings(8, 16))
}

// lacking is the probe of a feature that the kernel has not.
func lacking(name string, major, minor int) *feature.Probe {
	return &feature.Probe{Name: name, Since: kernel.V(major, minor), Try: func() error { return ErrNotSupported }}
}

func replaceProbe(tb testing.TB, at **feature.Probe, p *feature.Probe) {
	tb.Setenv("URING_WITHOUT", "") // p alone decides
	old := *at
	*at = p
	tb.Cleanup(func() { *at = old })
}

// refused fails the test unless err is errno and its text says what to do.
func refused(t *testing.T, what string, err error, errno syscall.Errno, advice string) {
	t.Helper()
	if !errors.Is(err, errno) || !strings.Contains(err.Error(), advice) {
		t.Errorf("%s: error is %v; want %v and advice with %q", what, err, errno, advice)
	}
}

// have asks for a flag by opening a ring with it, as a user would.
func have(flag SetupFlags) func() error {
	return func() error {
		c := Config{Entries: 8, Flags: flag}
		for _, rule := range setupRules {
			if c.Flags&rule.when == rule.when && c.Flags&rule.needs == 0 {
				c.Flags |= lowest(rule.needs)
			}
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		r, err := New(c)
		if err != nil {
			return err
		}
		return r.Close()
	}
}

func runningMeasured(t *testing.T) kernel.Version {
	t.Helper()
	running, err := runningPatch()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(measured, running) {
		t.Skipf("Linux %v may have more than its version promises", running)
	}
	return running
}

// droppedTablesPostTags is the first kernel that posts the tags of a table that
// is dropped as a whole.
var droppedTablesPostTags = kernel.V(6, 13)

// needOp skips the test if the kernel lacks the opcode, and fails it if the
// kernel is new enough to have it.
func (g *rig) needOp(op uint8, major, minor int) {
	g.Helper()
	ops := make([]uint8, 256)
	if rc := g.drv.Probe(ops); rc < 0 {
		g.Fatal(check("probe", rc))
	}
	if ops[op] == 0 {
		needs(g, fmt.Sprintf("opcode %d", op), kernel.V(major, minor), errors.New("the kernel does not list it"))
	}
}

// older says that the running kernel is older than this.
func (g *rig) older(major, minor int) bool {
	g.Helper()
	return !hasLinux(g, kernel.V(major, minor))
}

// library skips a test of what liburing has since a version.
func library(t *testing.T, minor int) {
	t.Helper()
	if cgo.HeaderMajor == 2 && cgo.HeaderMinor < minor {
		t.Skipf("needs liburing 2.%d", minor)
	}
}

// measured are kernels that were seen to have what the probes' versions say,
// and nothing else.
var measured = []kernel.Version{
	{Major: 6, Minor: 1, Patch: 176}, {Major: 6, Minor: 12, Patch: 43}, {Major: 6, Minor: 12, Patch: 107}, {Major: 6, Minor: 12, Patch: 117}, {Major: 6, Minor: 16, Patch: 12},
	{Major: 6, Minor: 17, Patch: 13}, {Major: 6, Minor: 18, Patch: 15},
	{Major: 6, Minor: 18, Patch: 44}, {Major: 6, Minor: 19, Patch: 14}, {Major: 7, Minor: 0, Patch: 13},
	{Major: 7, Minor: 1, Patch: 13}, {Major: 7, Minor: 2, Patch: 12}, {Major: 7, Minor: 3, Patch: 4},
}

// runningPatch is [kernel.Running], with the patch level that Debian's 6.1 leaves
// out of its release, such as 6.1.0-50-amd64, but not out of its version.
func runningPatch() (kernel.Version, error) {
	b, err := os.ReadFile("/proc/version")
	if err != nil {
		return kernel.Version{}, err
	}
	if _, version, ok := strings.Cut(string(b), " Debian "); ok {
		if v, err := kernel.Parse(version); err == nil {
			return v, nil
		}
	}
	return kernel.Running()
}

// seenOn lists the measured kernels that have each bug.
var seenOn = map[*bug][]string{
	bugShortened:        {"6.12.43", "6.16.12", "6.17.13", "6.18.15", "6.19.14"},
	bugOrder:            nil, // 6.13.11 to 6.14.11, by report
	bugIncrementalOrder: nil,
	bugIncrementalSteps: {"6.12.43"},
	bugBundleBufMore:    {"6.16.12", "6.17.13", "6.18.15", "6.19.14"},
	bugEOFBufMore:       {"6.16.12", "6.17.13", "6.18.15"},
	bugErrorBuffer:      {"6.12.43", "6.16.12", "6.17.13"},
	bugTrunc:            {"6.12.107", "6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13"},
	bugWaitAll:          {"6.12.107", "6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13", "7.2.12"},
	bugMissedEnd:        {"6.12.43", "6.12.107", "6.12.117", "6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13", "7.2.12", "7.3.4"},
	bugClone:            {"6.16.12", "6.17.13"},
	bugEventFD:          {"6.12.117"},
	bugLateCommand:      {"6.12.43", "6.12.117"},
	bugHeldZC:           {"6.16.12", "6.17.13", "6.18.15", "6.18.44", "6.19.14", "7.0.13", "7.1.13", "7.2.12", "7.3.4"},
	bugUncountedZC:      {"6.1.176", "6.12.43", "6.12.117"},
}

func lowest(f SetupFlags) SetupFlags { return f & -f }
