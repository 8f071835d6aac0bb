// SPDX-License-Identifier: Apache-2.0
/*
 * One request at a time, for the text that is due first:
 *
 *	         put                    200, 201
 *	      ──────────► due now ────────────────────► there: due after the refresh time, or when somebody says that it is lost
 *	                    ▲  │ refused
 *	                    │  ▼
 *	                    due after its own back-off; the others go on
 *
 * A server that does not answer, is busy or does not let us in makes all of them wait. What is there is applied again now and then:
 * that costs the server no write, and whatever has been lost or overwritten meanwhile comes back. A status whose object is gone makes the
 * object itself due, if it is ours.
 *
 * Each node is a field manager of its own, since what a manager applies is all that it says: nodes that shared one would remove each
 * other's entries from a list.
 */
#include "common/kube/api_publisher.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "common/kube/api_reflector.h"

#define STATUS "/status"
#define MANAGER_MAX 128 /* k8s.io/apimachinery/pkg/apis/meta/v1/validation: FieldManagerMaxLength */
#define REFUSED_CAP_MS (5 * 60 * 1000)

static void schedule(struct api_publisher *publisher);

static void free_text(struct published_text *text)
{
	free(text->path);
	free(text->query);
	free(text->body);
	free(text);
}

static uint64_t now_ms(const struct api_publisher *publisher)
{
	return uv_now(publisher->timer.loop);
}

static void make_due(struct api_publisher *publisher, struct published_text *text)
{
	text->changed = text == publisher->sending;
	text->due_ms = now_ms(publisher);
	backoff_reset(&text->backoff);
}

static struct published_text *find(const struct api_publisher *publisher, const char *path, size_t n)
{
	for (size_t i = 0; i < publisher->n; i++) {
		struct published_text *text = publisher->texts[i];
		if (strlen(text->path) == n && memcmp(text->path, path, n) == 0)
			return text;
	}
	return NULL;
}

static struct published_text *first_due(const struct api_publisher *publisher)
{
	struct published_text *first = NULL;

	for (size_t i = 0; i < publisher->n; i++) {
		struct published_text *text = publisher->texts[i];
		if (!first || text->due_ms < first->due_ms)
			first = text;
	}
	return first;
}

/* What is wrong in the same way with many texts, or with one again and again, is said once. */
static void note_problem(struct api_publisher *publisher, struct published_text *text, const struct error *problem)
{
	bool is_known = strcmp(text->problem.message, problem->message) == 0 || strcmp(publisher->problem.message, problem->message) == 0;

	text->problem = publisher->problem = *problem;
	if (!is_known)
		log_warn("cannot publish in the API server what this node says", "path", text->path, "reason", problem->message, "server",
			 api_client_config(publisher->client)->server);
}

static void note_success(struct api_publisher *publisher, struct published_text *text)
{
	if (text->problem.code)
		log_info("published in the API server again", "path", text->path);
	text->problem = publisher->problem = (struct error){};
}

/* The object of this status is not there. */
static void look_for_object(struct api_publisher *publisher, const struct published_text *status)
{
	size_t n = strlen(status->path), m = strlen(STATUS);

	if (n <= m || strcmp(status->path + n - m, STATUS) != 0)
		return;
	struct published_text *object = find(publisher, status->path, n - m);
	if (object && object->is_there) {
		object->is_there = false;
		make_due(publisher, object);
	}
}

/* About this text alone: the others may fare better. */
static bool concerns_text(unsigned status)
{
	return status >= 400 && status < 500 && status != 401 && status != 408 && status != 429;
}

static void succeeded(struct api_publisher *publisher, struct published_text *text)
{
	uint64_t refresh_ms = publisher->tuning->publish_refresh_ms;

	note_success(publisher, text);
	backoff_reset(&publisher->unreachable);
	backoff_reset(&text->backoff);
	publisher->sent++;
	publisher->not_before_ms = now_ms(publisher) + publisher->tuning->tell_pause_ms;
	text->is_there = !text->changed;
	if (!text->changed)
		text->due_ms = now_ms(publisher) + refresh_ms - reflector_random() % (refresh_ms / 4 + 1);
}

static void failed(struct api_publisher *publisher, struct published_text *text, const struct api_result *result)
{
	struct backoff *backoff = concerns_text(result->status) ? &text->backoff : &publisher->unreachable;
	uint64_t delay_ms = backoff_next_ms(backoff, reflector_random());

	text->is_there = false;
	note_problem(publisher, text, &result->err);
	if (result->status == 401)
		publisher->lost_credentials(publisher->context);
	if (result->status == 404)
		look_for_object(publisher, text);
	publisher->not_before_ms = now_ms(publisher) + publisher->tuning->tell_pause_ms;
	if (!concerns_text(result->status))
		publisher->not_before_ms = now_ms(publisher) + (result->retry_after_ms > delay_ms ? result->retry_after_ms : delay_ms);
	else if (!text->changed)
		text->due_ms = now_ms(publisher) + delay_ms;
}

static void on_opened(void *context)
{
}

static int on_received(void *context, struct slice bytes, struct error *err)
{
	return 0;
}

static void on_finished(void *context, const struct api_result *result)
{
	struct api_publisher *publisher = context;
	struct published_text *text = TAKE_PTR(publisher->sending);

	publisher->request = NULL;
	if (result->err.code)
		failed(publisher, text, result);
	else
		succeeded(publisher, text);
	text->changed = false;
	schedule(publisher);
}

