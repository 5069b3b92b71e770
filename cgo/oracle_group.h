/* Helpers for provided buffers, as oracle.h explains. */
#ifndef URING_ORACLE_GROUP_H
#define URING_ORACLE_GROUP_H

#include "oracle.h"

/* Adds n entries to a buffer ring and publishes them. */
static inline void oracle_refill(void *mem, int mask, const struct io_uring_buf *s, int n)
{
	struct io_uring_buf_ring *br = mem;
	int i;

	for (i = 0; i < n; i++)
		io_uring_buf_ring_add(br, oracle_ptr(s[i].addr), s[i].len, s[i].bid, mask, i);
	io_uring_buf_ring_advance(br, n);
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

#endif
