/*
 * The C side of package cgo: what Go cannot call because it is a macro, an
 * inline function or takes pointers that should stay in C.
 */
#ifndef URING_SHIM_H
#define URING_SHIM_H

#if __SIZEOF_POINTER__ < 8
#error "uring needs a processor of 64 bits: for others build without cgo, and every call gives ErrNotSupported"
#endif

#if defined(__has_include)
#if !__has_include(<liburing.h>)
#error "uring needs liburing 2.9 or later, and liburing.h was not found: install the package liburing-dev (2.9 or later), or run liburing/build.sh --install /usr/local of this module as root, or `make liburing` in its repository"
#endif
#if __has_include("liburing_pin_generated.h")
#include "liburing_pin_generated.h" /* written by `make liburing`, so that the build cache notices a new library */
#endif
#endif

/* The pin is compiled into the package: that makes Go link again when it changes. */
#ifndef URING_LIBURING_PIN
#define URING_LIBURING_PIN "system"
#endif

#include <liburing.h>

#if !defined(IO_URING_VERSION_MAJOR)
#error "uring needs liburing 2.9 or later, and this one is older than 2.4: install the package liburing-dev (2.9 or later), or run liburing/build.sh --install /usr/local of this module as root, or `make liburing` in its repository"
#elif IO_URING_CHECK_VERSION(2, 9)
#error "uring needs liburing 2.9 or later, and this one is older: install the package liburing-dev (2.9 or later), or run liburing/build.sh --install /usr/local of this module as root, or `make liburing` in its repository"
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "compat.h"

/*
 * struct io_uring_buf_reg with min_left spelled out: liburing 2.9 has the
 * same bytes under the name resv.
 */
struct uring_buf_reg {
	uint64_t ring_addr;
	uint32_t ring_entries;
	uint16_t bgid;
	uint16_t flags;
	uint32_t min_left;
	uint32_t resv[5];
};

_Static_assert(sizeof(struct uring_buf_reg) == sizeof(struct io_uring_buf_reg),
	       "struct io_uring_buf_reg has another size than uring expects");

enum {
	offsetof_sqe_opcode = offsetof(struct io_uring_sqe, opcode),
	offsetof_sqe_flags = offsetof(struct io_uring_sqe, flags),
	offsetof_sqe_ioprio = offsetof(struct io_uring_sqe, ioprio),
	offsetof_sqe_fd = offsetof(struct io_uring_sqe, fd),
	offsetof_sqe_off = offsetof(struct io_uring_sqe, off),
	offsetof_sqe_addr = offsetof(struct io_uring_sqe, addr),
	offsetof_sqe_len = offsetof(struct io_uring_sqe, len),
	offsetof_sqe_op_flags = offsetof(struct io_uring_sqe, rw_flags),
	offsetof_sqe_user_data = offsetof(struct io_uring_sqe, user_data),
	offsetof_sqe_buf_index = offsetof(struct io_uring_sqe, buf_index),
	offsetof_sqe_personality = offsetof(struct io_uring_sqe, personality),
	offsetof_sqe_file_index = offsetof(struct io_uring_sqe, file_index),
	offsetof_sqe_addr3 = offsetof(struct io_uring_sqe, addr3),
	offsetof_cqe_user_data = offsetof(struct io_uring_cqe, user_data),
	offsetof_cqe_res = offsetof(struct io_uring_cqe, res),
	offsetof_cqe_flags = offsetof(struct io_uring_cqe, flags),
	offsetof_msg_name = offsetof(struct msghdr, msg_name),
	offsetof_msg_iov = offsetof(struct msghdr, msg_iov),
	offsetof_msg_control = offsetof(struct msghdr, msg_control),
	offsetof_msg_flags = offsetof(struct msghdr, msg_flags),
	offsetof_stx_attributes = offsetof(struct statx, stx_attributes),
	offsetof_stx_mode = offsetof(struct statx, stx_mode),
	offsetof_stx_ino = offsetof(struct statx, stx_ino),
	offsetof_stx_attributes_mask = offsetof(struct statx, stx_attributes_mask),
	offsetof_stx_atime = offsetof(struct statx, stx_atime),
	offsetof_stx_btime = offsetof(struct statx, stx_btime),
	offsetof_stx_ctime = offsetof(struct statx, stx_ctime),
	offsetof_stx_mtime = offsetof(struct statx, stx_mtime),
	offsetof_stx_rdev_major = offsetof(struct statx, stx_rdev_major),
	offsetof_stx_dev_minor = offsetof(struct statx, stx_dev_minor),
	offsetof_epoll_data = offsetof(struct epoll_event, data),
	offsetof_si_errno = offsetof(siginfo_t, si_errno),
	offsetof_si_code = offsetof(siginfo_t, si_code),
	offsetof_si_pid = offsetof(siginfo_t, si_pid),
	offsetof_si_uid = offsetof(siginfo_t, si_uid),
	offsetof_si_status = offsetof(siginfo_t, si_status),
	offsetof_buf_len = offsetof(struct io_uring_buf, len),
	offsetof_buf_bid = offsetof(struct io_uring_buf, bid),
	offsetof_buf_ring_tail = offsetof(struct io_uring_buf_ring, tail),
	offsetof_stx_nsec = offsetof(struct statx_timestamp, tv_nsec),
};

