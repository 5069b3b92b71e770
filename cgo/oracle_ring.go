//go:build linux && cgo

package cgo

// #include "oracle_ring.h"
import "C"

// Messages, cancellation, descriptors and pipes.

// OracleCancel is io_uring_prep_cancel64.
func OracleCancel(s *SQE, userData uint64, flags uint32) {
	C.io_uring_prep_cancel64(s.c(), C.__u64(userData), C.int(flags))
}

// OracleCancelFD is io_uring_prep_cancel_fd.
func OracleCancelFD(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_cancel_fd(s.c(), C.int(fd), C.unsigned(flags))
}

// OracleMsgRing is io_uring_prep_msg_ring.
func OracleMsgRing(s *SQE, fd int32, n uint32, data uint64) {
	C.io_uring_prep_msg_ring(s.c(), C.int(fd), C.unsigned(n), C.__u64(data), 0)
}

// OracleMsgRingFD is io_uring_prep_msg_ring_fd.
func OracleMsgRingFD(s *SQE, fd int32, source, target uint32, data uint64) {
	C.io_uring_prep_msg_ring_fd(s.c(), C.int(fd), C.int(source), C.int(target), C.__u64(data), 0)
}

// OracleFilesUpdate is io_uring_prep_files_update.
func OracleFilesUpdate(s *SQE, fds uint64, n uint32, off int32) {
	C.oracle_files_update(s.c(), C.uint64_t(fds), C.uint(n), C.int(off))
}

// OracleMsgRingCQEFlags is io_uring_prep_msg_ring_cqe_flags.
func OracleMsgRingCQEFlags(s *SQE, fd int32, n uint32, data uint64, flags, cqeFlags uint32) {
	C.oracle_msg_ring_cqe_flags(s.c(), C.int(fd), C.uint(n), C.uint64_t(data), C.uint(flags), C.uint(cqeFlags))
}

// OracleMsgRingFDAlloc is io_uring_prep_msg_ring_fd_alloc.
func OracleMsgRingFDAlloc(s *SQE, fd, source int32, data uint64, flags uint32) {
	C.oracle_msg_ring_fd_alloc(s.c(), C.int(fd), C.int(source), C.uint64_t(data), C.uint(flags))
}

// OracleFixedFDInstall is io_uring_prep_fixed_fd_install.
func OracleFixedFDInstall(s *SQE, fd int32, flags uint32) {
	C.oracle_fixed_fd_install(s.c(), C.int(fd), C.uint(flags))
}

// OraclePipe is io_uring_prep_pipe, of liburing 2.12.
func OraclePipe(s *SQE, fds uint64, flags int32) {
	C.oracle_pipe(s.c(), C.uint64_t(fds), C.int(flags))
}

// OraclePipeDirect is io_uring_prep_pipe_direct, of liburing 2.12.
func OraclePipeDirect(s *SQE, fds uint64, flags int32, slot uint32) {
	C.oracle_pipe_direct(s.c(), C.uint64_t(fds), C.int(flags), C.uint(slot))
}
