// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_CLIENT_INTERNAL_H
#define HOLDFAST_KUBE_API_CLIENT_INTERNAL_H

#include <curl/curl.h>

#include "common/base/buf.h"
#include "common/kube/api_client.h"

/* Between api_client.c (the loop and curl's multi handle) and api_request.c (one easy handle). */
struct api_client {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	struct api_config config;
	uint64_t idle_timeout_ms;
	struct api_request *requests;
	struct curl_slist *headers, *post_headers, *apply_headers, *merge_headers;
	size_t handles; /* of libuv that are not closed yet */
	bool closing;
	void (*closed)(void *context);
	void *closed_context;
};

struct api_request {
	struct api_client *client;
	struct api_request *next, **link;
	CURL *easy;
	CURLU *url;
	struct curl_slist *connect_to;
	uv_timer_t idle;
	struct api_handler handler;
	struct buf refusal;   /* the body of an answer that is not 200 */
	struct error problem; /* from `received`, or the idle time-out */
	char curl_error[CURL_ERROR_SIZE];
};

/* The transfer has ended with this code; frees the request. */
void api_request_finish(struct api_request *request, CURLcode code);

/* To be called when a handle of libuv that belongs to the client has closed. */
void api_client_handle_closed(struct api_client *client);

/* What the easy handle is told about the way, TLS and credentials. */
int api_request_set_url(struct api_request *request, const char *path, struct error *err) must_check;
int api_request_set_credentials(struct api_request *request, struct error *err) must_check;

#endif
