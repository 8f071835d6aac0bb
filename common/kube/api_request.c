// SPDX-License-Identifier: Apache-2.0
/*
 * One request. A half-open connection is noticed by three: the kernel's keepalive and user time-out, and our own idle timer, which is
 * above the interval of bookmarks; curl's low-speed limit measures averages and is too vague for a quiet watch.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/show.h"
#include "common/json/json.h"
#include "common/kube/api_client_internal.h"

#define CONNECT_TIMEOUT_MS 10000L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 10L
#define TCP_USER_TIMEOUT_MS 60000 /* bytes unacknowledged for so long: the connection is dead, tcp(7) */
#define REFUSAL_BYTES_MAX (16 * 1024)
#define RETRY_AFTER_MAX_S 300 /* a server cannot silence us for longer */

static void free_request(uv_handle_t *handle)
{
	struct api_request *request = handle->data;
	struct api_client *client = request->client;

	curl_slist_free_all(request->connect_to);
	curl_url_cleanup(request->url);
	buf_free(&request->refusal);
	free(request);
	api_client_handle_closed(client);
}

/* Takes the request out of curl and of the client's list; its memory goes when the loop has closed the timer. */
static void detach(struct api_request *request)
{
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	curl_multi_remove_handle(request->client->multi, request->easy);
	curl_easy_cleanup(request->easy);
	uv_close((uv_handle_t *)&request->idle, free_request);
}

void api_request_cancel(struct api_request *request)
{
	if (request)
		detach(request);
}

static unsigned status_of(const struct api_request *request)
{
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	return (unsigned)status;
}

static bool is_good(unsigned status)
{
	return status == 200 || status == 201;
}

/* The "message" of the Status object that the server sends with a refusal, or the start of whatever it sent. */
static void describe_refusal(const struct api_request *request, unsigned status, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct slice body = buf_view(&request->refusal);
	const char *message = NULL;
	struct json_view at;

	if (json_parse(body, &json_limits_object, &tree, NULL) == 0) {
		struct json_view root = json_root(tree);
		if (json_member(&root, "message", &at) && json_expect_string(&at, &message, NULL) < 0)
			message = NULL;
	}
	if (message)
		error_set(err, EPROTO, "the server answers %u: %.300s", status, message);
	else
		error_set(err, EPROTO, "the server answers %u: %s", status, body.n ? SHOW(body) : "(no text)");
}

static void describe_failure(const struct api_request *request, CURLcode code, struct error *err)
{
	const char *text = request->curl_error[0] ? request->curl_error : curl_easy_strerror(code);

	if (request->problem.code)
		*err = request->problem;
	else if (code == CURLE_PEER_FAILED_VERIFICATION && request->client->config.ca.p)
		error_set(err, EACCES, "the server's certificate is not good: %s; is the CA in the kubeconfig the server's?", text);
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		error_set(err, EACCES, "the server's certificate is not good: %s; looked in %s", text,
			  request->client->config.ca_file ? request->client->config.ca_file : "the system's authorities");
	else
		error_set(err, ENOTCONN, "%s", text);
}

static uint64_t retry_after_ms(const struct api_request *request)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return 1000 * (uint64_t)(seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds);
}

void api_request_finish(struct api_request *request, CURLcode code)
{
	struct api_handler handler = request->handler;
	struct api_result result = { .status = status_of(request), .retry_after_ms = retry_after_ms(request) };

	if (code != CURLE_OK)
		describe_failure(request, code, &result.err);
	else if (!is_good(result.status))
		describe_refusal(request, result.status, &result.err);
	detach(request);
	handler.finished(handler.context, &result);
}

static void idle_too_long(uv_timer_t *timer)
{
	struct api_request *request = timer->data;

	error_set(&request->problem, ETIMEDOUT, "nothing was heard for %llu ms: the connection is given up",
		  (unsigned long long)request->client->idle_timeout_ms);
	api_request_finish(request, CURLE_OPERATION_TIMEDOUT);
}

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
	struct api_request *request = context;

	uv_timer_again(&request->idle);
	if (!is_good(status_of(request))) {
		size_t room = request->refusal.maximum - request->refusal.n;
		buf_append(&request->refusal, bytes, n < room ? n : room);
		return n;
	}
	int r = request->handler.received(request->handler.context, slice_from(bytes, n), &request->problem);
	return r < 0 ? 0 : n;
}

