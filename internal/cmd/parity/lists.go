package main

import (
	_ "embed"
	"slices"
	"strings"
)

//go:embed liburing-2.15.tsv
var functionList string

//go:embed constants-2.15.tsv
var constantList string

// A function is a public function or macro of liburing.
type function struct {
	name  string
	kind  string // lib, inline or macro
	group string
	since string // the first release that has it
}

func functions() []function {
	var list []function
	for _, f := range rows(functionList) {
		list = append(list, function{name: f[0], kind: f[1], group: f[2], since: f[3]})
	}
	return list
}

// because returns why programs do without a constant, "" if nothing says so.
func because(name string) string {
	for names, reason := range instead {
		if slices.Contains(strings.Fields(names), name) {
			return reason
		}
	}
	return ""
}

// rows splits a table into its fields, without the head.
func rows(table string) [][]string {
	var list [][]string
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		list = append(list, strings.Split(line, "\t"))
	}
	return list
}
