// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_HTTP_ENDPOINT_H
#define HOLDFAST_HTTP_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/*
 * /metrics, /healthz and /readyz over HTTP on the owner's loop, without a thread (library hf_http). GET and HEAD. A client can take
 * 16 connections of 16 KiB and 10 idle seconds, not more.
 */
struct http_endpoint;

#define HTTP_CONNECTIONS_MAX 16
#define HTTP_CONNECTION_BYTES (16 * 1024)
#define HTTP_IDLE_SECONDS 10
#define HTTP_BODY_MAX (1024 * 1024)

/* Called from the loop for each request. */
struct http_handlers {
	/* Appends Prometheus text (metrics.h). NULL: /metrics is not there. */
	void (*metrics)(void *context, struct buf *out);
	/* Returns true if well. Else appends why not, a line per reason: the answer is 503 with it. NULL: always true. */
	bool (*healthy)(void *context, struct buf *why);
	bool (*ready)(void *context, struct buf *why);
	void *context;
};

/*
 * `address` is "127.0.0.1:9470", "[::1]:9470" (port 0: any free one), or "off": then `*ret` is NULL and nothing listens. `handlers` is
 * copied. EINVAL: no such address; else why the kernel refuses to listen.
 */
int http_endpoint_start(uv_loop_t *loop, const char *address, const struct http_handlers *handlers, struct http_endpoint **ret,
			struct error *err) must_check;

/* Port that it listens on. */
uint16_t http_endpoint_port(const struct http_endpoint *endpoint);

/* Closes all connections; `closed` (may be NULL) is called from the loop when nothing is left. Accepts NULL, then calls nothing. */
void http_endpoint_stop(struct http_endpoint *endpoint, void (*closed)(void *context), void *context);

#endif
