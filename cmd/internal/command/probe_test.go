package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring"
)

type outcome struct {
	status         int
	stdout, stderr string
}

func runProgram(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestProgram(t *testing.T) {
	t.Run("misuse is one sentence and status 2", func(t *testing.T) {
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"fly"}, `uring: there is no command "fly"; uring -h lists them` + "\n"},
			{[]string{"probe", "-fly"}, "uring probe: flag provided but not defined: -fly; uring probe -h lists the flags\n"},
			{[]string{"probe", "fly"}, `uring probe: unexpected argument "fly"; uring probe -h lists the flags` + "\n"},
		} {
			got := runProgram(t, program(c.args...))
			if diff := cmp.Diff(outcome{2, "", c.want}, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("%v: %s", c.args, diff)
			}
		}
	})

	t.Run("no command prints usage and status 2", func(t *testing.T) {
		got := runProgram(t, program())
		if got.status != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "usage: uring ") {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("help lists every command and every command has help", func(t *testing.T) {
		got := runProgram(t, program("-h"))
		if got.status != 0 || got.stderr != "" {
			t.Errorf("got %+v", got)
		}
		for _, c := range commands {
			if !strings.Contains(got.stdout, "  "+c.name+" ") || !strings.Contains(got.stdout, c.summary) {
				t.Errorf("%s is not in\n%s", c.name, got.stdout)
			}
			help := runProgram(t, program(c.name, "-h"))
			if help.status != 0 || help.stderr != "" || !strings.HasPrefix(help.stdout, "usage: uring "+c.name) {
				t.Errorf("%s -h: %+v", c.name, help)
			}
		}
	})
}

func TestProbe(t *testing.T) {
	t.Run("names every feature and bug", func(t *testing.T) {
		got := runProgram(t, program("probe"))
		if got.status != 0 || got.stderr != "" {
			t.Errorf("got %+v", got)
		}
		for _, f := range uring.Features() {
			if !strings.Contains(got.stdout, "\n"+f.Name+"  ") {
				t.Errorf("%q is missing", f.Name)
			}
		}
		for _, b := range uring.KernelBugs() {
			if !strings.Contains(got.stdout, "\n"+b.Name+"  ") {
				t.Errorf("%q is missing", b.Name)
			}
		}
	})

	t.Run("says why and what to do", func(t *testing.T) {
		cmd := program("probe")
		cmd.Env = append(cmd.Env, "URING_WITHOUT=zero-copy send")
		got := runProgram(t, cmd)
		want := "\nzero-copy send\n" +
			"    why not:    uring: zero-copy send not supported (needs Linux 6.0 or later): switched off: URING_WITHOUT names it\n" +
			"    without it: send with a copy\n"
		if got.status != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("status %d, no %q in\n%s", got.status, want, got.stdout)
		}
	})

	t.Run("without incremental buffers", func(t *testing.T) {
		cmd := program("probe", "-json")
		cmd.Env = append(cmd.Env, "URING_WITHOUT=incremental buffers")
		have := map[string]answer{}
		for _, f := range decode(t, runProgram(t, cmd)).Features {
			have[f.Name] = f.Have
		}
		for _, name := range []string{"incremental buffers", "receive bundles into incremental buffers"} {
			if have[name] != "no" {
				t.Errorf("%s: %q, want no", name, have[name])
			}
		}
	})
}

func TestHelpForOneCommandIsItsOwn(t *testing.T) {
	if a, b := runProgram(t, program("help", "probe")), runProgram(t, program("probe", "-h")); a != b {
		t.Errorf("help probe: %+v, probe -h: %+v", a, b)
	}
}

func TestVersionTellsLiburings(t *testing.T) {
	got := runProgram(t, program("version"))
	_, linked := uring.LiburingVersion()
	if got.status != 0 || !strings.HasPrefix(got.stdout, "uring ") || !strings.Contains(got.stdout, "liburing "+linked) {
		t.Errorf("got %+v", got)
	}
}

func TestProbeWhereNoRingCanBeOpened(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	defer restore()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	r := newReport()
	restore()

	for _, write := range []func(report, io.Writer) error{report.print, report.summary, report.json, report.shortJSON} {
		var out bytes.Buffer
		if status := r.show(&out, write); status != 1 {
			t.Errorf("status %d, want 1", status)
		}
		if !strings.Contains(out.String(), "open ring: too many open files") {
			t.Errorf("no reason in\n%s", out.String())
		}
	}
	if r.Usable || len(r.Features) > 0 || len(r.Bugs) > 0 {
		t.Errorf("got %+v", r)
	}
}

