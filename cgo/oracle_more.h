/*
 * More of liburing's helpers with addresses as numbers, as in oracle.h. Those
 * that liburing 2.9 lacks do nothing there; the tests know which they are.
 */
#ifndef URING_ORACLE_MORE_H
#define URING_ORACLE_MORE_H

#include "oracle.h"

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

static inline void oracle_sendto(struct io_uring_sqe *sqe, int fd, uint64_t p, unsigned n, int flags,
				uint64_t addr, unsigned addr_len)
{
	io_uring_prep_sendto(sqe, fd, oracle_ptr(p), n, flags, oracle_ptr(addr), addr_len);
}

static inline void oracle_send_set_addr(struct io_uring_sqe *sqe, uint64_t addr, unsigned n)
{
	io_uring_prep_send_set_addr(sqe, oracle_ptr(addr), n);
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

static inline void oracle_epoll_ctl(struct io_uring_sqe *sqe, int epfd, int fd, int op, uint64_t event)
{
	io_uring_prep_epoll_ctl(sqe, epfd, fd, op, oracle_ptr(event));
}

static inline void oracle_epoll_wait(struct io_uring_sqe *sqe, int fd, uint64_t events, int n, unsigned flags)
{
#if !IO_URING_CHECK_VERSION(2, 10)
	io_uring_prep_epoll_wait(sqe, fd, oracle_ptr(events), n, flags);
#endif
}

static inline void oracle_nop128(struct io_uring_sqe *sqe)
{
#if !IO_URING_CHECK_VERSION(2, 13)
	io_uring_prep_nop128(sqe);
#endif
}

static inline void oracle_poll_update(struct io_uring_sqe *sqe, uint64_t old, uint64_t new, unsigned mask,
				unsigned flags)
{
	io_uring_prep_poll_update(sqe, old, new, mask, flags);
}

static inline void oracle_timeout_remove(struct io_uring_sqe *sqe, uint64_t user_data, unsigned flags)
{
	io_uring_prep_timeout_remove(sqe, user_data, flags);
}

static inline void oracle_timeout_update(struct io_uring_sqe *sqe, uint64_t ts, uint64_t user_data,
				unsigned flags)
{
	io_uring_prep_timeout_update(sqe, oracle_ptr(ts), user_data, flags);
}

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

static inline void oracle_provide_buffers(struct io_uring_sqe *sqe, uint64_t addr, int n, int nr, int group,
				int bid)
{
	io_uring_prep_provide_buffers(sqe, oracle_ptr(addr), n, nr, group, bid);
}

static inline void oracle_remove_buffers(struct io_uring_sqe *sqe, int nr, int group)
{
	io_uring_prep_remove_buffers(sqe, nr, group);
}

static inline void oracle_futex_wait(struct io_uring_sqe *sqe, uint64_t futex, uint64_t val, uint64_t mask,
				unsigned futex_flags, unsigned flags)
{
	io_uring_prep_futex_wait(sqe, oracle_ptr(futex), val, mask, futex_flags, flags);
}

static inline void oracle_futex_wake(struct io_uring_sqe *sqe, uint64_t futex, uint64_t val, uint64_t mask,
				unsigned futex_flags, unsigned flags)
{
	io_uring_prep_futex_wake(sqe, oracle_ptr(futex), val, mask, futex_flags, flags);
}

static inline void oracle_futex_waitv(struct io_uring_sqe *sqe, uint64_t futexes, unsigned n, unsigned flags)
{
	io_uring_prep_futex_waitv(sqe, oracle_ptr(futexes), n, flags);
}

static inline void oracle_waitid(struct io_uring_sqe *sqe, int id_type, unsigned id, uint64_t info,
				int options, unsigned flags)
{
	io_uring_prep_waitid(sqe, id_type, id, oracle_ptr(info), options, flags);
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
