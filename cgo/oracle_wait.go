//go:build linux && cgo

package cgo

// #include "oracle_wait.h"
import "C"

// Timeouts, polls, epoll, futexes and processes.

// OracleTimeout is io_uring_prep_timeout.
func OracleTimeout(s *SQE, ts uint64, count, flags uint32) {
	C.oracle_timeout(s.c(), C.uint64_t(ts), C.unsigned(count), C.unsigned(flags))
}

// OracleLinkTimeout is io_uring_prep_link_timeout.
func OracleLinkTimeout(s *SQE, ts uint64, flags uint32) {
	C.oracle_link_timeout(s.c(), C.uint64_t(ts), C.unsigned(flags))
}

// OraclePollAdd is io_uring_prep_poll_add.
func OraclePollAdd(s *SQE, fd int32, mask uint32) {
	C.io_uring_prep_poll_add(s.c(), C.int(fd), C.unsigned(mask))
}

// OraclePollMultishot is io_uring_prep_poll_multishot.
func OraclePollMultishot(s *SQE, fd int32, mask uint32) {
	C.io_uring_prep_poll_multishot(s.c(), C.int(fd), C.unsigned(mask))
}

// OraclePollRemove is io_uring_prep_poll_remove.
func OraclePollRemove(s *SQE, userData uint64) {
	C.io_uring_prep_poll_remove(s.c(), C.__u64(userData))
}

// OracleEpollCtl is io_uring_prep_epoll_ctl.
func OracleEpollCtl(s *SQE, epfd, fd, op int32, event uint64) {
	C.oracle_epoll_ctl(s.c(), C.int(epfd), C.int(fd), C.int(op), C.uint64_t(event))
}

// OracleEpollWait is io_uring_prep_epoll_wait, of liburing 2.10.
func OracleEpollWait(s *SQE, fd int32, events uint64, n int32, flags uint32) {
	C.oracle_epoll_wait(s.c(), C.int(fd), C.uint64_t(events), C.int(n), C.uint(flags))
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
