// SPDX-License-Identifier: Apache-2.0
/*
 * A part has a timer and at most one self-test under way. The API server needs no watch: what this node says of itself is sent again now
 * and then, which costs it nothing if all is as it was, and so needs no right to read nodes.
 *
 * A process that is started again believes the last one for as long as its own tests run, as the file says that is only there since the
 * node was started (kept.h): an upgrade must not take a label away. A node that was started again has none until it has passed.
 */
#include "deploy/install/readiness/readiness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/kube/backoff.h"
#include "deploy/install/readiness/decide.h"
#include "deploy/install/readiness/kept.h"

#define REPORTER "holdfast-node"
#define REFRESH_MS (5 * 60 * 1000)
#define HEARTBEAT_S (10 * 60)
#define BODY_MAX (16 * 1024)
#define PATH_TEXT_MAX 320
#define NODE_NAME_MAX 253

struct tested_part {
	struct readiness_follower *follower;
	enum part part;
	uv_timer_t timer;
	struct trial *trial;
	bool tested, again; /* in this run; while it is tested, something has changed */
	unsigned failures;
};

struct readiness_follower {
	struct readiness_options options;
	uv_loop_t *loop;
	struct kube_store *store;
	struct kube_source *source;
	struct tested_part parts[PARTS];
	struct readiness readiness;
	struct verdict verdict; /* as it was said last */
	struct kept kept;
	int64_t heartbeat;
	uint64_t occasions;
	struct error refused; /* what could not even be put on its way */
	bool withdrawn;
	size_t n_open; /* timers and source */
	void (*closed)(void *context);
	void *closed_context;
};

static const char *kept_path(const struct readiness_follower *follower)
{
	return follower->options.kept ? follower->options.kept : KEPT_DEFAULT_PATH;
}

/* ── Saying it ── */

static void publish(struct readiness_follower *follower, const char *suffix, bool merge, const struct buf *body)
{
	char path[PATH_TEXT_MAX];
	const struct kube_publication what = {
		.path = path, .body = buf_text(body), .reporter = REPORTER, .node = follower->options.node, .merge = merge
	};
	struct error err;

	snprintf(path, sizeof(path), "/api/v1/nodes/%s%s", follower->options.node, suffix);
	int r = buf_check(body, "what the node says of itself", &err);
	if (r == 0)
		r = kube_source_publish(follower->source, &what, &err);
	follower->refused = r < 0 ? err : (struct error){ 0 };
	if (r < 0)
		log_error("cannot tell the API server of this node", "error", err.message);
}

static void keep(struct readiness_follower *follower)
{
	struct kept kept = { .since = follower->kept.since };
	struct error err;

	snprintf(kept.status, sizeof(kept.status), "%s", follower->verdict.status);
	for (int i = 0; i < PARTS; i++)
		kept.passed[i] = follower->readiness.wanted[i] && follower->readiness.results[i].state == PART_PASSED;
	if (strcmp(kept.status, follower->kept.status) != 0)
		kept.since = time(NULL);
	if (memcmp(&kept, &follower->kept, sizeof(kept)) != 0 && kept_write(kept_path(follower), &kept, &err) < 0)
		log_warn("what was said of this node cannot be kept", "error", err.message);
	follower->kept = kept;
}

static bool is_news(const struct verdict *before, const struct verdict *now)
{
	return strcmp(before->message, now->message) != 0 || strcmp(before->reason, now->reason) != 0 ||
	       strcmp(before->status ? before->status : "", now->status) != 0;
}

static void say(struct readiness_follower *follower)
{
	_cleanup_(buf_free) struct buf labels = BUF_MAX(BODY_MAX), condition = BUF_MAX(BODY_MAX);
	const int64_t now = time(NULL);
	struct verdict verdict;

	decide_verdict(&follower->readiness, &verdict);
	if (is_news(&follower->verdict, &verdict) || now - follower->heartbeat >= HEARTBEAT_S || now < follower->heartbeat)
		follower->heartbeat = now;
	follower->verdict = verdict;
	keep(follower);
	decide_labels(&follower->readiness, &labels);
	decide_condition(follower->options.node, &verdict, follower->kept.since, follower->heartbeat, &condition);
	publish(follower, "", true, &labels);
	publish(follower, "/status", false, &condition);
}

