package main

import (
	"fmt"
	"strings"
)

// A target is a bound on the ratio of one cell's value to another's.
type target struct {
	what        string
	experiment  string
	group       string
	points      []string // nil is all
	value       string
	peer        string
	reference   string // what it is a ratio to, if not empty; its group is refGroup, or group
	refGroup    string
	least, most float64
}

const (
	callbacks   = "this package, callbacks"
	byCoroutine = "this package, coroutines"
	byGoroutine = "this package, goroutines"
)

// targets are what the package is measured by.
func targets() (all []target) {
	for _, mode := range []string{"default ring", "single issuer, deferred work"} {
		for _, t := range []struct {
			batch string
			most  float64
		}{{"1", 1.30}, {"8", 1.15}, {"32", 1.05}, {"128", 1.00}} {
			all = append(all, target{what: "no-op, " + mode + ", over C", experiment: "nop", group: mode,
				points: []string{t.batch}, value: "cpu_ns", peer: "this package", reference: "C liburing", most: t.most})
		}
		all = append(all, target{what: "no-op, " + mode + ", over giouring", experiment: "nop", group: mode,
			value: "cpu_ns", peer: "this package", reference: "giouring", most: 1})
	}
	const theirs, ours = "proxy.c -u1 -C1 -c1", "-recv-bundle -send bundle"
	all = append(all,
		target{what: "proxy, bundles, MB/s over proxy.c", experiment: "proxy", group: "bundles", value: "mbps", peer: ours, reference: theirs, least: 0.97},
		target{what: "proxy, bundles, CPU for a GB over proxy.c", experiment: "proxy", group: "bundles", value: "cpu_s_per_gb", peer: ours, reference: theirs, most: 1.03},
		target{what: "proxy, no bundles, MB/s over proxy.c", experiment: "proxy", group: "one buffer at a time", value: "mbps", peer: "-send queue", reference: "proxy.c -u1", least: 0.97},
		target{what: "proxy, bundles over no bundles of proxy.c, MB/s", experiment: "proxy", group: "bundles", points: []string{"32"}, value: "mbps", peer: ours, reference: "proxy.c -u1", refGroup: "one buffer at a time", least: 30},
		target{what: "gathered zero-copy sends, CPU for a MB over one send for each block", experiment: "zc", group: blocks, points: []string{"4 KiB"}, value: "cpu_us_per_mb", peer: "sendmsg_zc fixed", reference: "send_zc fixed", most: 0.60},
		target{what: "gathered zero-copy sends, requests for 4 blocks", experiment: "zc", group: blocks, value: "requests", peer: "sendmsg_zc fixed", most: 1},
		target{what: "gathered zero-copy sends, notifications for 4 blocks", experiment: "zc", group: blocks, value: "notifications", peer: "sendmsg_zc fixed", most: 1},
		target{what: "buffer bytes used up for a byte received, incremental", experiment: "buffers", group: messages, value: "used_per_byte", peer: "incremental", most: 1},
		target{what: "buffer bytes used up, classic over incremental", experiment: "buffers", group: messages, value: "used_per_byte", peer: "classic", reference: "incremental", least: 10000},
	)
	for _, t := range []struct {
		conns string
		most  float64
	}{{"1", 1.15}, {"64", 1.02}, {"512", 1.02}} {
		all = append(all, target{what: "echo, callbacks, CPU for a request over C", experiment: "echo", group: "echo",
			points: []string{t.conns}, value: "cpu_us", peer: callbacks, reference: "C liburing", most: t.most})
	}
	for _, peer := range []string{byCoroutine, byGoroutine} {
		all = append(all, target{what: "echo, " + style(peer) + ", CPU for a request over C", experiment: "echo", group: "echo",
			points: []string{"64"}, value: "cpu_us", peer: peer, reference: "C liburing", most: 1.10})
	}
	for _, peer := range []string{callbacks, byCoroutine, byGoroutine} {
		all = append(all, target{what: "echo, " + style(peer) + ", CPU for a request over package net", experiment: "echo", group: "echo",
			value: "cpu_us", peer: peer, reference: "package net", most: 1})
	}
	return append(all, fileTargets()...)
}

// style is how an echo server with this package is written.
func style(peer string) string { return strings.TrimPrefix(peer, "this package, ") }

// scoreboard writes how the targets were met.
func (b *bench) scoreboard(page *strings.Builder, done []*experiment) {
	fmt.Fprintf(page, "\n## Targets\n\nWhat is over another is a ratio, the median of the rounds' own.\n\n| what | at | target | measured | met |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, t := range targets() {
		for _, e := range done {
			if e.name == t.experiment {
				b.score(page, e, t)
			}
		}
	}
	for _, e := range done {
		if e.name == "proxy" {
			b.scoreBest(page, e)
		}
	}
}

// scoreBest compares the fastest mode of ours with the fastest of proxy.c.
func (b *bench) scoreBest(page *strings.Builder, e *experiment) {
	for _, point := range e.points("bundles") {
		var ours, theirs float64
		for _, c := range e.cells {
			s, ok := e.spread(c, c.peer, "mbps", b.disturbed)
			switch {
			case !ok || c.point != point || c.group == netGroup:
			case strings.HasPrefix(c.peer, "proxy.c"):
				theirs = max(theirs, s.median)
			default:
				ours = max(ours, s.median)
			}
		}
		if theirs > 0 {
			row(page, "proxy, fastest mode over that of proxy.c, medians of MB/s", point, target{least: 1}, ours/theirs)
		}
	}
}

func (b *bench) score(page *strings.Builder, e *experiment, t target) {
	points := t.points
	if points == nil {
		points = e.points(t.group)
	}
	for _, point := range points {
		ratio, ok := e.ratio(t, point, b.disturbed)
		if !ok {
			continue
		}
		row(page, t.what, point, t, ratio)
	}
}

func row(page *strings.Builder, what, point string, t target, ratio float64) {
	bound, met := fmt.Sprintf("≤ %.2f", t.most), ratio <= t.most
	if t.least > 0 {
		bound, met = "≥ "+digits(t.least), ratio >= t.least
	}
	answer := "yes"
	if !met {
		answer = "**no**"
	}
	fmt.Fprintf(page, "| %s | %s | %s | %s | %s |\n", what, point, bound, digits(ratio), answer)
}

// ratio returns the median of the rounds' ratios of a target, or of their
// values.
func (e *experiment) ratio(t target, point string, limit float64) (float64, bool) {
	group := t.refGroup
	if group == "" {
		group = t.group
	}
	var all []float64
	for round := range e.rounds {
		v, _, ok := e.value(t.group, point, t.peer, t.value, round, limit)
		ref, has := 1.0, true
		if t.reference != "" {
			ref, _, has = e.value(group, point, t.reference, t.value, round, limit)
		}
		if ok && has && ref != 0 {
			all = append(all, v/ref)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	return median(all), true
}
