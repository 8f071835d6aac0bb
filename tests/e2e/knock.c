// SPDX-License-Identifier: Apache-2.0
/*
 * The client and the server of the end-to-end tests, both ends in one static program that runs in any image and in any
 * network namespace.
 *
 * Why not agnhost alone: a denied connection is known only by waiting, so a matrix is asked all at once, in one process
 * per source; a refusal must not look like silence, because a policy drops and never rejects; and a packet must leave at a
 * pod's first instruction, which a Go program's start would hide.
 *
 *	knock serve PORT…           answers on TCP and UDP, both families, until it is ended
 *	knock to MS TARGET…         tries all at once, prints "open|silent|refused|unreachable TARGET" for each
 *	knock watch MS TARGET…      tries all every 20 ms until SIGTERM, then prints "TRIED OPEN TARGET" for each
 *	knock fire MS TARGET…       sends at all for MS and waits for no answer
 *	knock talk MS TARGET…       talks to all without a pause, prints "open TARGET" at the first answer of each, "silent TARGET" when there
 *	                            has been none for MS, and "closed TARGET" when the other side ends it
 *
 * TARGET is tcp:ADDRESS:PORT or udp:ADDRESS:PORT; MS is how long an answer may take.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "knock.h"

#define ATTEMPTS_MAX 2048
#define WATCH_INTERVAL_MS 20
#define FRESH_PORT_FIRST 1024
#define FRESH_PORTS (32768 - FRESH_PORT_FIRST) /* below the ephemeral ones, net.ipv4.ip_local_port_range */
#define RESEND_INTERVAL_MS 100 /* of a datagram without an answer: one may be lost without any policy */

static const char *const outcome_names[] = { "open", "silent", "refused", "unreachable" };

struct attempt {
	struct target *target;
	int fd;
	int64_t deadline_ms, resend_ms;
};

static struct attempt attempts[ATTEMPTS_MAX];
static size_t n_attempts;
volatile sig_atomic_t ended;

void die(const char *what, const char *object)
{
	fprintf(stderr, "knock: %s: %s\n", what, object);
	exit(2);
}

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

unsigned int parse_number(const char *text, unsigned int maximum)
{
	unsigned int value = 0;

	if (*text == '\0')
		die("not a number", "\"\"");
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || value > (maximum - (unsigned int)(*p - '0')) / 10)
			die("not a number in range", text);
		value = value * 10 + (unsigned int)(*p - '0');
	}
	return value;
}

static bool parse_address(const char *text, uint16_t port, struct target *target)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&target->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&target->address;

	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		target->length = sizeof(*in4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	target->length = sizeof(*in6);
	return true;
}

static void parse_target(const char *text, struct target *target)
{
	const char *address = strchr(text, ':'), *port = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	size_t n;

	*target = (struct target){ .text = text };
	target->type = strncmp(text, "udp:", 4) == 0 ? SOCK_DGRAM : SOCK_STREAM;
	if ((target->type == SOCK_STREAM && strncmp(text, "tcp:", 4) != 0) || !port || port <= address)
		die("not a target", text);
	address++;
	n = (size_t)(port - address);
	if (n >= sizeof(host))
		die("not a target", text);
	memcpy(host, address, n);
	host[n] = '\0';
	if (!parse_address(host, (uint16_t)parse_number(port + 1, UINT16_MAX), target))
		die("not an address", text);
}

static struct target *parse_targets(char **texts, size_t n)
{
	struct target *targets = calloc(n, sizeof(*targets));

	if (!targets)
		die("cannot start", strerror(ENOMEM));
	for (size_t i = 0; i < n; i++)
		parse_target(texts[i], &targets[i]);
	return targets;
}

static enum outcome outcome_of(int error)
{
	if (error == 0)
		return OUTCOME_OPEN;
	return error == ECONNREFUSED ? OUTCOME_REFUSED : OUTCOME_UNREACHABLE;
}

/*
 * A datagram from a port that an allowed one has lately used belongs to that flow, and passes; ephemeral ports come again by chance. So the
 * ports go up, from a start that goes up by one in a millisecond: none comes again before its flow is forgotten (30 s).
 */
static void use_fresh_port(int fd, sa_family_t family)
{
	static uint64_t next;

	if (next == 0)
		next = (uint64_t)now_ms();
	for (unsigned int tries = 0; tries < FRESH_PORTS; tries++) {
		struct sockaddr_in6 any = { .sin6_family = family };

		any.sin6_port = htons((uint16_t)(FRESH_PORT_FIRST + next++ % FRESH_PORTS)); /* where sockaddr_in has it too */
		if (bind(fd, (struct sockaddr *)&any, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(any)) == 0)
			return;
	}
	die("cannot bind to any port", strerror(errno));
}

