// SPDX-License-Identifier: Apache-2.0
/*
 * Two trees: what the host has (`wanted`), and what the guest has been given (`there`), which grows and shrinks with each answer. So a
 * transfer that is broken off anywhere leaves nothing that is forgotten: the next one begins with a new look at the host, and sends the
 * difference in the order that copies.h promises.
 *
 *	RESTING ── a change ─→ FILES ─→ SWITCH ─→ LINKS ─→ REMOVALS
 *	   ↑                     │        │         │          │
 *	   └─────────────────────┴────────┴─────────┴──────────┘ done, an error, or the host was at work on it
 *
 * libuv watches the directory by inotify. Where the host has no more watches to give, or has lost some of their events, a look from time to
 * time does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kata-shim/vm/copies/internal.h"

#define SETTLE_MS 10 /* kubelet does a dozen things to a directory for one change */
#define LOOK_MS 60000
#define LOOK_UNWATCHED_MS 5000
#define AGAIN_MAX 20 /* times in a row that the host changes while we look */

/* ── a transfer ── */

static void on_timer(uv_timer_t *timer);

static void look_in(struct copy *copy, uint64_t ms)
{
	uv_timer_start(&copy->timer, on_timer, ms, 0);
}

static void rest(struct copy *copy)
{
	copy_close_file(copy);
	copy->phase = PHASE_RESTING;
	if (!copy->ending)
		look_in(copy, copy->changed ? SETTLE_MS : copy->watched ? LOOK_MS : LOOK_UNWATCHED_MS);
}

static void tell(struct copy *copy, const struct error *err)
{
	const bool news = copy->sent || copy->first || err;

	copy->sent = false;
	copy->first = false;
	if (news)
		copy->sink->copied(copy->context, copy, err);
}

static void tell_ended(struct copy *copy)
{
	copy->phase = PHASE_RESTING;
	copy->sink->ended(copy->context, copy);
}

static void give_up(struct copy *copy, const struct error *err)
{
	copy->again = 0;
	if (copy->ending) {
		tell_ended(copy);
		return;
	}
	rest(copy);
	tell(copy, err);
}

/* The host is at work on it: soon again, but not for ever. */
static void fail(struct copy *copy, const struct error *err)
{
	copy->changed = (err->code == EAGAIN || err->code == ENOENT) && copy->again++ < AGAIN_MAX;
	if (copy->changed && !copy->ending)
		rest(copy);
	else
		give_up(copy, err);
}

static void finish(struct copy *copy)
{
	copy->again = 0;
	if (copy->ending) {
		tell_ended(copy);
		return;
	}
	rest(copy);
	tell(copy, NULL);
}

/* Nothing is under way: the next request, or the end. */
static void advance(struct copy *copy)
{
	struct error err = {};

	for (; copy->phase != PHASE_RESTING; copy_begin_phase(copy, copy->phase + 1)) {
		const struct entry *entry = copy_find_next(copy);

		if (entry) {
			if (copy_send(copy, entry, &err) < 0)
				fail(copy, &err);
			return;
		}
		if (copy->phase == PHASE_REMOVALS)
			break;
	}
	finish(copy);
}

static void begin(struct copy *copy)
{
	struct tree wanted = {};
	struct error err = {};

	copy->changed = false;
	if (!copy->ending && tree_scan(copy->host, &wanted, &err) < 0) {
		fail(copy, &err);
		return;
	}
	tree_clear(&copy->wanted);
	copy->wanted = wanted;
	copy_close_file(copy);
	copy_begin_phase(copy, copy->ending ? PHASE_REMOVALS : PHASE_FILES);
	advance(copy);
}

/* ── answers ── */

static int take_sent(struct copy *copy, struct error *err)
{
	const struct entry *entry = &copy->wanted.items[copy->next];

	if (!copy_is_whole(copy, entry))
		return 0;
	copy_close_file(copy);
	copy->next++;
	return tree_put(&copy->there, entry, err);
}

