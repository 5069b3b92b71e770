//go:build linux && cgo

package cgo

// #include "oracle.h"
import "C"

import "unsafe"

// The Oracle functions fill an entry with liburing's own helper. Package uring
// fills entries in Go; its tests compare the bytes with these. They are here
// because test files cannot talk to C.

func (s *SQE) c() *C.struct_io_uring_sqe { return (*C.struct_io_uring_sqe)(unsafe.Pointer(s)) }

// OracleSetFlags is io_uring_sqe_set_flags.
func OracleSetFlags(s *SQE, flags uint8) { C.io_uring_sqe_set_flags(s.c(), C.unsigned(flags)) }

// OracleSetBufGroup is io_uring_sqe_set_buf_group.
func OracleSetBufGroup(s *SQE, group uint16) { C.io_uring_sqe_set_buf_group(s.c(), C.int(group)) }

// OracleNop is io_uring_prep_nop.
func OracleNop(s *SQE) { C.io_uring_prep_nop(s.c()) }

// OracleTimeout is io_uring_prep_timeout.
func OracleTimeout(s *SQE, ts uint64, count, flags uint32) {
	C.oracle_timeout(s.c(), C.uint64_t(ts), C.unsigned(count), C.unsigned(flags))
}

// OracleLinkTimeout is io_uring_prep_link_timeout.
func OracleLinkTimeout(s *SQE, ts uint64, flags uint32) {
	C.oracle_link_timeout(s.c(), C.uint64_t(ts), C.unsigned(flags))
}

// OracleCancel is io_uring_prep_cancel64.
func OracleCancel(s *SQE, userData uint64, flags uint32) {
	C.io_uring_prep_cancel64(s.c(), C.__u64(userData), C.int(flags))
}

// OracleCancelFD is io_uring_prep_cancel_fd.
func OracleCancelFD(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_cancel_fd(s.c(), C.int(fd), C.unsigned(flags))
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

// OracleMsgRing is io_uring_prep_msg_ring.
func OracleMsgRing(s *SQE, fd int32, n uint32, data uint64) {
	C.io_uring_prep_msg_ring(s.c(), C.int(fd), C.unsigned(n), C.__u64(data), 0)
}

// OracleMsgRingFD is io_uring_prep_msg_ring_fd.
func OracleMsgRingFD(s *SQE, fd int32, source, target uint32, data uint64) {
	C.io_uring_prep_msg_ring_fd(s.c(), C.int(fd), C.int(source), C.int(target), C.__u64(data), 0)
}

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

// OracleSocket is io_uring_prep_socket.
func OracleSocket(s *SQE, domain, typ, protocol int32) {
	C.io_uring_prep_socket(s.c(), C.int(domain), C.int(typ), C.int(protocol), 0)
}

// OracleSocketDirect is io_uring_prep_socket_direct.
func OracleSocketDirect(s *SQE, domain, typ, protocol int32, slot uint32) {
	C.io_uring_prep_socket_direct(s.c(), C.int(domain), C.int(typ), C.int(protocol), C.unsigned(slot), 0)
}

// OracleConnect is io_uring_prep_connect.
func OracleConnect(s *SQE, fd int32, addr uint64, n uint32) {
	C.oracle_connect(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n))
}

// OracleAccept is io_uring_prep_accept.
func OracleAccept(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_accept(s.c(), C.int(fd), nil, nil, C.int(flags))
}

// OracleAcceptDirect is io_uring_prep_accept_direct.
func OracleAcceptDirect(s *SQE, fd int32, flags, slot uint32) {
	C.io_uring_prep_accept_direct(s.c(), C.int(fd), nil, nil, C.int(flags), C.unsigned(slot))
}

// OracleAcceptMultishot is io_uring_prep_multishot_accept.
func OracleAcceptMultishot(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_multishot_accept(s.c(), C.int(fd), nil, nil, C.int(flags))
}

// OracleAcceptMultishotDirect is io_uring_prep_multishot_accept_direct.
func OracleAcceptMultishotDirect(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_multishot_accept_direct(s.c(), C.int(fd), nil, nil, C.int(flags))
}

// OracleShutdown is io_uring_prep_shutdown.
func OracleShutdown(s *SQE, fd, how int32) { C.io_uring_prep_shutdown(s.c(), C.int(fd), C.int(how)) }

// OracleSetsockopt is io_uring_prep_cmd_sock for setsockopt(2).
func OracleSetsockopt(s *SQE, fd int32, level, name uint32, value uint64, n uint32) {
	C.oracle_setsockopt(s.c(), C.int(fd), C.int(level), C.int(name), C.uint64_t(value), C.int(n))
}

// OracleRecv is io_uring_prep_recv.
func OracleRecv(s *SQE, fd int32, addr uint64, n, flags uint32) {
	C.oracle_recv(s.c(), C.int(fd), C.uint64_t(addr), C.unsigned(n), C.int(flags))
}

// OracleRecvMultishot is io_uring_prep_recv_multishot without memory of its own.
func OracleRecvMultishot(s *SQE, fd int32, flags uint32) {
	C.io_uring_prep_recv_multishot(s.c(), C.int(fd), nil, 0, C.int(flags))
}

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

// OracleRecvMsg is io_uring_prep_recvmsg.
func OracleRecvMsg(s *SQE, fd int32, msg uint64, flags uint32) {
	C.oracle_recvmsg(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags))
}

// OracleRecvMsgMultishot is io_uring_prep_recvmsg_multishot.
func OracleRecvMsgMultishot(s *SQE, fd int32, msg uint64, flags uint32) {
	C.oracle_recvmsg_multishot(s.c(), C.int(fd), C.uint64_t(msg), C.unsigned(flags))
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

// OracleRefill is io_uring_buf_ring_add for each slot, and
// io_uring_buf_ring_advance.
func OracleRefill(mem unsafe.Pointer, mask uint32, slots []Slot) {
	C.oracle_refill(mem, C.int(mask), (*C.struct_io_uring_buf)(unsafe.Pointer(unsafe.SliceData(slots))), C.int(len(slots)))
}