static inline int uring_submit_and_wait_timeout(struct io_uring *ring, unsigned n,
						int64_t sec, int64_t nsec,
						unsigned min_wait_usec)
{
	struct __kernel_timespec ts = { .tv_sec = sec, .tv_nsec = nsec };
	struct io_uring_cqe *cqe;

	if (min_wait_usec)
		return io_uring_submit_and_wait_min_timeout(ring, &cqe, n, &ts,
							    min_wait_usec, NULL);
	return io_uring_submit_and_wait_timeout(ring, &cqe, n, &ts, NULL);
}

static inline int uring_register_buf_ring(struct io_uring *ring, void *mem,
					  unsigned entries, unsigned bgid,
					  unsigned flags, unsigned min_left)
{
	struct uring_buf_reg reg = {
		.ring_addr = (uintptr_t)mem,
		.ring_entries = entries,
		.bgid = (uint16_t)bgid,
		.min_left = min_left,
	};

	if (mem) /* else the kernel allocates it, see IOU_PBUF_RING_MMAP */
		io_uring_buf_ring_init(mem);
	/* liburing puts the flags into reg itself */
	return io_uring_register_buf_ring(ring, (struct io_uring_buf_reg *)&reg, flags);
}

static inline int uring_buf_ring_head(struct io_uring *ring, int group)
{
	uint16_t head;
	int ret = io_uring_buf_ring_head(ring, group, &head);

	return ret < 0 ? ret : head;
}

static inline int uring_sync_cancel_all(struct io_uring *ring, int64_t sec, int64_t nsec)
{
	struct io_uring_sync_cancel_reg reg = {
		.fd = -1,
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = { .tv_sec = sec, .tv_nsec = nsec },
	};

	return io_uring_register_sync_cancel(ring, &reg);
}

/* Puts one buffer (or none: addr and len zero) into a slot of the sparse table. */
static inline int uring_buffers_update(struct io_uring *ring, unsigned index, uint64_t addr, uint64_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)addr, .iov_len = len };
	uint64_t tag = 0;

	return io_uring_register_buffers_update_tag(ring, index, &iov, (void *)&tag, 1);
}

static inline int uring_dup(int fd)
{
	int ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return ret < 0 ? -errno : ret;
}

static inline int uring_eventfd(void)
{
	int ret = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return ret < 0 ? -errno : ret;
}

static inline int uring_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* What a descriptor gives to reads. */
enum {
	URING_READS_STREAM,	/* bytes, of which any number may be read */
	URING_READS_MESSAGES,	/* messages, which a short read cuts or refuses */
	URING_READS_UNPOLLABLE,	/* bytes that the kernel cannot wait for */
};

static inline bool uring_pollable(int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	bool ok = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0 || errno != EPERM;

	close(ep);
	return ok;
}

/* One of the above, or -errno; format gets the file's S_IFMT. */
static inline int uring_read_kind_format(int fd, mode_t *format)
{
	struct stat st;
	struct termios tty;
	int type;
	socklen_t len = sizeof(type);

	if (fstat(fd, &st) < 0)
		return -errno;
	*format = st.st_mode & S_IFMT;
	switch (*format) {
	case S_IFSOCK:
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
			return -errno;
		return type == SOCK_STREAM ? URING_READS_STREAM : URING_READS_MESSAGES;
	case S_IFIFO: /* a writer with O_DIRECT makes packets, which this end cannot tell */
		return URING_READS_STREAM;
	case S_IFCHR:
		if (tcgetattr(fd, &tty) == 0)
			return URING_READS_STREAM;
		break;
	}
	return uring_pollable(fd) ? URING_READS_MESSAGES : URING_READS_UNPOLLABLE;
}

static inline int uring_read_kind(int fd)
{
	mode_t format;

	return uring_read_kind_format(fd, &format);
}

/*
 * Whether the kernel can only read it by a call that waits: without O_NONBLOCK,
 * except for kinds that do not need it.
 */
static inline bool uring_read_blocks(int fd)
{
	static const char *const names[] = { "anon_inode:[eventfd]", "anon_inode:[timerfd]", "anon_inode:[signalfd]" };
	char path[32], name[32];
	mode_t format;
	ssize_t n;

	if (uring_read_kind_format(fd, &format) != URING_READS_MESSAGES || format == S_IFSOCK || fcntl(fd, F_GETFL) & O_NONBLOCK)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return false;
	name[n] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return false;
	return true;
}

static inline int uring_socketpair(int type, int fds[2])
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

static inline int uring_pipe(int fds[2])
{
	return pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0;
}

/* Connects fds[0], a new socket, to one that it accepts as fds[1]. */
static inline int uring_tcp_connect(int listener, int fds[2])
{
	struct sockaddr_in addr, peer;
	socklen_t len = sizeof(addr);

	if (getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[0] < 0 || connect(fds[0], (struct sockaddr *)&addr, len) < 0)
		return -errno;
	len = sizeof(peer);
	fds[1] = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (fds[1] < 0 || getsockname(fds[0], (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	/* Whoever saw the port may have been faster. */
	return peer.sin_port == addr.sin_port ? 0 : -ECONNABORTED;
}

/* A connected pair of TCP sockets on loopback. */
static inline int uring_tcp_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret;

	fds[0] = fds[1] = -1;
	if (listener < 0)
		return -errno;
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0)
		ret = -errno;
	else
		ret = uring_tcp_connect(listener, fds);
	close(listener);
	if (ret < 0) {
		if (fds[0] >= 0)
			close(fds[0]);
		if (fds[1] >= 0)
			close(fds[1]);
		fds[0] = fds[1] = -1;
	}
	return ret;
}

static inline int uring_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}

#endif
