//go:build linux && cgo

package cgo

// #include "oracle_more.h"
import "C"

// Everything else.

// OracleNop128 is io_uring_prep_nop128, of liburing 2.13.
func OracleNop128(s *SQE) {
	C.oracle_nop128(s.c())
}

// OraclePollUpdate is io_uring_prep_poll_update.
func OraclePollUpdate(s *SQE, old, new uint64, mask, flags uint32) {
	C.oracle_poll_update(s.c(), C.uint64_t(old), C.uint64_t(new), C.uint(mask), C.uint(flags))
}

// OracleTimeoutRemove is io_uring_prep_timeout_remove.
func OracleTimeoutRemove(s *SQE, userData uint64, flags uint32) {
	C.oracle_timeout_remove(s.c(), C.uint64_t(userData), C.uint(flags))
}

// OracleTimeoutUpdate is io_uring_prep_timeout_update.
func OracleTimeoutUpdate(s *SQE, ts, userData uint64, flags uint32) {
	C.oracle_timeout_update(s.c(), C.uint64_t(ts), C.uint64_t(userData), C.uint(flags))
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

// OracleProvideBuffers is io_uring_prep_provide_buffers.
func OracleProvideBuffers(s *SQE, addr uint64, n, nr int32, group, bid uint16) {
	C.oracle_provide_buffers(s.c(), C.uint64_t(addr), C.int(n), C.int(nr), C.int(group), C.int(bid))
}

// OracleRemoveBuffers is io_uring_prep_remove_buffers.
func OracleRemoveBuffers(s *SQE, nr int32, group uint16) {
	C.oracle_remove_buffers(s.c(), C.int(nr), C.int(group))
}

// OracleFutexWait is io_uring_prep_futex_wait.
func OracleFutexWait(s *SQE, futex, val, mask uint64, futexFlags, flags uint32) {
	C.oracle_futex_wait(s.c(), C.uint64_t(futex), C.uint64_t(val), C.uint64_t(mask), C.uint(futexFlags), C.uint(flags))
}

// OracleFutexWake is io_uring_prep_futex_wake.
func OracleFutexWake(s *SQE, futex, val, mask uint64, futexFlags, flags uint32) {
	C.oracle_futex_wake(s.c(), C.uint64_t(futex), C.uint64_t(val), C.uint64_t(mask), C.uint(futexFlags), C.uint(flags))
}

// OracleFutexWaitv is io_uring_prep_futex_waitv.
func OracleFutexWaitv(s *SQE, futexes uint64, n, flags uint32) {
	C.oracle_futex_waitv(s.c(), C.uint64_t(futexes), C.uint(n), C.uint(flags))
}

// OracleWaitid is io_uring_prep_waitid.
func OracleWaitid(s *SQE, idType int32, id uint32, info uint64, options int32, flags uint32) {
	C.oracle_waitid(s.c(), C.int(idType), C.uint(id), C.uint64_t(info), C.int(options), C.uint(flags))
}

// OracleUringCmd is io_uring_prep_uring_cmd, of liburing 2.13.
func OracleUringCmd(s *SQE, op, fd int32) {
	C.oracle_uring_cmd(s.c(), C.int(op), C.int(fd))
}

// OracleUringCmd128 is io_uring_prep_uring_cmd128, of liburing 2.13.
func OracleUringCmd128(s *SQE, op, fd int32) {
	C.oracle_uring_cmd128(s.c(), C.int(op), C.int(fd))
}

// OracleCmdDiscard is io_uring_prep_cmd_discard.
func OracleCmdDiscard(s *SQE, fd int32, off, n uint64) {
	C.oracle_cmd_discard(s.c(), C.int(fd), C.uint64_t(off), C.uint64_t(n))
}
