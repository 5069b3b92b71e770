package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A table shows one of the values of an experiment, a table for each group.
type table struct {
	title  string
	value  string
	scale  float64 // 0 is 1
	plain  bool    // a count, not a timing: no range and no ratio
	groups []string
}

// report writes the results: a page, the raw figures and the plots.
func (b *bench) report(done []*experiment, took time.Duration) error {
	if err := os.MkdirAll(filepath.Join(b.out, "plots"), 0o755); err != nil {
		return err
	}
	var page strings.Builder
	b.head(&page, took)
	b.scoreboard(&page, done)
	for _, e := range done {
		b.section(&page, e)
		if err := b.draw(e); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(b.out, "RESULTS.md"), []byte(page.String()), 0o644); err != nil {
		return err
	}
	fmt.Print(page.String())
	if err := writeJSON(filepath.Join(b.out, "results.json"), done); err != nil {
		return err
	}
	return writeCSV(filepath.Join(b.out, "results.csv"), done)
}

// draw draws the plots of an experiment.
func (b *bench) draw(e *experiment) error {
	for _, c := range e.plots {
		if err := e.plot(c, b.disturbed, filepath.Join(b.out, "plots", c.file+".svg")); err != nil {
			return err
		}
	}
	return nil
}

// drawAgain draws the plots from the samples of an earlier run.
func (b *bench) drawAgain() error {
	data, err := os.ReadFile(filepath.Join(b.out, "results.json"))
	if err != nil {
		return err
	}
	var all []sample
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, make := range experiments {
		e := make(b)
		e.rounds = 0
		for _, s := range all {
			if s.Experiment == e.name {
				e.samples, e.rounds = append(e.samples, s), max(e.rounds, s.Round+1)
			}
		}
		if err := b.draw(e); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) head(page *strings.Builder, took time.Duration) {
	fmt.Fprintf(page, "# Results\n\nWritten by `make bench`; do not edit. The raw figures of every sample are in `results.json` and `results.csv`.\n\n")
	fmt.Fprintf(page, "| | |\n| --- | --- |\n")
	row := func(what, is string) { fmt.Fprintf(page, "| %s | %s |\n", what, is) }
	row("processors", fmt.Sprintf("%d × %s", b.cores.n, fileLine("/proc/cpuinfo", "model name")))
	row("memory", fileLine("/proc/meminfo", "MemTotal"))
	row("kernel", strings.TrimSpace(readFile("/proc/sys/kernel/osrelease")))
	row("liburing", b.liburing)
	row("Go", runtime.Version())
	row("C compiler", firstLine("gcc", "--version"))
	row("network", "loopback in a namespace of its own, congestion control "+strings.TrimSpace(readFile(congestionControl)))
	row("commit", firstLine("git", "-C", b.root, "rev-parse", "--short", "HEAD"))
	row("took", took.Round(time.Second).String())
	if b.quick {
		row("note", "a quick run: few, short samples")
	}
	fmt.Fprintf(page, `
Peers take turns, round by round. A cell is the median of the rounds, [the smallest – the largest], and × the median of the
rounds' ratios to the first column; ratios say more than the figures, and differences of a few percent say nothing. What is
measured runs on a processor of its own, the load on the rest. A sample during which others used more than %.0f %% of a
processor is measured again, up to %d times, and the quietest counts; samples that stayed above that are counted below
each table as disturbed.
`, b.disturbed*100, attempts)
}

func (b *bench) section(page *strings.Builder, e *experiment) {
	fmt.Fprintf(page, "\n## %s\n\n", e.title)
	for _, n := range e.notes {
		fmt.Fprintf(page, "- %s\n", n)
	}
	for _, err := range e.failures {
		line, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(page, "- FAILED: %s\n", line)
	}
	for _, t := range e.tables {
		for _, group := range e.groups() {
			if len(t.groups) == 0 || slices.Contains(t.groups, group) {
				b.table(page, e, t, group)
			}
		}
	}
	for _, c := range e.plots {
		fmt.Fprintf(page, "\n![%s](plots/%s.svg)\n", c.title, c.file)
	}
}

func (b *bench) table(page *strings.Builder, e *experiment, t table, group string) {
	peers := e.peers(group)
	fmt.Fprintf(page, "\n**%s: %s**\n\n| | %s |\n|%s\n", group, t.title, strings.Join(peers, " | "), strings.Repeat(" ---: |", len(peers)+1))
	samples, disturbed := 0, 0
	for _, point := range e.points(group) {
		fmt.Fprintf(page, "| %s |", point)
		for i, peer := range peers {
			s, ok := e.spread(cell{group: group, point: point, peer: peer}, peers[0], t.value, b.disturbed)
			if !ok {
				fmt.Fprint(page, " |")
				continue
			}
			fmt.Fprintf(page, " %s |", t.format(s, i > 0))
			samples += s.n
			disturbed += s.disturbed
		}
		fmt.Fprintln(page)
	}
	if disturbed > 0 && !t.plain {
		fmt.Fprintf(page, "\n%d of %d samples were disturbed.\n", disturbed, samples)
	}
}

func (t table) format(s spread, ratio bool) string {
	k := t.scale
	if k == 0 {
		k = 1
	}
	text := digits(s.median * k)
	if t.plain {
		return text
	}
	text += fmt.Sprintf(" [%s – %s]", digits(s.min*k), digits(s.max*k))
	if ratio && s.ratio > 0 {
		text += fmt.Sprintf(" ×%.2f", s.ratio)
	}
	return text
}

// digits writes three significant digits, or all before the point.
func digits(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

func writeJSON(file string, done []*experiment) error {
	var all []sample
	for _, e := range done {
		all = append(all, e.samples...)
	}
	data, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func writeCSV(file string, done []*experiment) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	_ = w.Write([]string{"experiment", "group", "point", "peer", "round", "others_cpu", "attempts", "value", "is"})
	for _, e := range done {
		for _, s := range e.samples {
			for _, name := range slices.Sorted(maps.Keys(s.Values)) {
				_ = w.Write([]string{s.Experiment, s.Group, s.Point, s.Peer, strconv.Itoa(s.Round),
					fmt.Sprintf("%.3f", s.Disturbed), strconv.Itoa(s.Attempts), name, fmt.Sprint(s.Values[name])})
			}
		}
	}
	w.Flush()
	return w.Error()
}

func readFile(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return string(data)
}

// fileLine returns what a file has after the name and a colon.
func fileLine(file, name string) string {
	for line := range strings.Lines(readFile(file)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
