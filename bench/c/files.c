/*
 * Random reads of a file with liburing, as the engine of package file does
 * them: depth requests on their way, or batches of them.
 *
 *   files FILE direct|cold|cached DEPTH SIZE MILLISECONDS each|batch
 *
 * Prints a line of JSON like the Go peer.
 */
#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>

#include "bench.h"

struct reader {
	struct io_uring ring;
	int fd;
	unsigned size;
	uint64_t blocks;
	uint64_t random;
	char *memory;
};

static uint64_t next_random(struct reader *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

static void queue_read(struct reader *r, unsigned slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	if (!sqe)
		die("the submission queue is full");
	io_uring_prep_read(sqe, r->fd, r->memory + (size_t)slot * r->size, r->size,
			   next_random(r) % r->blocks * r->size);
	io_uring_sqe_set_data64(sqe, slot);
}

/* Takes completions, puts their slots into done and returns their number. */
static unsigned reap(struct reader *r, unsigned *done)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&r->ring, head, cqe) {
		if (check(cqe->res, "read") != (int)r->size)
			die("short read: %d bytes", cqe->res);
		done[n++] = io_uring_cqe_get_data64(cqe);
	}
	io_uring_cq_advance(&r->ring, n);
	return n;
}

int main(int argc, char **argv)
{
	struct reader r = { .random = now_ns() | 1 };
	struct stat st;
	unsigned depth, *done, running = 0;
	int batch;
	uint64_t start, end, begun = 0, cpu = 0, ops = 0;

	if (argc != 7)
		die("usage: files FILE direct|cold|cached DEPTH SIZE MILLISECONDS each|batch");
	r.fd = check_errno(open(argv[1], O_RDONLY | (strcmp(argv[2], "direct") ? 0 : O_DIRECT)), "open");
	depth = atoi(argv[3]);
	r.size = atoi(argv[4]);
	batch = !strcmp(argv[6], "batch");
	check_errno(fstat(r.fd, &st), "fstat");
	r.blocks = st.st_size / r.size;
	if (!strcmp(argv[2], "cold")) {
		check(-posix_fadvise(r.fd, 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
		check(-posix_fadvise(r.fd, 0, 0, POSIX_FADV_RANDOM), "posix_fadvise");
	}
	check(io_uring_queue_init(depth, &r.ring, 0), "io_uring_queue_init");
	check(-posix_memalign((void **)&r.memory, 4096, (size_t)depth * r.size), "posix_memalign");
	memset(r.memory, 1, (size_t)depth * r.size);
	done = calloc(depth, sizeof(*done));
	for (unsigned i = 0; i < depth; i++)
		done[i] = i;
	start = now_ns() + 100000000; /* to warm up */
	end = start + (uint64_t)atoi(argv[5]) * 1000000;
	for (unsigned n = depth;;) {
		for (unsigned i = 0; i < n; i++)
			queue_read(&r, done[i]);
		running += n;
		check(io_uring_submit_and_wait(&r.ring, batch ? running : 1), "io_uring_submit_and_wait");
		n = reap(&r, done);
		running -= n;
		if (now_ns() < start)
			continue;
		if (!begun) {
			begun = now_ns();
			cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
			continue;
		}
		ops += n;
		if (now_ns() >= end)
			break;
	}
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"ops\":%llu,\"rate\":%f,\"cpu_us\":%f,\"threads\":1}\n",
	       (unsigned long long)ops, ops / ((now_ns() - begun) / 1e9), cpu / 1e3 / ops);
	return 0;
}