// decode reads what probe -json printed, and nothing but that.
func decode(t *testing.T, o outcome) (r report) {
	t.Helper()
	if o.status != 0 || o.stderr != "" {
		t.Errorf("got status %d and %q, want 0 and nothing", o.status, o.stderr)
	}
	d := json.NewDecoder(strings.NewReader(o.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v\n%s", err, o.stdout)
	}
	return r
}

func TestAnswersAreBooleansInJSON(t *testing.T) {
	for a, want := range map[answer]string{yes: "true", no: "false", unknown: "null"} {
		b, err := json.Marshal(feature{Have: a})
		if err != nil || !strings.Contains(string(b), `"have":`+want) {
			t.Errorf("%s is %s, %v", a, b, err)
		}
		var back feature
		if err := json.Unmarshal(b, &back); err != nil || back.Have != a {
			t.Errorf("%s reads back as %q, %v", b, back.Have, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"have":"yes"}`), &feature{}); err == nil {
		t.Error("text was taken for an answer")
	}
}

func TestShortReportInJSON(t *testing.T) {
	cmd := program("probe", "-short", "-json")
	cmd.Env = append(cmd.Env, "URING_WITHOUT=zero-copy send")
	got := runProgram(t, cmd)
	var r shortReport
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.status != 0 {
		t.Fatalf("status %d, %v: %s", got.status, err, got.stdout)
	}
	if !r.Usable || r.Kernel != uring.KernelVersion() || r.Features != len(uring.Features()) || !slices.Contains(r.Missing, "zero-copy send") {
		t.Errorf("got %+v", r)
	}
}

func TestReportIsWhatThePackageSays(t *testing.T) {
	r := newReport()
	header, linked := uring.LiburingVersion()
	if diff := cmp.Diff(liburing{header, linked}, r.Liburing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(uring.KernelVersion(), r.Kernel); diff != "" {
		t.Error(diff)
	}
	for i, f := range uring.Features() {
		want := map[bool]answer{true: yes, false: no}[f.Err == nil]
		if got := r.Features[i]; got.Name != f.Name || got.Have != want || (got.Reason == "") != (f.Err == nil) {
			t.Errorf("got %+v, want %+v", got, f)
		}
	}
	for i, b := range uring.KernelBugs() {
		want := map[bool]answer{true: yes, false: no}[b.Seen]
		if got := r.Bugs[i]; got.Name != b.Name || got.Seen != want || got.Answer != b.Answer {
			t.Errorf("got %+v, want %+v", got, b)
		}
	}
}

func TestDescribe(t *testing.T) {
	f := uring.Feature{Name: "x", Since: "9.1", Advice: "walk"}
	for _, c := range []struct {
		err  error
		want feature
	}{
		{nil, feature{Name: "x", Since: "9.1", Have: "yes"}},
		{uring.ErrNotSupported, feature{Name: "x", Since: "9.1", Have: "no", Reason: "not supported", Advice: "walk"}},
		{errors.New("forbidden"), feature{Name: "x", Since: "9.1", Have: "unknown", Reason: "forbidden"}},
	} {
		f.Err = c.err
		if diff := cmp.Diff(c.want, describe(f)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDescribeBug(t *testing.T) {
	for _, c := range []struct {
		bug  uring.KernelBug
		want bug
	}{
		{uring.KernelBug{Name: "x", Consequence: "none"}, bug{Name: "x", Seen: "no"}},
		{uring.KernelBug{Name: "x", Consequence: "none", Seen: true, Answer: "fell"}, bug{Name: "x", Seen: "yes", Answer: "fell", Consequence: "none"}},
		{uring.KernelBug{Name: "x", Consequence: "none", Err: errors.New("forbidden")}, bug{Name: "x", Seen: "unknown", Answer: "forbidden"}},
	} {
		if diff := cmp.Diff(c.want, describeBug(c.bug)); diff != "" {
			t.Error(diff)
		}
	}
}

// Programs rely on the keys. Add some, but rename none.
func TestJSONKeys(t *testing.T) {
	r := report{
		Kernel: "9.1.2", Liburing: liburing{Header: "2.9", Linked: "2.15"}, Reason: "why",
		Features: []feature{{Name: "f", Since: "9.1", Have: "no", Reason: "r", Advice: "a"}},
		Files:    "by io_uring",
		Bugs:     []bug{{Name: "b", Seen: "yes", Answer: "w", Consequence: "c"}},
		Limits: limits{Memlock: "8192", NoFile: "unlimited", IOUringDisabled: "0", Seccomp: "filter",
			User: 7, NoNewPrivs: true, Capabilities: []string{"IPC_LOCK"}},
		Rights: []right{{"r", "h", "a"}},
	}
	var out bytes.Buffer
	if err := r.json(&out); err != nil {
		t.Fatal(err)
	}
	want := `{
  "kernel": "9.1.2",
  "liburing": {
    "header": "2.9",
    "linked": "2.15"
  },
  "usable": false,
  "reason": "why",
  "files": "by io_uring",
  "features": [
    {
      "name": "f",
      "since": "9.1",
      "have": false,
      "reason": "r",
      "advice": "a"
    }
  ],
  "bugs": [
    {
      "name": "b",
      "seen": true,
      "answer": "w",
      "consequence": "c"
    }
  ],
  "limits": {
    "memlock": "8192",
    "nofile": "unlimited",
    "io_uring_disabled": "0",
    "seccomp": "filter",
    "user": 7,
    "no_new_privs": true,
    "capabilities": [
      "IPC_LOCK"
    ]
  },
  "rights": [
    {
      "name": "r",
      "here": "h",
      "advice": "a"
    }
  ]
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLimits(t *testing.T) {
	const table = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max locked memory         8388608              unlimited            bytes     \n" +
		"Max open files            1024                 524288               files     \n"
	for name, want := range map[string]string{"Max locked memory": "8388608", "Max open files": "1024", "Max fame": ""} {
		if got := softLimit(table, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for status, want := range map[string]string{
		"Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0": "off", "Seccomp:\t1": "strict", "Seccomp:\t2": "filter", "Name:\tx": "",
	} {
		if got := seccompMode(status); got != want {
			t.Errorf("%q: got %q, want %q", status, got, want)
		}
	}
	here := readLimits()
	if slices.Contains([]string{here.Memlock, here.NoFile, here.Seccomp}, "") { // the sysctl came with Linux 6.6
		t.Errorf("some limits could not be read: %+v", here)
	}
}
