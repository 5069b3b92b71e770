//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/arena"
)

// Two rings share an arena, and it is used again after them.
func TestRingsInMemoryOfTheProgram(t *testing.T) {
	library(t, 11)
	a := newArena(t, 1<<16)
	for round := range 2 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			first, err := New(Config{Entries: 32, Memory: a})
			needsCall(t, err)
			used := first.MemoryUsed()
			if used < 32*64+64*16 || used%os.Getpagesize() != 0 {
				t.Errorf("used %d bytes", used)
			}
			_, err = New(Config{Entries: 8, Memory: a})
			wantError(t, err, fmt.Sprintf("another ring has bytes 0 to %d", used-1))
			second, err := New(Config{Entries: 8, Memory: a, MemoryOffset: used})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 * 32 { // around the queues
				equal(t, "first", rigOn(t, first).answer(func(s SQE) { s.PrepNop() }).Res, 0)
				equal(t, "second", rigOn(t, second).answer(func(s SQE) { s.PrepNop() }).Res, 0)
			}
			lies := func(r *Ring, off, n int) bool {
				s, err := r.NextSQE()
				if err != nil {
					t.Fatal(err)
				}
				s.PrepNop()
				s.UserData = 0x1234567887654321
				mem := a.Bytes()[off : off+n]
				return strings.Contains(string(mem), "\x21\x43\x65\x87\x78\x56\x34\x12")
			}
			equal(t, "entries of the first lie in its memory", lies(first, 0, used), true)
			equal(t, "entries of the second lie in its memory", lies(second, used, second.MemoryUsed()), true)
			equal(t, "closing the arena is ErrBusy", errors.Is(a.Close(), ErrBusy), true)
			equal(t, "error of Close", first.Close(), nil)
			equal(t, "the second goes on", rigOn(t, second).next().UserData, 0x1234567887654321)
			equal(t, "error of Close", second.Close(), nil)
			equal(t, "users", a.users, 0)
		})
	}
}

// The kernel takes a closed ring apart in the background. When Close has returned,
// it writes nothing more to the memory, which is another ring's by then.
func TestMemoryOfAClosedRingIsForTheNext(t *testing.T) {
	library(t, 11)
	a := newArena(t, 1<<16)
	for range 20 {
		r, err := New(Config{Entries: 32, Memory: a})
		needsCall(t, err)
		g := rigOn(t, r)
		for u := range uint64(32) {
			g.queue(u, SQE.PrepNop)
		}
		equal(t, "completions", len(g.await(32)), 32)
		equal(t, "error of Close", r.Close(), nil)
	}
}

// Queues of many pages lie in pages that need not be side by side.
func TestLargeRingsInMemoryOfTheProgram(t *testing.T) {
	library(t, 11)
	a := newArena(t, 1<<20)
	r, err := New(Config{Entries: 1024, Memory: a})
	needsCall(t, err)
	for range 3 {
		nops(t, r, 1024)
		if _, err := r.SubmitAndWait(1024); err != nil {
			t.Fatal(err)
		}
		equal(t, "completions", len(userData(r)), 1024)
	}
	equal(t, "error of Close", r.Close(), nil)
}

func TestMemoryForRingsIsChecked(t *testing.T) {
	page := os.Getpagesize()
	a := newArena(t, 2*page)
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{MemoryOffset: 1}, "needs Memory"},
		{Config{Memory: a, MemoryOffset: 1}, "multiple of the page size"},
		{Config{Memory: a, MemoryOffset: -page}, fmt.Sprintf("MemoryOffset is %d", -page)},
		{Config{Memory: a, MemoryOffset: 1 << 20}, fmt.Sprintf("Memory has %d bytes", 2*page)},
		{Config{Memory: a, Entries: 4096}, "MemorySize tells how many"},
	} {
		_, err := New(c.config)
		wantError(t, err, c.want)
	}
	gone := newArena(t, 1)
	equal(t, "error of Close", gone.Close(), nil)
	_, err := New(Config{Memory: gone})
	equal(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
}

func TestMemorySizes(t *testing.T) {
	library(t, 11)
	page := os.Getpagesize()
	for _, c := range []struct {
		config   Config
		sqes, cq int // in bytes: entries to submit, and a header, completions and indices
	}{
		{Config{Entries: 64}, 64 * 64, 64 + 128*16 + 64*4},
		{Config{Entries: 64, CQEntries: 1024}, 64 * 64, 64 + 1024*16 + 64*4},
		{Config{Entries: 64, Flags: SetupSQE128}, 64 * 128, 64 + 128*16 + 64*4},
		{Config{Entries: 64, Flags: SetupCQE32 | SetupNoSQArray}, 64 * 64, 64 + 128*32},
	} {
		n, err := MemorySize(c.config)
		equal(t, "error", err, nil)
		equal(t, fmt.Sprintf("%+v", c.config), n, ((c.sqes+page-1)/page+(c.cq+page-1)/page)*page)
	}
	_, err := MemorySize(Config{Entries: -1})
	wantError(t, err, "Config.Entries is -1")
	n, err := LockedSize(Config{})
	equal(t, "locked since Linux 5.12", n, 0)
	equal(t, "error", err, nil)
}

