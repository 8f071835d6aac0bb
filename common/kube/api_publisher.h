// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_PUBLISHER_H
#define HOLDFAST_KUBE_API_PUBLISHER_H

#include "common/kube/api_client.h"
#include "common/kube/backoff.h"
#include "common/kube/source_internal.h"

/*
 * Keeps what this node says of some objects in the API server, by server-side apply: each is one path and the text that shall be there.
 * A text that is replaced before it was sent is never sent.
 */
#define API_PUBLISHER_TEXTS 2048 /* a text for each of 1,000 secrets, and room */
#define API_PUBLISHER_BODY_MAX (64 * 1024)

struct published_text {
	char *path;  /* without its query */
	char *query; /* who says so */
	char *body;
	bool merge;             /* else server-side apply */
	bool is_there;          /* the server has it, as far as we know */
	bool changed;           /* since the request that is under way was sent */
	uint64_t due_ms;        /* when it is sent again */
	struct backoff backoff; /* of refusals that concern only this one */
	struct error problem;
};

struct api_publisher {
	struct api_client *client;
	const struct api_tuning *tuning;
	void (*lost_credentials)(void *context); /* the server answered 401 */
	void (*closed)(void *context);
	void *context;

	struct published_text **texts;
	size_t n, capacity;
	struct published_text *sending;
	struct api_request *request;
	uv_timer_t timer;
	struct backoff unreachable;
	uint64_t not_before_ms;
	uint64_t sent;        /* good answers */
	struct error problem; /* of the last request; code 0: it was good */
};

/* The fields client to context are set by the caller; it stays where it is until `closed`. */
void api_publisher_start(struct api_publisher *publisher, uv_loop_t *loop);
void api_publisher_stop(struct api_publisher *publisher);

/* See kube_source_publish and kube_source_publish_again. */
int api_publisher_put(struct api_publisher *publisher, const struct kube_publication *what, struct error *err) must_check;
void api_publisher_again(struct api_publisher *publisher, const char *path);

/* How many texts the server has not, as far as we know. */
size_t api_publisher_missing(const struct api_publisher *publisher);

#endif
