//go:build linux

package uring

import (
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
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

// A part is registered like a whole, and keeps it from being closed.
func TestPartOfAnArena(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	whole := g.arena(1 << 14)
	part, err := whole.Part(100, 5000)
	g.must(err)
	equal(t, "closing the whole is ErrBusy", errors.Is(whole.Close(), ErrBusy), true)
	reg, err := g.RegisterArena(part)
	g.must(err)
	equal(t, "bytes", len(reg.Bytes()), 5000)
	rd, wr := g.pipe()
	g.write(int(wr), "part")
	g.want(4, func(s SQE) { g.must(s.PrepReadFixed(rd, reg, reg.Bytes()[4990:], 0)) })
	equal(t, "in the whole", string(whole.Bytes()[5090:5094]), "part")
	wantError(t, g.sqe().PrepReadFixed(rd, reg, whole.Bytes()[:8], 0), "outside registered buffer")
	equal(t, "closing the part is ErrBusy", errors.Is(part.Close(), ErrBusy), true)
	g.must(g.UnregisterArena(reg))
	g.must(part.Close())
	g.must(part.Close())
	for _, bad := range [][2]int{{-1, 1}, {0, 0}, {0, whole.Len() + 1}, {whole.Len(), 1}} {
		if _, err := whole.Part(bad[0], bad[1]); err == nil {
			t.Errorf("Part(%d, %d) is there", bad[0], bad[1])
		}
	}
}

// Memory that the program has mapped is registered, too, and stays mapped.
func TestArenaOfMappedMemory(t *testing.T) {
	mem, err := syscall.Mmap(-1, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mem)
	g := newRig(t, Config{Entries: 4})
	a, err := ArenaOf(mem[1000:6000])
	g.must(err)
	reg, err := g.RegisterArena(a)
	g.must(err)
	rd, wr := g.pipe()
	g.write(int(wr), "mapped")
	g.want(6, func(s SQE) { g.must(s.PrepReadFixed(rd, reg, reg.Bytes()[:6], 0)) })
	g.must(g.UnregisterArena(reg))
	g.must(a.Close())
	equal(t, "bytes", string(mem[1000:1006]), "mapped")
	_, err = ArenaOf(nil)
	wantError(t, err, "no memory")
}
