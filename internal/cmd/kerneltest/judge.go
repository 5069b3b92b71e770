package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/uring-go/uring/internal/kernel"
)

// lacks is how a MissingError reads: what the kernel lacks, and since when
// kernels have it.
var lacks = regexp.MustCompile(`uring: .* not supported \(needs Linux \d+\.\d+`)

// other are reasons to skip a test that do not depend on the kernel.
var other = regexp.MustCompile(`short mode|needs -tags uring_debug|run by Test\w+|the kernel has every flag|no loop device to be had|no device can be made slow|it was over before|lacks loop devices: open /dev/loop-control: no such file|lacks the C examples: |` +
	`needs the program \S+:|the kernel has no \w+ now, and there is no mkfs|may not make a control group|cannot slow a disk down|the file system has no direct I/O|` +
	`Linux \S+ may have more than its version promises`)

// A why is the kind of reason for which a test was skipped.
type why int

const (
	untyped  why = iota
	missing      // the kernel lacks something, which was tried
	noKernel     // it is not about kernels
)

func (t test) why() why {
	switch {
	case lacks.MatchString(t.Output):
		return missing
	case other.MatchString(t.Output):
		return noKernel
	}
	return untyped
}

// version is the kernel's. Some releases have no patch level in their name;
// Debian's version, which the kernel tells too, always has.
func (r *kernelRun) version() kernel.Version {
	for _, s := range []string{r.Version, r.Release} {
		if v, err := kernel.Parse(s); err == nil {
			return v
		}
	}
	return kernel.Version{}
}

// warns are faults that the kernel itself warns of, and that do no harm here.
var warns = regexp.MustCompile(`WARNING: .* at io_uring/kbuf.h:146 io_recv_finish`) // 6.12.43

// reason is the last line of a skipped test.
func (t test) reason() string {
	s := "no reason"
	for line := range strings.Lines(t.Output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "---") {
			_, s, _ = strings.Cut(line, ": ")
		}
	}
	return s
}

func (r *kernelRun) count(action string) (n int) {
	for _, p := range r.Programs {
		for _, t := range p.Tests {
			if t.Action == action {
				n++
			}
		}
	}
	return n
}

// skipped counts the tests that were skipped for a kind of reason.
func (r *kernelRun) skipped(w why) (n int) {
	for _, p := range r.Programs {
		for _, t := range p.Tests {
			if t.Action == "skip" && t.why() == w {
				n++
			}
		}
	}
	return n
}

func (r *kernelRun) time() (sum float64) {
	for _, p := range r.Programs {
		sum += p.Time
	}
	return sum
}

// wrong lists the faults of a run.
func (r *kernelRun) wrong() []string {
	var list []string
	if !r.Done {
		list = append(list, "the machine did not get to the end")
	}
	for _, line := range r.Said {
		if !warns.MatchString(line) {
			list = append(list, "the kernel said: "+line)
		}
	}
	for _, f := range r.Probe.Features {
		if f.Have == "unknown" {
			list = append(list, fmt.Sprintf("uring probe does not know of %s: %s", f.Name, f.Reason))
		}
	}
	for _, p := range r.Programs {
		list = append(list, p.wrong()...)
	}
	return list
}

func (p program) wrong() []string {
	var list []string
	if p.Status != "0" {
		list = append(list, fmt.Sprintf("%s: exit status %s\n%s", p.Name, p.Status, indent(p.Output)))
	}
	for _, t := range p.Tests {
		switch {
		case t.Action == "fail":
			list = append(list, fmt.Sprintf("%s %s failed after %.1f s\n%s", p.Name, t.Name, t.Time, indent(t.Output)))
		case t.Action == "skip" && t.why() == untyped:
			list = append(list, fmt.Sprintf("%s %s was skipped without a typed reason: %s", p.Name, t.Name, t.reason()))
		}
	}
	return list
}

// summary is what people read of a run.
func (r *kernelRun) summary() string {
	var s strings.Builder
	skipped := map[string]int{}
	for _, p := range r.Programs {
		for _, t := range p.Tests {
			if t.Action == "skip" {
				skipped[t.reason()]++
			}
		}
	}
	reasons := make([]string, 0, len(skipped))
	for reason := range skipped {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		fmt.Fprintf(&s, "    skipped %d: %s\n", skipped[reason], reason)
	}
	for _, line := range r.wrong() {
		fmt.Fprintf(&s, "  WRONG: %s\n", line)
	}
	fmt.Fprintf(&s, "Linux %s: %d passed, %d failed, %d skipped (subtests included), in %.0f s\n",
		r.Release, r.count("pass"), r.count("fail"), r.count("skip"), r.time())
	return s.String()
}

func indent(s string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n      ")
}
