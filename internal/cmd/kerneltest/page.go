package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const intro = `# What kernels have

Written by ` + "`make test-kernels`" + `, which boots kernels of Debian in QEMU and runs ` + "`uring probe`" + ` and the tests there.
Every feature was tried; nothing is guessed from a version. The tests compare this page with the versions that the
package's errors name. "bug" is a feature that the package switches off, as a bug of the kernel would lose data.
`

// write returns the page about runs.
func write(runs []*kernelRun) []byte {
	var b bytes.Buffer
	b.WriteString(intro)
	b.WriteString("\n## Features\n\n")
	row(&b, "feature", "since Linux", runs, name)
	row(&b, "---", "---", runs, func(*kernelRun) string { return "---" })
	for i, f := range runs[0].Probe.Features {
		row(&b, f.Name, f.Since, runs, func(r *kernelRun) string {
			if strings.Contains(r.Probe.Features[i].Reason, "this kernel has a bug") {
				return "bug"
			}
			return string(r.Probe.Features[i].Have)
		})
	}
	b.WriteString("\n## Bugs\n\n`uring probe` looks for these, and says what follows for a program. " +
		"A kernel that lacks what a bug is in does not have the bug. " +
		"It does not look for one that would cost a ring for good: see SQE.PrepPollUpdate.\n\n")
	row(&b, "bug", "", runs, name)
	row(&b, "---", "---", runs, func(*kernelRun) string { return "---" })
	for i, bug := range runs[0].Probe.Bugs {
		row(&b, bug.Name, "", runs, func(r *kernelRun) string {
			return map[answer]string{"yes": "**seen**", "no": "no", "unknown": "unknown"}[r.Probe.Bugs[i].Seen]
		})
	}
	if !slices.ContainsFunc(runs, func(r *kernelRun) bool { return len(r.Programs) > 0 }) {
		return b.Bytes() // they were only asked what they have
	}
	b.WriteString("\n## Tests\n\nIn short mode, subtests included. A test is skipped under \"lacking\" where the kernel lacks what it tests: that was " +
		"tried, and the error names the kernel which has it. \"else\" are tests for long runs and other builds.\n\n")
	if slices.ContainsFunc(runs, func(r *kernelRun) bool { return len(r.Programs) == 0 }) {
		b.WriteString("Kernels without a row were only asked what they have.\n\n")
	}
	b.WriteString("| kernel | passed | failed | lacking | else |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range runs {
		if len(r.Programs) == 0 {
			continue // only asked what it has
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", name(r), r.count("pass"), r.count("fail"),
			r.skipped(missing), r.skipped(noKernel)+r.skipped(untyped))
	}
	return b.Bytes()
}

// row writes a row with a cell for each run.
func row(b *bytes.Buffer, name, since string, runs []*kernelRun, cell func(*kernelRun) string) {
	cells := []string{name, since}
	for _, r := range runs {
		cells = append(cells, cell(r))
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func name(r *kernelRun) string { return r.version().String() }