static size_t take_header(char *bytes, size_t size, size_t n, void *context)
{
	struct api_request *request = context;
	bool is_end = n == 2 && memcmp(bytes, "\r\n", 2) == 0;

	uv_timer_again(&request->idle);
	if (is_end && is_good(status_of(request)))
		request->handler.opened(request->handler.context);
	return n;
}

static int set_user_timeout(void *context, curl_socket_t fd, curlsocktype purpose)
{
	unsigned timeout_ms = TCP_USER_TIMEOUT_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	return CURL_SOCKOPT_OK;
}

static void set_transport(struct api_request *request)
{
	CURL *easy = request->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the environment must not lead credentials elsewhere */
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_user_timeout);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "holdfast");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->client->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
}

static struct api_request *new_request(struct api_client *client, const struct api_handler *handler)
{
	struct api_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->easy = curl_easy_init();
	if (!request->easy || uv_timer_init(client->loop, &request->idle) < 0) {
		curl_easy_cleanup(request->easy);
		free(request);
		return NULL;
	}
	request->client = client;
	request->handler = *handler;
	request->refusal = BUF_MAX(REFUSAL_BYTES_MAX);
	request->idle.data = request;
	request->next = client->requests;
	request->link = &client->requests;
	if (request->next)
		request->next->link = &request->next;
	client->requests = request;
	client->handles++;
	return request;
}

enum verb { GET, POST, APPLY, MERGE };

static struct curl_slist *headers_of(const struct api_client *client, enum verb verb)
{
	return verb == APPLY ? client->apply_headers : verb == MERGE ? client->merge_headers : client->post_headers;
}

static int set_body(struct api_request *request, enum verb verb, const char *body, struct error *err)
{
	const struct api_client *client = request->client;

	if (verb == GET)
		return 0;
	curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, headers_of(client, verb));
	if (verb != POST && curl_easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, "PATCH"))
		return error_nomem(err);
	return curl_easy_setopt(request->easy, CURLOPT_COPYPOSTFIELDS, body) ? error_nomem(err) : 0;
}

static int send_request(struct api_client *client, enum verb verb, const char *path, const char *body, const struct api_handler *handler,
			struct api_request **ret, struct error *err)
{
	struct api_request *request = new_request(client, handler);

	if (!request)
		return error_nomem(err);
	set_transport(request);
	int r = set_body(request, verb, body, err);
	if (r == 0)
		r = api_request_set_url(request, path, err);
	if (r == 0)
		r = api_request_set_credentials(request, err);
	if (r == 0 && curl_multi_add_handle(client->multi, request->easy))
		r = error_nomem(err);
	if (r < 0) {
		api_request_cancel(request);
		return r;
	}
	uv_timer_start(&request->idle, idle_too_long, client->idle_timeout_ms, client->idle_timeout_ms);
	*ret = request;
	return 0;
}

int api_client_get(struct api_client *client, const char *path, const struct api_handler *handler, struct api_request **ret,
		   struct error *err)
{
	return send_request(client, GET, path, NULL, handler, ret, err);
}

int api_client_post(struct api_client *client, const char *path, const char *body, const struct api_handler *handler,
		    struct api_request **ret, struct error *err)
{
	return send_request(client, POST, path, body, handler, ret, err);
}

int api_client_apply(struct api_client *client, const char *path, const char *body, const struct api_handler *handler,
		     struct api_request **ret, struct error *err)
{
	return send_request(client, APPLY, path, body, handler, ret, err);
}

int api_client_merge(struct api_client *client, const char *path, const char *body, const struct api_handler *handler,
		     struct api_request **ret, struct error *err)
{
	return send_request(client, MERGE, path, body, handler, ret, err);
}
