// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_REFLECTOR_H
#define HOLDFAST_KUBE_API_REFLECTOR_H

#include "common/json/stream.h"
#include "common/kube/api_client.h"
#include "common/kube/api_event.h"
#include "common/kube/backoff.h"
#include "common/kube/source_internal.h"

/* Keeps one kind of a store equal to what an API server has. */
struct buf;

enum reflector_state {
	REFLECTOR_STREAMING_LIST, /* a watch that begins with every object (KEP-3157) */
	REFLECTOR_LIST,           /* pages of a list, for servers that have no streaming lists */
	REFLECTOR_WATCH,
};

struct reflector {
	struct api_client *client;
	struct kube_store *store;
	const struct api_tuning *tuning;
	struct refusals *refusals;
	enum kube_kind kind;
	const char *node; /* kube_source_options */

	enum reflector_state state;
	bool open;               /* the server last answered with 200, and nothing has failed since */
	bool absent;             /* the server does not know the kind */
	bool no_streaming_lists; /* the server refused one */
	bool unpaged;            /* a page came too late for the server: ask for all in one answer, it is not kept whole anyway */
	bool expired;            /* the server no longer knows our version: list anew */
	bool progress;           /* this request brought something */
	unsigned fruitless;      /* watches in a row that failed without bringing anything */
	unsigned cut_lists;      /* streaming lists in a row that the server ended before their end */
	char version[API_VERSION_MAX + 1];
	char token[API_CONTINUE_MAX + 1]; /* of the next page */
	char next_token[API_CONTINUE_MAX + 1];

	struct api_request *request;
	struct json_stream *stream;
	uv_timer_t timer;           /* runs while it waits to try again */
	struct backoff unreachable; /* no answer at all */
	struct backoff refused;     /* an answer that did not help */
	struct backoff outdated;    /* an answer that only says that our version is too old */
	uint64_t opened_ms;

	uint64_t heard_ms, restarts;
	struct error problem; /* code 0: none since it is connected */

	void (*lost_credentials)(void *context); /* the server answered 401: read them again */
	void (*closed)(void *context);
	void *context;
};

/* The fields client to node and the callbacks are set by the caller; the struct stays where it is until `closed`. */
void reflector_start(struct reflector *reflector, uv_loop_t *loop);
void reflector_stop(struct reflector *reflector);

/* Its watch is open and everything that there was has come. */
static inline bool reflector_is_following(const struct reflector *reflector)
{
	return reflector->open && reflector->state == REFLECTOR_WATCH;
}

static inline const char *reflector_server(const struct reflector *reflector)
{
	return api_client_config(reflector->client)->server;
}

/* Between the parts: the state machine (api_reflector.c), what arrives (_take.c), what is asked (_path.c). */
void reflector_end_list(struct reflector *reflector);
int reflector_take_piece(void *context, const struct json_piece *piece, struct error *err) must_check;
int reflector_write_path(const struct reflector *reflector, struct buf *path, struct error *err) must_check;
const char *api_resource_name(enum kube_kind kind); /* "pods", as a role names it */
uint64_t reflector_random(void);

#endif
