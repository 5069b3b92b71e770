/* Helpers for open files, as oracle.h explains. */
#ifndef URING_ORACLE_FILE_H
#define URING_ORACLE_FILE_H

#include "oracle.h"

static inline void oracle_read(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, uint64_t off)
{
	io_uring_prep_read(sqe, fd, oracle_ptr(addr), n, off);
}

static inline void oracle_write(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, uint64_t off)
{
	io_uring_prep_write(sqe, fd, oracle_ptr(addr), n, off);
}

static inline void oracle_read_fixed(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n,
				     uint64_t off, int index)
{
	io_uring_prep_read_fixed(sqe, fd, oracle_ptr(addr), n, off, index);
}

static inline void oracle_write_fixed(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n,
				      uint64_t off, int index)
{
	io_uring_prep_write_fixed(sqe, fd, oracle_ptr(addr), n, off, index);
}

static inline void oracle_readv(struct io_uring_sqe *sqe, int fd, uint64_t iov, unsigned n, uint64_t off)
{
	io_uring_prep_readv(sqe, fd, oracle_ptr(iov), n, off);
}

static inline void oracle_readv2(struct io_uring_sqe *sqe, int fd, uint64_t iov, unsigned n, uint64_t off,
				int flags)
{
	io_uring_prep_readv2(sqe, fd, oracle_ptr(iov), n, off, flags);
}

static inline void oracle_readv_fixed(struct io_uring_sqe *sqe, int fd, uint64_t iov, unsigned n,
				uint64_t off, int flags, int index)
{
#if !IO_URING_CHECK_VERSION(2, 10)
	io_uring_prep_readv_fixed(sqe, fd, oracle_ptr(iov), n, off, flags, index);
#endif
}

static inline void oracle_writev(struct io_uring_sqe *sqe, int fd, uint64_t iov, unsigned n, uint64_t off)
{
	io_uring_prep_writev(sqe, fd, oracle_ptr(iov), n, off);
}

static inline void oracle_writev2(struct io_uring_sqe *sqe, int fd, uint64_t iov, unsigned n, uint64_t off,
				int flags)
{
	io_uring_prep_writev2(sqe, fd, oracle_ptr(iov), n, off, flags);
}

static inline void oracle_writev_fixed(struct io_uring_sqe *sqe, int fd, uint64_t iov, unsigned n,
				uint64_t off, int flags, int index)
{
#if !IO_URING_CHECK_VERSION(2, 10)
	io_uring_prep_writev_fixed(sqe, fd, oracle_ptr(iov), n, off, flags, index);
#endif
}

static inline void oracle_read_multishot(struct io_uring_sqe *sqe, int fd, unsigned n, uint64_t off,
				int group)
{
	io_uring_prep_read_multishot(sqe, fd, n, off, group);
}

static inline void oracle_fsync(struct io_uring_sqe *sqe, int fd, unsigned flags)
{
	io_uring_prep_fsync(sqe, fd, flags);
}

static inline void oracle_sync_file_range(struct io_uring_sqe *sqe, int fd, unsigned n, uint64_t off,
				int flags)
{
	io_uring_prep_sync_file_range(sqe, fd, n, off, flags);
}

static inline void oracle_fallocate(struct io_uring_sqe *sqe, int fd, int mode, uint64_t off, uint64_t n)
{
	io_uring_prep_fallocate(sqe, fd, mode, off, n);
}

static inline void oracle_ftruncate(struct io_uring_sqe *sqe, int fd, uint64_t n)
{
	io_uring_prep_ftruncate(sqe, fd, n);
}

static inline void oracle_fadvise(struct io_uring_sqe *sqe, int fd, uint64_t off, unsigned n, int advice)
{
	io_uring_prep_fadvise(sqe, fd, off, n, advice);
}

static inline void oracle_fadvise64(struct io_uring_sqe *sqe, int fd, uint64_t off, uint64_t n, int advice)
{
	io_uring_prep_fadvise64(sqe, fd, off, n, advice);
}

static inline void oracle_madvise(struct io_uring_sqe *sqe, uint64_t addr, unsigned n, int advice)
{
	io_uring_prep_madvise(sqe, oracle_ptr(addr), n, advice);
}

static inline void oracle_madvise64(struct io_uring_sqe *sqe, uint64_t addr, uint64_t n, int advice)
{
	io_uring_prep_madvise64(sqe, oracle_ptr(addr), n, advice);
}

static inline void oracle_splice(struct io_uring_sqe *sqe, int in, uint64_t in_off, int out,
				uint64_t out_off, unsigned n, unsigned flags)
{
	io_uring_prep_splice(sqe, in, in_off, out, out_off, n, flags);
}

static inline void oracle_tee(struct io_uring_sqe *sqe, int in, int out, unsigned n, unsigned flags)
{
	io_uring_prep_tee(sqe, in, out, n, flags);
}

#endif
