/* Helpers for paths and extended attributes, as oracle.h explains. */
#ifndef URING_ORACLE_FS_H
#define URING_ORACLE_FS_H

#include "oracle.h"

static inline void oracle_openat(struct io_uring_sqe *sqe, int dir, uint64_t path, int flags, unsigned mode)
{
	io_uring_prep_openat(sqe, dir, oracle_ptr(path), flags, mode);
}

static inline void oracle_openat_direct(struct io_uring_sqe *sqe, int dir, uint64_t path, int flags,
				unsigned mode, unsigned slot)
{
	io_uring_prep_openat_direct(sqe, dir, oracle_ptr(path), flags, mode, slot);
}

static inline void oracle_open(struct io_uring_sqe *sqe, uint64_t path, int flags, unsigned mode)
{
	io_uring_prep_open(sqe, oracle_ptr(path), flags, mode);
}

static inline void oracle_open_direct(struct io_uring_sqe *sqe, uint64_t path, int flags, unsigned mode,
				unsigned slot)
{
	io_uring_prep_open_direct(sqe, oracle_ptr(path), flags, mode, slot);
}

static inline void oracle_openat2(struct io_uring_sqe *sqe, int dir, uint64_t path, uint64_t how)
{
	io_uring_prep_openat2(sqe, dir, oracle_ptr(path), oracle_ptr(how));
}

static inline void oracle_openat2_direct(struct io_uring_sqe *sqe, int dir, uint64_t path, uint64_t how,
				unsigned slot)
{
	io_uring_prep_openat2_direct(sqe, dir, oracle_ptr(path), oracle_ptr(how), slot);
}

static inline void oracle_statx(struct io_uring_sqe *sqe, int dir, uint64_t path, int flags, unsigned mask,
				uint64_t st)
{
	io_uring_prep_statx(sqe, dir, oracle_ptr(path), flags, mask, oracle_ptr(st));
}

static inline void oracle_unlinkat(struct io_uring_sqe *sqe, int dir, uint64_t path, int flags)
{
	io_uring_prep_unlinkat(sqe, dir, oracle_ptr(path), flags);
}

static inline void oracle_unlink(struct io_uring_sqe *sqe, uint64_t path, int flags)
{
	io_uring_prep_unlink(sqe, oracle_ptr(path), flags);
}

static inline void oracle_mkdirat(struct io_uring_sqe *sqe, int dir, uint64_t path, unsigned mode)
{
	io_uring_prep_mkdirat(sqe, dir, oracle_ptr(path), mode);
}

static inline void oracle_mkdir(struct io_uring_sqe *sqe, uint64_t path, unsigned mode)
{
	io_uring_prep_mkdir(sqe, oracle_ptr(path), mode);
}

static inline void oracle_renameat(struct io_uring_sqe *sqe, int old_dir, uint64_t old_path, int new_dir,
				uint64_t new_path, unsigned flags)
{
	io_uring_prep_renameat(sqe, old_dir, oracle_ptr(old_path), new_dir, oracle_ptr(new_path), flags);
}

static inline void oracle_rename(struct io_uring_sqe *sqe, uint64_t old_path, uint64_t new_path)
{
	io_uring_prep_rename(sqe, oracle_ptr(old_path), oracle_ptr(new_path));
}

static inline void oracle_linkat(struct io_uring_sqe *sqe, int old_dir, uint64_t old_path, int new_dir,
				uint64_t new_path, int flags)
{
	io_uring_prep_linkat(sqe, old_dir, oracle_ptr(old_path), new_dir, oracle_ptr(new_path), flags);
}

static inline void oracle_link(struct io_uring_sqe *sqe, uint64_t old_path, uint64_t new_path, int flags)
{
	io_uring_prep_link(sqe, oracle_ptr(old_path), oracle_ptr(new_path), flags);
}

static inline void oracle_symlinkat(struct io_uring_sqe *sqe, uint64_t target, int dir, uint64_t path)
{
	io_uring_prep_symlinkat(sqe, oracle_ptr(target), dir, oracle_ptr(path));
}

static inline void oracle_symlink(struct io_uring_sqe *sqe, uint64_t target, uint64_t path)
{
	io_uring_prep_symlink(sqe, oracle_ptr(target), oracle_ptr(path));
}

static inline void oracle_getxattr(struct io_uring_sqe *sqe, uint64_t name, uint64_t value, uint64_t path,
				unsigned n)
{
	io_uring_prep_getxattr(sqe, oracle_ptr(name), oracle_ptr(value), oracle_ptr(path), n);
}

static inline void oracle_setxattr(struct io_uring_sqe *sqe, uint64_t name, uint64_t value, uint64_t path,
				int flags, unsigned n)
{
	io_uring_prep_setxattr(sqe, oracle_ptr(name), oracle_ptr(value), oracle_ptr(path), flags, n);
}

static inline void oracle_fgetxattr(struct io_uring_sqe *sqe, int fd, uint64_t name, uint64_t value,
				unsigned n)
{
	io_uring_prep_fgetxattr(sqe, fd, oracle_ptr(name), oracle_ptr(value), n);
}

static inline void oracle_fsetxattr(struct io_uring_sqe *sqe, int fd, uint64_t name, uint64_t value,
				int flags, unsigned n)
{
	io_uring_prep_fsetxattr(sqe, fd, oracle_ptr(name), oracle_ptr(value), flags, n);
}

#endif
