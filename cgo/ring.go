//go:build linux && cgo

package cgo

/*
#cgo CFLAGS: -I${SRCDIR}/../liburing/build/include -D_GNU_SOURCE
#cgo LDFLAGS: -L${SRCDIR}/../liburing/build/lib -luring

#include "shim.h"

#cgo noescape uring_buf_ring_head
#cgo nocallback uring_buf_ring_head
#cgo noescape uring_read_kind
#cgo noescape uring_read_blocks
#cgo nocallback uring_read_kind
#cgo nocallback uring_read_blocks
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// The version of the liburing header this package was built with.
const (
	HeaderMajor = C.IO_URING_VERSION_MAJOR
	HeaderMinor = C.IO_URING_VERSION_MINOR
)

// Pin says where the library comes from: the version and the checksum that
// `make liburing` built, or "system".
const Pin = C.URING_LIBURING_PIN

// LinkedVersion returns the version of the library that was linked.
func LinkedVersion() (major, minor int) {
	return int(C.io_uring_major_version()), int(C.io_uring_minor_version())
}

// A Ring is a struct io_uring in C memory together with the Go view of its
// queues.
type Ring struct {
	Queues
	enterState
	c *C.struct_io_uring
}

// Open sets up a ring and fills in p.Features, p.Flags and p.CQEntries with
// what the kernel gave. It returns nil and a negative errno on failure. With
// memory, the queues lie in it and the number is how many bytes they take.
func Open(entries uint32, p *Params, memory []byte) (*Ring, int) {
	c := (*C.struct_io_uring)(C.calloc(1, C.sizeof_struct_io_uring))
	cp := p.c()
	var rc C.int
	if memory == nil {
		rc = C.io_uring_queue_init_params(C.unsigned(entries), c, &cp)
	} else {
		rc = C.io_uring_queue_init_mem(C.unsigned(entries), c, &cp, unsafe.Pointer(&memory[0]), C.size_t(len(memory)))
	}
	if rc < 0 {
		C.free(unsafe.Pointer(c))
		return nil, int(rc)
	}
	p.Features, p.Flags, p.CQEntries = uint32(cp.features), uint32(c.flags), uint32(cp.cq_entries)
	return &Ring{c: c, Queues: queues(c), enterState: newEnterState(c)}, int(rc)
}

func (p Params) c() C.struct_io_uring_params {
	return C.struct_io_uring_params{
		cq_entries:     C.__u32(p.CQEntries),
		flags:          C.__u32(p.Flags),
		sq_thread_cpu:  C.__u32(p.SQThreadCPU),
		sq_thread_idle: C.__u32(p.SQThreadIdle),
		wq_fd:          C.__u32(p.WQFD),
	}
}

func queues(c *C.struct_io_uring) Queues {
	return NewQueues(QueueMemory{
		SQHead:    (*uint32)(c.sq.khead),
		SQTail:    (*uint32)(&c.sq.sqe_tail),
		SQGiven:   (*uint32)(c.sq.ktail),
		SQFlags:   (*uint32)(c.sq.kflags),
		SQDropped: (*uint32)(c.sq.kdropped), CQOverflow: (*uint32)(c.cq.koverflow),
		SQEs:      unsafe.Pointer(c.sq.sqes),
		SQEntries: uint32(c.sq.ring_entries),
		CQHead:    (*uint32)(c.cq.khead),
		CQTail:    (*uint32)(c.cq.ktail),
		CQEs:      unsafe.Pointer(c.cq.cqes),
		CQEntries: uint32(c.cq.ring_entries),
		Flags:     uint32(c.flags),
	})
}

// Exit closes the ring and frees its memory. The ring must not be used again.
func (r *Ring) Exit() {
	C.io_uring_queue_exit(r.c)
	r.enterState.free()
	C.free(unsafe.Pointer(r.c))
	r.c = nil
}

// LoseRingFD forgets that the ring's descriptor was registered with a thread
// that has ended: to the thread that calls Exit the number means another ring.
func (r *Ring) LoseRingFD() { r.c.enter_ring_fd = -1 }

// FD returns the ring's file descriptor.
func (r *Ring) FD() int { return int(r.c.ring_fd) }

// Enable is io_uring_enable_rings.
func (r *Ring) Enable() int { return int(C.io_uring_enable_rings(r.c)) }

// RegisterRingFD is io_uring_register_ring_fd.
func (r *Ring) RegisterRingFD() int { return int(C.io_uring_register_ring_fd(r.c)) }

// UnregisterRingFD is io_uring_unregister_ring_fd.
func (r *Ring) UnregisterRingFD() int { return int(C.io_uring_unregister_ring_fd(r.c)) }

// RegisterBufRing is io_uring_register_buf_ring for entries at mem.
func (r *Ring) RegisterBufRing(mem unsafe.Pointer, entries, group, flags, minLeft uint32) int {
	return int(C.uring_register_buf_ring(r.c, mem, C.unsigned(entries), C.unsigned(group),
		C.unsigned(flags), C.unsigned(minLeft)))
}

// UnregisterBufRing is io_uring_unregister_buf_ring.
func (r *Ring) UnregisterBufRing(group uint32) int {
	return int(C.io_uring_unregister_buf_ring(r.c, C.int(group)))
}

// BufRingHead is io_uring_buf_ring_head: a head from 0 to 65535, or a negative
// errno.
func (r *Ring) BufRingHead(group uint32) int {
	return int(C.uring_buf_ring_head(r.c, C.int(group)))
}

// RegisterBuffersSparse is io_uring_register_buffers_sparse.
func (r *Ring) RegisterBuffersSparse(n uint32) int {
	return int(C.io_uring_register_buffers_sparse(r.c, C.unsigned(n)))
}

// UpdateBuffer puts one buffer into the table of registered buffers, or takes
// it out if addr and n are 0.
func (r *Ring) UpdateBuffer(index uint32, addr, n uint64) int {
	return int(C.uring_buffers_update(r.c, C.unsigned(index), C.uint64_t(addr), C.uint64_t(n)))
}

// UnregisterBuffers is io_uring_unregister_buffers.
func (r *Ring) UnregisterBuffers() int { return int(C.io_uring_unregister_buffers(r.c)) }

// RegisterFilesSparse is io_uring_register_files_sparse.
func (r *Ring) RegisterFilesSparse(n uint32) int {
	return int(C.io_uring_register_files_sparse(r.c, C.unsigned(n)))
}

// UpdateFiles is io_uring_register_files_update.
func (r *Ring) UpdateFiles(off uint32, fds []int32) int {
	return int(C.io_uring_register_files_update(r.c, C.unsigned(off),
		(*C.int)(unsafe.Pointer(unsafe.SliceData(fds))), C.unsigned(len(fds))))
}

// UnregisterFiles is io_uring_unregister_files.
func (r *Ring) UnregisterFiles() int { return int(C.io_uring_unregister_files(r.c)) }

// RegisterFileAllocRange is io_uring_register_file_alloc_range.
func (r *Ring) RegisterFileAllocRange(off, n uint32) int {
	return int(C.io_uring_register_file_alloc_range(r.c, C.unsigned(off), C.unsigned(n)))
}

// RegisterEventFD is io_uring_register_eventfd, or …_async.
func (r *Ring) RegisterEventFD(fd int, async bool) int {
	if async {
		return int(C.io_uring_register_eventfd_async(r.c, C.int(fd)))
	}
	return int(C.io_uring_register_eventfd(r.c, C.int(fd)))
}

// UnregisterEventFD is io_uring_unregister_eventfd.
func (r *Ring) UnregisterEventFD() int { return int(C.io_uring_unregister_eventfd(r.c)) }

// SyncCancelAll cancels every request of the ring and waits for at most nsec
// nanoseconds until they are gone (io_uring_register_sync_cancel).
func (r *Ring) SyncCancelAll(nsec int64) int {
	return int(C.uring_sync_cancel_all(r.c, C.int64_t(nsec/1e9), C.int64_t(nsec%1e9)))
}

// Dup duplicates a descriptor with close-on-exec set.
func Dup(fd int) int { return int(C.uring_dup(C.int(fd))) }

// EventFD returns a new eventfd that does not block and has close-on-exec set.
func EventFD() int { return int(C.uring_eventfd()) }

// SetNonblock sets O_NONBLOCK.
func SetNonblock(fd int) int { return int(C.uring_set_nonblock(C.int(fd))) }

// SocketType returns SOCK_STREAM and so on, or a negative errno.
func SocketType(fd int) int {
	typ, size := int32(0), uint32(4)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), C.SOL_SOCKET, C.SO_TYPE,
		uintptr(unsafe.Pointer(&typ)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(typ)
}

// ReadKind returns what reads of a descriptor bring, such as [ReadsStream], or a
// negative errno.
func ReadKind(fd int) int { return int(C.uring_read_kind(C.int(fd))) }

// ReadBlocks reports whether the kernel can only read the descriptor by a call that
// waits.
func ReadBlocks(fd int) bool { return bool(C.uring_read_blocks(C.int(fd))) }

// Socketpair returns a pair of connected UNIX sockets.
func Socketpair(sockType int) (fds [2]int, rc int) {
	var c [2]C.int
	rc = int(C.uring_socketpair(C.int(sockType), &c[0]))
	return [2]int{int(c[0]), int(c[1])}, rc
}

// Pipe returns the two ends of a pipe, the one to read from first.
func Pipe() (fds [2]int, rc int) {
	var c [2]C.int
	rc = int(C.uring_pipe(&c[0]))
	return [2]int{int(c[0]), int(c[1])}, rc
}

// TCPPair returns a pair of connected TCP sockets on the loopback interface.
func TCPPair() (fds [2]int, rc int) {
	var c [2]C.int
	rc = int(C.uring_tcp_pair(&c[0]))
	return [2]int{int(c[0]), int(c[1])}, rc
}

// CloseFD is close(2).
func CloseFD(fd int) int { return int(C.uring_close(C.int(fd))) }

// ThreadID returns the calling thread's identifier.
func ThreadID() int { return syscall.Gettid() }
