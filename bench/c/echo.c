/*
 * An echo server: multishot accept, multishot receive from one ring of
 * buffers, and a send from the buffer that brought the bytes, which goes back
 * to the ring when they are sent.
 *
 * echo PORT
 */
#include <liburing.h>

#include "bench.h"

enum {
	entries = 4096,
	buffers = 2048,
	buffer_size = 4096,
	group = 1,
};

enum kind { accepting, receiving, sending };

static struct io_uring ring;
static struct io_uring_buf_ring *br;
static char *memory;

static struct io_uring_sqe *request(enum kind kind, int fd, int bid)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		check(io_uring_submit(&ring), "submit");
		sqe = io_uring_get_sqe(&ring);
	}
	io_uring_sqe_set_data64(sqe, (uint64_t)kind << 56 | (uint64_t)bid << 32 | (unsigned)fd);
	return sqe;
}

static void receive(int fd)
{
	struct io_uring_sqe *sqe = request(receiving, fd, 0);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
}

static void give_back(int bid)
{
	io_uring_buf_ring_add(br, memory + (size_t)bid * buffer_size, buffer_size, bid,
			      io_uring_buf_ring_mask(buffers), 0);
	io_uring_buf_ring_advance(br, 1);
}

static void received(const struct io_uring_cqe *cqe, int fd)
{
	int bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (cqe->res == -ENOBUFS) {
		receive(fd);
		return;
	}
	if (cqe->res <= 0) {
		if (cqe->flags & IORING_CQE_F_BUFFER)
			give_back(bid);
		close(fd);
		return;
	}
	io_uring_prep_send(request(sending, fd, bid), fd, memory + (size_t)bid * buffer_size, cqe->res,
			   MSG_WAITALL | MSG_NOSIGNAL);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		receive(fd);
}

static void handle(const struct io_uring_cqe *cqe, int listener)
{
	int fd = (unsigned)cqe->user_data, bid = cqe->user_data >> 32 & 0xffffff;
	int on = 1;

	switch ((enum kind)(cqe->user_data >> 56)) {
	case accepting:
		check(cqe->res, "accept");
		setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		receive(cqe->res);
		if (!(cqe->flags & IORING_CQE_F_MORE))
			io_uring_prep_multishot_accept(request(accepting, 0, 0), listener, NULL, NULL, 0);
		break;
	case receiving:
		received(cqe, fd);
		break;
	case sending:
		give_back(bid);
		break;
	}
}

int main(int argc, char **argv)
{
	struct io_uring_cqe *cqe;
	int listener, ret, i;

	if (argc != 2)
		die("usage: echo PORT");
	raise_file_limit();
	listener = listen_on(atoi(argv[1]));
	check(io_uring_queue_init(entries, &ring, IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
				  IORING_SETUP_DEFER_TASKRUN), "open a ring");
	br = io_uring_setup_buf_ring(&ring, buffers, group, 0, &ret);
	check(ret, "set up a ring of buffers");
	memory = aligned_alloc(4096, (size_t)buffers * buffer_size);
	for (i = 0; i < buffers; i++)
		give_back(i);
	io_uring_prep_multishot_accept(request(accepting, 0, 0), listener, NULL, NULL, 0);
	for (;;) {
		unsigned head, n = 0;

		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret == -EINTR)
			continue;
		check(ret, "submit and wait");
		io_uring_for_each_cqe(&ring, head, cqe) {
			handle(cqe, listener);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
}
