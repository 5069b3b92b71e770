/*
 * liburing's helpers with addresses as numbers, for oracle.go. The helpers only
 * store an address; none of them follows it.
 */
#ifndef URING_ORACLE_H
#define URING_ORACLE_H

#include "shim.h"

static inline void *oracle_ptr(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

static inline void oracle_timeout(struct io_uring_sqe *sqe, uint64_t ts, unsigned count, unsigned flags)
{
	io_uring_prep_timeout(sqe, oracle_ptr(ts), count, flags);
}

static inline void oracle_link_timeout(struct io_uring_sqe *sqe, uint64_t ts, unsigned flags)
{
	io_uring_prep_link_timeout(sqe, oracle_ptr(ts), flags);
}

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

static inline void oracle_connect(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n)
{
	io_uring_prep_connect(sqe, fd, oracle_ptr(addr), n);
}

static inline void oracle_setsockopt(struct io_uring_sqe *sqe, int fd, int level, int name, uint64_t value, int n)
{
	io_uring_prep_cmd_sock(sqe, SOCKET_URING_OP_SETSOCKOPT, fd, level, name, oracle_ptr(value), n);
}

static inline void oracle_recv(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, int flags)
{
	io_uring_prep_recv(sqe, fd, oracle_ptr(addr), n, flags);
}

static inline void oracle_send(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, int flags)
{
	io_uring_prep_send(sqe, fd, oracle_ptr(addr), n, flags);
}

static inline void oracle_sendmsg(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_sendmsg(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_recvmsg(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_recvmsg(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_recvmsg_multishot(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_recvmsg_multishot(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_send_zc(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, int flags,
				  unsigned zc_flags)
{
	io_uring_prep_send_zc(sqe, fd, oracle_ptr(addr), n, flags, zc_flags);
}

static inline void oracle_send_zc_fixed(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n,
					int flags, unsigned zc_flags, unsigned index)
{
	io_uring_prep_send_zc_fixed(sqe, fd, oracle_ptr(addr), n, flags, zc_flags, index);
}

static inline void oracle_sendmsg_zc(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_sendmsg_zc(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_sendmsg_zc_fixed(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags,
					   unsigned index)
{
#if IO_URING_CHECK_VERSION(2, 10)
	/* what the helper of later versions does */
	io_uring_prep_sendmsg_zc(sqe, fd, oracle_ptr(msg), flags);
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->buf_index = index;
#else
	io_uring_prep_sendmsg_zc_fixed(sqe, fd, oracle_ptr(msg), flags, index);
#endif
}

/* Where liburing finds the parts of a message that a multishot receive put into buf. */
struct oracle_recvmsg {
	int valid;
	unsigned name, control, payload; /* offsets in buf */
	unsigned payload_len;		 /* of what is there */
};

static inline struct oracle_recvmsg oracle_recvmsg_parts(void *buf, int n, unsigned namelen, unsigned controllen)
{
	struct msghdr msg = { .msg_namelen = namelen, .msg_controllen = controllen };
	struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buf, n, &msg);
	struct oracle_recvmsg r = { 0 };

	if (!out)
		return r;
	r.valid = 1;
	r.name = (char *)io_uring_recvmsg_name(out) - (char *)buf;
	r.control = r.name + namelen;
	r.payload = (char *)io_uring_recvmsg_payload(out, &msg) - (char *)buf;
	r.payload_len = io_uring_recvmsg_payload_length(out, n, &msg);
	return r;
}

/* Adds n entries to a buffer ring and publishes them. */
static inline void oracle_refill(void *mem, int mask, const struct io_uring_buf *s, int n)
{
	struct io_uring_buf_ring *br = mem;
	int i;

	for (i = 0; i < n; i++)
		io_uring_buf_ring_add(br, oracle_ptr(s[i].addr), s[i].len, s[i].bid, mask, i);
	io_uring_buf_ring_advance(br, n);
}

#endif
