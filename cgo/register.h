/*
 * The C side of what is registered with a ring. What liburing 2.9 does not have
 * returns -ENOSYS.
 */
#ifndef URING_REGISTER_H
#define URING_REGISTER_H

#include <linux/filter.h>
#include <sched.h>

#include "shim.h"

#if !IO_URING_CHECK_VERSION(2, 15)
#include <liburing/io_uring/bpf_filter.h>
#include <liburing/io_uring/query.h>
#endif

/* Layouts that Go repeats, and the sizes where this liburing has no such type. */
enum {
#if !IO_URING_CHECK_VERSION(2, 15)
	uring_sizeof_zcrx_ifq_reg = sizeof(struct io_uring_zcrx_ifq_reg),
	uring_sizeof_zcrx_area_reg = sizeof(struct io_uring_zcrx_area_reg),
	uring_sizeof_zcrx_rqe = sizeof(struct io_uring_zcrx_rqe),
	uring_sizeof_query_opcode = sizeof(struct io_uring_query_opcode),
	uring_sizeof_query_zcrx = sizeof(struct io_uring_query_zcrx),
	uring_sizeof_query_scq = sizeof(struct io_uring_query_scq),
#else
	uring_sizeof_zcrx_ifq_reg = 96,
	uring_sizeof_zcrx_area_reg = 48,
	uring_sizeof_zcrx_rqe = 16,
	uring_sizeof_query_opcode = 48,
	uring_sizeof_query_zcrx = 40,
	uring_sizeof_query_scq = 16,
#endif
	offsetof_sync_cancel_timeout = offsetof(struct io_uring_sync_cancel_reg, timeout),
	offsetof_sync_cancel_opcode = offsetof(struct io_uring_sync_cancel_reg, opcode),
	offsetof_region_mmap_offset = offsetof(struct io_uring_region_desc, mmap_offset),
};

/*
 * struct io_uring_napi with the fields of Linux 6.13, which liburing's headers
 * lack.
 */
struct uring_napi {
	uint32_t busy_poll_to;
	uint8_t prefer_busy_poll;
	uint8_t opcode;
	uint8_t pad[2];
	uint32_t op_param;
	uint32_t resv;
};

_Static_assert(sizeof(struct uring_napi) == sizeof(struct io_uring_napi),
	       "struct io_uring_napi has another size than uring expects");

static inline int uring_register_clock(struct io_uring *ring, unsigned id)
{
	struct io_uring_clock_register clock = { .clockid = id };

	return io_uring_register_clock(ring, &clock);
}

static inline int uring_clone_buffers(struct io_uring *dst, struct io_uring *src, unsigned dst_off,
				      unsigned src_off, unsigned n, unsigned flags)
{
	return io_uring_clone_buffers_offset(dst, src, dst_off, src_off, n, flags);
}

/* A message to the ring of the descriptor fd, sent without a ring. */
static inline int uring_register_sync_msg(int fd, uint64_t user_data, unsigned res, unsigned flags)
{
#if !IO_URING_CHECK_VERSION(2, 12)
	struct io_uring_sqe sqe;

	memset(&sqe, 0, sizeof(sqe));
	if (flags)
		io_uring_prep_msg_ring_cqe_flags(&sqe, fd, res, user_data, 0, flags);
	else
		io_uring_prep_msg_ring(&sqe, fd, res, user_data, 0);
	return io_uring_register_sync_msg(&sqe);
#else
	return -ENOSYS;
#endif
}

/*
 * liburing maps the new queues as p.features says, and the kernel does not fill
 * that in again.
 */
static inline int uring_resize_rings(struct io_uring *ring, unsigned sq, unsigned cq)
{
	struct io_uring_params p;

	memset(&p, 0, sizeof(p));
	p.sq_entries = sq;
	p.cq_entries = cq;
	p.flags = IORING_SETUP_CQSIZE;
	p.features = ring->features;
	return io_uring_resize_rings(ring, &p);
}

static inline int uring_register_region(struct io_uring *ring, void *desc, uint64_t flags)
{
	struct io_uring_mem_region_reg reg = { .region_uptr = (uintptr_t)desc, .flags = flags };

	return io_uring_register_region(ring, &reg);
}