int connect_socket(const struct target *target)
{
	int fd = socket(target->address.ss_family, target->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("cannot make a socket", strerror(errno));
	if (target->type == SOCK_DGRAM)
		use_fresh_port(fd, target->address.ss_family);
	if (connect(fd, (const struct sockaddr *)&target->address, target->length) == 0 || errno == EINPROGRESS) {
		errno = 0;
		if (target->type == SOCK_DGRAM)
			(void)!send(fd, "?", 1, 0);
	}
	return fd; /* errno says whether it can still succeed */
}

static void start_attempt(struct target *target, int64_t timeout_ms)
{
	int64_t now = now_ms();
	int fd = connect_socket(target), error = errno;

	if (error != 0) {
		target->counts[outcome_of(error)]++;
		close(fd);
		return;
	}
	if (n_attempts == ATTEMPTS_MAX)
		die("too many attempts at once", target->text);
	attempts[n_attempts++] = (struct attempt){ target, fd, now + timeout_ms, now + RESEND_INTERVAL_MS };
}

static void end_attempt(size_t i, enum outcome outcome)
{
	attempts[i].target->counts[outcome]++;
	close(attempts[i].fd);
	attempts[i] = attempts[--n_attempts];
}

static enum outcome answer(const struct attempt *attempt)
{
	char byte;
	int error = 0;
	socklen_t length = sizeof(error);

	if (attempt->target->type == SOCK_DGRAM)
		return recv(attempt->fd, &byte, 1, MSG_TRUNC) >= 0 ? OUTCOME_OPEN : outcome_of(errno);
	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	return outcome_of(error);
}

/* Waits at most `wait_ms` for answers, then ends all attempts that have one or are too old. */
static void collect(int wait_ms)
{
	static struct pollfd fds[ATTEMPTS_MAX];
	int64_t now;

	for (size_t i = 0; i < n_attempts; i++) {
		fds[i].fd = attempts[i].fd;
		fds[i].events = attempts[i].target->type == SOCK_DGRAM ? POLLIN : POLLOUT;
	}
	if (poll(fds, n_attempts, wait_ms) < 0)
		return;
	now = now_ms();
	for (size_t i = n_attempts; i-- > 0;) {
		if (fds[i].revents) {
			end_attempt(i, answer(&attempts[i]));
		} else if (now >= attempts[i].deadline_ms) {
			end_attempt(i, OUTCOME_SILENT);
		} else if (attempts[i].target->type == SOCK_DGRAM && now >= attempts[i].resend_ms) {
			attempts[i].resend_ms = now + RESEND_INTERVAL_MS;
			(void)!send(attempts[i].fd, "?", 1, 0);
		}
	}
}

static void end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static int run_to(unsigned int timeout_ms, struct target *targets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		start_attempt(&targets[i], timeout_ms);
	while (n_attempts > 0)
		collect(10);
	for (size_t i = 0; i < n; i++)
		for (size_t outcome = 0; outcome < N_OUTCOMES; outcome++)
			if (targets[i].counts[outcome] > 0)
				printf("%s %s\n", outcome_names[outcome], targets[i].text);
	return 0;
}

static int run_watch(unsigned int timeout_ms, struct target *targets, size_t n)
{
	while (!ended) {
		int64_t next = now_ms() + WATCH_INTERVAL_MS, left;

		for (size_t i = 0; i < n; i++)
			start_attempt(&targets[i], timeout_ms);
		while (!ended && (left = next - now_ms()) > 0)
			collect((int)left);
	}
	while (n_attempts > 0)
		collect(10);
	for (size_t i = 0; i < n; i++) {
		unsigned int tried = 0;

		for (size_t outcome = 0; outcome < N_OUTCOMES; outcome++)
			tried += targets[i].counts[outcome];
		printf("%u %u %s\n", tried, targets[i].counts[OUTCOME_OPEN], targets[i].text);
	}
	return 0;
}

/* A TCP socket that is closed at once has sent its SYN. */
static int run_fire(unsigned int duration_ms, struct target *targets, size_t n)
{
	int64_t stop = now_ms() + duration_ms;
	const struct timespec pause = { .tv_nsec = 1000000 };

	do {
		for (size_t i = 0; i < n; i++)
			close(connect_socket(&targets[i]));
		nanosleep(&pause, NULL);
	} while (!ended && now_ms() < stop);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	struct target *targets;
	unsigned int ms;
	size_t n;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (argc >= 3 && strcmp(argv[1], "serve") == 0)
		return run_serve(argv + 2, (size_t)argc - 2);
	if (argc < 4)
		die("usage", "knock serve PORT… | to|watch|fire|talk MS TARGET…");
	ms = parse_number(argv[2], INT_MAX);
	n = (size_t)argc - 3;
	targets = parse_targets(argv + 3, n);
	if (strcmp(argv[1], "to") == 0)
		return run_to(ms, targets, n);
	if (strcmp(argv[1], "watch") == 0)
		return run_watch(ms, targets, n);
	if (strcmp(argv[1], "fire") == 0)
		return run_fire(ms, targets, n);
	if (strcmp(argv[1], "talk") == 0)
		return run_talk(ms, targets, n);
	die("there is no command", argv[1]);
}
