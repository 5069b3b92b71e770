//go:build linux && cgo

package cgo

// #include "oracle_socket.h"
import "C"

// Sockets and their options.

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

// OracleBind is io_uring_prep_bind.
func OracleBind(s *SQE, fd int32, addr uint64, n uint32) {
	C.oracle_bind(s.c(), C.int(fd), C.uint64_t(addr), C.uint(n))
}

// OracleListen is io_uring_prep_listen.
func OracleListen(s *SQE, fd, backlog int32) {
	C.oracle_listen(s.c(), C.int(fd), C.int(backlog))
}

// OracleAcceptAddr is io_uring_prep_accept.
func OracleAcceptAddr(s *SQE, fd int32, addr, addrLen uint64, flags int32) {
	C.oracle_accept(s.c(), C.int(fd), C.uint64_t(addr), C.uint64_t(addrLen), C.int(flags))
}

// OracleAcceptAddrDirect is io_uring_prep_accept_direct.
func OracleAcceptAddrDirect(s *SQE, fd int32, addr, addrLen uint64, flags int32, slot uint32) {
	C.oracle_accept_direct(s.c(), C.int(fd), C.uint64_t(addr), C.uint64_t(addrLen), C.int(flags), C.uint(slot))
}

// OracleSocketDirectAlloc is io_uring_prep_socket_direct_alloc.
func OracleSocketDirectAlloc(s *SQE, domain, typ, protocol int32, flags uint32) {
	C.oracle_socket_direct_alloc(s.c(), C.int(domain), C.int(typ), C.int(protocol), C.uint(flags))
}

// OracleCmdSock is io_uring_prep_cmd_sock.
func OracleCmdSock(s *SQE, op, fd, level, name int32, value uint64, n int32) {
	C.oracle_cmd_sock(s.c(), C.int(op), C.int(fd), C.int(level), C.int(name), C.uint64_t(value), C.int(n))
}

// OracleCmdGetsockname is io_uring_prep_cmd_getsockname, of liburing 2.13.
func OracleCmdGetsockname(s *SQE, fd int32, addr, addrLen uint64, peer int32) {
	C.oracle_cmd_getsockname(s.c(), C.int(fd), C.uint64_t(addr), C.uint64_t(addrLen), C.int(peer))
}
