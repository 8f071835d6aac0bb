// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_KUBE_SERVER_H
#define HOLDFAST_TESTS_KUBE_SERVER_H

#include <stdbool.h>
#include <uv.h>

/*
 * An HTTP server that plays a script, on 127.0.0.1 and on the test's own loop: the n-th request gets the n-th step. A request
 * that does not look as its step expects is remembered in `complaint`; one after the last step is never answered.
 */
enum after { END, HOLD, CUT }; /* the body is complete; stays open, more can be pushed; the connection breaks in the middle */

struct step {
	const char *expect[6]; /* each must be in the request's head */
	const char *forbid;    /* must not be in it; may be NULL */
	int status;            /* 0: no answer at all */
	const char *header;    /* a line with its \r\n, or NULL */
	const char *body;
	enum after after;
	void (*before)(void *context); /* may be NULL */
};

struct server;

struct server *server_start(uv_loop_t *loop, const struct step *steps, size_t n_steps, void *context);
unsigned server_port(const struct server *server);
size_t server_requests(const struct server *server);
const char *server_complaint(const struct server *server);           /* "" if none */
uint64_t server_request_time(const struct server *server, size_t n); /* uv_now when the n-th came */

/* More of the body of the answer that is held open, or its end. */
void server_push(struct server *server, const char *text);
void server_end(struct server *server);

/* Closes what it has; the memory goes when the loop has run once more. */
void server_stop(struct server *server);

#endif
