// SPDX-License-Identifier: Apache-2.0
/*
 * One kind's way from nothing to a watch, and back:
 *
 *	       start, expired                       start, expired: the server has no streaming lists
 *	             │                                    │
 *	             ▼            400, 422                ▼
 *	      STREAMING_LIST ───────────────────────►   LIST ◄──┐ next page; from the first one if the token expired
 *	             │                                    ├─────┘
 *	             │ bookmark "initial-events-end"      │ last page
 *	             └──────────────► WATCH ◄─────────────┘
 *	                              │   ▲
 *	                              └───┘ ends, fails: again from the last version
 *
 * 410 Gone, an ERROR event, or many fruitless watches mean "expired". A failed request waits for the back-off, or for as long as the
 * server asks, and is then tried again in its state; a server that answers again after it was away does not pay for that time, nor one
 * that was restarted and has forgotten our version: until the new list is here, no new policy is in force. A list
 * that was cut twice is asked for in pages. Nothing is lost between list and watch: the watch begins at the list's version.
 * Old objects stay until a list has come to its end (kube_store_begin, _end).
 */
#include "common/kube/api_reflector.h"

#include <errno.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/log.h"

#define FRUITLESS_MAX 5     /* failed watches in a row before everything is listed anew */
#define CUT_LISTS_MAX 2     /* streaming lists cut in a row before one is asked for in pages */
#define SHORT_WATCH_MS 1000 /* a watch that the server ends sooner waits before it comes again */

static void send_request(struct reflector *reflector);

/* Logs what changes, not what is tried. */
static void note_problem(struct reflector *reflector, const struct error *problem, uint64_t retry_ms)
{
	bool is_new = strcmp(problem->message, reflector->problem.message) != 0 || !reflector->problem.code;

	reflector->problem = *problem;
	if (is_new)
		log_warn("cannot follow the API server", "resource", api_resource_name(reflector->kind), "reason", problem->message,
			 "server", reflector_server(reflector), "retry_ms", LOG_NUMBER(retry_ms));
}

static void note_recovery(struct reflector *reflector)
{
	if (reflector->problem.code)
		log_info("follows the API server again", "resource", api_resource_name(reflector->kind), "server",
			 reflector_server(reflector));
	reflector->problem = (struct error){};
}

static void become(struct reflector *reflector, enum reflector_state state)
{
	reflector->state = state;
	reflector->fruitless = 0;
	if (state == REFLECTOR_WATCH)
		note_recovery(reflector);
}

static void list_anew(struct reflector *reflector)
{
	reflector->expired = false;
	reflector->token[0] = 0;
	bool in_pages = reflector->no_streaming_lists || reflector->cut_lists >= CUT_LISTS_MAX;
	become(reflector, in_pages ? REFLECTOR_LIST : REFLECTOR_STREAMING_LIST);
}

static void begin_list(struct reflector *reflector)
{
	kube_store_begin(reflector->store, reflector->kind);
}

void reflector_end_list(struct reflector *reflector)
{
	reflector->unpaged = false;
	reflector->cut_lists = 0;
	become(reflector, REFLECTOR_WATCH);
	kube_store_end(reflector->store, reflector->kind);
}

static int request_received(void *context, struct slice bytes, struct error *err)
{
	struct reflector *reflector = context;

	reflector->heard_ms = uv_now(reflector->timer.loop);
	return json_stream_feed(reflector->stream, bytes, reflector_take_piece, reflector, err);
}

static void request_opened(void *context)
{
	struct reflector *reflector = context;
	bool is_first_page = reflector->state == REFLECTOR_LIST && !reflector->token[0];

	reflector->open = true;
	reflector->absent = false;
	reflector->opened_ms = reflector->heard_ms = uv_now(reflector->timer.loop);
	if (reflector->state == REFLECTOR_STREAMING_LIST || is_first_page)
		begin_list(reflector);
	if (reflector->state == REFLECTOR_WATCH)
		note_recovery(reflector);
}

static void timer_due(uv_timer_t *timer)
{
	send_request(timer->data);
}

static void try_after(struct reflector *reflector, uint64_t delay_ms)
{
	uv_timer_start(&reflector->timer, timer_due, delay_ms, 0);
}

static void fail(struct reflector *reflector, const struct error *problem, struct backoff *backoff, uint64_t retry_after_ms)
{
	uint64_t delay_ms = backoff_next_ms(backoff, reflector_random());

	if (backoff != &reflector->unreachable)
		backoff_reset(&reflector->unreachable);
	/* What the server asks for is a minimum: the jitter is added, so that not every node returns in the same second. */
	if (retry_after_ms > 0)
		delay_ms = retry_after_ms + reflector_random() % (retry_after_ms / 4 + 1);
	reflector->open = false;
	note_problem(reflector, problem, delay_ms);
	try_after(reflector, delay_ms);
}

static void page_complete(struct reflector *reflector)
{
	struct error problem;

	if (json_stream_finish(reflector->stream, &problem) < 0) {
		fail(reflector, &problem, &reflector->refused, 0);
		return;
	}
	memcpy(reflector->token, reflector->next_token, sizeof(reflector->token));
	if (!reflector->token[0])
		reflector_end_list(reflector);
	try_after(reflector, 0);
}

/* A busy server ends a streaming list that cannot keep up with what happens meanwhile; pages are of one moment and come through. */
static void note_cut_list(struct reflector *reflector)
{
	if (reflector->state == REFLECTOR_STREAMING_LIST && reflector->open && ++reflector->cut_lists >= CUT_LISTS_MAX)
		list_anew(reflector);
}

