/*
 * The C side of the ways to wait that enter.go does not have. What liburing 2.9
 * does not have returns -ENOSYS.
 */
#ifndef URING_WAIT_H
#define URING_WAIT_H

#include <signal.h>

#include "shim.h"

enum {
	offsetof_reg_wait_sigmask = offsetof(struct io_uring_reg_wait, sigmask),
};

/* How to wait. Mirrors the Go type Wait. */
struct uring_wait {
	int64_t sec, nsec; /* sec < 0: for ever */
	uint64_t block;	   /* signals to block meanwhile, if any */
	uint32_t nr;
	uint32_t min_usec;
	uint32_t submit;
	uint32_t pad;
};

static inline int uring_wait(struct io_uring *ring, const struct uring_wait *w)
{
	struct __kernel_timespec ts = { .tv_sec = w->sec, .tv_nsec = w->nsec };
	struct __kernel_timespec *timeout = w->sec < 0 ? NULL : &ts;
	sigset_t set, *mask = NULL;
	struct io_uring_cqe *cqe;

	if (w->block) {
		/* The kernel reads 64 signals: those of the thread's mask, and these. */
		pthread_sigmask(SIG_SETMASK, NULL, &set);
		*(uint64_t *)&set |= w->block;
		mask = &set;
	}
	if (w->submit && w->min_usec)
		return io_uring_submit_and_wait_min_timeout(ring, &cqe, w->nr, timeout, w->min_usec, mask);
	if (w->submit)
		return io_uring_submit_and_wait_timeout(ring, &cqe, w->nr, timeout, mask);
	if (w->min_usec)
		return io_uring_wait_cqes_min_timeout(ring, &cqe, w->nr, timeout, w->min_usec, mask);
	return io_uring_wait_cqes(ring, &cqe, w->nr, timeout, mask);
}

static inline int uring_submit_and_wait_reg(struct io_uring *ring, unsigned n, int index)
{
	struct io_uring_cqe *cqe;

	return io_uring_submit_and_wait_reg(ring, &cqe, n, index);
}

static inline int uring_set_iowait(struct io_uring *ring, int on)
{
#if !IO_URING_CHECK_VERSION(2, 10)
	return io_uring_set_iowait(ring, on);
#else
	return -ENOSYS;
#endif
}

#endif
