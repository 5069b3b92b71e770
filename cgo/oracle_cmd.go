//go:build linux && cgo

package cgo

// #include "oracle_cmd.h"
import "C"

// Commands of drivers.

// OracleNop128 is io_uring_prep_nop128, of liburing 2.13.
func OracleNop128(s *SQE) {
	C.oracle_nop128(s.c())
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
