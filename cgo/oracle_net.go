//go:build linux && cgo

package cgo

// #include "oracle_more.h"
import "C"

// Sockets and epoll.

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

// OracleSendTo is io_uring_prep_sendto.
func OracleSendTo(s *SQE, fd int32, p uint64, n uint32, flags int32, addr uint64, addrLen uint32) {
	C.oracle_sendto(s.c(), C.int(fd), C.uint64_t(p), C.uint(n), C.int(flags), C.uint64_t(addr), C.uint(addrLen))
}

// OracleSendSetAddr is io_uring_prep_send_set_addr.
func OracleSendSetAddr(s *SQE, addr uint64, n uint16) {
	C.oracle_send_set_addr(s.c(), C.uint64_t(addr), C.uint(n))
}

// OracleCmdSock is io_uring_prep_cmd_sock.
func OracleCmdSock(s *SQE, op, fd, level, name int32, value uint64, n int32) {
	C.oracle_cmd_sock(s.c(), C.int(op), C.int(fd), C.int(level), C.int(name), C.uint64_t(value), C.int(n))
}

// OracleCmdGetsockname is io_uring_prep_cmd_getsockname, of liburing 2.13.
func OracleCmdGetsockname(s *SQE, fd int32, addr, addrLen uint64, peer int32) {
	C.oracle_cmd_getsockname(s.c(), C.int(fd), C.uint64_t(addr), C.uint64_t(addrLen), C.int(peer))
}

// OracleEpollCtl is io_uring_prep_epoll_ctl.
func OracleEpollCtl(s *SQE, epfd, fd, op int32, event uint64) {
	C.oracle_epoll_ctl(s.c(), C.int(epfd), C.int(fd), C.int(op), C.uint64_t(event))
}

// OracleEpollWait is io_uring_prep_epoll_wait, of liburing 2.10.
func OracleEpollWait(s *SQE, fd int32, events uint64, n int32, flags uint32) {
	C.oracle_epoll_wait(s.c(), C.int(fd), C.uint64_t(events), C.int(n), C.uint(flags))
}