static void take_removed(struct copy *copy)
{
	tree_remove(&copy->there, copy->there.items[--copy->next].path);
}

static int take(struct copy *copy, const struct error *answer, struct error *err)
{
	if (copy->phase != PHASE_REMOVALS) {
		if (answer)
			*err = *answer;
		return answer ? -answer->code : take_sent(copy, err);
	}
	if (answer && (answer->code != ENOSYS || copy->removals_fail)) {
		*err = *answer;
		return -answer->code;
	}
	copy->removals_fail |= answer != NULL;
	if (!answer)
		take_removed(copy);
	return 0;
}

void copy_sent(struct copy *copy, const struct error *answer)
{
	const bool removal = copy->phase == PHASE_REMOVALS;
	struct error err = {};

	copy->under_way = false;
	int r = take(copy, answer, &err);
	if (copy->ending && !removal)
		begin(copy);
	else if (r < 0)
		give_up(copy, &err);
	else
		advance(copy);
}

/* ── the host ── */

static void on_timer(uv_timer_t *timer)
{
	struct copy *copy = timer->data;

	if (copy->phase == PHASE_RESTING)
		begin(copy);
}

static void on_event(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct copy *copy = watch->data;

	if (copy->ending)
		return;
	if (!copy->changed && copy->phase == PHASE_RESTING)
		look_in(copy, SETTLE_MS);
	copy->changed = true;
}

/* ── life ── */

static void release(struct copy *copy)
{
	copy_close_file(copy);
	tree_clear(&copy->wanted);
	tree_clear(&copy->there);
	free(copy->host);
	free(copy->guest);
	free(copy);
}

static void on_closed(uv_handle_t *handle)
{
	struct copy *copy = handle->data;

	if (--copy->handles == 0)
		release(copy);
}

static int open_handles(uv_loop_t *loop, struct copy *copy, struct error *err)
{
	if (uv_timer_init(loop, &copy->timer) < 0)
		return error_nomem(err);
	copy->timer.data = copy;
	copy->handles = 1;
	if (uv_fs_event_init(loop, &copy->watch) < 0)
		return error_nomem(err);
	copy->watch.data = copy;
	copy->handles = 2;
	return 0;
}

static int open_copy(uv_loop_t *loop, const char *host, const char *guest, struct copy *copy, struct error *err)
{
	struct tree tree = {};

	copy->host = strdup(host);
	copy->guest = strdup(guest);
	if (!copy->host || !copy->guest)
		return error_nomem(err);
	int r = tree_scan(host, &tree, err);
	if (r < 0 && r != -EAGAIN)
		return r;
	const bool directory = r < 0 || S_ISDIR(tree.items[0].mode);
	tree_clear(&tree);
	r = open_handles(loop, copy, err);
	if (r < 0)
		return r;
	copy->watched = !directory || uv_fs_event_start(&copy->watch, on_event, host, 0) == 0;
	look_in(copy, 0);
	return 0;
}

int copy_new(uv_loop_t *loop, const char *host, const char *guest, const struct copy_sink *sink, void *context, struct copy **ret,
	     struct error *err)
{
	struct copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return error_nomem(err);
	copy->sink = sink;
	copy->context = context;
	copy->fd = -1;
	copy->first = true;
	int r = open_copy(loop, host, guest, copy, err);
	if (r < 0) {
		copy_free(copy);
		return r;
	}
	*ret = copy;
	return 0;
}

void copy_end(struct copy *copy)
{
	copy->ending = true;
	if (!copy->under_way)
		look_in(copy, 0);
}

void copy_free(struct copy *copy)
{
	if (!copy)
		return;
	const int handles = copy->handles;
	if (handles > 1)
		uv_close((uv_handle_t *)&copy->watch, on_closed);
	if (handles > 0)
		uv_close((uv_handle_t *)&copy->timer, on_closed);
	else
		release(copy);
}
