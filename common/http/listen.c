// SPDX-License-Identifier: Apache-2.0
#include "common/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"
#include "common/base/number.h"
#include "common/base/show.h"

#define BACKLOG 16

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int no_address(const char *text, struct error *err)
{
	return error_set(err, EINVAL, "\"%s\" is no address to listen on; write 127.0.0.1:9470, [::1]:9470 or off",
			 SHOW(slice_string(text)));
}

/* Splits "host:port"; an IPv6 host stands in brackets, which are left out. */
static bool split_address(const char *text, char host[static INET6_ADDRSTRLEN], const char **ret_port, bool *ret_v6)
{
	const char *colon = strrchr(text, ':');
	bool v6 = *text == '[';

	if (!colon || (v6 && colon[-1] != ']'))
		return false;
	const char *first = text + v6;
	size_t n = (size_t)(colon - first) - v6;
	if (n == 0 || n >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, first, n);
	host[n] = 0;
	*ret_port = colon + 1;
	*ret_v6 = v6;
	return true;
}

static int parse_address(const char *text, union address *ret, socklen_t *ret_n, struct error *err)
{
	char host[INET6_ADDRSTRLEN];
	const char *port_text;
	uint16_t port;
	bool v6;

	if (!split_address(text, host, &port_text, &v6))
		return no_address(text, err);
	int r = number_parse_u16(slice_string(port_text), 0, UINT16_MAX, &port, err);
	if (r < 0)
		return error_wrap(err, "port of \"%s\"", SHOW(slice_string(text)));
	*ret = (union address){};
	if (v6)
		ret->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	else
		ret->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	*ret_n = v6 ? sizeof(ret->v6) : sizeof(ret->v4);
	void *to = v6 ? (void *)&ret->v6.sin6_addr : (void *)&ret->v4.sin_addr;
	return inet_pton(ret->any.sa_family, host, to) == 1 ? 0 : no_address(text, err);
}

static int real_port(int fd, uint16_t *ret)
{
	union address address = {};
	socklen_t n = sizeof(address);

	if (getsockname(fd, &address.any, &n) < 0)
		return -errno;
	*ret = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
	return 0;
}

/* An address of IPv6 shall not take IPv4 connections too: [::] means what it says. */
static int set_options(int fd, sa_family_t family)
{
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

int http_listen(const char *text, int *ret_fd, uint16_t *ret_port, struct error *err)
{
	union address address;
	socklen_t n = 0;
	uint16_t port = 0;

	int r = parse_address(text, &address, &n, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : set_options(fd, address.any.sa_family);
	if (r == 0 && (bind(fd, &address.any, n) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r == 0)
		r = real_port(fd, &port);
	if (r < 0)
		return error_errno(err, -r, "cannot listen on %s", text);
	*ret_fd = TAKE_FD(fd);
	*ret_port = port;
	return 0;
}
