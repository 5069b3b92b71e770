//go:build linux

package main

import (
	"fmt"
	"io"
	"sort"
	"sync"
)

// A tally counts what was seen.
type tally struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// A local is a tally of one round, which needs no lock.
type local map[string]uint64

func (t *tally) add(l local) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]uint64{}
	}
	for name, n := range l {
		t.counts[name] += n
	}
}

func (t *tally) get(name string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[name]
}

func (t *tally) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name := range t.counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "%12d %s\n", t.counts[name], name)
	}
}
