// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_CLIENT_H
#define HOLDFAST_KUBE_API_CLIENT_H

#include <uv.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/kube/api_config.h"

/* Requests to one API server, on the loop, whose answers are handed on as they arrive. */
struct api_client;
struct api_request;

struct api_result {
	unsigned status;         /* HTTP status; 0 if none came */
	uint64_t retry_after_ms; /* what the server asked for; 0 if nothing */
	struct error err;        /* code 0: status 200, or 201 where something was made, and its whole body has been received */
};

/* None of these may cancel a request, or close the client, from `opened` and `received`; `finished` may. */
struct api_handler {
	void (*opened)(void *context); /* status 200 or 201 */
	/* A part of that body. A negative value ends the request; `finished` then gets that error. */
	int (*received)(void *context, struct slice bytes, struct error *err);
	/* The request is over and its pointer no longer valid. */
	void (*finished)(void *context, const struct api_result *result);
	void *context;
};

/* Takes over `config`, always. `idle_timeout_ms`: a request that hears nothing for so long is given up. */
int api_client_new(uv_loop_t *loop, struct api_config *config, uint64_t idle_timeout_ms, struct api_client **ret,
		   struct error *err) must_check;

/* For requests from now on. Takes over `config`. */
void api_client_set_config(struct api_client *client, struct api_config *config);
const struct api_config *api_client_config(const struct api_client *client);

/* `path` begins with '/', with its query. `finished` is never called before this returns. */
int api_client_get(struct api_client *client, const char *path, const struct api_handler *handler, struct api_request **ret,
		   struct error *err) must_check;

/* As api_client_get, with a body of JSON, which is copied. */
int api_client_post(struct api_client *client, const char *path, const char *body, const struct api_handler *handler,
		    struct api_request **ret, struct error *err) must_check;

/*
 * As api_client_post, but a server-side apply: `body` is all that the field manager in the query says of the object
 * (kubernetes.io/docs/reference/using-api/server-side-apply). 201: the object is new.
 */
int api_client_apply(struct api_client *client, const char *path, const char *body, const struct api_handler *handler,
		     struct api_request **ret, struct error *err) must_check;

/* As api_client_apply, but a merge patch (RFC 7386). */
int api_client_merge(struct api_client *client, const char *path, const char *body, const struct api_handler *handler,
		     struct api_request **ret, struct error *err) must_check;

/* Ends it without a call to its handler. Accepts NULL. */
void api_request_cancel(struct api_request *request);

/* Cancels every request and frees the client; `closed` is called from the loop when nothing of it is left. */
void api_client_close(struct api_client *client, void (*closed)(void *context), void *context);

#endif