static int send_text(struct api_publisher *publisher, const struct published_text *text, struct error *err)
{
	const struct api_handler handler = { on_opened, on_received, on_finished, publisher };
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s?%s", text->path, text->query) < 0)
		return error_nomem(err);
	if (text->merge)
		return api_client_merge(publisher->client, path, text->body, &handler, &publisher->request, err);
	return api_client_apply(publisher->client, path, text->body, &handler, &publisher->request, err);
}

static void timer_due(uv_timer_t *timer)
{
	struct api_publisher *publisher = timer->data;
	struct published_text *text = first_due(publisher);
	struct api_result result = {};

	publisher->sending = text;
	if (send_text(publisher, text, &result.err) < 0)
		on_finished(publisher, &result);
}

static void schedule(struct api_publisher *publisher)
{
	const struct published_text *first = first_due(publisher);
	uint64_t now = now_ms(publisher);

	uv_timer_stop(&publisher->timer);
	if (!first || publisher->sending || uv_is_closing((uv_handle_t *)&publisher->timer))
		return;
	uint64_t at = first->due_ms > publisher->not_before_ms ? first->due_ms : publisher->not_before_ms;
	uv_timer_start(&publisher->timer, timer_due, at > now ? at - now : 0, 0);
}

/* "fieldManager=holdfast-tpm%40edge-1&force=true": what the node says of itself is right, whoever said otherwise; a merge patch cannot but. */
static char *make_query(const struct kube_publication *what)
{
	char manager[MANAGER_MAX + 1], *query = NULL;

	if (snprintf(manager, sizeof(manager), "%s@%s", what->reporter, what->node) >= (int)sizeof(manager))
		snprintf(manager, sizeof(manager), "%.64s@%016" PRIx64, what->reporter, hash_texts(what->node, NULL));
	char *escaped = curl_easy_escape(NULL, manager, 0);
	if (escaped && asprintf(&query, "fieldManager=%s%s", escaped, what->merge ? "" : "&force=true") < 0)
		query = NULL;
	curl_free(escaped);
	return query;
}

static int add(struct api_publisher *publisher, const struct kube_publication *what, struct error *err)
{
	if (publisher->n == API_PUBLISHER_TEXTS)
		return error_set(err, E2BIG, "this node says more than %d things in the API server", API_PUBLISHER_TEXTS);
	if (!array_room((void **)&publisher->texts, publisher->n, &publisher->capacity, sizeof(struct published_text *)))
		return error_nomem(err);
	struct published_text *text = calloc(1, sizeof(*text));
	if (!text)
		return error_nomem(err);
	text->path = strdup(what->path);
	text->query = make_query(what);
	text->body = strdup(what->body);
	text->merge = what->merge;
	text->backoff = (struct backoff){ .first_ms = publisher->tuning->first_backoff_ms, .cap_ms = REFUSED_CAP_MS };
	if (!text->path || !text->query || !text->body) {
		free_text(text);
		return error_nomem(err);
	}
	publisher->texts[publisher->n++] = text;
	make_due(publisher, text);
	return 0;
}

static void drop(struct api_publisher *publisher, struct published_text *text)
{
	if (text == publisher->sending) {
		api_request_cancel(TAKE_PTR(publisher->request));
		publisher->sending = NULL;
	}
	for (size_t i = 0; i < publisher->n; i++) {
		if (publisher->texts[i] == text)
			publisher->texts[i] = publisher->texts[--publisher->n];
	}
	free_text(text);
}

static int replace(struct api_publisher *publisher, struct published_text *text, const char *body, struct error *err)
{
	if (strcmp(text->body, body) == 0)
		return 0;
	char *copy = strdup(body);
	if (!copy)
		return error_nomem(err);
	free(text->body);
	text->body = copy;
	text->is_there = false;
	make_due(publisher, text);
	return 0;
}

int api_publisher_put(struct api_publisher *publisher, const struct kube_publication *what, struct error *err)
{
	struct published_text *text = find(publisher, what->path, strlen(what->path));
	int r = 0;

	if (what->body && strlen(what->body) > API_PUBLISHER_BODY_MAX)
		return error_set(err, E2BIG, "%s: %zu bytes are more than %d", what->path, strlen(what->body), API_PUBLISHER_BODY_MAX);
	if (what->body)
		r = text ? replace(publisher, text, what->body, err) : add(publisher, what, err);
	else if (text)
		drop(publisher, text);
	if (r == 0)
		schedule(publisher);
	return r;
}

void api_publisher_again(struct api_publisher *publisher, const char *path)
{
	struct published_text *text = find(publisher, path, strlen(path));

	if (!text)
		return;
	text->is_there = false;
	make_due(publisher, text);
	schedule(publisher);
}

size_t api_publisher_missing(const struct api_publisher *publisher)
{
	size_t n = 0;

	for (size_t i = 0; i < publisher->n; i++)
		n += !publisher->texts[i]->is_there;
	return n;
}

void api_publisher_start(struct api_publisher *publisher, uv_loop_t *loop)
{
	publisher->unreachable =
		(struct backoff){ .first_ms = publisher->tuning->first_backoff_ms, .cap_ms = publisher->tuning->backoff_cap_ms };
	uv_timer_init(loop, &publisher->timer);
	publisher->timer.data = publisher;
}

static void timer_closed(uv_handle_t *handle)
{
	struct api_publisher *publisher = handle->data;

	while (publisher->n > 0)
		free_text(publisher->texts[--publisher->n]);
	free(publisher->texts);
	publisher->closed(publisher->context);
}

void api_publisher_stop(struct api_publisher *publisher)
{
	api_request_cancel(TAKE_PTR(publisher->request));
	publisher->sending = NULL;
	uv_close((uv_handle_t *)&publisher->timer, timer_closed);
}
