// SPDX-License-Identifier: Apache-2.0
/*
 * The name of an event is made of what it says about whom, so that every node and every restart makes the same one: whoever is first
 * creates it, the others hear 409 and are content. The server forgets events after a while (an hour, by default); told again later, it
 * is there again. One request at a time, with a pause behind each, and nobody waits for it.
 */
#include "common/kube/api_teller.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/when.h"
#include "common/kube/api_reflector.h"

#define BODY_MAX (16 * 1024)
#define OBJECT_NAME_PART_MAX 200 /* of an event's name, which has 253 */

/* An event has a namespace, also that of what has none (k8s.io/client-go/tools/record: event.go). */
static const char *namespace_of(const struct kube_object *about)
{
	return *about->namespace ? about->namespace : "default";
}

static void print_event(const struct kube_notice *notice, uint64_t identity, struct buf *out)
{
	const struct kube_object *about = notice->about;
	char name[OBJECT_NAME_PART_MAX + 32], now[WHEN_UTC_MAX];

	when_format_utc(time(NULL), now);
	snprintf(name, sizeof(name), "%.*s.%016" PRIx64, OBJECT_NAME_PART_MAX, about->name, identity);
	buf_string(out, "{");
	buf_json_member(out, "kind", "Event");
	buf_json_member(out, "apiVersion", "v1");
	buf_string(out, ",\"metadata\":{");
	buf_json_member(out, "namespace", namespace_of(about));
	buf_json_member(out, "name", name);
	buf_string(out, "},\"involvedObject\":{");
	buf_json_member(out, "kind", kube_kind_name(about->kind));
	buf_json_member(out, "apiVersion", kube_kind_api_version(about->kind));
	if (*about->namespace)
		buf_json_member(out, "namespace", about->namespace);
	buf_json_member(out, "name", about->name);
	if (*about->uid)
		buf_json_member(out, "uid", about->uid);
	buf_string(out, "},\"source\":{");
	buf_json_member(out, "component", notice->reporter);
	buf_json_member(out, "host", notice->node);
	buf_string(out, "},\"count\":1");
	buf_json_member(out, "type", notice->good_news ? "Normal" : "Warning");
	buf_json_member(out, "reason", notice->reason);
	buf_json_member(out, "message", notice->message);
	buf_json_member(out, "firstTimestamp", now);
	buf_json_member(out, "lastTimestamp", now);
	buf_string(out, "}");
}

static void forget_first(struct api_teller *teller)
{
	struct telling *first = &teller->queue[teller->first];

	free(first->path);
	free(first->body);
	*first = (struct telling){};
	teller->first = (teller->first + 1) % API_TELLER_QUEUE;
	teller->n--;
}

static void drop_first(struct api_teller *teller)
{
	teller->dropped++;
	forget_first(teller);
}

static void send_first(uv_timer_t *timer);

static void send_after(struct api_teller *teller, uint64_t delay_ms)
{
	if (teller->n > 0 && !teller->request)
		uv_timer_start(&teller->timer, send_first, delay_ms, 0);
}

static void note_problem(struct api_teller *teller, const struct error *problem)
{
	if (strcmp(teller->problem.message, problem->message) != 0 || !teller->problem.code)
		log_warn("cannot tell the API server of an event", "reason", problem->message, "waiting", LOG_NUMBER(teller->n));
	teller->problem = *problem;
}

/* What would be refused again is given up; a server that is away or busy is asked later. */
static bool is_final(unsigned status)
{
	return status >= 400 && status < 500 && status != 401 && status != 408 && status != 429;
}

static void try_again(struct api_teller *teller, const struct api_result *result)
{
	struct telling *first = &teller->queue[teller->first];
	uint64_t delay_ms = backoff_next_ms(&teller->backoff, reflector_random());

	note_problem(teller, &result->err);
	first->refused += result->status != 0;
	if (is_final(result->status) || first->refused >= API_TELLER_TRIES)
		drop_first(teller);
	send_after(teller, result->retry_after_ms > delay_ms ? result->retry_after_ms : delay_ms);
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
	struct api_teller *teller = context;

	teller->request = NULL;
	if (result->err.code && result->status != 409) {
		try_again(teller, result);
		return;
	}
	teller->problem = (struct error){};
	backoff_reset(&teller->backoff);
	teller->told++;
	forget_first(teller);
	send_after(teller, teller->pause_ms);
}

static void send_first(uv_timer_t *timer)
{
	struct api_teller *teller = timer->data;
	const struct telling *first = &teller->queue[teller->first];
	const struct api_handler handler = { on_opened, on_received, on_finished, teller };
	struct api_result failed = {};

	if (api_client_post(teller->client, first->path, first->body, &handler, &teller->request, &failed.err) < 0)
		try_again(teller, &failed);
}

static bool is_waiting(const struct api_teller *teller, uint64_t identity)
{
	for (size_t i = 0; i < teller->n; i++) {
		if (teller->queue[(teller->first + i) % API_TELLER_QUEUE].identity == identity)
			return true;
	}
	return false;
}

void api_teller_tell(struct api_teller *teller, const struct kube_notice *notice)
{
	const struct kube_object *about = notice->about;
	uint64_t identity = hash_texts(about->uid, about->namespace, about->name, notice->reason, notice->message, notice->occasion, NULL);
	_cleanup_(buf_free) struct buf path = BUF_MAX(512), body = BUF_MAX(BODY_MAX);

	if (is_waiting(teller, identity))
		return;
	buf_printf(&path, "/api/v1/namespaces/%s/events", namespace_of(about));
	print_event(notice, identity, &body);
	struct telling telling = { .path = buf_take_text(&path), .body = buf_take_text(&body), .identity = identity };
	if (teller->n == API_TELLER_QUEUE || !telling.path || !telling.body) {
		free(telling.path);
		free(telling.body);
		teller->dropped++;
		return;
	}
	teller->queue[(teller->first + teller->n++) % API_TELLER_QUEUE] = telling;
	if (!uv_is_active((uv_handle_t *)&teller->timer))
		send_after(teller, teller->pause_ms);
}

void api_teller_start(struct api_teller *teller, uv_loop_t *loop)
{
	uv_timer_init(loop, &teller->timer);
	teller->timer.data = teller;
}

static void timer_closed(uv_handle_t *handle)
{
	struct api_teller *teller = handle->data;

	while (teller->n > 0)
		forget_first(teller);
	teller->closed(teller->context);
}

void api_teller_stop(struct api_teller *teller)
{
	api_request_cancel(TAKE_PTR(teller->request));
	uv_close((uv_handle_t *)&teller->timer, timer_closed);
}
