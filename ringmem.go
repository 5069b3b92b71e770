package uring

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// MemorySize returns how many bytes the queues of a ring with this
// configuration take, in whole pages: [Config].Memory must have room for them.
// See io_uring_memory_size_params(3) and io_uring_memory_size(3).
func MemorySize(c Config) (int, error) {
	c.Memory = nil
	c, err := c.normalize()
	if err != nil {
		return 0, err
	}
	rc := cgo.MemorySize(uint32(c.Entries), c.params())
	return max(rc, 0), checkSince(opSize, rc, kernel.V(5, 1), "2.11")
}

// LockedSize returns how many bytes a ring with this configuration counts
// towards RLIMIT_MEMLOCK: none since Linux 5.12. See
// io_uring_mlock_size_params(3) and io_uring_mlock_size(3).
func LockedSize(c Config) (int, error) {
	c, err := c.normalize()
	if err != nil {
		return 0, err
	}
	rc := cgo.LockedSize(uint32(c.Entries), c.params())
	return max(rc, 0), check(opSize, rc)
}

// checkMemory says what is wrong with Memory and MemoryOffset.
func (c Config) checkMemory() error {
	page := os.Getpagesize()
	switch {
	case c.Memory == nil && c.MemoryOffset != 0:
		return errors.New("uring: Config.MemoryOffset needs Memory")
	case c.Memory == nil:
		return nil
	case c.Memory.Len() == 0:
		return wrapf("Config.Memory: %w", ErrClosed)
	case c.MemoryOffset < 0 || c.MemoryOffset >= c.Memory.Len():
		return fmt.Errorf("uring: Config.MemoryOffset is %d, Memory has %d bytes", c.MemoryOffset, c.Memory.Len())
	case c.MemoryOffset%page != 0:
		return fmt.Errorf("uring: Config.MemoryOffset is %d, want a multiple of the page size, %d", c.MemoryOffset, page)
	}
	return nil
}

// lacksMemory says why there is no memory for the queues, where the kernel does
// not allocate it.
func (c Config) lacksMemory() string {
	switch {
	case c.Memory != nil:
		have := c.Memory.Len() - c.MemoryOffset
		switch need, err := MemorySize(c); {
		case err != nil:
			return fmt.Sprintf("Config.Memory may be too small: it has %d bytes from MemoryOffset on; MemorySize tells how many are needed, if the program is built with a liburing that has it", have)
		case need > have:
			return fmt.Sprintf("Config.Memory is too small: it has %d bytes from MemoryOffset on, and the queues need %d: MemorySize tells how many", have, need)
		}
	case c.Flags&SetupNoMMap != 0 && c.largeQueues():
		return "with SetupNoMMap a queue larger than a page needs a huge page of 2 MiB: reserve some (vm.nr_hugepages, where that is their size), or use fewer entries"
	}
	return ""
}

// largeQueues reports whether a queue is larger than a page.
func (c Config) largeQueues() bool {
	sqe, cqe, completions := 64, 16, c.CQEntries
	if completions == 0 {
		completions = 2 * c.Entries
	}
	if c.Flags&SetupSQE128 != 0 {
		sqe = 128
	}
	if c.Flags&SetupCQE32 != 0 {
		cqe = 32
	}
	const header = 320 // at most, before the completions
	return c.Entries*sqe > os.Getpagesize() || completions*cqe+c.Entries*4+header > os.Getpagesize()
}

// memory returns the bytes for the queues, all zero, or nil if they are to be
// allocated.
func (c Config) memory() ([]byte, error) {
	if c.Memory == nil {
		return nil, nil
	}
	mem := c.Memory.Bytes()[c.MemoryOffset:]
	if n := cgo.MemorySize(uint32(c.Entries), c.params()); n > 0 && n < len(mem) {
		mem = mem[:n]
	}
	c.Memory.mu.Lock()
	defer c.Memory.mu.Unlock()
	for _, r := range c.Memory.rings {
		if c.MemoryOffset < r.memoryOffset+r.memoryUsed && r.memoryOffset < c.MemoryOffset+len(mem) {
			return nil, fmt.Errorf("uring: Config.Memory: another ring has bytes %d to %d of it", r.memoryOffset, r.memoryOffset+r.memoryUsed-1)
		}
	}
	clear(mem) // as fresh memory is
	return mem, nil
}

