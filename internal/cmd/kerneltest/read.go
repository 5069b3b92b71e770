package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A kernelRun is what one kernel did.
type kernelRun struct {
	Release  string // such as 6.12.43+deb12-amd64
	Version  string // of Debian's package, such as 6.12.43-1~bpo12+1
	Probe    probe
	Programs []program
	Said     []string // lines of the kernel that tell of a fault
	Done     bool     // the machine got to the end
}

// A probe is what "uring probe -json" prints, as far as it is needed here.
type probe struct {
	Kernel   string
	Features []struct {
		Name, Since, Reason string
		Have                answer
	}
	Bugs []struct {
		Name, Answer string
		Seen         answer
	}
}

// An answer is "yes", "no" or "unknown": true, false or null in JSON.
type answer string

// UnmarshalJSON is for package json.
func (a *answer) UnmarshalJSON(b []byte) error {
	said, ok := map[string]answer{"true": "yes", "false": "no", "null": "unknown"}[string(b)]
	if !ok {
		return fmt.Errorf("%s is neither true nor false nor null", b)
	}
	*a = said
	return nil
}

// A program is a test program's run.
type program struct {
	Name   string
	Status string
	Tests  []test
	// Output is what it printed outside of tests.
	Output string
	Time   float64
}

// A test is one test, or one subtest.
type test struct {
	Name   string
	Action string // pass, fail or skip
	Output string
	Time   float64
}

// read reads a file of results: lines that start with @@, and between them what
// the programs printed.
func read(file string) (*kernelRun, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &kernelRun{}
	var name string
	var body bytes.Buffer
	for line := range bytes.Lines(b) {
		mark, ok := bytes.CutPrefix(line, []byte("@@ "))
		if !ok {
			body.Write(line)
			continue
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(string(mark)), " ")
		switch word {
		case "kernel":
			if r.Release == "" {
				r.Release, _, _ = strings.Cut(rest, " ")
				_, rest, _ = strings.Cut(rest, "Debian ")
				r.Version, _, _ = strings.Cut(rest, " ")
			} else {
				r.Said = append(r.Said, strings.TrimPrefix(rest, "said "))
			}
		case "start":
			name = rest
			body.Reset()
		case "end":
			_, status, _ := strings.Cut(rest, " ")
			if err := r.add(name, status, body.Bytes()); err != nil {
				return nil, err
			}
			name = ""
		case "done":
			r.Done = true
		}
	}
	if name != "" { // the machine stopped within it
		return r, r.add(name, "never ended", body.Bytes())
	}
	return r, nil
}

// add takes the output of a program.
func (r *kernelRun) add(name, status string, output []byte) error {
	if name == "probe" {
		if err := json.Unmarshal(output, &r.Probe); err != nil {
			return fmt.Errorf("uring probe, status %s: %w in %q", status, err, output)
		}
		return nil
	}
	p := program{Name: name, Status: status}
	cmd := exec.Command("go", "tool", "test2json", "-t")
	cmd.Stdin = bytes.NewReader(output)
	cmd.Stderr = os.Stderr
	events, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go tool test2json: %w", err)
	}
	if err := p.take(events); err != nil {
		return err
	}
	r.Programs = append(r.Programs, p)
	return nil
}

// take reads the events of test2json. A test that never ended failed.
func (p *program) take(events []byte) error {
	outputs := map[string]*strings.Builder{}
	var running []string
	for d := json.NewDecoder(bytes.NewReader(events)); ; {
		var e struct {
			Action, Test, Output string
			Elapsed              float64
		}
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		out := outputs[e.Test]
		if out == nil {
			out = &strings.Builder{}
			outputs[e.Test] = out
		}
		switch e.Action {
		case "run":
			running = append(running, e.Test)
		case "output":
			if !strings.HasPrefix(e.Output, "=== ") {
				out.WriteString(e.Output)
			}
		case "pass", "fail", "skip":
			if e.Test != "" {
				running = slices.DeleteFunc(running, func(name string) bool { return name == e.Test })
				p.Tests = append(p.Tests, test{e.Test, e.Action, out.String(), e.Elapsed})
				p.Time += top(e.Test) * e.Elapsed
			}
		}
	}
	for _, name := range running {
		p.Tests = append(p.Tests, test{name, "fail", outputs[name].String(), 0})
	}
	if out := outputs[""]; out != nil {
		p.Output = out.String()
	}
	return nil
}

// top is 1 for a test and 0 for a subtest, whose time is the test's too.
func top(name string) float64 {
	if strings.Contains(name, "/") {
		return 0
	}
	return 1
}