/* The server closes every watch after the time that we asked for. */
static void watch_complete(struct reflector *reflector)
{
	struct error problem;
	bool was_short = uv_now(reflector->timer.loop) - reflector->opened_ms < SHORT_WATCH_MS;

	if (reflector->state == REFLECTOR_STREAMING_LIST || (was_short && !reflector->progress)) {
		error_set(&problem, EPIPE, "the server ended the watch early");
		note_cut_list(reflector);
		fail(reflector, &problem, &reflector->refused, 0);
		return;
	}
	try_after(reflector, 0);
}

static void name_missing_right(const struct reflector *reflector, struct error *problem)
{
	error_wrap(problem, "the role lacks the verb \"%s\" on %s", reflector->state == REFLECTOR_LIST ? "list" : "watch",
		   api_resource_name(reflector->kind));
}

/* Nobody has installed its definition, or somebody has just removed it: asked again, and nothing else waits for it. */
static void note_absent(struct reflector *reflector, struct error *problem)
{
	if (!kube_kind_is_custom(reflector->kind))
		return;
	error_wrap(problem, "the cluster has no %s: apply Holdfast's CustomResourceDefinitions", api_resource_name(reflector->kind));
	reflector->absent = reflector->expired = true;
	kube_store_excuse(reflector->store, reflector->kind);
}

/* What an answer means apart from "try again". True if the next request is to be sent at once. */
static bool heed_status(struct reflector *reflector, unsigned status, struct error *problem)
{
	switch (status) {
	case 400:
	case 422:
		if (reflector->state != REFLECTOR_STREAMING_LIST)
			return false;
		reflector->no_streaming_lists = true;
		become(reflector, REFLECTOR_LIST);
		return true;
	case 401:
		reflector->lost_credentials(reflector->context);
		return false;
	case 403:
		name_missing_right(reflector, problem);
		return false;
	case 404:
		note_absent(reflector, problem);
		return false;
	case 410:
		reflector->unpaged |= reflector->state == REFLECTOR_LIST && reflector->token[0];
		reflector->expired = true;
		return false;
	default:
		return false;
	}
}

/* A server that is away, busy or does not let us in says nothing about our version, and a list would only be one more burden. */
static bool speaks_of_version(unsigned status)
{
	return status != 0 && status != 401 && status != 403 && status != 429 && status != 503;
}

static void request_failed(struct reflector *reflector, const struct api_result *result)
{
	struct error problem = result->err;
	struct backoff *backoff = result->status ? &reflector->refused : &reflector->unreachable;

	if (heed_status(reflector, result->status, &problem)) {
		try_after(reflector, 0);
		return;
	}
	if (reflector->expired && !reflector->absent)
		backoff = &reflector->outdated;
	if (reflector->state == REFLECTOR_WATCH && !reflector->progress && speaks_of_version(result->status) &&
	    ++reflector->fruitless >= FRUITLESS_MAX)
		reflector->expired = true;
	if (reflector->expired)
		list_anew(reflector);
	note_cut_list(reflector);
	fail(reflector, &problem, backoff, result->retry_after_ms);
}

static void request_finished(void *context, const struct api_result *result)
{
	struct reflector *reflector = context;

	reflector->request = NULL;
	reflector->restarts += reflector->state != REFLECTOR_LIST;
	if (reflector->open && uv_now(reflector->timer.loop) - reflector->opened_ms >= reflector->tuning->stable_ms) {
		backoff_reset(&reflector->refused);
		backoff_reset(&reflector->outdated);
	}
	if (result->err.code)
		request_failed(reflector, result);
	else if (reflector->state == REFLECTOR_LIST)
		page_complete(reflector);
	else
		watch_complete(reflector);
}

static int new_stream(struct reflector *reflector, struct error *err)
{
	enum json_stream_mode mode = reflector->state == REFLECTOR_LIST ? JSON_STREAM_LIST : JSON_STREAM_DOCUMENTS;

	json_stream_free(reflector->stream);
	reflector->stream = json_stream_new(mode, API_OBJECT_BYTES_MAX);
	return reflector->stream ? 0 : error_nomem(err);
}

static int try_request(struct reflector *reflector, struct error *err)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(4 * API_CONTINUE_MAX);
	const struct api_handler handler = {
		.opened = request_opened,
		.received = request_received,
		.finished = request_finished,
		.context = reflector,
	};

	int r = new_stream(reflector, err);
	if (r == 0)
		r = reflector_write_path(reflector, &path, err);
	if (r == 0)
		r = buf_check(&path, "the request's path", err);
	return r < 0 ? r : api_client_get(reflector->client, buf_text(&path), &handler, &reflector->request, err);
}

static void send_request(struct reflector *reflector)
{
	struct error problem;

	reflector->progress = false;
	reflector->next_token[0] = 0;
	if (try_request(reflector, &problem) < 0)
		fail(reflector, &problem, &reflector->unreachable, 0);
}

void reflector_start(struct reflector *reflector, uv_loop_t *loop)
{
	reflector->unreachable = reflector->refused = reflector->outdated =
		(struct backoff){ .first_ms = reflector->tuning->first_backoff_ms, .cap_ms = reflector->tuning->backoff_cap_ms };
	uv_timer_init(loop, &reflector->timer);
	reflector->timer.data = reflector;
	list_anew(reflector);
	send_request(reflector);
}

static void timer_closed(uv_handle_t *handle)
{
	struct reflector *reflector = handle->data;

	json_stream_free(reflector->stream);
	reflector->closed(reflector->context);
}

void reflector_stop(struct reflector *reflector)
{
	api_request_cancel(TAKE_PTR(reflector->request));
	uv_close((uv_handle_t *)&reflector->timer, timer_closed);
}
