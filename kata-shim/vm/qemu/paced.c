// SPDX-License-Identifier: Apache-2.0
/*
 * A share is a number of reads, not of bytes: QEMU's serial port writes each character by itself, and what costs is to wake up. While we do
 * not read, they gather in the socket, and the next read takes many.
 */
#include "kata-shim/vm/qemu/paced.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define READ_BYTES 4096
#define SHARE_READS 16
#define SHARE_MS 50
#define DRAIN_READS 64

struct paced {
	uv_pipe_t pipe;
	uv_timer_t timer; /* runs while there is a share that has been begun */
	unsigned open;    /* handles */
	unsigned taken;   /* reads of this share */
	bool ended, closed;
	const struct paced_listener *listener;
	void *context;
	char room[READ_BYTES];
};

static void on_closed(uv_handle_t *handle)
{
	struct paced *paced = handle->data;

	if (--paced->open == 0)
		free(paced);
}

void paced_close(struct paced *paced)
{
	if (!paced || paced->closed)
		return;
	paced->closed = true;
	uv_close((uv_handle_t *)&paced->pipe, on_closed);
	uv_close((uv_handle_t *)&paced->timer, on_closed);
}

static void end(struct paced *paced)
{
	if (paced->ended || paced->closed)
		return;
	paced->ended = true;
	uv_read_stop((uv_stream_t *)&paced->pipe);
	paced->listener->ended(paced->context);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct paced *paced = handle->data;

	*ret = uv_buf_init(paced->room, sizeof(paced->room));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room);

static void on_next_share(uv_timer_t *timer)
{
	struct paced *paced = timer->data;

	paced->taken = 0;
	if (!paced->ended)
		uv_read_start((uv_stream_t *)&paced->pipe, give_room, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct paced *paced = stream->data;

	if (n < 0) {
		end(paced);
		return;
	}
	if (!uv_is_active((uv_handle_t *)&paced->timer))
		uv_timer_start(&paced->timer, on_next_share, SHARE_MS, 0);
	if (++paced->taken >= SHARE_READS)
		uv_read_stop(stream);
	if (n > 0)
		paced->listener->bytes(paced->context, slice_from(paced->room, (size_t)n));
}

static struct paced *paced_new(uv_loop_t *loop, const struct paced_listener *listener, void *context)
{
	struct paced *paced = calloc(1, sizeof(*paced));

	if (!paced)
		return NULL;
	paced->listener = listener;
	paced->context = context;
	paced->open = 2;
	uv_pipe_init(loop, &paced->pipe, 0);
	uv_timer_init(loop, &paced->timer);
	paced->pipe.data = paced->timer.data = paced;
	return paced;
}

int paced_open(uv_loop_t *loop, int fd, const struct paced_listener *listener, void *context, struct paced **ret, struct error *err)
{
	_cleanup_close_ int owned = fd;
	struct paced *paced = paced_new(loop, listener, context);

	if (!paced)
		return error_nomem(err);
	int r = uv_pipe_open(&paced->pipe, fd);
	if (r == 0) {
		(void)TAKE_FD(owned); /* the pipe's */
		r = uv_read_start((uv_stream_t *)&paced->pipe, give_room, on_read);
	}
	if (r == 0) {
		*ret = paced;
		return 0;
	}
	paced_close(paced);
	return error_set(err, -r, "cannot read from QEMU: %s", uv_strerror(r));
}

void paced_drain(struct paced *paced)
{
	uv_os_fd_t fd;
	ssize_t n = 1;

	if (paced->ended || paced->closed || uv_fileno((uv_handle_t *)&paced->pipe, &fd) < 0)
		return;
	for (unsigned i = 0; n > 0 && i < DRAIN_READS && !paced->closed; i++) {
		n = read(fd, paced->room, sizeof(paced->room));
		if (n > 0)
			paced->listener->bytes(paced->context, slice_from(paced->room, (size_t)n));
	}
}

size_t paced_write(struct paced *paced, struct slice bytes)
{
	uv_buf_t buf = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);

	if (paced->ended || paced->closed || bytes.n == 0)
		return 0;
	const int n = uv_try_write((uv_stream_t *)&paced->pipe, &buf, 1);
	return n > 0 ? (size_t)n : 0;
}
