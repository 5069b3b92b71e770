/* Helpers for sockets, as oracle.h explains. */
#ifndef URING_ORACLE_SOCKET_H
#define URING_ORACLE_SOCKET_H

#include "oracle.h"

static inline void oracle_connect(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n)
{
	io_uring_prep_connect(sqe, fd, oracle_ptr(addr), n);
}

static inline void oracle_setsockopt(struct io_uring_sqe *sqe, int fd, int level, int name, uint64_t value, int n)
{
	io_uring_prep_cmd_sock(sqe, SOCKET_URING_OP_SETSOCKOPT, fd, level, name, oracle_ptr(value), n);
}

static inline void oracle_bind(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n)
{
	io_uring_prep_bind(sqe, fd, oracle_ptr(addr), n);
}

static inline void oracle_listen(struct io_uring_sqe *sqe, int fd, int backlog)
{
	io_uring_prep_listen(sqe, fd, backlog);
}

static inline void oracle_accept(struct io_uring_sqe *sqe, int fd, uint64_t addr, uint64_t addr_len,
				int flags)
{
	io_uring_prep_accept(sqe, fd, oracle_ptr(addr), oracle_ptr(addr_len), flags);
}

static inline void oracle_accept_direct(struct io_uring_sqe *sqe, int fd, uint64_t addr, uint64_t addr_len,
				int flags, unsigned slot)
{
	io_uring_prep_accept_direct(sqe, fd, oracle_ptr(addr), oracle_ptr(addr_len), flags, slot);
}

static inline void oracle_socket_direct_alloc(struct io_uring_sqe *sqe, int domain, int typ, int protocol,
				unsigned flags)
{
	io_uring_prep_socket_direct_alloc(sqe, domain, typ, protocol, flags);
}

static inline void oracle_cmd_sock(struct io_uring_sqe *sqe, int op, int fd, int level, int name,
				uint64_t value, int n)
{
	io_uring_prep_cmd_sock(sqe, op, fd, level, name, oracle_ptr(value), n);
}

static inline void oracle_cmd_getsockname(struct io_uring_sqe *sqe, int fd, uint64_t addr, uint64_t addr_len,
				int peer)
{
#if !IO_URING_CHECK_VERSION(2, 13)
	io_uring_prep_cmd_getsockname(sqe, fd, oracle_ptr(addr), oracle_ptr(addr_len), peer);
#endif
}

#endif
