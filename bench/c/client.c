/*
 * The load of the echo benchmark: each connection sends a message and waits
 * until it is back before it sends the next. Says how many round trips there
 * were, how long they took, and what processor time the server took, in a
 * window in which all connections are busy.
 *
 * client PORT SERVER-PID CONNECTIONS SIZE WARM-UP-SECONDS SECONDS
 */
#include <liburing.h>

#include "bench.h"

enum { max_size = 4096, entries = 4096 };

struct conn {
	uint64_t sent_at;
	int fd;
	int got; /* bytes of the answer */
	char out[max_size], in[max_size];
};

static struct io_uring ring;
static int size;

/* Latencies by their logarithm: 64 steps to the doubling, 1.1 % each. */
static uint32_t histogram[64 * 64];

static int bucket(uint64_t ns)
{
	int log = 63 - __builtin_clzll(ns | 64);

	return log * 64 + (int)(ns >> (log - 6) & 63);
}

static double percentile_us(double p, uint64_t all)
{
	uint64_t before = 0;
	int i;

	for (i = 0; i < 64 * 64; i++) {
		before += histogram[i];
		if (before >= p * all)
			return (double)((64 + i % 64) * (1ULL << (i / 64 - 6))) / 1000;
	}
	return 0;
}

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		check(io_uring_submit(&ring), "submit");
		sqe = io_uring_get_sqe(&ring);
	}
	return sqe;
}

static void receive(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_recv(sqe, c->fd, c->in + c->got, size - c->got, 0);
	io_uring_sqe_set_data(sqe, c);
}

static void ask(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	c->sent_at = now_ns();
	c->got = 0;
	memcpy(c->out, &c->sent_at, sizeof(c->sent_at)); /* another message each time */
	io_uring_prep_send(sqe, c->fd, c->out, size, MSG_WAITALL | MSG_NOSIGNAL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data(sqe, NULL);
	receive(c);
}

/* Returns 1 when a round trip is over. */
static int handle(struct io_uring_cqe *cqe)
{
	struct conn *c = io_uring_cqe_get_data(cqe);

	check(cqe->res, c ? "receive" : "send");
	if (!c)
		die("short send");
	if (!cqe->res)
		die("the server closed a connection");
	c->got += cqe->res;
	if (c->got < size) {
		receive(c);
		return 0;
	}
	if (memcmp(c->in, c->out, size))
		die("the answer is not what was sent");
	histogram[bucket(now_ns() - c->sent_at)]++;
	ask(c);
	return 1;
}

/* Goes on until the given time and returns the number of round trips. */
static uint64_t run_until(uint64_t end)
{
	uint64_t trips = 0;

	while (now_ns() < end) {
		struct __kernel_timespec timeout = { .tv_sec = 5 };
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;
		int ret = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &timeout, NULL);

		if (ret == -EINTR)
			continue;
		check(ret, "wait for an answer");
		io_uring_for_each_cqe(&ring, head, cqe) {
			trips += handle(cqe);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
	return trips;
}

int main(int argc, char **argv)
{
	uint64_t cpu, own, start, trips;
	double seconds, warmup, window;
	int port, conns, i, on = 1;
	struct conn *all;
	clockid_t server;

	if (argc != 7)
		die("usage: client PORT SERVER-PID CONNECTIONS SIZE WARM-UP-SECONDS SECONDS");
	port = atoi(argv[1]);
	server = cpu_clock(atoi(argv[2]));
	conns = atoi(argv[3]);
	size = atoi(argv[4]);
	warmup = atof(argv[5]);
	window = atof(argv[6]);
	if (size < 8 || size > max_size)
		die("messages of %d bytes, want 8 to %d", size, max_size);
	check(io_uring_queue_init(entries, &ring, IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
				  IORING_SETUP_DEFER_TASKRUN), "open a ring");
	all = calloc(conns, sizeof(*all));
	for (i = 0; i < conns; i++) {
		all[i].fd = connect_to(port);
		setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		ask(&all[i]);
	}
	run_until(now_ns() + warmup * 1e9);

	memset(histogram, 0, sizeof(histogram));
	cpu = clock_ns(server);
	own = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	start = now_ns();
	trips = run_until(start + window * 1e9);
	seconds = (now_ns() - start) / 1e9;
	own = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own;
	cpu = clock_ns(server) - cpu;
	if (!trips)
		die("no answer in %.2f s", seconds);
	printf("{\"rps\": %.1f, \"cpu_us\": %.4f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
	       "\"server_busy\": %.3f, \"client_busy\": %.3f}\n",
	       trips / seconds, cpu / 1e3 / trips, percentile_us(0.50, trips), percentile_us(0.99, trips),
	       cpu / 1e9 / seconds, own / 1e9 / seconds);
	fflush(stdout);
	_exit(0);
}
