// SPDX-License-Identifier: Apache-2.0
/*
 * libmicrohttpd without a thread: its epoll descriptor is one descriptor of our loop, and its next time-out is one timer.
 *
 *   uv_poll readable ──┐
 *   uv_timer expired ──┴→ MHD_run → handlers → MHD_get_timeout → uv_timer
 *
 * An answer is built whole before it is queued, so a slow reader holds a buffer of at most HTTP_BODY_MAX and never the loop.
 */
#include "common/http/endpoint.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/http/listen.h"

#define HANDLES 2

struct http_endpoint {
	struct http_handlers handlers;
	struct MHD_Daemon *daemon;
	uint16_t port;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
	void (*closed)(void *context);
	void *closed_context;
};

static enum MHD_Result queue_text(struct MHD_Connection *connection, unsigned status, struct buf *body)
{
	size_t n = body->n;
	char *text = buf_take_text(body);
	struct MHD_Response *response = text ? MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE) : NULL;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	const char *type = status == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain; charset=utf-8";
	enum MHD_Result r = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (r == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		r = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (r == MHD_YES)
		r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result queue_message(struct MHD_Connection *connection, unsigned status, const char *message)
{
	_cleanup_(buf_free) struct buf body = BUF_MAX(ERROR_MESSAGE_MAX + 1);

	buf_printf(&body, "%s\n", message);
	return queue_text(connection, status, &body);
}

static enum MHD_Result answer_metrics(struct http_endpoint *endpoint, struct MHD_Connection *connection)
{
	_cleanup_(buf_free) struct buf body = BUF_MAX(HTTP_BODY_MAX);
	struct error err;

	if (!endpoint->handlers.metrics)
		return queue_message(connection, MHD_HTTP_NOT_FOUND, "no metrics here");
	endpoint->handlers.metrics(endpoint->handlers.context, &body);
	if (buf_check(&body, "the metrics text", &err) < 0)
		return queue_message(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, err.message);
	return queue_text(connection, MHD_HTTP_OK, &body);
}

static enum MHD_Result answer_check(struct http_endpoint *endpoint, struct MHD_Connection *connection,
				    bool (*check)(void *context, struct buf *why))
{
	_cleanup_(buf_free) struct buf why = BUF_MAX(HTTP_BODY_MAX);

	if (!check || check(endpoint->handlers.context, &why))
		return queue_message(connection, MHD_HTTP_OK, "ok");
	if (why.failed)
		buf_clear(&why);
	if (why.n == 0)
		return queue_message(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no");
	if (why.p[why.n - 1] != '\n')
		buf_byte(&why, '\n');
	return queue_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, &why);
}

static enum MHD_Result answer_healthz(struct http_endpoint *endpoint, struct MHD_Connection *connection)
{
	return answer_check(endpoint, connection, endpoint->handlers.healthy);
}

static enum MHD_Result answer_readyz(struct http_endpoint *endpoint, struct MHD_Connection *connection)
{
	return answer_check(endpoint, connection, endpoint->handlers.ready);
}

static const struct {
	const char *path;
	enum MHD_Result (*answer)(struct http_endpoint *endpoint, struct MHD_Connection *connection);
} pages[] = {
	{ "/metrics", answer_metrics },
	{ "/healthz", answer_healthz },
	{ "/readyz", answer_readyz },
};

/* libmicrohttpd calls it once when the head is complete and again when the body is; `*state` tells the calls apart. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			      const char *upload, size_t *upload_n, void **state)
{
	struct http_endpoint *endpoint = context;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return queue_message(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	if (!*state) {
		*state = endpoint;
		return MHD_YES;
	}
	if (*upload_n > 0) {
		*upload_n = 0;
		return MHD_YES;
	}
	for (size_t i = 0; i < ELEMENTS_OF(pages); i++) {
		if (strcmp(url, pages[i].path) == 0)
			return pages[i].answer(endpoint, connection);
	}
	return queue_message(connection, MHD_HTTP_NOT_FOUND, "there are only /metrics, /healthz and /readyz");
}

static void run(struct http_endpoint *endpoint);

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	run(poll->data);
}

static bool is_full(const struct http_endpoint *endpoint)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(endpoint->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info && info->num_connections >= HTTP_CONNECTIONS_MAX;
}

/*
 * While it is full, libmicrohttpd does not watch the listening socket, and it begins to again only at the start of a run. So the run
 * in which a place became free is followed by another, or clients would wait until something else happens.
 */
static void run(struct http_endpoint *endpoint)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	bool was_full = is_full(endpoint);

	MHD_run(endpoint->daemon);
	if (was_full && !is_full(endpoint))
		MHD_run(endpoint->daemon);
	if (MHD_get_timeout(endpoint->daemon, &timeout_ms) == MHD_YES)
		uv_timer_start(&endpoint->timer, on_timer, timeout_ms, 0);
	else
		uv_timer_stop(&endpoint->timer);
}

