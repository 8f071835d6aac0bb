// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/plugin/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/cleanup.h"

#define READ_STEP (16 * 1024)

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A connect to a socket whose backlog is full waits for as long as SO_SNDTIMEO says. */
static int connect_socket(const char *path, unsigned timeout_ms, int *ret_fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	size_t n = strlen(path);

	if (n >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "the path is too long for a unix socket");
	memcpy(address.sun_path, path, n + 1);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot make a socket");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return error_errno(err, errno, "cannot set the time limit of the socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno == EAGAIN ? ETIMEDOUT : errno, "%s", strerror(errno == EAGAIN ? ETIMEDOUT : errno));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int wait_for(int fd, short events, uint64_t deadline, struct error *err)
{
	struct pollfd poller = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = now_ms();
		int r = now >= deadline ? 0 : poll(&poller, 1, (int)(deadline - now));
		if (r > 0)
			return 0;
		if (r == 0)
			return error_set(err, ETIMEDOUT, "no answer within the time limit");
		if (errno != EINTR)
			return error_errno(err, errno, "cannot wait for the agent");
	}
}

static int send_all(int fd, struct slice bytes, uint64_t deadline, struct error *err)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			bytes = slice_from(bytes.p + n, bytes.n - (size_t)n);
			continue;
		}
		/* The agent refuses by answering and closing: what it said is still there to be read. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, "cannot send the request");
		int r = wait_for(fd, POLLOUT, deadline, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_answer(struct wire_answer *answer, struct slice bytes, struct buf *output, struct error *err)
{
	struct slice piece;
	int r = 0;

	while (bytes.n > 0 && r == 0) {
		r = wire_answer_next(answer, &bytes, &piece, err);
		if (r >= 0)
			buf_slice(output, piece);
	}
	return r;
}

static int receive_answer(int fd, uint64_t deadline, struct wire_answer *answer, struct buf *output, struct error *err)
{
	uint8_t bytes[READ_STEP];

	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0)
			return error_set(err, ECONNRESET, "it ended before it had answered");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return error_set(err, errno, "%s", strerror(errno));
		int r = n < 0 ? wait_for(fd, POLLIN, deadline, err) : take_answer(answer, slice_from(bytes, (size_t)n), output, err);
		if (r != 0)
			return r;
	}
}

int client_ask(const char *socket_path, const struct slice fields[static WIRE_FIELD_COUNT], unsigned timeout_ms, struct buf *output,
	       uint32_t *ret_exit_code, struct error *err)
{
	_cleanup_(buf_free) struct buf request = BUF_MAX(2 * WIRE_INPUT_MAX);
	uint64_t deadline = now_ms() + timeout_ms;
	struct wire_answer answer = { 0 };
	_cleanup_close_ int fd = -1;

	int r = wire_request_encode(fields, &request, err);
	if (r == 0)
		r = connect_socket(socket_path, timeout_ms, &fd, err);
	if (r == 0)
		r = send_all(fd, buf_view(&request), deadline, err);
	if (r == 0)
		r = receive_answer(fd, deadline, &answer, output, err);
	if (r < 0)
		return r;
	r = buf_check(output, "answer", err);
	if (r == 0 && answer.exit_code == WIRE_REFUSED)
		r = error_set(err, EBUSY, "%s", buf_text(output));
	if (r == 0)
		*ret_exit_code = answer.exit_code;
	return r;
}
