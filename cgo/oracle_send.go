//go:build linux && cgo

package cgo

// #include "oracle_send.h"
import "C"

// OracleSend is io_uring_prep_send.
func OracleSend(s *SQE, fd int32, addr uint64, n, flags uint32) {
	C.oracle_send(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.int(flags))
}

// OracleSendBundle is io_uring_prep_send_bundle.
func OracleSendBundle(s *SQE, fd int32, n, flags uint32) {
	C.io_uring_prep_send_bundle(s.c(), C.int(fd), C.size_t(n), C.int(flags))
}

// OracleSendMsg is io_uring_prep_sendmsg.
func OracleSendMsg(s *SQE, fd int32, msg uint64, flags uint32) {
	C.oracle_sendmsg(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags))
}

// OracleSendZC is io_uring_prep_send_zc.
func OracleSendZC(s *SQE, fd int32, addr uint64, n, flags, zcFlags uint32) {
	C.oracle_send_zc(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.int(flags), C.unsigned(zcFlags))
}

// OracleSendZCFixed is io_uring_prep_send_zc_fixed.
func OracleSendZCFixed(s *SQE, fd int32, addr uint64, n, flags, zcFlags uint32, index uint16) {
	C.oracle_send_zc_fixed(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.int(flags), C.unsigned(zcFlags), C.unsigned(index))
}

// OracleSendMsgZC is io_uring_prep_sendmsg_zc.
func OracleSendMsgZC(s *SQE, fd int32, msg uint64, flags uint32) {
	C.oracle_sendmsg_zc(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags))
}

// OracleSendMsgZCFixed is io_uring_prep_sendmsg_zc_fixed.
func OracleSendMsgZCFixed(s *SQE, fd int32, msg uint64, flags uint32, index uint16) {
	C.oracle_sendmsg_zc_fixed(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags), C.unsigned(index))
}

// OracleSendTo is io_uring_prep_sendto.
func OracleSendTo(s *SQE, fd int32, p uint64, n uint32, flags int32, addr uint64, addrLen uint32) {
	C.oracle_sendto(s.c(), C.int(fd), C.uint64_t(p), C.uint(n), C.int(flags), C.uint64_t(addr), C.uint(addrLen))
}

// OracleSendSetAddr is io_uring_prep_send_set_addr.
func OracleSendSetAddr(s *SQE, addr uint64, n uint16) {
	C.oracle_send_set_addr(s.c(), C.uint64_t(addr), C.uint(n))
}