static void tell(struct readiness_follower *follower, const struct decided_event *event)
{
	char none[] = "", name[NODE_NAME_MAX + 1], occasion[64];
	const struct kube_object node = { .kind = KUBE_NODE, .namespace = none, .name = name, .uid = name, .resource_version = none };
	const struct kube_notice notice = {
		.about = &node,
		.reason = event->reason,
		.message = event->message,
		.reporter = REPORTER,
		.node = follower->options.node,
		.occasion = occasion,
		.good_news = event->good_news,
	};

	snprintf(name, sizeof(name), "%s", follower->options.node);
	snprintf(occasion, sizeof(occasion), "%lld.%" PRIu64, (long long)time(NULL), follower->occasions++);
	kube_source_tell(follower->source, &notice);
}

void readiness_tell(struct readiness_follower *follower, const char *reason, const char *message)
{
	struct decided_event event = { .good_news = false };

	snprintf(event.reason, sizeof(event.reason), "%s", reason);
	snprintf(event.message, sizeof(event.message), "%s", message);
	tell(follower, &event);
}

/* ── Testing ── */

static void on_due(uv_timer_t *timer);

static void schedule(struct tested_part *part)
{
	const struct part_row *row = &part_rows[part->part];
	struct backoff backoff = { row->retry_first_ms, row->retry_cap_ms, part->failures - 1 };
	uint64_t wait_ms = part->failures ? backoff_next_ms(&backoff, uv_hrtime()) : row->interval_ms;

	uv_timer_start(&part->timer, on_due, part->again ? 0 : wait_ms, 0);
	part->again = false;
}

static void note(struct readiness_follower *follower, enum part part, const struct part_result *result)
{
	struct part_result *before = &follower->readiness.results[part];
	struct decided_event event;

	if (decide_event(part, before, result, &event)) {
		tell(follower, &event);
		if (event.good_news)
			log_info("self-test passed", "part", part_rows[part].name, "what", result->cause);
		else
			log_warn("self-test failed", "part", part_rows[part].name, "why", result->cause, "cure", result->cure);
	}
	*before = *result;
}

static void on_tested(void *context, enum part which, const struct part_result *result)
{
	struct tested_part *part = context;

	part->trial = NULL;
	part->tested = true;
	part->failures = result->state == PART_PASSED ? 0 : part->failures + 1;
	note(part->follower, which, result);
	say(part->follower);
	schedule(part);
}

static void on_due(uv_timer_t *timer)
{
	struct tested_part *part = timer->data;
	struct readiness_follower *follower = part->follower;

	part->trial = trial_start(follower->loop, part->part, &follower->options.trial, on_tested, part);
	if (!part->trial) {
		const struct part_result failed = part_failed("look at the node's memory", "out of memory");
		on_tested(part, part->part, &failed);
	}
}

void readiness_test(struct readiness_follower *follower, enum part which)
{
	struct tested_part *part = &follower->parts[which];

	if (follower->withdrawn || !follower->readiness.wanted[which])
		return;
	part->again = part->trial != NULL;
	if (!part->trial)
		uv_timer_start(&part->timer, on_due, 0, 0);
}

/* ── How it stands ── */

bool readiness_is_told(const struct readiness_follower *follower)
{
	struct kube_source_status status;

	for (int i = 0; i < PARTS; i++) {
		if (follower->readiness.wanted[i] && !follower->parts[i].tested && !follower->withdrawn)
			return false;
	}
	kube_source_status(follower->source, &status);
	return status.unpublished == 0 && follower->refused.code == 0 && status.told + status.dropped >= follower->occasions;
}

bool readiness_is_good(const struct readiness_follower *follower)
{
	return strcmp(follower->verdict.status, "True") == 0;
}

const struct part_result *readiness_results(const struct readiness_follower *follower)
{
	return follower->readiness.results;
}

const char *readiness_problem(const struct readiness_follower *follower)
{
	struct kube_source_status status;

	if (follower->refused.code)
		return follower->refused.message;
	kube_source_status(follower->source, &status);
	return status.publish_error;
}

