// SPDX-License-Identifier: Apache-2.0
/*
 * The loop prints a chunk of objects, the worker thread hashes and writes it, and so on until the walk over the store is over: neither
 * a second copy of the model nor a long pause of the loop. The store changes meanwhile, so the file is not of one moment; neither is what
 * several watches have brought. What has changed since the writing began makes another file.
 *
 *	        changed                      due                       last chunk is on disk
 *	SAVED ──────────► UNSAVED (timer) ──────────► WRITING ◄─┐ ─────────────────────────► SAVED, or UNSAVED if it has changed since
 *	                     ▲                           │      │ next chunk
 *	                     └───────────────────────────┴──────┘
 *	                            failed: back-off
 *
 * Who waits for it hurries it: UNSAVED is due at once, also within the back-off.
 */
#include "common/kube/snapshot.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "common/kube/api_event.h"
#include "common/kube/backoff.h"
#include "common/kube/snapshot_file.h"
#include "common/kube/source_internal.h"

#define CHUNK_BYTES (32 * 1024)
#define CHUNK_BYTES_MAX (CHUNK_BYTES + 2 * API_OBJECT_BYTES_MAX) /* with one very large object */

const struct kube_snapshot_tuning kube_snapshot_tuning_default = {
	.settle_ms = 1000,
	.interval_ms = 10 * 1000,
	.bytes_per_s = 16 * 1024, /* 1.4 GB a day */
	.wait_max_ms = 300 * 1000,
	.first_backoff_ms = 2000,
	.backoff_cap_ms = 60 * 1000,
};

struct kube_snapshot {
	struct kube_snapshot_options options; /* the strings are ours */
	struct kube_snapshot_tuning tuning;
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;

	bool unsaved, hurry; /* what is not on disk; some of it shall not be paced */
	bool writing, stopping;
	uint64_t began_ms; /* of the last attempt; 0: none */
	struct backoff backoff;
	uint64_t retry_ms; /* not before */
	struct kube_snapshot_wait *waits;

	/* Of the attempt that is under way; the worker thread's while `working`. */
	bool working;
	struct snapshot_file file;
	struct buf chunk;
	bool last_chunk;
	enum kube_kind kind; /* which the walk is at */
	size_t n_objects;
	int result;
	struct error problem;

	struct error reported;
	uint64_t written_ms, written, failures;
	size_t written_objects, written_bytes;
	void (*closed)(void *context);
	void *closed_context;
};

static void schedule(struct kube_snapshot *snapshot);

static bool is_kept(const struct kube_snapshot *snapshot, enum kube_kind kind)
{
	return kube_store_follows(snapshot->options.store, kind) && !kube_kind_is_optional(kind);
}

/* The first kind from `kind` on that is kept; the walk begins there. */
static void walk_kind(struct kube_snapshot *snapshot, enum kube_kind kind)
{
	while (kind < KUBE_KIND_COUNT && !is_kept(snapshot, kind))
		kind++;
	snapshot->kind = kind;
	if (kind < KUBE_KIND_COUNT)
		kube_store_walk(snapshot->options.store, kind);
}

static void print_chunk(struct kube_snapshot *snapshot)
{
	buf_clear(&snapshot->chunk);
	while (snapshot->kind < KUBE_KIND_COUNT && snapshot->chunk.n < CHUNK_BYTES) {
		const struct kube_object *object = kube_store_walk_next(snapshot->options.store);
		if (!object) {
			walk_kind(snapshot, snapshot->kind + 1);
			continue;
		}
		kube_object_print(object, &snapshot->chunk);
		buf_byte(&snapshot->chunk, '\n');
		snapshot->n_objects++;
	}
	snapshot->last_chunk = snapshot->kind == KUBE_KIND_COUNT;
}

static int write_chunk(struct kube_snapshot *snapshot, struct error *err)
{
	int r = buf_check(&snapshot->chunk, "an object", err);

	if (r == 0 && snapshot->file.fd < 0)
		r = snapshot_file_begin(&snapshot->file, snapshot->options.source, err);
	if (r == 0)
		r = snapshot_file_append(&snapshot->file, buf_view(&snapshot->chunk), err);
	if (r == 0 && snapshot->last_chunk)
		r = snapshot_file_commit(&snapshot->file, snapshot->n_objects, err);
	return r;
}

/* ── who waits ── */

static void mark_waits(struct kube_snapshot *snapshot)
{
	for (struct kube_snapshot_wait *wait = snapshot->waits; wait; wait = wait->next)
		wait->begun = true;
}

