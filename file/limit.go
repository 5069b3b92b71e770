package file

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"
)

// tokens are a few permits that nobody waits for. Each lies in a cache line of
// its own, and goroutines look for one at different places, so that those that
// run at the same time seldom take the same.
type tokens []token

type token struct {
	taken atomic.Bool
	_     [63]byte
}

// tries is at how many places a goroutine looks.
const tries = 4

// take returns a token, or nil.
func (t tokens) take() *token {
	if len(t) == 0 {
		return nil
	}
	at := uint(goroutineHint()) % uint(len(t))
	for range min(tries, len(t)) {
		if k := &t[at]; !k.taken.Load() && k.taken.CompareAndSwap(false, true) {
			return k
		}
		if at++; at == uint(len(t)) {
			at = 0
		}
	}
	return nil
}

func (k *token) give() { k.taken.Store(false) }

func (t tokens) taken() (n int) {
	for i := range t {
		if t[i].taken.Load() {
			n++
		}
	}
	return n
}

// goroutineHint returns a number that is the same for a goroutine, mostly, and
// differs between goroutines: where its stack lies.
func goroutineHint() uint64 {
	var here byte
	return uint64(uintptr(unsafe.Pointer(&here))) >> 11 * 0x9e3779b97f4a7c15 >> 32
}

// A gate lets so many in at a time; others wait in the order in which they
// came.
type gate struct {
	mu     sync.Mutex
	free   int
	inside int
	queue  []chan struct{} // of those who wait; nil has gone
	gone   int
}

// enter waits to be let in, or until ctx ends.
func (g *gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.inside++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.queue = append(g.queue, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.queue {
		if other == turn {
			g.queue[i] = nil
			g.gone++
			return ctx.Err()
		}
	}
	return nil // it was let in meanwhile
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.queue) > 0 {
		turn := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		if turn != nil {
			close(turn) // takes over
			return
		}
		g.gone--
	}
	g.free++
	g.inside--
}

func (g *gate) state() (inside, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside, len(g.queue) - g.gone
}

// A counter is written by many processors and seldom read.
type counter [8]struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *counter) add(n uint64) { c[goroutineHint()%uint64(len(c))].n.Add(n) }

func (c *counter) sum() (n uint64) {
	for i := range c {
		n += c[i].n.Load()
	}
	return n
}