/* ── Beginning and end ── */

static void stop_tests(struct readiness_follower *follower)
{
	for (int i = 0; i < PARTS; i++) {
		uv_timer_stop(&follower->parts[i].timer);
		if (follower->parts[i].trial)
			trial_cancel(TAKE_PTR(follower->parts[i].trial));
	}
}

void readiness_withdraw(struct readiness_follower *follower)
{
	_cleanup_(buf_free) struct buf labels = BUF_MAX(BODY_MAX), condition = BUF_MAX(BODY_MAX);

	stop_tests(follower);
	follower->withdrawn = true;
	decide_no_labels(&labels);
	decide_no_condition(follower->options.node, &condition);
	publish(follower, "", true, &labels);
	publish(follower, "/status", false, &condition);
	remove(kept_path(follower));
}

static void believe_kept(struct readiness_follower *follower)
{
	follower->kept = kept_read(kept_path(follower));
	for (int i = 0; i < PARTS; i++) {
		if (follower->kept.passed[i])
			follower->readiness.results[i].state = PART_PASSED;
	}
}

static void start_parts(struct readiness_follower *follower)
{
	for (int i = 0; i < PARTS; i++) {
		struct tested_part *part = &follower->parts[i];

		*part = (struct tested_part){ .follower = follower, .part = (enum part)i };
		uv_timer_init(follower->loop, &part->timer);
		part->timer.data = part;
		if (follower->readiness.wanted[i])
			uv_timer_start(&part->timer, on_due, 0, 0);
	}
}

static void free_follower(struct readiness_follower *follower)
{
	kube_store_free(follower->store);
	free(follower);
}

/* Nothing is followed. */
static void on_nothing(void *context, const struct kube_object *before, const struct kube_object *after)
{
}

static void on_never(void *context)
{
}

static const struct kube_store_observer nothing = { on_nothing, on_never, NULL };

int readiness_node_name(char ret[static READINESS_NODE_SIZE], struct error *err)
{
	const char *name = getenv("NODE_NAME");

	ret[READINESS_NODE_SIZE - 1] = 0;
	if (name && *name)
		snprintf(ret, READINESS_NODE_SIZE, "%s", name);
	else if (gethostname(ret, READINESS_NODE_SIZE - 1) < 0)
		return error_set(err, EINVAL, "the node's name is not known: set NODE_NAME");
	return 0;
}

int readiness_start(uv_loop_t *loop, const struct readiness_options *options, struct readiness_follower **ret, struct error *err)
{
	struct kube_source_options api = options->api;
	struct readiness_follower *follower = calloc(1, sizeof(*follower));

	if (!follower)
		return error_nomem(err);
	follower->options = *options;
	follower->loop = loop;
	follower->store = kube_store_new(0, &nothing);
	memcpy(follower->readiness.wanted, options->wanted, sizeof(options->wanted));
	api.publish_refresh_ms = REFRESH_MS;
	int r = follower->store ? kube_source_start(loop, &api, follower->store, &follower->source, err) : error_nomem(err);
	if (r < 0) {
		free_follower(follower);
		return r;
	}
	believe_kept(follower);
	start_parts(follower);
	say(follower);
	*ret = follower;
	return 0;
}

static void on_part_closed(struct readiness_follower *follower)
{
	void (*closed)(void *context) = follower->closed;
	void *context = follower->closed_context;

	if (--follower->n_open > 0)
		return;
	free_follower(follower);
	if (closed)
		closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct tested_part *part = handle->data;

	on_part_closed(part->follower);
}

static void on_source_closed(void *context)
{
	on_part_closed(context);
}

void readiness_stop(struct readiness_follower *follower, void (*closed)(void *context), void *context)
{
	if (!follower)
		return;
	stop_tests(follower);
	follower->closed = closed;
	follower->closed_context = context;
	follower->n_open = PARTS + 1;
	for (int i = 0; i < PARTS; i++)
		uv_close((uv_handle_t *)&follower->parts[i].timer, on_timer_closed);
	kube_source_stop(follower->source, on_source_closed, follower);
}
