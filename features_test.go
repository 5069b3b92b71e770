//go:build linux

package uring

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// fresh returns a probe that has not been asked yet.
func fresh(p *feature.Probe) *feature.Probe {
	return &feature.Probe{Name: p.Name, Since: p.Since, Backports: p.Backports, Advice: p.Advice, Try: p.Try}
}

// needsConfig are features that a kernel may be built without.
var needsConfig = []*feature.Probe{probeNAPI}

func TestKernelHasWhatItsVersionPromises(t *testing.T) {
	for _, p := range features {
		t.Run(p.Name, func(t *testing.T) {
			if slices.Contains(needsConfig, p) && errors.Is(p.Check(), ErrNotSupported) {
				t.Skip(p.Check())
			}
			testutil.Need(t, p.Check)
		})
	}
}

func TestKernelHasNoMoreThanItsVersionPromises(t *testing.T) {
	running := runningMeasured(t)
	for _, p := range features {
		expected := (&feature.MissingError{Since: p.Since, Backports: p.Backports}).Expected(running)
		if err := p.Check(); err == nil && !expected {
			t.Errorf("%s: the probe says yes on Linux %v, but it came with %v", p.Name, running, p.Since)
		}
	}
}

// docs/kernels.md, which is written by booting kernels, has what the probes' versions
// say: nothing on an older kernel that is no backport, everything on a newer one.
func TestVersionsAgreeWithKernelsThatWereRun(t *testing.T) {
	rows := kernelTable(t, "feature")
	for _, p := range features {
		row, ok := rows[p.Name]
		if !ok {
			t.Errorf("%s is not in docs/kernels.md: make test-kernels", p.Name)
			continue
		}
		if row[""] != since(p) {
			t.Errorf("%s: since %s, in docs/kernels.md %s", p.Name, since(p), row[""])
		}
		missing := &feature.MissingError{Since: p.Since, Backports: p.Backports}
		for version, have := range row {
			if version == "" {
				continue
			}
			v, err := kernel.Parse(version)
			if err != nil {
				t.Fatal(err)
			}
			if (have != "no") != missing.Expected(v) {
				t.Errorf("%s since %s: Linux %s says %q", p.Name, since(p), version, have)
			}
		}
	}
}

func TestBugsAgreeWithKernelsThatWereRun(t *testing.T) {
	rows := kernelTable(t, "bug")
	for _, b := range bugs {
		row, ok := rows[b.name]
		if !ok {
			t.Errorf("%s is not in docs/kernels.md: make test-kernels", b.name)
		}
		for version, seen := range row {
			if want := slices.Contains(seenOn[b], version); version != "" && (seen == "**seen**") != want {
				t.Errorf("%s: Linux %s says %q, want seen %v", b.name, version, seen, want)
			}
		}
	}
}

// kernelTable reads a table of docs/kernels.md: for each name the cells by
// kernel, and under "" the cell that says since when.
func kernelTable(t *testing.T, first string) map[string]map[string]string {
	t.Helper()
	b, err := os.ReadFile("docs/kernels.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n| "+first+" |")
	if !ok {
		t.Fatalf("no table of %ss", first)
	}
	text, _, _ = strings.Cut("| "+first+" |"+text, "\n\n")
	rows := map[string]map[string]string{}
	var versions []string
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch {
		case i == 0:
			versions = cells[2:]
		case i > 1:
			row := map[string]string{"": cells[1]}
			for j, v := range versions {
				row[v] = cells[2+j]
			}
			rows[cells[0]] = row
		}
	}
	if len(versions) < 5 || len(rows) < 5 {
		t.Fatalf("read %d kernels and %d %ss of docs/kernels.md", len(versions), len(rows), first)
	}
	return rows
}

// Flags, opcodes and results that no kernel knows.
func TestProbesSayNo(t *testing.T) {
	future := kernel.V(99, 0)
	for name, p := range map[string]*feature.Probe{
		"send flag": sendProbe("x", future, "", func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSendZC, Addr: t.data(), Len: 8, IOPrio: 1 << 15}
		}),
		"accept flag": acceptProbe("x", future, "", cgo.SQE{IOPrio: 1 << 15}),
		"opcode":      opProbe("x", future, 255, ""),
		"setup flag":  setupProbe(1<<31, ""),
		"feature":     featureBit("x", future, 1<<31, ""),
		"group flag":  trialProbe("x", future, "", func(t *trial) error { return t.group(1<<15, 0) }),
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.Check(); !errors.Is(err, ErrNotSupported) || errors.Is(err, feature.ErrSwitchedOff) {
				t.Fatalf("got %v, want ErrNotSupported", err)
			}
		})
	}
}

func TestEveryHaveIsInFeatures(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "features.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	have := map[string]string{} // probe -> function
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if strings.HasPrefix(n.Name.Name, "Have") {
				have[calledProbe(t, n)] = n.Name.Name
				if !strings.Contains(n.Doc.Text(), "Linux ") {
					t.Errorf("the comment of %s names no kernel", n.Name.Name)
				}
			}
			return false
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				if id, ok := e.(*ast.Ident); ok {
					listed[id.Name] = true
				}
			}
		}
		return true
	})
	if len(have) < 20 || len(listed) != len(features) {
		t.Fatalf("found %d Have functions and %d of %d features: the test does not read the file right", len(have), len(listed), len(features))
	}
	for probe, function := range have {
		if !listed[probe] {
			t.Errorf("%s asks %s, which is not in Features", function, probe)
		}
	}
}

