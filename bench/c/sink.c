/*
 * Receives and drops what one connection brings.
 *
 * sink PORT
 */
#include "bench.h"

int main(int argc, char **argv)
{
	static char block[256 << 10];
	int fd;

	if (argc != 2)
		die("usage: sink PORT");
	fd = check_errno(accept(listen_on(atoi(argv[1])), NULL, NULL), "accept");
	while (recv(fd, block, sizeof(block), 0) > 0)
		;
	return 0;
}
