package uring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
)

// A RegionConfig says what memory a [Region] has.
type RegionConfig struct {
	// Size in bytes, rounded up to whole pages. 0 means one page.
	Size int
	// Memory is the program's memory for the region, all of it. Without it the
	// kernel allocates some.
	Memory *Arena
	// Waits makes the region hold the arguments of waits: see [Region.SetWait].
	// The ring must have been opened with [SetupRDisabled] and not be enabled
	// yet.
	Waits bool
}

// A Region is memory that a ring shares with the kernel for arguments, so that
// calls need not copy them. A ring has at most one, until it is closed.
type Region struct {
	ring *Ring
	sharedMemory
	waits  bool
	blocks []SignalSet // of each wait, if any has some
	masks  []uint64    // all signals that its thread blocks meanwhile
}

// sharedMemory is memory that the program and the kernel both write: an arena,
// or what the kernel allocates and the program maps.
type sharedMemory struct {
	mem   []byte
	own   *arena.Mapping // of the kernel's memory
	arena *Arena
}

// describe tells the kernel of the memory: the arena, or at least size bytes
// without one.
func describe(a *Arena, size int) cgo.RegionDesc {
	if a == nil {
		page := os.Getpagesize()
		return cgo.RegionDesc{Size: uint64((size + page - 1) / page * page)}
	}
	return cgo.RegionDesc{
		UserAddr: arena.Addr(a.Bytes()), Size: uint64(a.Len()), Flags: cgo.MemRegionTypeUser,
	}
}

// take gets hold of memory that the kernel has accepted.
func (m *sharedMemory) take(r *Ring, a *Arena, d *cgo.RegionDesc) error {
	if a != nil {
		m.arena, m.mem = a, a.Bytes()
		a.use()
		return nil
	}
	own, err := arena.MapFile(r.FD(), int64(d.MMapOffset), int(d.Size))
	if err != nil {
		return fmt.Errorf("map the kernel's memory: %w", err)
	}
	m.own, m.mem = own, own.Bytes()
	return nil
}

// unmap ends the use of it, and the mapping of the kernel's memory, which would
// keep the ring.
func (m *sharedMemory) unmap() error {
	m.mem = nil
	if m.own == nil {
		return nil
	}
	return m.own.Unmap()
}

// leave lets go of the arena. The kernel must have done so before.
func (m *sharedMemory) leave() {
	if m.arena != nil {
		m.arena.leave()
	}
}

// RegisterRegion shares memory with the kernel. Linux 6.13. See
// io_uring_register_region(3).
func (r *Ring) RegisterRegion(c RegionConfig) (*Region, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	switch {
	case len(r.regions) > 0:
		return nil, errors.New("uring: RegisterRegion: the ring has a region")
	case c.Size < 0 || c.Size > math.MaxInt32:
		return nil, fmt.Errorf("uring: RegionConfig.Size is %d", c.Size)
	case c.Memory != nil && c.Memory.Len() == 0:
		return nil, wrapf("RegionConfig.Memory: %w", ErrClosed)
	case c.Memory != nil && c.Size != 0:
		return nil, errors.New("uring: RegionConfig.Size is for the kernel's memory, Memory has its own")
	case c.Memory == nil && r.FD() < 0:
		return nil, errors.New("uring: RegisterRegion needs the ring's descriptor, to map the kernel's memory; or set RegionConfig.Memory")
	case c.Waits && !r.disabled:
		return nil, errors.New("uring: RegisterRegion: RegionConfig.Waits needs a ring that was opened with SetupRDisabled and is not enabled yet")
	}
	g := &Region{ring: r, waits: c.Waits}
	if err := g.register(c); err != nil {
		return nil, err
	}
	r.regions = append(r.regions, g)
	return g, nil
}

func (g *Region) register(c RegionConfig) error {
	d := describe(c.Memory, max(c.Size, 1))
	var flags uint64
	if c.Waits {
		flags = cgo.MemRegionRegWaitArg
	}
	rc := settled(func() int { return g.ring.drv.RegisterRegion(&d, flags) })
	if err := checkSince("share memory with the kernel", rc, kernel.V(6, 13), ""); err != nil {
		return err
	}
	if err := g.take(g.ring, c.Memory, &d); err != nil {
		return wrapf("RegisterRegion: %w", err)
	}
	return nil
}

// Bytes returns the memory, or nil when the ring is closed. It must not be
// touched after that.
func (g *Region) Bytes() []byte { return g.mem }

const regWaitSize = int(unsafe.Sizeof(cgo.RegWait{}))

// Waits returns how many waits the region has room for.
func (g *Region) Waits() int { return len(g.mem) / regWaitSize }
