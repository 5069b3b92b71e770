/* Helpers for sends, as oracle.h explains. */
#ifndef URING_ORACLE_SEND_H
#define URING_ORACLE_SEND_H

#include "oracle.h"

static inline void oracle_send(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, int flags)
{
	io_uring_prep_send(sqe, fd, oracle_ptr(addr), n, flags);
}

static inline void oracle_sendmsg(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_sendmsg(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_send_zc(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, int flags,
				  unsigned zc_flags)
{
	io_uring_prep_send_zc(sqe, fd, oracle_ptr(addr), n, flags, zc_flags);
}

static inline void oracle_send_zc_fixed(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n,
					int flags, unsigned zc_flags, unsigned index)
{
	io_uring_prep_send_zc_fixed(sqe, fd, oracle_ptr(addr), n, flags, zc_flags, index);
}

static inline void oracle_sendmsg_zc(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_sendmsg_zc(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_sendmsg_zc_fixed(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags,
					   unsigned index)
{
#if IO_URING_CHECK_VERSION(2, 10)
	/* what the helper of later versions does */
	io_uring_prep_sendmsg_zc(sqe, fd, oracle_ptr(msg), flags);
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->buf_index = index;
#else
	io_uring_prep_sendmsg_zc_fixed(sqe, fd, oracle_ptr(msg), flags, index);
#endif
}

static inline void oracle_sendto(struct io_uring_sqe *sqe, int fd, uint64_t p, unsigned n, int flags,
				uint64_t addr, unsigned addr_len)
{
	io_uring_prep_sendto(sqe, fd, oracle_ptr(p), n, flags, oracle_ptr(addr), addr_len);
}

static inline void oracle_send_set_addr(struct io_uring_sqe *sqe, uint64_t addr, unsigned n)
{
	io_uring_prep_send_set_addr(sqe, oracle_ptr(addr), n);
}

#endif
