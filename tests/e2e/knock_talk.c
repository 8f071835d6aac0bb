// SPDX-License-Identifier: Apache-2.0
/*
 * Connections, and flows of datagrams, that stay: what a change of policy must cut although it was allowed when it began. A byte goes over each
 * at every tick. A cut is silence, and only that: an end that was told of is a word of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "knock.h"

#define TALKS_MAX 64
#define TICK_MS 100

enum state { STATE_NEW, STATE_OPEN, STATE_SILENT, STATE_CLOSED };

struct talk {
	const struct target *target;
	enum state state;
	int64_t heard_ms;
};

static struct talk talks[TALKS_MAX];
static struct pollfd fds[TALKS_MAX];

static void say(size_t i, enum state state)
{
	static const char *const words[] = { "new", "open", "silent", "closed" };

	if (talks[i].state == state)
		return;
	talks[i].state = state;
	printf("%s %s\n", words[state], talks[i].target->text);
}

static void end_talk(size_t i)
{
	say(i, STATE_CLOSED);
	close(fds[i].fd);
	fds[i].fd = -1;
}

static void begin(size_t i, const struct target *target)
{
	talks[i].target = target;
	fds[i].fd = connect_socket(target);
	fds[i].events = POLLIN;
	if (errno != 0)
		end_talk(i);
}

static void hear(size_t i)
{
	char bytes[256];
	ssize_t n = recv(fds[i].fd, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			end_talk(i);
		return;
	}
	talks[i].heard_ms = now_ms();
	say(i, STATE_OPEN);
}

/* That it cannot be sent is not said: a connection that hears nothing any more fills its buffer. */
static void tick(size_t n, int64_t timeout_ms)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i].fd < 0)
			continue;
		(void)!send(fds[i].fd, "?", 1, MSG_NOSIGNAL);
		if (talks[i].state == STATE_OPEN && now_ms() - talks[i].heard_ms > timeout_ms)
			say(i, STATE_SILENT);
	}
}

static void listen_until(int64_t until_ms, size_t n)
{
	int64_t left;

	while (!ended && (left = until_ms - now_ms()) > 0) {
		if (poll(fds, n, (int)left) <= 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents)
				hear(i);
	}
}

int run_talk(unsigned int timeout_ms, struct target *targets, size_t n)
{
	if (n > TALKS_MAX)
		die("too many connections", targets[TALKS_MAX].text);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < n; i++)
		begin(i, &targets[i]);
	while (!ended) {
		tick(n, timeout_ms);
		listen_until(now_ms() + TICK_MS, n);
	}
	return 0;
}
