//go:build linux && cgo

package cgo

// #include "open_fd.h"
import "C"

import (
	"syscall"
	"unsafe"
)

// As in layout.go.
const _ = -(unsafe.Sizeof(RawParams{}) ^ uintptr(C.sizeof_struct_io_uring_params))

// Setup is io_uring_setup: it returns a descriptor, and the ring's parameters
// in raw.
func Setup(entries uint32, p Params, raw *RawParams) int {
	cp := (*C.struct_io_uring_params)(unsafe.Pointer(raw))
	*cp = p.c()
	return int(C.io_uring_setup(C.unsigned(entries), cp))
}

// Map is io_uring_queue_mmap for a new ring. It returns -EBADMSG if raw cannot
// be the ring's parameters, and -EBUSY if the ring is not new.
func Map(fd int, raw *RawParams) (*Ring, Params, int) {
	cp := *(*C.struct_io_uring_params)(unsafe.Pointer(raw))
	if !offsetsFit(&cp) {
		return nil, Params{}, -int(syscall.EBADMSG)
	}
	c := (*C.struct_io_uring)(C.calloc(1, C.sizeof_struct_io_uring))
	if rc := C.uring_queue_mmap(C.int(fd), &cp, c); rc < 0 {
		C.free(unsafe.Pointer(c))
		return nil, Params{}, int(rc)
	}
	p := Params{Features: uint32(cp.features), Flags: uint32(c.flags), CQEntries: uint32(cp.cq_entries)}
	return &Ring{c: c, Queues: queues(c), enterState: newEnterState(c)}, p, 0
}

// offsetsFit reports whether the offsets in p are those of a ring: a header of
// words, the completions, and then the indices of entries. The kernel maps as
// much as it is asked for, and touching what lies beyond the ring would be
// fatal.
func offsetsFit(p *C.struct_io_uring_params) bool {
	header := p.cq_off.cqes
	for _, off := range []C.__u32{
		p.sq_off.head, p.sq_off.tail, p.sq_off.ring_mask, p.sq_off.ring_entries, p.sq_off.flags, p.sq_off.dropped,
		p.cq_off.head, p.cq_off.tail, p.cq_off.ring_mask, p.cq_off.ring_entries, p.cq_off.flags, p.cq_off.overflow,
	} {
		if off%4 != 0 || off >= header {
			return false
		}
	}
	sq, cq, size := p.sq_entries, p.cq_entries, C.__u32(unsafe.Sizeof(CQE{}))
	if p.flags&SetupCQE32 != 0 {
		size *= 2
	}
	end := header + cq*size
	indices := p.flags&SetupNoSQArray == 0
	switch {
	case sq == 0 || sq > maxSQ || sq&(sq-1) != 0 || cq == 0 || cq > 2*maxSQ || cq&(cq-1) != 0:
		return false
	case header == 0 || header > pageSize || header%16 != 0:
		return false
	case indices && (p.sq_off.array < end || p.sq_off.array > end+pageSize || p.sq_off.array%4 != 0):
		return false
	}
	return true
}

const (
	maxSQ    = 32768
	pageSize = 4096
)
