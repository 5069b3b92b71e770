/*
 * The cost of a request that does nothing.
 *
 * nop default|defer BATCH SECONDS
 */
#include <liburing.h>

#include "bench.h"

enum { entries = 256 };

static void turn(struct io_uring *ring, int batch)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;
	int i;

	for (i = 0; i < batch; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, i);
	}
	check(io_uring_submit_and_wait(ring, batch), "submit and wait");
	io_uring_for_each_cqe(ring, head, cqe) {
		check(cqe->res, "nop");
		n++;
	}
	io_uring_cq_advance(ring, n);
	if (n != (unsigned)batch)
		die("%u completions for %d requests", n, batch);
}

/* Prints the nanoseconds for a request, by the clock and of processor time. */
static void run(struct io_uring *ring, int batch, uint64_t ns, int print)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = now_ns();
	uint64_t turns = 0, spent;
	double requests;
	int i;

	do {
		for (i = 0; i < 64; i++)
			turn(ring, batch);
		turns += 64;
		spent = now_ns() - start;
	} while (spent < ns);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	requests = (double)turns * batch;
	if (print)
		printf("{\"ns\": %.3f, \"cpu_ns\": %.3f}\n", spent / requests, cpu / requests);
}

int main(int argc, char **argv)
{
	unsigned flags = IORING_SETUP_SUBMIT_ALL;
	struct io_uring ring;
	uint64_t ns;
	int batch;

	if (argc != 4)
		die("usage: nop default|defer BATCH SECONDS");
	if (!strcmp(argv[1], "defer"))
		flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	batch = atoi(argv[2]);
	ns = atof(argv[3]) * 1e9;
	check(io_uring_queue_init(entries, &ring, flags), "open a ring");
	run(&ring, batch, ns / 5, 0); /* warm-up */
	run(&ring, batch, ns, 1);
	io_uring_queue_exit(&ring);
	return 0;
}
