//go:build linux && cgo

package cgo

// #include "oracle.h"
import "C"

import "unsafe"

// The Oracle functions fill an entry with liburing's own helper. Package uring
// fills entries in Go; its tests compare the bytes with these. They are here
// because test files cannot talk to C.
//
// Those for the methods of sqe_send.go are in oracle_send.go, with their C side
// in oracle_send.h, and so on. The requests of cancel.go are in oracle_ring.go.

func (s *SQE) c() *C.struct_io_uring_sqe { return (*C.struct_io_uring_sqe)(unsafe.Pointer(s)) }

// OracleSetFlags is io_uring_sqe_set_flags.
func OracleSetFlags(s *SQE, flags uint8) { C.io_uring_sqe_set_flags(s.c(), C.unsigned(flags)) }

// OracleNop is io_uring_prep_nop.
func OracleNop(s *SQE) { C.io_uring_prep_nop(s.c()) }
