// SPDX-License-Identifier: Apache-2.0
/*
 * SCTP is sent by hand over a raw socket: the rules judge it by its ports, and most kernels of test machines have none of their own.
 *
 *	source port │ destination port │ tag 0 │ CRC32c │ INIT chunk (RFC 9260, 3.3.2) │ a parameter with the nonce
 */
#include "tests/net/volley_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Above every port that a policy of the tests names but the top of the range, and away from what the probes go to. */
#define SOURCE_PORT_FIRST 20000
#define SOURCE_PORT_LAST 59999

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct sctp_init {
	uint16_t source, destination;
	uint32_t tag, checksum;
	uint8_t chunk_type, chunk_flags;
	uint16_t chunk_length;
	uint32_t initiate_tag, window;
	uint16_t streams_out, streams_in;
	uint32_t tsn;
	uint16_t parameter_type, parameter_length;
	uint8_t nonce[8];
} __attribute__((packed));

static socklen_t fill_address(union socket_address *ret, const struct kube_address *address, uint16_t port)
{
	*ret = (union socket_address){ 0 };
	ret->any.sa_family = address->family;
	if (address->family == AF_INET) {
		ret->v4.sin_port = htons(port);
		memcpy(&ret->v4.sin_addr, address->bytes, 4);
		return sizeof(ret->v4);
	}
	ret->v6.sin6_port = htons(port);
	memcpy(&ret->v6.sin6_addr, address->bytes, 16);
	return sizeof(ret->v6);
}

static uint16_t fresh_port(void)
{
	static uint16_t last;

	/* Another process may have used the first ones a moment ago, and their connections are still known. */
	if (last == 0)
		last = (uint16_t)(SOURCE_PORT_FIRST + arc4random_uniform(SOURCE_PORT_LAST - SOURCE_PORT_FIRST));
	last = last == SOURCE_PORT_LAST ? SOURCE_PORT_FIRST : (uint16_t)(last + 1);
	return last;
}

static int open_socket(const struct volley_probe *probe)
{
	int type = probe->protocol == IPPROTO_TCP ? SOCK_STREAM : probe->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_RAW;

	return socket(probe->source.family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, probe->protocol);
}

/* A raw socket has no port of its own. */
static uint16_t bound_port(const struct volley_probe *probe, uint16_t port)
{
	return probe->protocol == IPPROTO_SCTP ? 0 : port;
}

int volley_open_server(const struct volley_probe *probe, int *ret, struct error *err)
{
	_cleanup_close_ int fd = open_socket(probe);
	union socket_address address;
	const int on = 1;

	socklen_t n = fill_address(&address, &probe->destination, bound_port(probe, probe->port));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, &address.any, n) < 0)
		return error_errno(err, errno, "cannot bind port %u at place %d", probe->port, probe->to);
	if (probe->protocol == IPPROTO_TCP && listen(fd, 256) < 0)
		return error_errno(err, errno, "cannot listen on port %u at place %d", probe->port, probe->to);
	*ret = TAKE_FD(fd);
	return 0;
}

static int bind_fresh(int fd, const struct volley_probe *probe)
{
	/* So that close ends the connection at once and leaves no state behind. */
	const struct linger linger = { .l_onoff = 1 };
	union socket_address address;

	if (probe->protocol == IPPROTO_TCP && setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		return -errno;
	for (int i = 0; i < 100; i++) {
		socklen_t n = fill_address(&address, &probe->source, bound_port(probe, fresh_port()));
		if (bind(fd, &address.any, n) == 0)
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return -errno;
}

int volley_open_client(const struct volley_probe *probe, int *ret, struct error *err)
{
	_cleanup_close_ int fd = open_socket(probe);
	union socket_address address;

	int r = fd < 0 ? -errno : bind_fresh(fd, probe);
	if (r < 0)
		return error_errno(err, -r, "cannot open a socket at place %d", probe->from);
	socklen_t n = fill_address(&address, &probe->destination, bound_port(probe, probe->port));
	if (connect(fd, &address.any, n) < 0 && errno != EINPROGRESS)
		return error_errno(err, errno, "cannot connect from place %d to place %d", probe->from, probe->to);
	*ret = TAKE_FD(fd);
	return 0;
}

static uint32_t crc32c(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static struct sctp_init make_init(uint16_t port, uint64_t nonce)
{
	struct sctp_init init = {
		.source = htons(fresh_port()),
		.destination = htons(port),
		.chunk_type = 1,
		.chunk_length = htons(sizeof(init) - 12),
		.initiate_tag = htonl(1),
		.window = htonl(65536),
		.streams_out = htons(1),
		.streams_in = htons(1),
		.tsn = htonl(1),
		.parameter_type = htons(0x8000),
		.parameter_length = htons(12),
	};

	memcpy(init.nonce, &nonce, sizeof(nonce));
	init.checksum = htole32(crc32c(&init, sizeof(init)));
	return init;
}

int volley_send(int client, const struct volley_probe *probe, uint64_t nonce, struct error *err)
{
	struct sctp_init init;
	ssize_t n = 0;

	if (probe->protocol == IPPROTO_UDP) {
		n = send(client, &nonce, sizeof(nonce), 0);
	} else if (probe->protocol == IPPROTO_SCTP) {
		init = make_init(probe->port, nonce);
		n = send(client, &init, sizeof(init), 0);
	}
	return n < 0 ? error_errno(err, errno, "cannot send from place %d to place %d", probe->from, probe->to) : 0;
}
