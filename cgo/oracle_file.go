//go:build linux && cgo

package cgo

// #include "oracle_file.h"
import "C"

// Reads, writes and what else works on an open file.

// OracleRead is io_uring_prep_read.
func OracleRead(s *SQE, fd int32, addr uint64, n uint32, off uint64) {
	C.oracle_read(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.uint64_t(off))
}

// OracleWrite is io_uring_prep_write.
func OracleWrite(s *SQE, fd int32, addr uint64, n uint32, off uint64) {
	C.oracle_write(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.uint64_t(off))
}

// OracleReadFixed is io_uring_prep_read_fixed.
func OracleReadFixed(s *SQE, fd int32, addr uint64, n uint32, off uint64, index uint16) {
	C.oracle_read_fixed(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.uint64_t(off), C.int(index))
}

// OracleWriteFixed is io_uring_prep_write_fixed.
func OracleWriteFixed(s *SQE, fd int32, addr uint64, n uint32, off uint64, index uint16) {
	C.oracle_write_fixed(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.uint64_t(off), C.int(index))
}

// OracleClose is io_uring_prep_close.
func OracleClose(s *SQE, fd int32) { C.io_uring_prep_close(s.c(), C.int(fd)) }

// OracleCloseDirect is io_uring_prep_close_direct.
func OracleCloseDirect(s *SQE, slot uint32) { C.io_uring_prep_close_direct(s.c(), C.unsigned(slot)) }

// OracleReadv is io_uring_prep_readv.
func OracleReadv(s *SQE, fd int32, iov uint64, n uint32, off uint64) {
	C.oracle_readv(s.c(), C.int(fd), C.uint64_t(iov), C.uint(n), C.uint64_t(off))
}

// OracleReadv2 is io_uring_prep_readv2.
func OracleReadv2(s *SQE, fd int32, iov uint64, n uint32, off uint64, flags int32) {
	C.oracle_readv2(s.c(), C.int(fd), C.uint64_t(iov), C.uint(n), C.uint64_t(off), C.int(flags))
}

// OracleReadvFixed is io_uring_prep_readv_fixed, of liburing 2.10.
func OracleReadvFixed(s *SQE, fd int32, iov uint64, n uint32, off uint64, flags int32, index uint16) {
	C.oracle_readv_fixed(s.c(), C.int(fd), C.uint64_t(iov), C.uint(n), C.uint64_t(off), C.int(flags), C.int(index))
}

// OracleWritev is io_uring_prep_writev.
func OracleWritev(s *SQE, fd int32, iov uint64, n uint32, off uint64) {
	C.oracle_writev(s.c(), C.int(fd), C.uint64_t(iov), C.uint(n), C.uint64_t(off))
}

// OracleWritev2 is io_uring_prep_writev2.
func OracleWritev2(s *SQE, fd int32, iov uint64, n uint32, off uint64, flags int32) {
	C.oracle_writev2(s.c(), C.int(fd), C.uint64_t(iov), C.uint(n), C.uint64_t(off), C.int(flags))
}

// OracleWritevFixed is io_uring_prep_writev_fixed, of liburing 2.10.
func OracleWritevFixed(s *SQE, fd int32, iov uint64, n uint32, off uint64, flags int32, index uint16) {
	C.oracle_writev_fixed(s.c(), C.int(fd), C.uint64_t(iov), C.uint(n), C.uint64_t(off), C.int(flags), C.int(index))
}

// OracleReadMultishot is io_uring_prep_read_multishot.
func OracleReadMultishot(s *SQE, fd int32, n uint32, off uint64, group uint16) {
	C.oracle_read_multishot(s.c(), C.int(fd), C.uint(n), C.uint64_t(off), C.int(group))
}

// OracleFsync is io_uring_prep_fsync.
func OracleFsync(s *SQE, fd int32, flags uint32) {
	C.oracle_fsync(s.c(), C.int(fd), C.uint(flags))
}

// OracleSyncFileRange is io_uring_prep_sync_file_range.
func OracleSyncFileRange(s *SQE, fd int32, n uint32, off uint64, flags int32) {
	C.oracle_sync_file_range(s.c(), C.int(fd), C.uint(n), C.uint64_t(off), C.int(flags))
}

// OracleFallocate is io_uring_prep_fallocate.
func OracleFallocate(s *SQE, fd, mode int32, off, n uint64) {
	C.oracle_fallocate(s.c(), C.int(fd), C.int(mode), C.uint64_t(off), C.uint64_t(n))
}

// OracleFtruncate is io_uring_prep_ftruncate.
func OracleFtruncate(s *SQE, fd int32, n uint64) {
	C.oracle_ftruncate(s.c(), C.int(fd), C.uint64_t(n))
}

// OracleFadvise is io_uring_prep_fadvise.
func OracleFadvise(s *SQE, fd int32, off uint64, n uint32, advice int32) {
	C.oracle_fadvise(s.c(), C.int(fd), C.uint64_t(off), C.uint(n), C.int(advice))
}

// OracleFadvise64 is io_uring_prep_fadvise64.
func OracleFadvise64(s *SQE, fd int32, off, n uint64, advice int32) {
	C.oracle_fadvise64(s.c(), C.int(fd), C.uint64_t(off), C.uint64_t(n), C.int(advice))
}

// OracleMadvise is io_uring_prep_madvise.
func OracleMadvise(s *SQE, addr uint64, n uint32, advice int32) {
	C.oracle_madvise(s.c(), C.uint64_t(addr), C.uint(n), C.int(advice))
}

// OracleMadvise64 is io_uring_prep_madvise64.
func OracleMadvise64(s *SQE, addr, n uint64, advice int32) {
	C.oracle_madvise64(s.c(), C.uint64_t(addr), C.uint64_t(n), C.int(advice))
}

// OracleSplice is io_uring_prep_splice.
func OracleSplice(s *SQE, in int32, inOff uint64, out int32, outOff uint64, n, flags uint32) {
	C.oracle_splice(s.c(), C.int(in), C.uint64_t(inOff), C.int(out), C.uint64_t(outOff), C.uint(n), C.uint(flags))
}

// OracleTee is io_uring_prep_tee.
func OracleTee(s *SQE, in, out int32, n, flags uint32) {
	C.oracle_tee(s.c(), C.int(in), C.int(out), C.uint(n), C.uint(flags))
}
