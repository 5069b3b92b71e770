//go:build linux && cgo

package cgo

// #include "register.h"
import "C"

import "unsafe"

// Raw returns r, for calls that name a second ring.
func (r *Ring) Raw() *Ring { return r }

// DontFork is io_uring_ring_dontfork.
func (r *Ring) DontFork() int { return int(C.io_uring_ring_dontfork(r.c)) }

// EventFDEnabled is io_uring_cq_eventfd_enabled.
func (r *Ring) EventFDEnabled() bool { return bool(C.io_uring_cq_eventfd_enabled(r.c)) }

// ToggleEventFD is io_uring_cq_eventfd_toggle.
func (r *Ring) ToggleEventFD(on bool) int {
	return int(C.io_uring_cq_eventfd_toggle(r.c, C.bool(on)))
}

// Probe sets ops[i] to 1 for each opcode the kernel supports and returns the
// number of opcodes the kernel knows, or a negative errno
// (io_uring_register_probe).
func (r *Ring) Probe(ops []uint8) int {
	return int(C.uring_probe(r.c, (*C.uint8_t)(unsafe.SliceData(ops)), C.int(len(ops))))
}

// RegisterBuffers is io_uring_register_buffers, or …_tags if there are tags.
func (r *Ring) RegisterBuffers(bufs []IovecAddr, tags []uint64) int {
	iov, n := iovecs(bufs), C.unsigned(len(bufs))
	if tags == nil {
		return int(C.io_uring_register_buffers(r.c, iov, n))
	}
	return int(C.io_uring_register_buffers_tags(r.c, iov, tagList(tags), n))
}

// UpdateBuffers is io_uring_register_buffers_update_tag.
func (r *Ring) UpdateBuffers(off uint32, bufs []IovecAddr, tags []uint64) int {
	return int(C.io_uring_register_buffers_update_tag(r.c, C.unsigned(off), iovecs(bufs), tagList(tags), C.unsigned(len(bufs))))
}

// CloneBuffers is io_uring_clone_buffers_offset.
func (r *Ring) CloneBuffers(from *Ring, dst, src, n, flags uint32) int {
	return int(C.uring_clone_buffers(r.c, from.c, C.unsigned(dst), C.unsigned(src), C.unsigned(n), C.unsigned(flags)))
}

func iovecs(bufs []IovecAddr) *C.struct_iovec {
	return (*C.struct_iovec)(unsafe.Pointer(unsafe.SliceData(bufs)))
}

func tagList(tags []uint64) *C.__u64 { return (*C.__u64)(unsafe.SliceData(tags)) }

// RegisterFiles is io_uring_register_files, or …_tags if there are tags.
func (r *Ring) RegisterFiles(fds []int32, tags []uint64) int {
	list, n := fdList(fds), C.unsigned(len(fds))
	if tags == nil {
		return int(C.io_uring_register_files(r.c, list, n))
	}
	return int(C.io_uring_register_files_tags(r.c, list, tagList(tags), n))
}

// UpdateFilesTags is io_uring_register_files_update_tag.
func (r *Ring) UpdateFilesTags(off uint32, fds []int32, tags []uint64) int {
	return int(C.io_uring_register_files_update_tag(r.c, C.unsigned(off), fdList(fds), tagList(tags), C.unsigned(len(fds))))
}

func fdList(fds []int32) *C.int { return (*C.int)(unsafe.Pointer(unsafe.SliceData(fds))) }

// RegisterPersonality is io_uring_register_personality.
func (r *Ring) RegisterPersonality() int { return int(C.io_uring_register_personality(r.c)) }

// UnregisterPersonality is io_uring_unregister_personality.
func (r *Ring) UnregisterPersonality(id uint16) int {
	return int(C.io_uring_unregister_personality(r.c, C.int(id)))
}

// RegisterRestrictions is io_uring_register_restrictions.
func (r *Ring) RegisterRestrictions(rs []Restriction) int {
	return int(C.io_uring_register_restrictions(r.c,
		(*C.struct_io_uring_restriction)(unsafe.Pointer(unsafe.SliceData(rs))), C.unsigned(len(rs))))
}

