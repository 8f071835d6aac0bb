// SPDX-License-Identifier: Apache-2.0
/*
 * A guest whose driver is not there yet leaves a connection unanswered for two seconds (the kernel's time-out of a connection); one whose
 * agent does not listen yet refuses it. So each try is given up after a while, and the next one begins.
 */
#include "kata-shim/vm/qemu/vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define TICK_MS 10
#define TICKS_UNTIL_GIVEN_UP 20

struct vsock {
	uv_timer_t timer;
	struct sockaddr_vm address;
	int fd; /* of this try; -1: none */
	unsigned ticks;
	bool closed;
	void (*connected)(void *context, int fd);
	void *context;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void vsock_close(struct vsock *vsock)
{
	if (!vsock || vsock->closed)
		return;
	vsock->closed = true;
	cleanup_close(&vsock->fd);
	uv_close((uv_handle_t *)&vsock->timer, on_closed);
}

static void give_up(struct vsock *vsock)
{
	cleanup_close(&vsock->fd);
	vsock->fd = -1;
	vsock->ticks = 0;
}

static void begin(struct vsock *vsock)
{
	vsock->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (vsock->fd < 0)
		return;
	if (connect(vsock->fd, (const struct sockaddr *)&vsock->address, sizeof(vsock->address)) < 0 && errno != EINPROGRESS)
		give_up(vsock);
}

static bool is_connected(int fd)
{
	int error = 0;
	socklen_t n = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

/* A connection that failed is writable too, and has an error. */
static void on_timer(uv_timer_t *timer)
{
	struct vsock *vsock = timer->data;
	struct pollfd poll_fd = { .fd = vsock->fd, .events = POLLOUT };

	if (vsock->fd < 0) {
		begin(vsock);
	} else if (poll(&poll_fd, 1, 0) == 0) {
		if (++vsock->ticks == TICKS_UNTIL_GIVEN_UP)
			give_up(vsock);
	} else if ((poll_fd.revents & (POLLERR | POLLHUP)) || !is_connected(vsock->fd)) {
		give_up(vsock);
	} else {
		uv_timer_stop(timer);
		vsock->connected(vsock->context, TAKE_FD(vsock->fd));
	}
}

int vsock_open(uv_loop_t *loop, uint32_t cid, uint32_t port, void (*connected)(void *context, int fd), void *context, struct vsock **ret,
	       struct error *err)
{
	struct vsock *vsock = calloc(1, sizeof(*vsock));

	if (!vsock)
		return error_nomem(err);
	*vsock = (struct vsock){
		.address = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port },
		.fd = -1,
		.connected = connected,
		.context = context,
	};
	uv_timer_init(loop, &vsock->timer);
	vsock->timer.data = vsock;
	uv_timer_start(&vsock->timer, on_timer, 0, TICK_MS);
	*ret = vsock;
	return 0;
}
