//go:build linux && cgo

package cgo

// #include "oracle_group.h"
import "C"

import "unsafe"

// OracleSetBufGroup is io_uring_sqe_set_buf_group.
func OracleSetBufGroup(s *SQE, group uint16) { C.io_uring_sqe_set_buf_group(s.c(), C.int(group)) }

// OracleRefill is io_uring_buf_ring_add for each slot, and
// io_uring_buf_ring_advance.
func OracleRefill(mem unsafe.Pointer, mask uint32, slots []Slot) {
	C.oracle_refill(mem, C.int(mask), (*C.struct_io_uring_buf)(unsafe.Pointer(unsafe.SliceData(slots))), C.int(len(slots)))
}

// OracleProvideBuffers is io_uring_prep_provide_buffers.
func OracleProvideBuffers(s *SQE, addr uint64, n, nr int32, group, bid uint16) {
	C.oracle_provide_buffers(s.c(), C.uint64_t(addr), C.int(n), C.int(nr), C.int(group), C.int(bid))
}

// OracleRemoveBuffers is io_uring_prep_remove_buffers.
func OracleRemoveBuffers(s *SQE, nr int32, group uint16) {
	C.oracle_remove_buffers(s.c(), C.int(nr), C.int(group))
}
