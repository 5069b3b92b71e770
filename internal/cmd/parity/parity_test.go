//go:build linux && cgo

package main

import (
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

var inspectRoot = sync.OnceValues(func() (*report, error) { return inspect(root) })

func inspected(t *testing.T) *report {
	t.Helper()
	r, err := inspectRoot()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPageIsUpToDate(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(root, "docs", "parity.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(inspected(t).page()), string(got)); diff != "" {
		t.Errorf("docs/parity.md is stale; in the root folder, run\n\n\tgo generate -run parity .\n\n(-sources +page):\n%s", diff)
	}
}

func TestCommentsNameWhatLiburingHas(t *testing.T) {
	for _, w := range inspected(t).wrong {
		t.Error(w)
	}
}

func TestEveryConstantIsInCgo(t *testing.T) {
	r := inspected(t)
	if len(r.constants) != 270 {
		t.Errorf("%d constants, want 270", len(r.constants))
	}
	for _, c := range r.missingConstants() {
		t.Errorf("package cgo lacks %s = %s", c.name, c.value)
	}
}

func TestListsAreComplete(t *testing.T) {
	if n := len(functions()); n != 248 {
		t.Errorf("%d functions and macros, want 248", n)
	}
	if n := len(notNeeded); n > 12 {
		t.Errorf("%d reasons why something is not needed: that is too many", n)
	}
	for names := range instead {
		for _, name := range strings.Fields(names) {
			if !strings.Contains(constantList, "\t"+names+"\n") && !strings.Contains(constantList, "\n"+name+"\t") {
				t.Errorf("notneeded.go has a note on %q, which is no constant, and no group of them", name)
			}
		}
	}
}

// What the tool finds in sources of which everything is known.
func TestSymbolsOfKnownSources(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module " + module + "\n\ngo 1.24\n",
		"ring.go": `package uring

// A Ring is a ring.
type Ring struct {
	// Depth of it. See io_uring_sq_ready(3). Linux 5.19, or 6.1.
	Depth int
	hidden int // io_uring_nothing
}

// New opens one. See io_uring_queue_init(3) and io_uring_setup(2).
func New() *Ring { return &Ring{} }

// Submit submits. Linux 6.12. See io_uring_submit(3).
//
//uring:covers io_uring_smp_mb IORING_OP_NOP io_uring_smp_bm
func (r *Ring) Submit() {}

// Submit2 has io_uring_sumbit, a wrong name, and links to [Ring.Depth],
// [Ring.Width] and [syscall.Errno].
func (r *Ring) Submit2() {}

type Flags int

// The flags. See io_uring_sqe_set_flags(3).
const (
	Plain Flags = iota
	Other // of struct io_uring_sqe
)

type SQE struct{}

// PrepNop does nothing. See io_uring_prep_nop(3).
func (SQE) PrepNop() {}

type mockDriver struct{}
`,
		"ring_test.go": `package uring

import "testing"

type prepCase struct{ f func(SQE) }

var cases = []prepCase{{f: func(s SQE) { s.PrepNop() }}}

func TestOracle(t *testing.T) { _ = cases }

func TestMock(t *testing.T) { r := &Ring{}; _ = mockDriver{}; r.Submit() }

func open() *Ring { return New() }
`,
		"outside_test.go": `package uring_test

import "testing"

import "` + module + `"

func opened() *uring.Ring { return uring.New() }

func TestKernel(t *testing.T) { opened().Submit() }

func TestUnit(t *testing.T) { _ = uring.Ring{Depth: 1} }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := s.symbols()
	if err != nil {
		t.Fatal(err)
	}
	r := &report{functions: functions(), constants: []constant{{name: "IORING_OP_NOP"}}}
	r.claim(symbols)

	got := map[string]string{}
	for name, by := range r.claims {
		for _, s := range by {
			got[name] += strings.Join([]string{s.name, s.since, s.tested}, ";")
		}
	}
	want := map[string]string{
		"io_uring_queue_init":    "New;;kernel",
		"io_uring_submit":        "Ring.Submit;6.12;kernel, mock",
		"io_uring_smp_mb":        "Ring.Submit;6.12;kernel, mock",
		"io_uring_sq_ready":      "Ring.Depth;5.19;unit",
		"io_uring_sqe_set_flags": "Flags;;",
		"io_uring_prep_nop":      "SQE.PrepNop;;oracle",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	for _, sym := range symbols {
		want := map[string][]string{"Ring": {"TestKernel"}, "New": {"TestKernel"}, "Ring.Submit": {"TestKernel"}}[sym.name]
		if diff := cmp.Diff(want, sym.trips); diff != "" {
			t.Errorf("tests of %s on the kernel (-want +got):\n%s", sym.name, diff)
		}
	}
	wrong := []string{
		"the directive of Ring.Submit names io_uring_smp_bm, which liburing 2.15 does not have",
		"the comment of Ring.Submit2 links to Ring.Width, which is not there",
		"the comment of Ring.Submit2 names io_uring_sumbit, which is no function or macro of liburing 2.15",
	}
	if diff := cmp.Diff(wrong, r.wrong); diff != "" {
		t.Errorf("contradictions (-want +got):\n%s", diff)
	}
}

func TestClaims(t *testing.T) {
	known := map[string]bool{"io_uring_submit": true, "uring_likely": true}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"See io_uring_submit(3).", []string{"io_uring_submit"}},
		{"as io_uring_submit and\nio_uring_submit(3) do", []string{"io_uring_submit"}},
		{"See io_uring_submit(2).", nil},
		{"a struct io_uring_cqe", nil},
		{"kernel.io_uring_disabled is 1", nil},
		{"uring_likely, uring_maybe", []string{"uring_likely"}},
		{"io_uring_submitt or __io_uring_submit", []string{"io_uring_submitt", "__io_uring_submit"}},
	} {
		if diff := cmp.Diff(c.want, claimed(c.text, known)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestKernelOfComment(t *testing.T) {
	for text, want := range map[string]string{
		"It is fast. Linux 6.0, with Bundle 6.10.": "6.0",
		"That needs\nLinux 6.15; and more.":        "6.15",
		"Linux 6.1 is the oldest tested.":          "",
		"Linux 7.1, and 6.18.44 on.":               "7.1",
	} {
		if got := sinceKernel(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// An opcode that no test tries on the kernel is a contradiction.
func TestOpcodeWithoutATrip(t *testing.T) {
	r := &report{constants: []constant{
		{name: "IORING_OP_NOP", group: "opcodes", trips: []string{"TestNop"}},
		{name: "IORING_OP_READ", group: "opcodes"},
		{name: "IORING_OP_LAST", group: "opcodes"},
		{name: "IORING_SETUP_CLAMP", group: "setup flags"},
	}}
	r.checkTrips()
	if diff := cmp.Diff([]string{"no test makes a request with IORING_OP_READ on the kernel"}, r.wrong); diff != "" {
		t.Error(diff)
	}
}

// Notes for ports name what is there, in C and in Go, and a test that shows it.
func TestNotesForPortsAreChecked(t *testing.T) {
	r := &report{functions: []function{{name: "io_uring_submit"}}, constants: []constant{{name: "IORING_OP_NOP"}}}
	scope := types.NewScope(nil, 0, 0, "")
	scope.Insert(types.NewFunc(0, nil, "TestSubmit", nil))
	symbols := []symbol{{name: "Ring.Submit"}}
	r.checkPorts([]portNote{
		{"io_uring_submit IORING_OP_NOP", "Ring.Submit does it.", "TestSubmit"},
		{"io_uring_sumbit", "Ring.Sumbit does it.", "TestSumbit"},
	}, symbols, scope)
	want := []string{
		"ports.go names io_uring_sumbit, which liburing 2.15 does not have",
		"ports.go names Ring.Sumbit, which is not there",
		"ports.go names TestSumbit, which is no test",
	}
	if diff := cmp.Diff(want, r.wrong); diff != "" {
		t.Error(diff)
	}
	if len(portNotes) < 30 {
		t.Errorf("%d notes only", len(portNotes))
	}
}
