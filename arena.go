package uring

import (
	"errors"
	"fmt"
	"sync"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
	"github.com/uring-go/uring/internal/live"
)

// An Arena is memory outside the Go heap, zeroed and aligned to pages. The
// collector neither moves nor frees it, so the kernel may use it for as long as
// the arena is open. Close it when done.
//
// It may be used from any goroutine; Close must not run at the same time as
// anything else.
type Arena struct {
	m *arena.Mapping

	mu    sync.Mutex // rings of several goroutines may use it
	users int        // registrations and regions
	rings []*Ring    // whose queues lie in it
	last  bool       // to be closed by the last user
	whole *Arena     // of which this is a part
}

// ArenaConfig says what memory an arena has.
type ArenaConfig struct {
	// Size in bytes, rounded up to whole pages.
	Size int
	// HugePages asks for pages of 2 MiB: those the administrator reserved, or
	// else transparent ones. Size is rounded up to them.
	HugePages bool
}

// NewArena maps memory.
func NewArena(c ArenaConfig) (*Arena, error) {
	if c.Size <= 0 {
		return nil, fmt.Errorf("uring: ArenaConfig.Size is %d, want at least 1", c.Size)
	}
	m, err := arena.Map(c.Size, c.HugePages)
	if err != nil {
		return nil, fmt.Errorf("uring: map %d bytes: %w", c.Size, err)
	}
	a := &Arena{m: m}
	live.Opened("arena", a)
	return a, nil
}

// ArenaOf makes an arena of memory that the program has mapped, with [syscall.Mmap]
// for example, to register it, or to have queues or regions in it. It must lie outside
// of the Go heap, and stay mapped until the arena is closed, which does not unmap it.
func ArenaOf(mem []byte) (*Arena, error) {
	if len(mem) == 0 {
		return nil, errors.New("uring: ArenaOf no memory")
	}
	if invariant.On && cgo.OnGoHeap(&mem[0]) {
		return nil, errors.New("uring: ArenaOf memory of the Go heap, which the collector gives to others: use NewArena")
	}
	a := &Arena{m: arena.Borrow(mem, false)}
	live.Opened("arena", a)
	return a, nil
}

// Part returns n bytes of a, from off on, as an arena of its own: to register less
// than the whole, or several parts as several buffers. Close it before a, which
// returns [ErrBusy] until then.
func (a *Arena) Part(off, n int) (*Arena, error) {
	switch {
	case a.Len() == 0:
		return nil, wrapf("Part of an arena: %w", ErrClosed)
	case off < 0 || n < 1 || n > a.Len() || off > a.Len()-n:
		return nil, fmt.Errorf("uring: Part of %d bytes from %d on of an arena of %d", n, off, a.Len())
	}
	a.use()
	p := &Arena{m: arena.Borrow(a.Bytes()[off:off+n:off+n], a.HugePages()), whole: a}
	live.Opened("arena", p)
	return p, nil
}

// Bytes returns the memory. It must not be touched after Close: that ends the
// program with a fault.
func (a *Arena) Bytes() []byte { return a.m.Bytes() }

// Len returns the size in bytes.
func (a *Arena) Len() int { return a.m.Len() }

// HugePages reports whether the memory consists of reserved huge pages.
func (a *Arena) HugePages() bool { return a.m.Huge() }

// Close unmaps the memory. It returns [ErrBusy], and does nothing, while a ring
// has it registered or a buffer ring or send queue uses it, until [Ring.Close] of
// that ring has returned nil. It does not know of requests that merely point into
// the arena: close it after their last completions, or after the ring. A second
// Close does nothing.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.close()
}

func (a *Arena) close() error {
	if n := a.users + len(a.rings); n > 0 {
		return wrapf("arena: %w: %d users; close buffer rings and send queues, and unregister it, first", ErrBusy, n)
	}
	live.Closed(a)
	if a.whole != nil {
		a.whole.leave()
		a.whole = nil
	}
	return a.m.Unmap()
}

// use keeps the arena from being closed until leave.
func (a *Arena) use() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users++
}

func (a *Arena) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users--
	if a.last {
		_ = a.close()
	}
}

// abandon is Close by what made the arena for itself. While other rings have
// clones of its registration, that is left to the last of them.
func (a *Arena) abandon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = true
	_ = a.close()
}

// contains reports whether p lies inside the arena.
func (a *Arena) contains(p []byte) bool {
	lo, at := a.m.Addr(), arena.Addr(p)
	return at >= lo && at+uint64(len(p)) <= lo+uint64(a.m.Len())
}