/* Each may begin another wait, or cancel one. */
static void end_waits(struct kube_snapshot *snapshot)
{
	struct kube_snapshot_wait **at = &snapshot->waits;

	while (*at) {
		struct kube_snapshot_wait *wait = *at;
		if (!wait->begun) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		wait->over(wait);
		at = &snapshot->waits;
	}
}

void kube_snapshot_cancel(struct kube_snapshot *snapshot, struct kube_snapshot_wait *wait)
{
	struct kube_snapshot_wait **at;

	for (at = &snapshot->waits; *at && *at != wait; at = &(*at)->next)
		;
	if (*at)
		*at = wait->next;
}

bool kube_snapshot_save(struct kube_snapshot *snapshot, struct kube_snapshot_wait *wait)
{
	if (!kube_store_synced(snapshot->options.store) || (!snapshot->unsaved && !snapshot->writing))
		return false;
	wait->begun = !snapshot->unsaved; /* what is being written is what it is to be */
	wait->next = snapshot->waits;
	snapshot->waits = wait;
	schedule(snapshot);
	return true;
}

/* ── one attempt ── */

static void begin(struct kube_snapshot *snapshot)
{
	snapshot->unsaved = snapshot->hurry = false;
	snapshot->writing = true;
	mark_waits(snapshot);
	snapshot->began_ms = uv_now(snapshot->loop);
	snapshot->file = SNAPSHOT_FILE_NONE(snapshot->options.path);
	snapshot->chunk = BUF_MAX(CHUNK_BYTES_MAX);
	snapshot->n_objects = 0;
	walk_kind(snapshot, 0);
	print_chunk(snapshot);
}

static void report_failure(struct kube_snapshot *snapshot)
{
	if (snapshot->reported.code && strcmp(snapshot->reported.message, snapshot->problem.message) == 0)
		return;
	log_warn("cannot save the objects: after a reboot without their source, this node would go by those that it saved last, or "
		 "quarantine its "
		 "pods if it never did",
		 "reason", snapshot->problem.message, "cure",
		 "free some space there, make it writable, or configure another directory; it is tried again by itself", "path",
		 snapshot->options.path);
}

static void end_badly(struct kube_snapshot *snapshot)
{
	snapshot_file_abandon(&snapshot->file);
	snapshot->unsaved = true;
	snapshot->failures++;
	report_failure(snapshot);
	snapshot->reported = snapshot->problem;
	snapshot->retry_ms = uv_now(snapshot->loop) + backoff_next_ms(&snapshot->backoff, uv_hrtime());
}

static void end_well(struct kube_snapshot *snapshot)
{
	if (snapshot->reported.code)
		log_info("the objects are saved again", "path", snapshot->options.path);
	snapshot->reported = (struct error){};
	backoff_reset(&snapshot->backoff);
	snapshot->retry_ms = 0;
	snapshot->written++;
	snapshot->written_ms = uv_now(snapshot->loop);
	snapshot->written_objects = snapshot->n_objects;
	snapshot->written_bytes = snapshot->file.n_bytes;
	if (!snapshot->unsaved && snapshot->options.saved)
		snapshot->options.saved(snapshot->options.context);
}

static void end(struct kube_snapshot *snapshot, int result)
{
	snapshot->writing = false;
	buf_free(&snapshot->chunk);
	if (result < 0)
		end_badly(snapshot);
	else
		end_well(snapshot);
	end_waits(snapshot);
}

static void write_all_now(struct kube_snapshot *snapshot)
{
	begin(snapshot);
	int r = write_chunk(snapshot, &snapshot->problem);
	while (r == 0 && !snapshot->last_chunk) {
		print_chunk(snapshot);
		r = write_chunk(snapshot, &snapshot->problem);
	}
	end(snapshot, r);
}

static void free_snapshot(struct kube_snapshot *snapshot)
{
	free((char *)snapshot->options.path);
	free((char *)snapshot->options.source);
	free(snapshot);
}

static void timer_closed(uv_handle_t *handle)
{
	struct kube_snapshot *snapshot = handle->data;

	if (snapshot->closed)
		snapshot->closed(snapshot->closed_context);
	free_snapshot(snapshot);
}

/* No work is under way any more. What is half-written is written anew, as the store is now. */
static void finish(struct kube_snapshot *snapshot)
{
	if (snapshot->writing) {
		snapshot_file_abandon(&snapshot->file);
		buf_free(&snapshot->chunk);
		snapshot->writing = false;
		snapshot->unsaved = true;
	}
	if (snapshot->unsaved && kube_store_synced(snapshot->options.store))
		write_all_now(snapshot);
	uv_close((uv_handle_t *)&snapshot->timer, timer_closed);
}

static void on_work(uv_work_t *work)
{
	struct kube_snapshot *snapshot = work->data;

	snapshot->result = write_chunk(snapshot, &snapshot->problem);
}

