/*
 * The load of the proxy benchmark: sends as much as goes through a proxy, and
 * says how much arrived, and what processor time the proxy took, in a window
 * in which bytes flow all the time.
 *
 * flood SINK-PORT PROXY-PORT PROXY-PID WARM-UP-SECONDS SECONDS
 */
#include "bench.h"

static atomic_uint_fast64_t received;

static void *send_all(void *arg)
{
	static char block[64 << 10];
	int fd = *(int *)arg;
	uint64_t at;

	for (at = 0; at < sizeof(block); at++)
		block[at] = (char)(at * 131 >> 3);
	for (;;) {
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			die("send to the proxy: %s", strerror(errno));
	}
	return NULL;
}

static void *receive_all(void *arg)
{
	static char block[256 << 10];
	int fd = *(int *)arg;

	for (;;) {
		ssize_t n = recv(fd, block, sizeof(block), 0);

		if (n <= 0)
			die("receive from the proxy: %s", n ? strerror(errno) : "it closed the connection");
		received += n;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t warmup, window, bytes, cpu, start;
	int listener, in, out;
	pthread_t sender, receiver;
	double seconds, gigabytes;
	clockid_t proxy;

	if (argc != 6)
		die("usage: flood SINK-PORT PROXY-PORT PROXY-PID WARM-UP-SECONDS SECONDS");
	listener = listen_on(atoi(argv[1]));
	out = connect_to(atoi(argv[2]));
	in = check_errno(accept(listener, NULL, NULL), "accept");
	proxy = cpu_clock(atoi(argv[3]));
	warmup = atof(argv[4]) * 1e9;
	window = atof(argv[5]) * 1e9;
	check(-pthread_create(&receiver, NULL, receive_all, &in), "start a thread");
	check(-pthread_create(&sender, NULL, send_all, &out), "start a thread");

	sleep_ns(warmup);
	bytes = received;
	cpu = clock_ns(proxy);
	start = now_ns();
	sleep_ns(window);
	seconds = (now_ns() - start) / 1e9;
	cpu = clock_ns(proxy) - cpu;
	bytes = received - bytes;
	if (!bytes)
		die("nothing came through the proxy in %.2f s", seconds);
	gigabytes = bytes / 1e9;
	printf("{\"mbps\": %.3f, \"cpu_s_per_gb\": %.6f, \"busy\": %.4f}\n",
	       gigabytes * 1000 / seconds, cpu / 1e9 / gigabytes, cpu / 1e9 / seconds);
	fflush(stdout);
	_exit(0);
}
