// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/check/ping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Of the echoes that others on this node send and hear, these have our number and our word. */
static const uint8_t word[8] = { 'h', 'o', 'l', 'd', 'f', 'a', 's', 't' };

/* RFC 792 and RFC 4443 lay out echoes alike. */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint8_t word[sizeof(word)];
};

int ping_open(int family)
{
	return socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* RFC 1071. */
static uint16_t checksum(const struct echo *echo)
{
	uint16_t words[sizeof(*echo) / 2];
	uint32_t sum = 0;

	memcpy(words, echo, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* The kernel computes IPv6's checksum. */
static struct echo make_request(int family, uint16_t number)
{
	struct echo echo = { .type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, .id = htons((uint16_t)getpid()) };

	echo.sequence = htons(number);
	memcpy(echo.word, word, sizeof(word));
	if (family == AF_INET)
		echo.checksum = checksum(&echo);
	return echo;
}

static int send_to(int fd, int family, const char *to, const struct echo *echo)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	const bool v4 = family == AF_INET;

	if (inet_pton(family, to, v4 ? (void *)&to4.sin_addr : (void *)&to6.sin6_addr) != 1)
		return -EINVAL;
	ssize_t n = sendto(fd, echo, sizeof(*echo), 0, v4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6,
			   v4 ? sizeof(to4) : sizeof(to6));
	return n < 0 ? -errno : 0;
}

/* An IPv4 packet comes with its header. */
static bool is_answer(int family, const uint8_t *bytes, size_t n, const struct echo *request)
{
	size_t header = family == AF_INET && n > 0 ? (bytes[0] & 15u) * 4 : 0;
	struct echo echo;

	if (n < header + sizeof(echo))
		return false;
	memcpy(&echo, bytes + header, sizeof(echo));
	return echo.type == (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) && echo.id == request->id &&
	       echo.sequence == request->sequence && memcmp(echo.word, word, sizeof(word)) == 0;
}

static bool has_answer(int fd, int family, const struct echo *request)
{
	uint8_t bytes[1500];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) >= 0) {
		if (is_answer(family, bytes, (size_t)n, request))
			return true;
	}
	return false;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int ping_once(int fd, int family, const char *to, uint16_t number, unsigned timeout_ms, struct error *err)
{
	const struct echo request = make_request(family, number);
	const int64_t until = now_ms() + timeout_ms;
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	int r = send_to(fd, family, to, &request);
	/* A rule on the way out says so to the sender. */
	if (r < 0 && r != -EPERM)
		return error_errno(err, -r, "cannot send an ICMP echo to %s", to);
	for (;;) {
		int64_t left = until - now_ms();
		if (has_answer(fd, family, &request))
			return 1;
		if (left <= 0)
			return 0;
		if (poll(&readable, 1, (int)left) < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for an ICMP echo");
	}
}
