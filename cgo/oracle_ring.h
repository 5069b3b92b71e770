/* Helpers for messages, descriptors and pipes, as oracle.h explains. */
#ifndef URING_ORACLE_RING_H
#define URING_ORACLE_RING_H

#include "oracle.h"

static inline void oracle_files_update(struct io_uring_sqe *sqe, uint64_t fds, unsigned n, int off)
{
	io_uring_prep_files_update(sqe, oracle_ptr(fds), n, off);
}

static inline void oracle_msg_ring_cqe_flags(struct io_uring_sqe *sqe, int fd, unsigned n, uint64_t data,
				unsigned flags, unsigned cqe_flags)
{
	io_uring_prep_msg_ring_cqe_flags(sqe, fd, n, data, flags, cqe_flags);
}

static inline void oracle_msg_ring_fd_alloc(struct io_uring_sqe *sqe, int fd, int source, uint64_t data,
				unsigned flags)
{
	io_uring_prep_msg_ring_fd_alloc(sqe, fd, source, data, flags);
}

static inline void oracle_fixed_fd_install(struct io_uring_sqe *sqe, int fd, unsigned flags)
{
	io_uring_prep_fixed_fd_install(sqe, fd, flags);
}

static inline void oracle_pipe(struct io_uring_sqe *sqe, uint64_t fds, int flags)
{
#if !IO_URING_CHECK_VERSION(2, 12)
	io_uring_prep_pipe(sqe, oracle_ptr(fds), flags);
#endif
}

static inline void oracle_pipe_direct(struct io_uring_sqe *sqe, uint64_t fds, int flags, unsigned slot)
{
#if !IO_URING_CHECK_VERSION(2, 12)
	io_uring_prep_pipe_direct(sqe, oracle_ptr(fds), flags, slot);
#endif
}

#endif
