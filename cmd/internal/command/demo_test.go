//go:build linux

package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestDemoRunsEveryModeByteExact(t *testing.T) {
	testutil.NeedLockedMemory(t, zcMemory)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, testBytes(1, 123_457), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	d := demo{ctx: context.Background(), out: &out, size: 1 << 20}
	if err := d.open(file); err != nil {
		t.Fatal(err)
	}
	if err := d.run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, r := range d.results {
		if r.skipped != nil {
			continue
		}
		if r.bytes < 1<<20 || r.bytes%123_457 != 0 {
			t.Errorf("%s: %d bytes, want the file often enough for 1 MiB", r.mode.name, r.bytes)
		}
		if r.proxy.received != uint64(r.bytes) || r.proxy.leftovers != 0 {
			t.Errorf("%s: proxy received %d of %d bytes, %d buffers did not come back", r.mode.name, r.proxy.received, r.bytes, r.proxy.leftovers)
		}
		if r.mode.name == "small incremental" && r.proxy.buffers*uint64(r.proxy.bufSize) > uint64(r.bytes) {
			t.Errorf("incremental buffers were used up %d times for %d bytes", r.proxy.buffers, r.bytes)
		}
	}
}

// Where too little memory may be locked for zero copy, the other modes run.
func TestDemoSkipsModesThatLackMemory(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	if !testutil.Confined(t, func() error { return errors.Join(testutil.LockAtMost(4<<20), testutil.AsNobody()) }) {
		return
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, testBytes(1, 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	d := demo{ctx: context.Background(), out: &out, size: 10_000}
	if err := d.open(file); err != nil {
		t.Fatal(err)
	}
	if err := d.run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if len(d.results) != len(demoModes) {
		t.Errorf("%d modes of %d", len(d.results), len(demoModes))
	}
	for _, r := range d.results {
		zeroCopy := strings.HasPrefix(r.mode.name, "zero copy")
		switch {
		case r.mode.needs() != nil: // not on this kernel
		case zeroCopy && !(errors.Is(r.skipped, syscall.ENOMEM) && strings.Contains(r.skipped.Error(), "RLIMIT_MEMLOCK")):
			t.Errorf("%s: not run because of %v", r.mode.name, r.skipped)
		case zeroCopy && !strings.Contains(out.String(), "not run: "+r.skipped.Error()):
			t.Errorf("the reason is not shown:\n%s", out.String())
		case !zeroCopy && (r.skipped != nil || r.bytes != 10_000 || !r.same):
			t.Errorf("%s: %v, %d bytes", r.mode.name, r.skipped, r.bytes)
		}
	}
}

func TestDemoThatCanRunNothingFails(t *testing.T) {
	d := demo{out: &strings.Builder{}, results: []demoResult{{mode: demoMode{name: "any"}, skipped: syscall.ENOMEM}}}
	if err := d.verdict(); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("verdict: %v", err)
	}
}

func TestDemoNoticesOtherBytes(t *testing.T) {
	m := demoMode{name: "broken", needs: always}
	d := demo{out: &strings.Builder{}, results: []demoResult{{mode: m, same: false}}}
	if err := d.verdict(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("verdict on other bytes: %v", err)
	}
}

func TestProxyRefusesFlagsThatDoNotGoTogether(t *testing.T) {
	ok := []string{"-listen", "127.0.0.1:0", "-to", "127.0.0.1:1"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-to", "127.0.0.1:1"}, "-listen is missing"},
		{[]string{"-listen", "127.0.0.1:0"}, "-to is missing"},
		{append(ok, "-buf-size", "31"), "want at least 32"},
		{append(ok, "-buf-size", "many"), "many"},
		{append(ok, "-bufs", "100"), "power of two"},
		{append(ok, "-recv", "both"), "multishot or single"},
		{append(ok, "-send", "all"), "zc-gather"},
		{append(ok, "-sqpoll", "-defer-taskrun"), "do not go together"},
		{append(ok, "-wait-batch", "4"), "-wait-usec"},
		{append(ok, "-wait-usec", "4"), "-wait-batch"},
		{append(ok, "-zc-always"), "-send zc"},
		{append(ok, "-queue", "0"), "-queue"},
		{append(ok, "-max-conns", "0"), "-max-conns"},
		{append(ok, "-colour"), "colour"},
		{append(ok, "extra"), "extra"},
	} {
		status, _, stderr := start(t, append([]string{"proxy"}, c.args...)...).end(t)
		if status != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("uring proxy %v: status %d, %q; want 2 and %q", c.args, status, stderr, c.want)
		}
	}
}
