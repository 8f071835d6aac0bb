// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_TELLER_H
#define HOLDFAST_KUBE_API_TELLER_H

#include "common/kube/api_client.h"
#include "common/kube/backoff.h"
#include "common/kube/source_internal.h"

/* Tells the API server of things that a person shall see with `kubectl events --for KIND/NAME` (core/v1 Events). */
#define API_TELLER_QUEUE 64
#define API_TELLER_TRIES 8 /* refused so often, an event is dropped; a server that is away does not count */

struct telling {
	char *path, *body; /* NULL: free */
	uint64_t identity;
	unsigned refused;
};

struct api_teller {
	struct api_client *client;
	uint64_t pause_ms; /* between two events */
	struct backoff backoff;
	struct telling queue[API_TELLER_QUEUE]; /* a ring */
	size_t first, n;
	struct api_request *request;
	uv_timer_t timer;
	uint64_t told, dropped;
	struct error problem;
	void (*closed)(void *context);
	void *context;
};

/* The fields client, pause_ms, backoff, closed and context are set by the caller; it stays where it is until `closed`. */
void api_teller_start(struct api_teller *teller, uv_loop_t *loop);
void api_teller_stop(struct api_teller *teller);

/* Never waits. What is told already and has not been sent is not told twice; what has no room is dropped and counted. */
void api_teller_tell(struct api_teller *teller, const struct kube_notice *notice);

#endif
