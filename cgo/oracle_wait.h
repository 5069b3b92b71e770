/* Helpers for timeouts, polls, epoll, futexes and processes, as oracle.h explains. */
#ifndef URING_ORACLE_WAIT_H
#define URING_ORACLE_WAIT_H

#include "oracle.h"

static inline void oracle_timeout(struct io_uring_sqe *sqe, uint64_t ts, unsigned count, unsigned flags)
{
	io_uring_prep_timeout(sqe, oracle_ptr(ts), count, flags);
}

static inline void oracle_link_timeout(struct io_uring_sqe *sqe, uint64_t ts, unsigned flags)
{
	io_uring_prep_link_timeout(sqe, oracle_ptr(ts), flags);
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

#endif
