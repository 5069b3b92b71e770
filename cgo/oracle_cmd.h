/* Helpers for commands of drivers, as oracle.h explains. */
#ifndef URING_ORACLE_CMD_H
#define URING_ORACLE_CMD_H

#include "oracle.h"

static inline void oracle_nop128(struct io_uring_sqe *sqe)
{
#if !IO_URING_CHECK_VERSION(2, 13)
	io_uring_prep_nop128(sqe);
#endif
}

static inline void oracle_uring_cmd(struct io_uring_sqe *sqe, int op, int fd)
{
#if !IO_URING_CHECK_VERSION(2, 13)
	io_uring_prep_uring_cmd(sqe, op, fd);
#endif
}

static inline void oracle_uring_cmd128(struct io_uring_sqe *sqe, int op, int fd)
{
#if !IO_URING_CHECK_VERSION(2, 13)
	io_uring_prep_uring_cmd128(sqe, op, fd);
#endif
}

static inline void oracle_cmd_discard(struct io_uring_sqe *sqe, int fd, uint64_t off, uint64_t n)
{
	io_uring_prep_cmd_discard(sqe, fd, off, n);
}

#endif
