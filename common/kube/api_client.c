// SPDX-License-Identifier: Apache-2.0
/*
 * libcurl's multi-socket interface on libuv: curl says which sockets and which deadline it waits for, the loop says when they are due.
 *
 *	curl ── socket_wanted ──► uv_poll ──► curl_multi_socket_action ──► messages ──► api_request_finish
 *	     └─ timer_wanted ───► uv_timer ─┘
 *
 * HTTP/1.1 on purpose: one connection per request. A watch that hangs then takes nobody with it, and giving it up closes the connection
 * that hung; over HTTP/2 the next request would be put on the same dead connection.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/kube/api_client_internal.h"

struct socket_watch {
	uv_poll_t poll;
	struct api_client *client;
	curl_socket_t fd;
};

static void free_client(struct api_client *client)
{
	curl_slist_free_all(client->headers);
	curl_slist_free_all(client->post_headers);
	curl_slist_free_all(client->apply_headers);
	curl_slist_free_all(client->merge_headers);
	api_config_clear(&client->config);
	curl_global_cleanup();
	if (client->closed)
		client->closed(client->closed_context);
	free(client);
}

void api_client_handle_closed(struct api_client *client)
{
	if (--client->handles == 0 && client->closing)
		free_client(client);
}

static void watch_closed(uv_handle_t *handle)
{
	struct socket_watch *watch = handle->data;
	struct api_client *client = watch->client;

	free(watch);
	api_client_handle_closed(client);
}

static void timer_closed(uv_handle_t *handle)
{
	api_client_handle_closed(handle->data);
}

/* Requests that finish may start new ones, so messages are read one by one until there is none. */
static void finish_completed(struct api_client *client)
{
	CURLMsg *message;
	int left;

	while (client->multi && (message = curl_multi_info_read(client->multi, &left))) {
		struct api_request *request;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		api_request_finish(request, code);
	}
}

static void act(struct api_client *client, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(client->multi, fd, events, &running);
	finish_completed(client);
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
	struct socket_watch *watch = poll->data;
	int mask = status < 0 ? CURL_CSELECT_ERR : 0;

	mask |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
	mask |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
	act(watch->client, watch->fd, mask);
}

static void timer_due(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static struct socket_watch *new_watch(struct api_client *client, curl_socket_t fd)
{
	struct socket_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	*watch = (struct socket_watch){ .client = client, .fd = fd };
	if (uv_poll_init(client->loop, &watch->poll, fd) < 0) {
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	client->handles++;
	curl_multi_assign(client->multi, fd, watch);
	return watch;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
	struct api_client *client = context;
	struct socket_watch *watch = socket_context;
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	if (what == CURL_POLL_REMOVE) {
		if (watch) {
			uv_poll_stop(&watch->poll);
			uv_close((uv_handle_t *)&watch->poll, watch_closed);
			curl_multi_assign(client->multi, fd, NULL);
		}
		return 0;
	}
	if (!watch)
		watch = new_watch(client, fd);
	return !watch || uv_poll_start(&watch->poll, events, socket_ready) < 0 ? -1 : 0;
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *context)
{
	struct api_client *client = context;

	if (timeout_ms < 0)
		return uv_timer_stop(&client->timer);
	return uv_timer_start(&client->timer, timer_due, (uint64_t)timeout_ms, 0) < 0 ? -1 : 0;
}

static int set_up_multi(struct api_client *client, struct error *err)
{
	client->multi = curl_multi_init();
	client->headers = curl_slist_append(NULL, "Accept: application/json");
	client->post_headers = curl_slist_append(NULL, "Content-Type: application/json");
	client->apply_headers = curl_slist_append(NULL, "Content-Type: application/apply-patch+yaml"); /* and JSON is YAML */
	client->merge_headers = curl_slist_append(NULL, "Content-Type: application/merge-patch+json");
	if (!client->multi || !client->headers || !client->post_headers || !client->apply_headers || !client->merge_headers)
		return error_nomem(err);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return 0;
}

int api_client_new(uv_loop_t *loop, struct api_config *config, uint64_t idle_timeout_ms, struct api_client **ret, struct error *err)
{
	struct api_client *client = calloc(1, sizeof(*client));

	if (!client || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(client);
		api_config_clear(config);
		return error_nomem(err);
	}
	client->loop = loop;
	client->idle_timeout_ms = idle_timeout_ms;
	api_client_set_config(client, config);
	int r = set_up_multi(client, err);
	if (r == 0)
		r = uv_timer_init(loop, &client->timer);
	if (r < 0) {
		curl_multi_cleanup(client->multi);
		free_client(client);
		return r;
	}
	client->timer.data = client;
	client->handles = 1;
	*ret = client;
	return 0;
}

void api_client_set_config(struct api_client *client, struct api_config *config)
{
	api_config_clear(&client->config);
	client->config = *config;
	*config = (struct api_config){};
}

const struct api_config *api_client_config(const struct api_client *client)
{
	return &client->config;
}

void api_client_close(struct api_client *client, void (*closed)(void *context), void *context)
{
	client->closing = true;
	client->closed = closed;
	client->closed_context = context;
	while (client->requests)
		api_request_cancel(client->requests);
	curl_multi_cleanup(client->multi);
	client->multi = NULL;
	uv_close((uv_handle_t *)&client->timer, timer_closed);
}
