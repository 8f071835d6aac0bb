// SPDX-License-Identifier: Apache-2.0
/*
 * A guest whose driver is not there yet leaves a connection unanswered for two seconds (the kernel's time-out of a connection); one whose
 * agent does not listen yet refuses it. So each try is given up after a while, and the next one begins.
 */
#include "kata-shim/vm/qemu/vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define TRY_MS 10
#define TRIES_UNTIL_GIVEN_UP 20

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

/* connect() of a socket that is connected says so; one that still tries says EALREADY. */
static void on_timer(uv_timer_t *timer)
{
	struct vsock *vsock = timer->data;

	if (vsock->fd < 0) {
		begin(vsock);
		return;
	}
	if (connect(vsock->fd, (const struct sockaddr *)&vsock->address, sizeof(vsock->address)) == 0 || errno == EISCONN) {
		uv_timer_stop(timer);
		vsock->connected(vsock->context, TAKE_FD(vsock->fd));
		return;
	}
	if (errno != EALREADY || ++vsock->ticks == TRIES_UNTIL_GIVEN_UP)
		give_up(vsock);
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
	uv_timer_start(&vsock->timer, on_timer, 0, TRY_MS);
	*ret = vsock;
	return 0;
}