static inline int uring_register_zcrx(struct io_uring *ring, void *reg, void *area, void *region)
{
#if !IO_URING_CHECK_VERSION(2, 10)
	struct io_uring_zcrx_ifq_reg *ifq = reg;
	int ret;

	ifq->area_ptr = (uintptr_t)area;
	ifq->region_ptr = (uintptr_t)region;
	ret = io_uring_register_ifq(ring, ifq);
	ifq->area_ptr = ifq->region_ptr = 0;
	return ret;
#else
	return -ENOSYS;
#endif
}

/* A new descriptor for ZCRX_CTRL_EXPORT, 0 for others. */
static inline int uring_zcrx_ctrl(struct io_uring *ring, unsigned id, unsigned op)
{
#if !IO_URING_CHECK_VERSION(2, 15)
	struct zcrx_ctrl ctrl;
	int ret;

	memset(&ctrl, 0, sizeof(ctrl));
	ctrl.zcrx_id = id;
	ctrl.op = op;
	ret = io_uring_register_zcrx_ctrl(ring, &ctrl);
	return ret < 0 || op != ZCRX_CTRL_EXPORT ? ret : (int)ctrl.zc_export.zcrx_fd;
#else
	return -ENOSYS;
#endif
}

/*
 * Attaches a filter to the ring, or to the calling task if ring is NULL. The
 * kernel puts its own size of the payload into *pdu_size.
 */
static inline int uring_register_bpf_filter(struct io_uring *ring, unsigned op, unsigned flags,
					    uint8_t *pdu_size, const void *prog, unsigned len)
{
#if !IO_URING_CHECK_VERSION(2, 15)
	struct io_uring_bpf bpf;
	int ret;

	memset(&bpf, 0, sizeof(bpf));
	bpf.cmd_type = IO_URING_BPF_CMD_FILTER;
	bpf.filter.opcode = op;
	bpf.filter.flags = flags;
	bpf.filter.filter_len = len;
	bpf.filter.pdu_size = *pdu_size;
	bpf.filter.filter_ptr = (uintptr_t)prog;
	ret = ring ? io_uring_register_bpf_filter(ring, &bpf) : io_uring_register_bpf_filter_task(&bpf);
	*pdu_size = bpf.filter.pdu_size;
	return ret;
#else
	return -ENOSYS;
#endif
}

/* Asks one question: fills data with the answer, as far as it fits. */
static inline int uring_query(unsigned op, void *data, unsigned size)
{
#if !IO_URING_CHECK_VERSION(2, 15)
	struct io_uring_query_hdr hdr;
	int ret;

	memset(&hdr, 0, sizeof(hdr));
	hdr.query_op = op;
	hdr.query_data = (uintptr_t)data;
	hdr.size = size;
	ret = io_uring_register_query(&hdr);
	return ret < 0 ? ret : hdr.result;
#else
	return -ENOSYS;
#endif
}

/* The size of a ring's memory, or of the part that counts as locked. */
static inline int64_t uring_memory_size(unsigned entries, unsigned flags, unsigned cq_entries, int locked)
{
	struct io_uring_params p;

	memset(&p, 0, sizeof(p));
	p.flags = flags;
	p.cq_entries = cq_entries;
	if (locked)
		return io_uring_mlock_size_params(entries, &p);
#if !IO_URING_CHECK_VERSION(2, 11)
	return io_uring_memory_size_params(entries, &p);
#else
	return -ENOSYS;
#endif
}

/* Fills ops[i] with 1 for each opcode the kernel supports; returns their number or -errno. */
static inline int uring_probe(struct io_uring *ring, uint8_t *ops, int n)
{
	union {
		struct io_uring_probe p;
		char room[sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op)];
	} u;
	int i, ret;

	memset(&u, 0, sizeof(u));
	ret = io_uring_register_probe(ring, &u.p, 256);
	if (ret < 0)
		return ret;
	for (i = 0; i < n; i++)
		ops[i] = (uint8_t)io_uring_opcode_supported(&u.p, i);
	return u.p.last_op + 1;
}

#endif
