/*
 * Rings that are opened in one place and mapped in another.
 */
#ifndef URING_OPEN_FD_H
#define URING_OPEN_FD_H

#include <sys/syscall.h>

#include "shim.h"

/*
 * Whether n bytes can be read from p on, the start of a page. The call fails in
 * any case, as ~0 is no operation; but the kernel reads the set of signals
 * first, and says EFAULT if it cannot.
 */
static inline int uring_readable(const void *p, size_t n)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	size_t at;

	for (at = 0; at < n; at += page)
		if (syscall(__NR_rt_sigprocmask, ~0, (const char *)p + at, NULL, 8) < 0 && errno == EFAULT)
			return 0;
	return 1;
}

/* Whether memory is behind all that liburing mapped: some kernels map what is asked for, with nothing behind it. */
static inline int uring_is_mapped(const struct io_uring *ring)
{
	const size_t sqe = ring->flags & IORING_SETUP_SQE128 ? 2 * sizeof(struct io_uring_sqe) : sizeof(struct io_uring_sqe);

	return uring_readable(ring->sq.ring_ptr, ring->sq.ring_sz) && uring_readable(ring->cq.ring_ptr, ring->cq.ring_sz) &&
	       uring_readable(ring->sq.sqes, ring->sq.ring_entries * sqe);
}

/* Whether p has the sizes that the mapped ring has. */
static inline int uring_is_ring_of(const struct io_uring *ring, const struct io_uring_params *p)
{
	return ring->sq.ring_entries == p->sq_entries && ring->sq.ring_mask == p->sq_entries - 1 &&
	       ring->cq.ring_entries == p->cq_entries && ring->cq.ring_mask == p->cq_entries - 1;
}

/*
 * io_uring_queue_mmap, and what io_uring_queue_init does to a new ring after
 * it. The offsets in p must fit. -EBADMSG: the parameters are of another ring;
 * -EBUSY: it is not new.
 */
static inline int uring_queue_mmap(int fd, struct io_uring_params *p, struct io_uring *ring)
{
	unsigned i;
	int ret;

	ret = io_uring_queue_mmap(fd, p, ring);
	if (ret < 0)
		return ret;
	/* liburing 2.9 leaves these to its caller, too */
	ring->flags = p->flags;
	ring->features = p->features;
	ring->ring_fd = ring->enter_ring_fd = fd;
	if (!uring_is_ring_of(ring, p) || !uring_is_mapped(ring))
		ret = -EBADMSG;
	else if (*ring->sq.khead || *ring->sq.ktail)
		ret = -EBUSY;
	if (ret < 0) {
		ring->ring_fd = -1; /* stays the caller's */
		io_uring_queue_exit(ring);
		return ret;
	}
	if (!(p->flags & IORING_SETUP_NO_SQARRAY))
		for (i = 0; i < p->sq_entries; i++)
			ring->sq.array[i] = i;
	return 0;
}

#endif
