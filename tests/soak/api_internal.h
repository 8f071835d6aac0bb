// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_API_INTERNAL_H
#define HOLDFAST_TESTS_API_INTERNAL_H

#include <cjson/cJSON.h>
#include <pthread.h>
#include <string.h>

#include "common/base/buf.h"
#include "tests/soak/api.h"

/* Between the API server's parts: objects and requests (api.c), what is sent (api_stream.c), TLS (api_tls.c), faults (api_fault.c). */

#define API_WATCHES_MAX 16
#define API_EVENT_MAX (4 * 1024 * 1024)
#define API_SEND_BUFFER (4 * 1024 * 1024) /* per watch: an agent that stands still does not hold the server up */

struct api_kind {
	const char *name, *version, *resource;
};
extern const struct api_kind api_kinds[];

struct api_entry {
	size_t kind;
	char *namespace, *name;
	cJSON *object;
};

struct api_watch {
	size_t kind;
	int fd;
};

struct api {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener;
	uint16_t port;
	struct api_tls *tls; /* NULL: plain only */
	bool away;
	enum api_fault fault;
	size_t n_faults;                            /* connections that have felt it */
	uint64_t version, changed[KUBE_KIND_COUNT]; /* the last of all, and of each kind */
	struct api_entry *entries;
	size_t n_entries, capacity;
	struct api_watch watches[API_WATCHES_MAX];
	size_t n_watches;
};

/* What was asked: the request's head, and the kind that it is about. */
static inline bool api_asks_for_watch(const char *request)
{
	return strstr(request, "watch=1");
}

static inline bool api_asks_for_streaming_list(const char *request)
{
	return strstr(request, "sendInitialEvents=true");
}

int api_listen(int *ret, uint16_t *ret_port, struct error *err) must_check; /* on loopback, at any port */
void api_tls_stop(struct api_tls *tls);                                     /* when the plain side has ended. Accepts NULL */

/* False: the client has gone. */
bool api_send(int fd, const void *bytes, size_t n);
bool api_send_head(int fd); /* of a stream */
bool api_send_chunk(int fd, struct slice bytes);
bool api_send_end(int fd); /* of a stream, as it should end */
bool api_send_event(int fd, const char *type, const cJSON *object);
bool api_send_gone(int fd);
bool api_send_bookmark(const struct api *api, int fd, size_t kind); /* which ends a streaming list */
/* Every object of the kind and a bookmark; or as one page of a list. */
bool api_send_list(const struct api *api, int fd, size_t kind);
bool api_send_page(const struct api *api, int fd, size_t kind);

void api_drop_watch(struct api *api, size_t i);

/* What the fault does to a request, or, without one, to a stream that was opened before. True if the connection stays open. */
bool api_has_fault(struct api *api, enum api_fault fault);
bool api_misbehave(struct api *api, int fd, size_t kind, const char *request);

#endif