// calledProbe returns x of a function that consists of "return x.Check()".
func calledProbe(t *testing.T, f *ast.FuncDecl) string {
	t.Helper()
	if len(f.Body.List) == 1 {
		if ret, ok := f.Body.List[0].(*ast.ReturnStmt); ok && len(ret.Results) == 1 {
			if call, ok := ret.Results[0].(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Check" {
					return sel.X.(*ast.Ident).Name
				}
			}
		}
	}
	t.Errorf("%s is not just the Check of a probe", f.Name.Name)
	return ""
}

func TestFeaturesAreNamedExplainedAndDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Features() {
		switch {
		case f.Name == "" || f.Since == "" || f.Advice == "":
			t.Errorf("incomplete: %+v", f)
		case seen[f.Name]:
			t.Errorf("%q is there twice", f.Name)
		case strings.Contains(f.Name, ","):
			t.Errorf("%q has a comma, which separates names in URING_WITHOUT", f.Name)
		}
		seen[f.Name] = true
	}
	// A misspelt name would make a run without a feature a run with it.
	for name := range strings.SplitSeq(os.Getenv("URING_WITHOUT"), ",") {
		if name = strings.TrimSpace(name); name != "" && !seen[name] {
			t.Errorf("URING_WITHOUT names %q, which is no feature", name)
		}
	}
}

func TestSinceListsBackports(t *testing.T) {
	if diff := cmp.Diff("7.1, 7.0.13, 6.18.44, 6.12.107", since(probeMinLeft)); diff != "" {
		t.Error(diff)
	}
}

func TestURINGWithoutSwitchesEachFeatureOff(t *testing.T) {
	for _, p := range features {
		t.Run(p.Name, func(t *testing.T) {
			t.Setenv("URING_WITHOUT", "something else, "+p.Name)
			err := fresh(p).Check()
			if !errors.Is(err, ErrNotSupported) {
				t.Fatalf("got %v, want ErrNotSupported", err)
			}
			for _, want := range []string{p.Name, p.Since.String(), "URING_WITHOUT"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}

func TestProbesLeaveNothingOpen(t *testing.T) {
	before := openFDs(t)
	for _, p := range features {
		if err := fresh(p).Check(); err != nil && !errors.Is(err, ErrNotSupported) {
			t.Error(err)
		}
	}
	for _, b := range bugs {
		if _, err := b.look(); err != nil && !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s: %v", b.name, err)
		}
	}
	if diff := cmp.Diff(before, openFDs(t)); diff != "" {
		t.Errorf("descriptors before and after (-before +after):\n%s", diff)
	}
}

func TestProbesMayBeAskedAtOnce(t *testing.T) {
	probes := make([]*feature.Probe, len(features))
	for i, p := range features {
		probes[i] = fresh(p)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i, p := range probes {
				if got, want := p.Check() == nil, features[i].Check() == nil; got != want {
					t.Errorf("%s: %v, but before it was %v", p.Name, got, want)
				}
			}
		}()
	}
	wg.Wait()
}

func BenchmarkHave(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := HaveSendZC(); err != nil {
			b.Fatal(err)
		}
	}
}

// featSince says which kernels set which flags.
var featSince = []struct {
	flag  FeatFlags
	name  string
	since kernel.Version
}{
	{FeatSingleMMap, "FeatSingleMMap", kernel.V(5, 4)},
	{FeatNodrop, "FeatNodrop", kernel.V(5, 5)},
	{FeatSubmitStable, "FeatSubmitStable", kernel.V(5, 5)},
	{FeatRWCurPos, "FeatRWCurPos", kernel.V(5, 6)},
	{FeatCurPersonality, "FeatCurPersonality", kernel.V(5, 6)},
	{FeatFastPoll, "FeatFastPoll", kernel.V(5, 7)},
	{FeatPoll32bits, "FeatPoll32bits", kernel.V(5, 9)},
	{FeatSQPollNonfixed, "FeatSQPollNonfixed", kernel.V(5, 11)},
	{FeatExtArg, "FeatExtArg", kernel.V(5, 11)},
	{FeatNativeWorkers, "FeatNativeWorkers", kernel.V(5, 12)},
	{FeatRsrcTags, "FeatRsrcTags", kernel.V(5, 13)},
	{FeatCQESkip, "FeatCQESkip", kernel.V(5, 17)},
	{FeatLinkedFile, "FeatLinkedFile", kernel.V(5, 17)},
	{FeatRegRegRing, "FeatRegRegRing", kernel.V(6, 3)},
	{FeatRecvSendBundle, "FeatRecvSendBundle", kernel.V(6, 10)},
	{FeatMinTimeout, "FeatMinTimeout", kernel.V(6, 12)},
	{FeatRWAttr, "FeatRWAttr", kernel.V(6, 14)},
	{FeatNoIowait, "FeatNoIowait", kernel.V(6, 15)},
}

func TestRingHasTheFeaturesOfItsKernel(t *testing.T) {
	running, err := kernel.Running()
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range featSince {
		if r.Features()&f.flag == 0 && !running.Less(f.since) {
			t.Errorf("Linux %v has no %s, of Linux %v; it has %v", running, f.name, f.since, r.Features())
		}
	}
}

func TestFeatFlagsSayTheirNames(t *testing.T) {
	for _, f := range featSince {
		equal(t, f.name, f.flag.String(), f.name)
	}
	equal(t, "none", FeatFlags(0).String(), "0x0")
	equal(t, "several, one of them unknown", (FeatNodrop | FeatExtArg | 1<<30).String(), "FeatNodrop|FeatExtArg|0x40000000")
}
