package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRightsSayWhatToDo(t *testing.T) {
	fine := limits{Memlock: "unlimited", NoFile: "1024", IOUringDisabled: "0", Seccomp: "off"}
	with := func(change func(*limits)) limits { l := fine; change(&l); return l }
	for name, c := range map[string]struct {
		limits limits
		usable bool
		right  string // the one that is judged
		here   string
		advice string // part of it; "" if no right may have any
	}{
		"nothing in the way": {fine, true, "seccomp", "off", ""},
		"a filter that allows": {with(func(l *limits) { l.Seccomp = "filter" }), true,
			"seccomp", "a filter that allows io_uring", ""},
		"a filter that forbids": {with(func(l *limits) { l.Seccomp = "filter" }), false,
			"seccomp", "a filter that forbids io_uring", "--security-opt seccomp=docker/seccomp.json"},
		"a filter, before Linux 6.6": {with(func(l *limits) { l.Seccomp, l.IOUringDisabled = "filter", "" }), false,
			"seccomp", "a filter that forbids io_uring", "io_uring_setup"},
		"no setting": {with(func(l *limits) { l.IOUringDisabled = "" }), true,
			"kernel.io_uring_disabled", "not there (it came with Linux 6.6)", ""},
		"disabled for others": {with(func(l *limits) { l.IOUringDisabled = "1" }), true,
			"kernel.io_uring_disabled", "1", ""},
		"disabled for this user": {with(func(l *limits) { l.IOUringDisabled, l.Seccomp = "1", "filter" }), false,
			"kernel.io_uring_disabled", "1", "kernel.io_uring_group"},
		"disabled for all": {with(func(l *limits) { l.IOUringDisabled = "2" }), false,
			"kernel.io_uring_disabled", "2", "on the host"},
		"little memory": {with(func(l *limits) { l.Memlock = "8388608" }), true,
			"locked memory", "8388608 bytes", "--ulimit memlock=-1"},
		"enough memory": {with(func(l *limits) { l.Memlock = "67108864" }), true,
			"locked memory", "67108864 bytes", ""},
		"a capability instead": {with(func(l *limits) { l.Memlock, l.Capabilities = "65536", []string{"IPC_LOCK"} }), true,
			"locked memory", "any amount, with CAP_IPC_LOCK", ""},
		"capabilities": {with(func(l *limits) { l.Capabilities = []string{"NET_ADMIN", "SYS_ADMIN"} }), true,
			"capabilities", "NET_ADMIN, SYS_ADMIN", ""},
		"no new privileges": {with(func(l *limits) { l.User, l.NoNewPrivs = 7, true }), true,
			"user", "7, without a way to new privileges", ""},
		"nothing known": {limits{}, true, "locked memory", "unknown", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range rights(c.limits, c.usable) {
				if r.Name != c.right {
					if r.Advice != "" {
						t.Errorf("advice for %s: %s", r.Name, r.Advice)
					}
					continue
				}
				if r.Here != c.here || !strings.Contains(r.Advice, c.advice) || (c.advice == "") != (r.Advice == "") {
					t.Errorf("got %+v, want %q and advice with %q", r, c.here, c.advice)
				}
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	for status, want := range map[string][]string{
		"CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000000": {},
		"Name:\tx\nCapEff:\t0000000000004000\n":                {"IPC_LOCK"},
		"CapEff:\t000001ffffffffff":                            {"NET_ADMIN", "IPC_LOCK", "SYS_ADMIN"},
		"":                                                     {},
	} {
		if diff := cmp.Diff(want, capabilities(status)); diff != "" {
			t.Errorf("%q: %s", status, diff)
		}
	}
}

func TestSummaryIsOneScreen(t *testing.T) {
	got := runProgram(t, program("probe", "-short"))
	if got.status != 0 || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
	if n := strings.Count(got.stdout, "\n"); n > 24 {
		t.Errorf("%d lines:\n%s", n, got.stdout)
	}
	for _, want := range []string{"\nio_uring  ", "\nseccomp  ", "\nkernel.io_uring_disabled  ", "\nlocked memory  ", "\nfeatures  "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
}
