// SPDX-License-Identifier: Apache-2.0
/*
 * say SOCKET [hold]: connects to a unix socket, sends stdin and ends its side, and prints what comes back. With `hold` it does not end its
 * side: a client that has not said all it has to say, and waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return fd;
}

/* The peer may have heard enough and closed: what it answered still counts. */
static void copy(int from, int to)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		if (to == STDOUT_FILENO ? write(to, bytes, (size_t)n) != n : send(to, bytes, (size_t)n, MSG_NOSIGNAL) != n)
			return;
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: say SOCKET [hold]\n", stderr);
		return EXIT_FAILURE;
	}
	int fd = connect_to(argv[1]);

	copy(STDIN_FILENO, fd);
	if (argc < 3)
		shutdown(fd, SHUT_WR);
	copy(fd, STDOUT_FILENO);
	return EXIT_SUCCESS;
}