static void on_closed(uv_handle_t *handle)
{
	struct http_endpoint *endpoint = handle->data;

	if (--endpoint->open_handles > 0)
		return;
	if (endpoint->closed)
		endpoint->closed(endpoint->closed_context);
	free(endpoint);
}

static int start_daemon(struct http_endpoint *endpoint, int fd, struct error *err)
{
	endpoint->daemon =
		MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, endpoint, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				 (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
				 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_SECONDS, MHD_OPTION_END);
	return endpoint->daemon ? 0 : error_set(err, EIO, "libmicrohttpd cannot start");
}

/* The poll handle comes first: if it cannot be made, nothing has to be closed on the loop. */
static int join_loop(struct http_endpoint *endpoint, uv_loop_t *loop, struct error *err)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(endpoint->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	int r = info ? uv_poll_init(loop, &endpoint->poll, info->epoll_fd) : -EIO;
	if (r < 0)
		return error_errno(err, -r, "cannot watch the HTTP sockets");
	uv_timer_init(loop, &endpoint->timer);
	endpoint->poll.data = endpoint->timer.data = endpoint;
	endpoint->open_handles = HANDLES;
	return 0;
}

static void begin(struct http_endpoint *endpoint)
{
	uv_poll_start(&endpoint->poll, UV_READABLE, on_readable);
	run(endpoint);
}

/* Before it has joined a loop. */
static void discard(struct http_endpoint *endpoint)
{
	if (endpoint && endpoint->daemon)
		MHD_stop_daemon(endpoint->daemon);
	free(endpoint);
}
DEFINE_CLEANUP(struct http_endpoint *, discard);

int http_endpoint_start(uv_loop_t *loop, const char *address, const struct http_handlers *handlers, struct http_endpoint **ret,
			struct error *err)
{
	_cleanup_(discardp) struct http_endpoint *endpoint = NULL;
	_cleanup_close_ int fd = -1;

	if (strcmp(address, "off") == 0) {
		*ret = NULL;
		return 0;
	}
	endpoint = calloc(1, sizeof(*endpoint));
	if (!endpoint)
		return error_nomem(err);
	endpoint->handlers = *handlers;
	int r = http_listen(address, &fd, &endpoint->port, err);
	if (r == 0)
		r = start_daemon(endpoint, fd, err);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd); /* MHD_stop_daemon closes it */
	r = join_loop(endpoint, loop, err);
	if (r < 0)
		return r;
	begin(endpoint);
	*ret = TAKE_PTR(endpoint);
	return 0;
}

uint16_t http_endpoint_port(const struct http_endpoint *endpoint)
{
	return endpoint->port;
}

void http_endpoint_stop(struct http_endpoint *endpoint, void (*closed)(void *context), void *context)
{
	if (!endpoint)
		return;
	endpoint->closed = closed;
	endpoint->closed_context = context;
	uv_poll_stop(&endpoint->poll);
	MHD_stop_daemon(TAKE_PTR(endpoint->daemon));
	uv_close((uv_handle_t *)&endpoint->poll, on_closed);
	uv_close((uv_handle_t *)&endpoint->timer, on_closed);
}
