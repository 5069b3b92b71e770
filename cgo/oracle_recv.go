//go:build linux && cgo

package cgo

// #include "oracle_recv.h"
import "C"

import "unsafe"

// OracleRecv is io_uring_prep_recv.
func OracleRecv(s *SQE, fd int32, addr uint64, n, flags uint32) {
	C.oracle_recv(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.int(flags))
}

// OracleRecvMultishot is io_uring_prep_recv_multishot without memory of its own.
func OracleRecvMultishot(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_recv_multishot(s.c(), C.int(fd), nil, 0, C.int(flags))
}

// OracleRecvMsg is io_uring_prep_recvmsg.
func OracleRecvMsg(s *SQE, fd int32, msg uint64, flags uint32) {
	C.oracle_recvmsg(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags))
}

// OracleRecvMsgMultishot is io_uring_prep_recvmsg_multishot.
func OracleRecvMsgMultishot(s *SQE, fd int32, msg uint64, flags uint32) {
	C.oracle_recvmsg_multishot(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags))
}

// A MsgParts says where in a buffer the parts of a received message are.
type MsgParts struct {
	Name, Control, Payload int // offsets
	PayloadLen             int // of what is there
}

// OracleMsgParts asks the io_uring_recvmsg functions for the parts of the
// message in p, which must not be empty. ok is false if
// io_uring_recvmsg_validate refuses it.
func OracleMsgParts(p []byte, nameLen, controlLen uint32) (parts MsgParts, ok bool) {
	r := C.oracle_recvmsg_parts(unsafe.Pointer(unsafe.SliceData(p)), C.int(len(p)), C.unsigned(nameLen), C.unsigned(controlLen))
	return MsgParts{int(r.name), int(r.control), int(r.payload), int(r.payload_len)}, r.valid != 0
}