static void on_worked(uv_work_t *work, int status);

static void start_work(struct kube_snapshot *snapshot)
{
	snapshot->working = true;
	int r = uv_queue_work(snapshot->loop, &snapshot->work, on_work, on_worked);
	if (r == 0)
		return;
	snapshot->working = false;
	end(snapshot, error_set(&snapshot->problem, -r, "cannot start a worker thread: %s", uv_strerror(r)));
	schedule(snapshot);
}

static void on_worked(uv_work_t *work, int status)
{
	struct kube_snapshot *snapshot = work->data;
	bool over = snapshot->result < 0 || snapshot->last_chunk;

	snapshot->working = false;
	if (over)
		end(snapshot, snapshot->result);
	if (snapshot->stopping) {
		finish(snapshot);
	} else if (over) {
		schedule(snapshot);
	} else {
		print_chunk(snapshot);
		start_work(snapshot);
	}
}

static void timer_due(uv_timer_t *timer)
{
	struct kube_snapshot *snapshot = timer->data;

	if (!kube_store_synced(snapshot->options.store)) {
		mark_waits(snapshot);
		end_waits(snapshot);
		return;
	}
	begin(snapshot);
	start_work(snapshot);
}

/* How long after the last attempt the next may begin. */
static uint64_t pace_ms(const struct kube_snapshot *snapshot)
{
	const struct kube_snapshot_tuning *tuning = &snapshot->tuning;
	uint64_t paced = snapshot->written_bytes * 1000 / tuning->bytes_per_s;

	if (paced > tuning->wait_max_ms)
		paced = tuning->wait_max_ms;
	return snapshot->hurry || paced < tuning->interval_ms ? tuning->interval_ms : paced;
}

static void schedule(struct kube_snapshot *snapshot)
{
	uint64_t now = uv_now(snapshot->loop), due = now + snapshot->tuning.settle_ms;

	if (!snapshot->unsaved || snapshot->writing || snapshot->stopping)
		return;
	if (!snapshot->began_ms)
		due = now;
	else if (due < snapshot->began_ms + pace_ms(snapshot))
		due = snapshot->began_ms + pace_ms(snapshot);
	if (snapshot->retry_ms)
		due = snapshot->retry_ms > now ? snapshot->retry_ms : now;
	if (snapshot->waits)
		due = now;
	if (uv_is_active((uv_handle_t *)&snapshot->timer) && uv_timer_get_due_in(&snapshot->timer) <= due - now)
		return;
	uv_timer_start(&snapshot->timer, timer_due, due - now, 0);
}

void kube_snapshot_changed(struct kube_snapshot *snapshot, bool now)
{
	snapshot->unsaved = true;
	snapshot->hurry |= now;
	if (kube_store_synced(snapshot->options.store))
		schedule(snapshot);
}

void kube_snapshot_status(const struct kube_snapshot *snapshot, struct kube_snapshot_status *ret)
{
	*ret = (struct kube_snapshot_status){
		.path = snapshot->options.path,
		.last_error = snapshot->reported.code ? snapshot->reported.message : "",
		.written_ms = snapshot->written_ms,
		.written = snapshot->written,
		.failures = snapshot->failures,
		.n_objects = snapshot->written_objects,
		.n_bytes = snapshot->written_bytes,
		.unsaved = snapshot->unsaved || snapshot->writing,
	};
}

void kube_snapshot_stop(struct kube_snapshot *snapshot, void (*closed)(void *context), void *context)
{
	if (!snapshot)
		return;
	snapshot->stopping = true;
	snapshot->closed = closed;
	snapshot->closed_context = context;
	if (!snapshot->working)
		finish(snapshot);
}

int kube_snapshot_start(uv_loop_t *loop, const struct kube_snapshot_options *options, struct kube_snapshot **ret, struct error *err)
{
	struct kube_snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return error_nomem(err);
	snapshot->options = *options;
	snapshot->options.path = strdup(options->path);
	snapshot->options.source = strdup(options->source);
	if (!snapshot->options.path || !snapshot->options.source) {
		free_snapshot(snapshot);
		return error_nomem(err);
	}
	snapshot->tuning = options->tuning ? *options->tuning : kube_snapshot_tuning_default;
	snapshot->backoff = (struct backoff){ .first_ms = snapshot->tuning.first_backoff_ms, .cap_ms = snapshot->tuning.backoff_cap_ms };
	snapshot->file.fd = -1;
	snapshot->loop = loop;
	snapshot->timer.data = snapshot->work.data = snapshot;
	uv_timer_init(loop, &snapshot->timer);
	*ret = snapshot;
	return 0;
}
