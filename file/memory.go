package file

import (
	"errors"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// memory lends aligned buffers, registered with the engine's rings as far as
// the limit goes.
type memory struct {
	growing sync.Mutex // held by who maps a slab; taken before mu
	mu      sync.Mutex
	rings   []*core.Core
	limit   int // bytes that may still be mapped
	slabs   []*slab
	free    [sizes][]*block
	lent    int
	closed  bool
}

// Blocks are from smallest to largest bytes long, a power of two.
const (
	smallestBits = 12
	largestBits  = 20
	sizes        = largestBits - smallestBits + 1
	slabSize     = 1 << largestBits
)

// A slab is an arena that is divided into blocks of one size.
type slab struct {
	arena *uring.Arena
	regs  []uring.RegBuf // one for each ring, or none
	lent  int
}

// A block is memory for one read, and what is known about it.
type block struct {
	mem  []byte // as much as was asked for
	all  []byte
	slab *slab // nil if it is of the Go heap
	size int   // index in memory.free
}

// registered reports whether the rings know the block.
func (b *block) registered() bool { return b.slab != nil && len(b.slab.regs) > 0 }

// reg returns the block as ring number i has it registered.
func (b *block) reg(i int) (uring.RegBuf, bool) {
	if b.slab == nil || i >= len(b.slab.regs) {
		return uring.RegBuf{}, false
	}
	return b.slab.regs[i], true
}

// get lends n bytes, aligned to 4096.
func (m *memory) get(n int) *block {
	size := 0
	if n > 1<<smallestBits {
		size = bits.Len(uint(n-1)) - smallestBits
	}
	if size < sizes {
		if b := m.take(size, n); b != nil {
			return b
		}
		if m.grow(size) {
			if b := m.take(size, n); b != nil {
				return b
			}
		}
	}
	m.mu.Lock()
	m.lent++
	m.mu.Unlock()
	raw := make([]byte, n+strictest)
	skip := strictest - int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))%strictest)
	return &block{mem: raw[skip : skip+n : skip+n]}
}

func (m *memory) take(size, n int) *block {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := len(m.free[size]) - 1
	if last < 0 {
		return nil
	}
	b := m.free[size][last]
	m.free[size] = m.free[size][:last]
	b.mem = b.all[:n]
	b.slab.lent++
	m.lent++
	return b
}

// put takes a block back.
func (m *memory) put(b *block) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lent--
	if b.slab == nil {
		return
	}
	b.slab.lent--
	if !m.closed {
		m.free[b.size] = append(m.free[b.size], b)
	} else if b.slab.lent == 0 {
		_ = b.slab.arena.Close()
	}
}

// grow maps a slab and divides it into blocks. It registers without the lock:
// rings give blocks back while they hold theirs.
func (m *memory) grow(size int) bool {
	m.growing.Lock()
	defer m.growing.Unlock()
	m.mu.Lock()
	if len(m.free[size]) > 0 {
		m.mu.Unlock()
		return true // another one was faster
	}
	if m.closed || m.limit < slabSize {
		m.mu.Unlock()
		return false
	}
	m.limit -= slabSize
	m.mu.Unlock()
	arena, err := uring.NewArena(uring.ArenaConfig{Size: slabSize})
	if err != nil {
		return false
	}
	s := &slab{arena: arena}
	s.register(m.rings)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = arena.Close()
		return false
	}
	m.slabs = append(m.slabs, s)
	step := 1 << (size + smallestBits)
	for mem := arena.Bytes(); len(mem) >= step; mem = mem[step:] {
		m.free[size] = append(m.free[size], &block{all: mem[:step:step], slab: s, size: size})
	}
	return true
}

// register makes the memory known to all rings, or uses it as it is: the limit
// of locked memory may be low.
func (s *slab) register(rings []*core.Core) {
	var regs []uring.RegBuf
	for _, c := range rings {
		err := c.Setup(func(r *uring.Ring) error {
			reg, err := r.RegisterArena(s.arena)
			regs = append(regs, reg)
			return err
		})
		if err != nil {
			return
		}
	}
	s.regs = regs
}

// close unmaps what is not lent. The rings must be closed before.
func (m *memory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	clear(m.free[:])
	var err error
	for _, s := range m.slabs {
		if s.lent == 0 {
			err = errors.Join(err, s.arena.Close())
		}
	}
	return err
}

func (m *memory) lentNow() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lent
}
