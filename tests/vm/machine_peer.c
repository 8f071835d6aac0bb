// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "tests/vm/machine.h"

#define PATIENCE_S 120
#define PIECE (64 * 1024)

int machine_connect(struct machine *machine, uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int pod = open(machine->network, O_RDONLY | O_CLOEXEC);

	assert_int_equal(setns(pod, CLONE_NEWNET), 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	int code = errno;
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	if (r < 0) {
		close(fd);
		return -code;
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* What can be said is said; with the last of it comes the end. */
static int say(int fd, struct slice *bytes)
{
	ssize_t n = bytes->n > 0 ? send(fd, bytes->p, bytes->n, MSG_NOSIGNAL) : 0;

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	*bytes = slice_from(bytes->p + n, bytes->n - (size_t)n);
	if (n > 0 && bytes->n == 0)
		shutdown(fd, SHUT_WR);
	return 0;
}

/* 1: there is more to come. */
static int hear(int fd, struct buf *heard)
{
	uint8_t *room = buf_reserve(heard, PIECE);
	ssize_t n = read(fd, room, PIECE);

	if (n < 0)
		return errno == EAGAIN ? 1 : -errno;
	buf_commit(heard, (size_t)n);
	return n > 0;
}

int machine_talk(struct machine *machine, int fd, struct slice bytes, struct buf *heard)
{
	const time_t until = time(NULL) + PATIENCE_S;
	int r = 1;

	while (r == 1) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		if (time(NULL) > until)
			fail_msg("no end of a connection; %zu bytes are not said, %zu heard", bytes.n, heard->n);
		uv_run(&machine->loop, UV_RUN_NOWAIT);
		poll(&ready, 1, 1);
		r = say(fd, &bytes);
		if (r == 0)
			r = hear(fd, heard);
	}
	close(fd);
	return r;
}
