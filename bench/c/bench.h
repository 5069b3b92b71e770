/* What the C programs of the benchmark share. */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* Ends the program if ret, of a call that reports -errno, is negative. */
static inline int check(int ret, const char *what)
{
	if (ret < 0)
		die("%s: %s", what, strerror(-ret));
	return ret;
}

/* The same for calls that set errno. */
static inline int check_errno(int ret, const char *what)
{
	return check(ret < 0 ? -errno : ret, what);
}

/* Nanoseconds on a clock. */
static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	check_errno(clock_gettime(id, &ts), "clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* The clock of the processor time, user and system, of all threads of pid. */
static inline clockid_t cpu_clock(pid_t pid)
{
	clockid_t id;

	check(-clock_getcpuclockid(pid, &id), "clock_getcpuclockid");
	return id;
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* As many descriptors as are allowed; Go programs do that by themselves. */
static inline void raise_file_limit(void)
{
	struct rlimit limit;

	check_errno(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	check_errno(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

static inline struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
}

static inline int listen_on(int port)
{
	struct sockaddr_in addr = loopback(port);
	int fd = check_errno(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check_errno(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	check_errno(listen(fd, 4096), "listen");
	return fd;
}

/* Connects, and tries again for 5 seconds while nobody listens yet. */
static inline int connect_to(int port)
{
	struct sockaddr_in addr = loopback(port);
	uint64_t deadline = now_ns() + 5000000000;

	for (;;) {
		int fd = check_errno(socket(AF_INET, SOCK_STREAM, 0), "socket");

		if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
			return fd;
		if (errno != ECONNREFUSED || now_ns() > deadline)
			die("connect to port %d: %s", port, strerror(errno));
		close(fd);
		sleep_ns(2000000);
	}
}

#endif