// tookMemory notes that the ring has n bytes of its configuration's memory.
func (r *Ring) tookMemory(c Config, n int) {
	if c.Memory == nil {
		return
	}
	r.memory, r.memoryOffset, r.memoryUsed = c.Memory, c.MemoryOffset, n
	c.Memory.mu.Lock()
	defer c.Memory.mu.Unlock()
	c.Memory.rings = append(c.Memory.rings, r)
}

func (r *Ring) leaveMemory() {
	if r.memory == nil {
		return
	}
	a := r.memory
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.rings, r)
	a.rings = slices.Delete(a.rings, i, i+1)
	r.memory = nil
}

// MemoryUsed returns how many bytes of [Config].Memory the ring took, in whole
// pages: another ring may begin after them. It is 0 for other rings.
func (r *Ring) MemoryUsed() int {
	if r == nil {
		return 0
	}
	return r.memoryUsed
}

// DontFork keeps the ring's memory from child processes made by fork(2). A
// child that execs, such as one of os/exec, does not have it anyway. See
// io_uring_ring_dontfork(3).
func (r *Ring) DontFork() error {
	if err := r.usable(); err != nil {
		return err
	}
	return check("keep the ring from child processes", r.drv.DontFork())
}

// ResizeRings changes the lengths of the queues, to powers of two as in
// [Config]; cq of 0 means twice sq. Completions that are ready stay. No entry
// may be queued: submit first. It returns EOVERFLOW if the completions do not
// fit into the new queue. The ring must have [SetupDeferTaskrun] and its
// descriptor, and must not have [SetupNoMMap]. Linux 6.13. See
// io_uring_resize_rings(3).
func (r *Ring) ResizeRings(sq, cq int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if sq == 0 {
		return errors.New("uring: ResizeRings: a submission queue of no entries")
	}
	if cq == 0 {
		cq = 2 * sq
	}
	if _, err := (Config{Entries: sq, CQEntries: cq}).normalize(); err != nil {
		return err
	}
	switch {
	case r.flags&SetupDeferTaskrun == 0:
		return errors.New("uring: ResizeRings needs a ring with SetupDeferTaskrun")
	case r.flags&SetupNoMMap != 0:
		return errors.New("uring: ResizeRings does not go with SetupNoMMap: that memory cannot grow")
	case r.FD() < 0:
		return errors.New("uring: ResizeRings needs the ring's descriptor, to map the new queues")
	case r.q.SQReady() > 0:
		return fmt.Errorf("uring: ResizeRings: %d entries are queued: submit them first", r.q.SQReady())
	}
	r.syncHead()
	given := r.q.SQGiven()
	rc := settled(func() int { return r.drv.ResizeRings(uint32(roundUpPow2(sq)), uint32(roundUpPow2(cq))) })
	if err := checkSince("resize the queues", rc, kernel.V(6, 13), ""); err != nil {
		return err
	}
	seen := r.noted - r.head
	r.head, _ = r.q.CQ()
	r.noted = r.head + seen
	r.ended += r.q.SQGiven() - given // if the kernel starts counting again
	return r.resetSlots()
}

// resetSlots drops what belongs to the slots of the submission queue: all
// entries have been consumed, and there is another number of slots.
func (r *Ring) resetSlots() error {
	r.forgetPlaces()
	r.kept = nil
	if r.scratch == nil {
		return nil
	}
	err := r.scratch.Unmap()
	r.scratch = nil
	return err
}
