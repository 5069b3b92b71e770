/*
 * Opens connections to an echo server, sends one message over each, and says
 * how much memory the server has resident when all of them are idle.
 *
 * idle PORT SERVER-PID CONNECTIONS SIZE
 */
#include "bench.h"

static long resident_kib(const char *pid)
{
	char name[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%s/status", pid);
	f = fopen(name, "r");
	if (!f)
		die("%s: %s", name, strerror(errno));
	while (fgets(line, sizeof(line), f) && sscanf(line, "VmRSS: %ld kB", &kib) != 1)
		;
	fclose(f);
	return kib;
}

static void round_trip(int fd, int size)
{
	static char out[4096] = "hello", in[4096];
	ssize_t n;
	int got;

	if (send(fd, out, size, MSG_NOSIGNAL) != size)
		die("send: %s", strerror(errno));
	for (got = 0; got < size; got += n) {
		n = recv(fd, in + got, size - got, 0);
		if (n <= 0)
			die("receive: %s", n ? strerror(errno) : "closed");
	}
	if (memcmp(in, out, size))
		die("the answer is not what was sent");
}

int main(int argc, char **argv)
{
	int port, conns, size, i;

	if (argc != 5)
		die("usage: idle PORT SERVER-PID CONNECTIONS SIZE");
	port = atoi(argv[1]);
	conns = atoi(argv[3]);
	size = atoi(argv[4]);
	raise_file_limit();
	for (i = 0; i < conns; i++)
		round_trip(connect_to(port), size);
	sleep_ns(200000000);
	printf("{\"mib\": %.3f}\n", resident_kib(argv[2]) / 1024.0);
	fflush(stdout);
	_exit(0);
}
