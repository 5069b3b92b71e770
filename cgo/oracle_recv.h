/* Helpers for receives, as oracle.h explains. */
#ifndef URING_ORACLE_RECV_H
#define URING_ORACLE_RECV_H

#include "oracle.h"

static inline void oracle_recv(struct io_uring_sqe *sqe, int fd, uint64_t addr, unsigned n, int flags)
{
	io_uring_prep_recv(sqe, fd, oracle_ptr(addr), n, flags);
}

static inline void oracle_recvmsg(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_recvmsg(sqe, fd, oracle_ptr(msg), flags);
}

static inline void oracle_recvmsg_multishot(struct io_uring_sqe *sqe, int fd, uint64_t msg, unsigned flags)
{
	io_uring_prep_recvmsg_multishot(sqe, fd, oracle_ptr(msg), flags);
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

#endif
