// SPDX-License-Identifier: Apache-2.0
/*
 * Not uv_listen(): there a connection that cannot be taken stays pending and the callback is not called again, or, if accept(2) fails for
 * want of descriptors or memory, it is called over and over within one turn of the loop.
 */
#include "common/rpc/unix_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"

#define PAUSE_MS 100
#define ACCEPTED_PER_TURN 64

struct unix_listener {
	struct unix_listener_options options;
	char *path;
	int fd;
	uv_poll_t poll;
	uv_timer_t pause;
	bool failing;
	unsigned open_handles;
	void (*stopped)(void *context); /* NULL: it listens */
};

static void listener_free(struct unix_listener *listener)
{
	if (!listener)
		return;
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener->path);
	free(listener);
}
DEFINE_CLEANUP(struct unix_listener *, listener_free);

static void on_ready(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct unix_listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, on_ready);
}

static void pause_for(struct unix_listener *listener, int code)
{
	if (!listener->failing)
		log_warn("connections cannot be taken, and wait", "socket", listener->path, "error", strerror(code));
	listener->failing = true;
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
}

static void note_good(struct unix_listener *listener)
{
	if (listener->failing)
		log_info("connections are taken again", "socket", listener->path);
	listener->failing = false;
}

static bool peer_is(int fd, uid_t uid)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.uid == uid;
}

/* Whether there may be more. */
static bool accept_one(struct unix_listener *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
		return true;
	if (fd < 0 && errno != EAGAIN)
		pause_for(listener, errno);
	if (fd < 0)
		return false;
	note_good(listener);
	if (peer_is(fd, listener->options.uid))
		listener->options.accepted(listener->options.context, fd);
	else
		close(fd);
	return !listener->stopped;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct unix_listener *listener = poll->data;

	if (status < 0) {
		pause_for(listener, -status);
		return;
	}
	for (int i = 0; i < ACCEPTED_PER_TURN && accept_one(listener); i++)
		;
}

/* False: the path is too long. */
static bool fill_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return false;
	strcpy(ret->sun_path, path);
	return true;
}

int unix_socket_try(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (!fill_address(path, &address))
		return -ENAMETOOLONG;
	return fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static int open_socket(const char *path, int backlog, int *ret, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (!fill_address(path, &address))
		return error_set(err, ENAMETOOLONG, "cannot listen on %s: the path is too long for a unix socket", path);
	unlink(path);
	mode_t before = umask(0177);
	int r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (r < 0 || listen(fd, backlog) < 0)
		return error_errno(err, errno, "cannot listen on %s", path);
	*ret = TAKE_FD(fd);
	return 0;
}

int unix_listener_start(uv_loop_t *loop, const struct unix_listener_options *options, struct unix_listener **ret, struct error *err)
{
	_cleanup_(listener_freep) struct unix_listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return error_nomem(err);
	listener->fd = -1;
	listener->options = *options;
	listener->path = strdup(options->path);
	if (!listener->path)
		return error_nomem(err);
	int r = open_socket(listener->path, options->backlog, &listener->fd, err);
	if (r < 0)
		return r;
	r = uv_poll_init(loop, &listener->poll, listener->fd);
	if (r < 0)
		return error_set(err, -r, "cannot listen on %s: %s", listener->path, uv_strerror(r));
	uv_timer_init(loop, &listener->pause);
	listener->open_handles = 2;
	listener->poll.data = listener->pause.data = listener;
	uv_poll_start(&listener->poll, UV_READABLE, on_ready);
	*ret = TAKE_PTR(listener);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct unix_listener *listener = handle->data;

	if (--listener->open_handles > 0)
		return;
	listener->stopped(listener->options.context);
	listener_free(listener);
}

void unix_listener_stop(struct unix_listener *listener, void (*stopped)(void *context))
{
	listener->stopped = stopped;
	unlink(listener->path);
	uv_close((uv_handle_t *)&listener->poll, on_closed);
	uv_close((uv_handle_t *)&listener->pause, on_closed);
}
