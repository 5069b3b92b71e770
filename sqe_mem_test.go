//go:build linux && cgo

package uring

import (
	"strings"
	"testing"
)

// Once every place in the queue has had a path or vector of some length, those
// that are no longer need no memory.
func TestKeptMemoryIsUsedAgain(t *testing.T) {
	b := newBench(t)
	long, short := strings.Repeat("p", 4000), "short"
	parts := [][]byte{b.mem[:10], b.mem[20:30]}
	request := func(path string) {
		for _, prep := range []func(SQE) error{
			func(s SQE) error { return s.PrepRenameat(AtFDCWD, path, AtFDCWD, path, 0) },
			func(s SQE) error { return s.PrepReadv(0, parts, 0, 0) },
		} {
			s, err := b.r.NextSQE()
			if err != nil {
				t.Fatal(err)
			}
			if err := prep(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range b.r.q.SQEntries() {
		request(long)
	}
	if n := testing.AllocsPerRun(100, func() { request(short) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
