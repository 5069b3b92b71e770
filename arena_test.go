//go:build linux

package uring

import (
	"os"
	"strings"
	"sync"
	"testing"
)

func TestArena(t *testing.T) {
	for _, size := range []int{0, -1} {
		if _, err := NewArena(ArenaConfig{Size: size}); err == nil || !strings.Contains(err.Error(), "want at least 1") {
			t.Errorf("size %d: %v", size, err)
		}
	}
	a := newArena(t, 5000)
	equal(t, "size", a.Len()%os.Getpagesize(), 0)
	equal(t, "covers it", a.Len() >= 5000 && a.Len() < 5000+os.Getpagesize(), true)
	for _, b := range a.Bytes() {
		if b != 0 {
			t.Fatal("memory is not zero")
		}
	}
	g := newRig(t, Config{Entries: 1})
	g.must(a.Close())
	g.must(a.Close())
	equal(t, "size after Close", a.Len(), 0)

	huge, err := NewArena(ArenaConfig{Size: 1, HugePages: true})
	g.must(err)
	equal(t, "size with huge pages", huge.Len(), 2<<20)
	huge.Bytes()[2<<20-1] = 1
	g.must(huge.Close())
}

// Rings of several goroutines may have the same arena registered, or their
// queues in it.
func TestArenaIsUsedFromManyGoroutines(t *testing.T) {
	library(t, 11)
	a := newArena(t, 1<<18)
	r, err := New(Config{Entries: 8, Memory: a})
	needsCall(t, err)
	size := r.MemoryUsed()
	equal(t, "error of Close", r.Close(), nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				r, err := New(Config{Entries: 8, Memory: a, MemoryOffset: i * size})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.RegisterArena(a); err != nil {
					t.Error(err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	equal(t, "error of Close", a.Close(), nil)
}
