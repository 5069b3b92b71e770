package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const head = `# What of liburing there is in Go

Generated from the sources by ` + "`go generate`" + ` in the root folder; do not edit.

Functions and macros: %s.
%s.

A Go symbol covers a function or macro of liburing 2.15 when its doc comment names it, or a directive there. *Kernel since* is
the first Linux version in that comment; empty means every kernel that the package supports. *Tested* is found in the test
files of the root package:

- **oracle**: the method is in the table whose entries are compared byte for byte with those that liburing writes,
- **kernel**: a test or example that opens a ring uses it,
- **mock**: a test that puts a mock in the place of liburing uses it,
- **unit**: only tests that open no ring themselves use it,
- **–**: no test uses it by name.

Uses by functions that a test calls count as the test's if they are in test files, too. *Port* has the notes below that a
program carried over from C must heed.

`

// page is docs/parity.md.
func (r *report) page() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, head, r.counts(), strings.Replace(r.constantCounts(), "c", "C", 1))
	portTable(&b)
	r.functionTables(&b)
	r.opcodeTable(&b)
	r.needlessTable(&b)
	r.missingList(&b)
	r.constantTables(&b)
	return b.Bytes()
}

func (r *report) functionTables(b *bytes.Buffer) {
	b.WriteString("## Functions and macros\n")
	for _, group := range groups(r.functions, func(f function) string { return f.group }) {
		var rows []string
		for _, f := range r.functions {
			if f.group != group {
				continue
			}
			name := f.name
			for _, s := range r.claims[f.name] {
				rows = append(rows, row(code(name), code(s.name), s.since, orDash(s.tested), notesOf(name)))
				name = ""
			}
		}
		if rows != nil {
			fmt.Fprintf(b, "\n### %s\n\n", group)
			table(b, rows, "liburing", "Go", "kernel since", "tested", "port")
		}
	}
}

func portTable(b *bytes.Buffer) {
	b.WriteString("## What a port must know\n\n" +
		"Where something differs from C, or has another shape, as far as a program can notice. Tests of the root package show it.\n\n")
	var rows []string
	for i, n := range portNotes {
		var names []string
		for _, name := range strings.Fields(n.names) {
			names = append(names, code(name))
		}
		rows = append(rows, row(fmt.Sprint(i+1), strings.Join(names, " "), n.text, code(n.test)))
	}
	table(b, rows, "", "liburing", "here", "test")
	b.WriteString("\n")
}

// mostTrips is how many tests the table names for an opcode. There may be more.
const mostTrips = 2

func (r *report) opcodeTable(b *bytes.Buffer) {
	b.WriteString("\n## Opcodes\n\n" +
		"What makes a request with the opcode, and tests that make one on the kernel and look at what it did. Where the\n" +
		"kernel lacks the opcode, they check that it says so, or are skipped, which fails on a kernel that should have it.\n\n")
	var rows []string
	for _, c := range r.constants {
		if !c.isOpcode() {
			continue
		}
		var preps, trips []string
		for _, u := range c.users {
			if strings.HasPrefix(u, "SQE.Prep") {
				preps = append(preps, code(strings.TrimPrefix(u, "SQE.")))
			}
		}
		for _, t := range c.trips[:min(len(c.trips), mostTrips)] {
			trips = append(trips, code(t))
		}
		rows = append(rows, row(code(c.name), strings.Join(preps, ", "), strings.Join(trips, ", ")))
	}
	table(b, rows, "liburing", "Go", "tests on the kernel")
}

func (r *report) needlessTable(b *bytes.Buffer) {
	var rows []string
	for _, n := range notNeeded {
		var names []string
		for _, name := range strings.Fields(n.names) {
			names = append(names, code(name))
		}
		rows = append(rows, row(strings.Join(names, " "), n.because))
	}
	b.WriteString("\n## Not needed\n\n")
	table(b, rows, "liburing", "because")
}

func (r *report) missingList(b *bytes.Buffer) {
	missing := r.missing()
	if missing == nil {
		return
	}
	b.WriteString("\n## Missing\n\n")
	for _, f := range missing {
		fmt.Fprintf(b, "- %s (%s, liburing %s)\n", code(f.name), f.group, f.since)
	}
}

func (r *report) constantTables(b *bytes.Buffer) {
	b.WriteString("\n## Constants\n\n" +
		"Package `cgo` has every constant, from the header that it is compiled with. The last column has the exported\n" +
		"constants of the root package that are set to it, the symbols whose doc comment names it, and the functions and\n" +
		"methods that set or read it; *internal* means that other code of the root package does. Where there is none, it or\n" +
		"the head of the table says why.\n")
	for _, group := range groups(r.constants, func(c constant) string { return c.group }) {
		fmt.Fprintf(b, "\n### %s\n\n", group)
		if note := instead[group]; note != "" {
			fmt.Fprintf(b, "%s\n\n", note)
		}
		var rows []string
		for _, c := range r.constants {
			if c.group == group {
				rows = append(rows, row(code(c.name), c.value, code(c.raw), c.home()))
			}
		}
		table(b, rows, "liburing", "value", "package cgo", "package uring")
	}
}

// home says where the root package has a constant.
func (c constant) home() string {
	var names []string
	for _, n := range slices.Concat(c.typed, c.named, c.users) {
		if !slices.Contains(names, code(n)) {
			names = append(names, code(n))
		}
	}
	switch {
	case names != nil:
		return strings.Join(names, ", ")
	case c.used:
		return "internal"
	}
	return orDash(c.because)
}

// groups lists the groups of a list in the order in which they come.
func groups[T any](list []T, group func(T) string) []string {
	var names []string
	seen := map[string]bool{}
	for _, e := range list {
		if g := group(e); !seen[g] {
			seen[g] = true
			names = append(names, g)
		}
	}
	return names
}

func table(b *bytes.Buffer, rows []string, columns ...string) {
	b.WriteString(row(columns...))
	b.WriteString(strings.Repeat("| --- ", len(columns)) + "|\n")
	for _, r := range rows {
		b.WriteString(r)
	}
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func code(name string) string {
	if name == "" {
		return ""
	}
	return "`" + name + "`"
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
