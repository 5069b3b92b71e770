package uring

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
)

// maxMappedGroup is the last group whose number fits into an offset for mmap(2):
// the bits above say what is mapped.
const maxMappedGroup = (1<<32 - 1 - cgo.OffMMapMask) >> cgo.OffPbufShift

// mapEntries maps the entries. Those in the kernel's memory are there, and so
// must be registered, before they can be mapped.
func (b *BufRing) mapEntries(c BufRingConfig) (err error) {
	size := c.Entries * int(unsafe.Sizeof(cgo.Slot{}))
	if !c.KernelMemory {
		if b.entries, err = arena.Map(size, false); err != nil {
			return fmt.Errorf("uring: map %d entries of a buffer ring: %w", c.Entries, err)
		}
		return nil
	}
	if c.Group > maxMappedGroup {
		return fmt.Errorf("uring: BufRingConfig.KernelMemory: Group is %d, the kernel can map 0 to %d", c.Group, maxMappedGroup)
	}
	if b.ring.FD() < 0 {
		return errors.New("uring: BufRingConfig.KernelMemory: the Ring has no descriptor to map the memory by")
	}
	b.kernelMemory = true
	if err := b.ring.registerGroup(nil, cgo.PbufRingMMap, c); err != nil {
		return err
	}
	off := int64(cgo.OffPbufRing) | int64(c.Group)<<cgo.OffPbufShift
	if b.entries, err = arena.MapFile(b.ring.FD(), off, size); err != nil {
		b.ring.drv.UnregisterBufRing(uint32(c.Group))
		return fmt.Errorf("uring: map %d entries of a buffer ring from the kernel: %w", c.Entries, err)
	}
	return nil
}

// dropEntries undoes mapEntries.
func (b *BufRing) dropEntries(c BufRingConfig) {
	if c.KernelMemory {
		b.ring.drv.UnregisterBufRing(uint32(c.Group))
	}
	_ = b.entries.Unmap()
}

// registerGroup registers a buffer group whose entries lie at mem.
func (r *Ring) registerGroup(mem unsafe.Pointer, flags uint32, c BufRingConfig) error {
	minLeft := uint32(0)
	if c.Incremental {
		flags |= cgo.PbufRingInc
	}
	if c.MinLeft > 1 {
		minLeft = uint32(c.MinLeft)
	}
	rc := settled(func() int {
		return r.drv.RegisterBufRing(mem, uint32(c.Entries), uint32(c.Group), flags, minLeft)
	})
	if r.exists(rc) {
		return fmt.Errorf("uring: buffer group %d is in use on this ring: it has buffers of PrepProvideBuffers, which PrepRemoveBuffers takes out: %w", c.Group, syscall.EEXIST)
	}
	if flags&cgo.PbufRingMMap != 0 {
		return answer(opRegisterBufRing, rc, kernel.V(6, 4), "")
	}
	return check(opRegisterBufRing, rc)
}