// RegisterIOWQAff is io_uring_register_iowq_aff for a set of CPUs.
func (r *Ring) RegisterIOWQAff(mask []byte) int {
	if len(mask) < C.sizeof_cpu_set_t {
		// The pointer's type promises a whole one.
		mask = append(make([]byte, 0, C.sizeof_cpu_set_t), mask...)[:C.sizeof_cpu_set_t]
	}
	return int(C.io_uring_register_iowq_aff(r.c, C.size_t(len(mask)), (*C.cpu_set_t)(unsafe.Pointer(unsafe.SliceData(mask)))))
}

// UnregisterIOWQAff is io_uring_unregister_iowq_aff.
func (r *Ring) UnregisterIOWQAff() int { return int(C.io_uring_unregister_iowq_aff(r.c)) }

// RegisterIOWQMaxWorkers is io_uring_register_iowq_max_workers.
func (r *Ring) RegisterIOWQMaxWorkers(max *[2]uint32) int {
	return int(C.io_uring_register_iowq_max_workers(r.c, (*C.uint)(unsafe.Pointer(max))))
}

// CloseRingFD is io_uring_close_ring_fd.
func (r *Ring) CloseRingFD() int { return int(C.io_uring_close_ring_fd(r.c)) }

// SyncCancel is io_uring_register_sync_cancel.
func (r *Ring) SyncCancel(c *SyncCancel) int {
	return int(C.io_uring_register_sync_cancel(r.c, (*C.struct_io_uring_sync_cancel_reg)(unsafe.Pointer(c))))
}

// RegisterNAPI is io_uring_register_napi.
func (r *Ring) RegisterNAPI(n *NAPI) int {
	return int(C.io_uring_register_napi(r.c, (*C.struct_io_uring_napi)(unsafe.Pointer(n))))
}

// UnregisterNAPI is io_uring_unregister_napi.
func (r *Ring) UnregisterNAPI(n *NAPI) int {
	return int(C.io_uring_unregister_napi(r.c, (*C.struct_io_uring_napi)(unsafe.Pointer(n))))
}

// RegisterClock is io_uring_register_clock.
func (r *Ring) RegisterClock(id uint32) int { return int(C.uring_register_clock(r.c, C.unsigned(id))) }

// ResizeRings is io_uring_resize_rings. The view of the queues moves along.
func (r *Ring) ResizeRings(sq, cq uint32) int {
	rc := int(C.uring_resize_rings(r.c, C.unsigned(sq), C.unsigned(cq)))
	if rc >= 0 {
		r.Queues = queues(r.c)
		r.ktail = (*uint32)(r.c.sq.ktail)
	}
	return rc
}

// RegisterRegion is io_uring_register_region.
func (r *Ring) RegisterRegion(d *RegionDesc, flags uint64) int {
	return int(C.uring_register_region(r.c, unsafe.Pointer(d), C.uint64_t(flags)))
}

// RegisterZCRX is io_uring_register_ifq.
func (r *Ring) RegisterZCRX(reg *ZCRXReg, area *ZCRXArea, region *RegionDesc) int {
	return int(C.uring_register_zcrx(r.c, unsafe.Pointer(reg), unsafe.Pointer(area), unsafe.Pointer(region)))
}

// ZCRXControl is io_uring_register_zcrx_ctrl. It returns the new descriptor of
// an export.
func (r *Ring) ZCRXControl(id, op uint32) int {
	return int(C.uring_zcrx_ctrl(r.c, C.unsigned(id), C.unsigned(op)))
}

// RegisterBPFFilter is io_uring_register_bpf_filter. The kernel's own size of
// the payload comes back in *pduSize.
func (r *Ring) RegisterBPFFilter(op uint8, flags uint32, pduSize *uint8, prog []BPFInsn) int {
	return registerBPFFilter(r.c, op, flags, pduSize, prog)
}

// RegisterBPFFilterTask is io_uring_register_bpf_filter_task.
func RegisterBPFFilterTask(op uint8, flags uint32, pduSize *uint8, prog []BPFInsn) int {
	return registerBPFFilter(nil, op, flags, pduSize, prog)
}