// The ring's mappings are marked as not to be copied.
func TestDontFork(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	marked := func() int {
		b, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, m := range strings.Split(string(b), "\nVmFlags:") {
			flags, _, _ := strings.Cut(m, "\n")
			if strings.Contains(flags, " dc") {
				n++
			}
		}
		return n
	}
	before := marked()
	equal(t, "error", r.DontFork(), nil)
	if n := marked() - before; n < 1 || n > 2 {
		t.Errorf("%d mappings are marked", n)
	}
}

func TestResizedQueues(t *testing.T) {
	needsResizing(t)
	onOwner(t, Config{Entries: 4, CQEntries: 8}, func(r *rig) {
		in, out := streamPair(t)
		waiting(t, r.Ring, FD(in), 99) // runs on
		entries := func() [2]int { sq, cq := r.Entries(); return [2]int{sq, cq} }
		for _, size := range [][2]int{{16, 64}, {4, 8}, {128, 0}, {1, 4}} {
			for i := range uint64(3) {
				if r.SQSpace() == 0 {
					if _, err := r.Submit(); err != nil {
						t.Error(err)
					}
				}
				s, err := r.NextSQE()
				if err != nil {
					t.Error(err)
					return
				}
				s.PrepTimeout(-time.Second, 0, 0) // has memory of its place
				s.UserData = i + 1
			}
			wantError(t, r.ResizeRings(size[0], size[1]), "entries are queued: submit them first")
			if _, err := r.SubmitAndWait(3); err != nil {
				t.Error(err)
			}
			equal(t, "error", r.ResizeRings(size[0], size[1]), nil)
			if size[1] == 0 {
				size[1] = 2 * size[0]
			}
			equal(t, "lengths", entries(), size)
			equal(t, "completions that were ready", userData(r.Ring), []uint64{1, 2, 3})
			for range 2 * size[0] {
				equal(t, "result", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
			}
		}
		if _, err := syscall.Write(out, []byte("12345")); err != nil {
			t.Error(err)
		}
		equal(t, "the request that ran on", r.next(), CQE{UserData: 99, Res: 5})

		wantError(t, r.ResizeRings(0, 4), "no entries")
		wantError(t, r.ResizeRings(-1, 4), "Config.Entries is -1")
		wantError(t, r.ResizeRings(1<<20, 0), "Config.Entries is 1048576")
		wantError(t, r.ResizeRings(8, 4), "at least Entries")
	})
}

// What does not fit stays, and so do the queues.
func TestQueuesDoNotShrinkBelowTheirContent(t *testing.T) {
	needsResizing(t)
	onOwner(t, Config{Entries: 8}, func(r *rig) {
		nops(t, r.Ring, 8)
		if _, err := r.SubmitAndWait(8); err != nil {
			t.Error(err)
		}
		err := r.ResizeRings(2, 4)
		equal(t, "is EOVERFLOW", errors.Is(err, syscall.EOVERFLOW), true)
		_, cq := r.Entries()
		equal(t, "length", cq, 16)
		equal(t, "completions", len(userData(r.Ring)), 8)
		equal(t, "error with room", r.ResizeRings(2, 4), nil)
		equal(t, "result", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
	})
}

func TestRingsThatCannotBeResized(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	wantError(t, r.ResizeRings(8, 16), "needs a ring with SetupDeferTaskrun")
	needsResizing(t)
	onOwner(t, Config{Entries: 4}, func(r *rig) {
		equal(t, "error of RegisterRingFD", r.RegisterRingFD(), nil)
		equal(t, "resized by the registered descriptor", r.ResizeRings(8, 16), nil)
		equal(t, "error of CloseRingFD", r.CloseRingFD(), nil)
		wantError(t, r.ResizeRings(8, 16), "needs the ring's descriptor")
	})
}

func TestSlotMemoryFollowsTheQueueLength(t *testing.T) {
	needsResizing(t)
	onOwner(t, Config{Entries: 2}, func(r *rig) {
		r.answer(func(s SQE) { s.PrepTimeout(-1, 0, 0) })
		equal(t, "error", r.ResizeRings(64, 0), nil)
		var last uint64
		for range 64 {
			s, err := r.NextSQE()
			if err != nil {
				t.Error(err)
				return
			}
			last = max(last, arena.Addr(s.slotMemory()))
			s.PrepNop()
		}
		lo := r.scratch.Addr()
		equal(t, "the last place has its memory", last, lo+63*slotSize)
		if _, err := r.SubmitAndWait(64); err != nil {
			t.Error(err)
		}
	})
}
