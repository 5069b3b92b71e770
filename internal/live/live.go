// Package live counts what must be closed: rings, buffer rings, arenas. Tests
// fail, and programs report, when something is left.
package live

import (
	"fmt"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
)

var (
	mu     sync.Mutex
	open   = map[any]entry{}
	traced bool
)

type entry struct {
	kind  string
	stack string
}

// Trace makes Report say where each object was opened. Call it before any is.
func Trace() { traced = true }

// Opened notes that obj exists from now on.
func Opened(kind string, obj any) {
	e := entry{kind: kind}
	if traced {
		e.stack = string(debug.Stack())
	}
	mu.Lock()
	defer mu.Unlock()
	open[obj] = e
}

// Closed notes that obj is gone.
func Closed(obj any) {
	mu.Lock()
	defer mu.Unlock()
	delete(open, obj)
}

// Counts returns how many objects of each kind are open.
func Counts() map[string]int {
	mu.Lock()
	defer mu.Unlock()
	n := map[string]int{}
	for _, e := range open {
		n[e.kind]++
	}
	return n
}

// Report lists what is open, one line a kind, and with Trace where it was
// opened. It is empty if nothing is.
func Report() string {
	counts := Counts()
	var lines []string
	for kind, n := range counts {
		lines = append(lines, fmt.Sprintf("%d %s never closed", n, kind))
	}
	sort.Strings(lines)
	mu.Lock()
	defer mu.Unlock()
	for _, e := range open {
		if e.stack != "" {
			lines = append(lines, e.kind+" opened at:\n"+e.stack)
		}
	}
	return strings.Join(lines, "\n")
}
