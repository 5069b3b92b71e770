/*
 * Rings that are opened in one place and mapped in another.
 */
#ifndef URING_OPEN_FD_H
#define URING_OPEN_FD_H

#include "shim.h"

/* Whether p is what the kernel said of the mapped ring. */
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
	if (!uring_is_ring_of(ring, p))
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
