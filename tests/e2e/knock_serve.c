// SPDX-License-Identifier: Apache-2.0
/*
 * knock's server. A connection stays as long as its client wants, and hears what it says; of those whose end was never heard of, since a
 * policy cut them, the oldest makes room for the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "knock.h"

#define PORTS_MAX 32
#define CONNECTIONS_MAX 64

/* Those that listen and those for datagrams, then the connections; -1 where there is none. */
static struct pollfd fds[2 * PORTS_MAX + CONNECTIONS_MAX];

static int listen_socket(int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), no = 0, yes = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes)) < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 128) < 0))
		die("cannot listen", strerror(errno));
	return fd;
}

static void accept_one(int fd, struct pollfd *connections)
{
	static unsigned int next;
	int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct pollfd *place = &connections[next % CONNECTIONS_MAX];

	if (connection < 0)
		return;
	next++;
	if (place->fd >= 0)
		close(place->fd);
	*place = (struct pollfd){ .fd = connection, .events = POLLIN };
}

static void answer_connection(struct pollfd *connection)
{
	char bytes[256];
	ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);

	if (n > 0 && send(connection->fd, bytes, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	close(connection->fd);
	connection->fd = -1;
}

/* Answers from the address that was asked: a node has several. */
static void echo_one(int fd)
{
	struct sockaddr_storage from;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &message, 0) >= 0)
		(void)!sendmsg(fd, &message, 0);
}

static void listen_all(char **ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)parse_number(ports[i], UINT16_MAX);

		fds[i] = (struct pollfd){ .fd = listen_socket(SOCK_STREAM, port), .events = POLLIN };
		fds[n + i] = (struct pollfd){ .fd = listen_socket(SOCK_DGRAM, port), .events = POLLIN };
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		fds[2 * n + i].fd = -1;
}

int run_serve(char **ports, size_t n)
{
	if (n > PORTS_MAX)
		die("too many ports", ports[PORTS_MAX]);
	listen_all(ports, n);
	while (!ended) {
		if (poll(fds, 2 * n + CONNECTIONS_MAX, -1) < 0)
			continue;
		for (size_t i = 0; i < 2 * n + CONNECTIONS_MAX; i++) {
			if (!fds[i].revents)
				continue;
			if (i < n)
				accept_one(fds[i].fd, &fds[2 * n]);
			else if (i < 2 * n)
				echo_one(fds[i].fd);
			else
				answer_connection(&fds[i]);
		}
	}
	return 0;
}