func registerBPFFilter(c *C.struct_io_uring, op uint8, flags uint32, pduSize *uint8, prog []BPFInsn) int {
	return int(C.uring_register_bpf_filter(c, C.unsigned(op), C.unsigned(flags), (*C.uint8_t)(pduSize),
		unsafe.Pointer(unsafe.SliceData(prog)), C.unsigned(len(prog))))
}

// SyncMsg is io_uring_register_sync_msg for a completion on the ring of fd.
func SyncMsg(fd int, c CQE) int {
	return int(C.uring_register_sync_msg(C.int(fd), C.uint64_t(c.UserData), C.unsigned(c.Res), C.unsigned(c.Flags)))
}

// QueryOpcodesInto, QueryZCRXInto and QuerySCQInto are io_uring_register_query.
func QueryOpcodesInto(a *QueryOpcodesAnswer) int {
	return query(QueryOpcodes, unsafe.Pointer(a), unsafe.Sizeof(*a))
}

func QueryZCRXInto(a *QueryZCRXAnswer) int {
	return query(QueryZCRX, unsafe.Pointer(a), unsafe.Sizeof(*a))
}

func QuerySCQInto(a *QuerySCQAnswer) int {
	return query(QuerySCQ, unsafe.Pointer(a), unsafe.Sizeof(*a))
}

func query(op C.unsigned, data unsafe.Pointer, size uintptr) int {
	return int(C.uring_query(op, data, C.unsigned(size)))
}

// MemorySize is io_uring_memory_size_params.
func MemorySize(entries uint32, p Params) int {
	return int(C.uring_memory_size(C.unsigned(entries), C.unsigned(p.Flags), C.unsigned(p.CQEntries), 0))
}

// LockedSize is io_uring_mlock_size_params.
func LockedSize(entries uint32, p Params) int {
	return int(C.uring_memory_size(C.unsigned(entries), C.unsigned(p.Flags), C.unsigned(p.CQEntries), 1))
}

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

// As in layout.go.
const (
	_ = -(unsafe.Sizeof(Restriction{}) ^ uintptr(C.sizeof_struct_io_uring_restriction))
	_ = -(unsafe.Sizeof(SyncCancel{}) ^ uintptr(C.sizeof_struct_io_uring_sync_cancel_reg))
	_ = -(unsafe.Offsetof(SyncCancel{}.Sec) ^ uintptr(C.offsetof_sync_cancel_timeout))
	_ = -(unsafe.Offsetof(SyncCancel{}.Opcode) ^ uintptr(C.offsetof_sync_cancel_opcode))
	_ = -(unsafe.Sizeof(NAPI{}) ^ uintptr(C.sizeof_struct_uring_napi))
	_ = -(unsafe.Sizeof(RegionDesc{}) ^ uintptr(C.sizeof_struct_io_uring_region_desc))
	_ = -(unsafe.Offsetof(RegionDesc{}.MMapOffset) ^ uintptr(C.offsetof_region_mmap_offset))
	_ = -(unsafe.Sizeof(ZCRXReg{}) ^ uintptr(C.uring_sizeof_zcrx_ifq_reg))
	_ = -(unsafe.Sizeof(ZCRXArea{}) ^ uintptr(C.uring_sizeof_zcrx_area_reg))
	_ = -(unsafe.Sizeof(BPFInsn{}) ^ uintptr(C.sizeof_struct_sock_filter))
	_ = -(unsafe.Sizeof(ZCRXRQE{}) ^ uintptr(C.uring_sizeof_zcrx_rqe))
	_ = -(unsafe.Sizeof(QueryOpcodesAnswer{}) ^ uintptr(C.uring_sizeof_query_opcode))
	_ = -(unsafe.Sizeof(QueryZCRXAnswer{}) ^ uintptr(C.uring_sizeof_query_zcrx))
	_ = -(unsafe.Sizeof(QuerySCQAnswer{}) ^ uintptr(C.uring_sizeof_query_scq))
)
