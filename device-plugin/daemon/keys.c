// SPDX-License-Identifier: Apache-2.0
/*
 *	         keys_get              done: OK                  reuse_ms pass, or keys_forget
 *	(none) ───────────► RUNNING ───────────────► HELD ──────────────────────────────────────► wiped
 *	                      │ done: error                   keys_get of the same version joins, or is served
 *	                      └────────────────────► wiped; all who waited hear why
 *
 * All keys are in one page that is locked and not dumped: so many of them can be there at a time.
 */
#include "device-plugin/daemon/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/secret.h"

#define PAGE_BYTES 4096
#define KEYS_MAX (PAGE_BYTES / WRAP_KEY_SIZE)

struct unsealing {
	struct tpm_job job;
	struct keys *keys;
	struct sealed *sealed;
	struct tpm_unseal what;
	struct tpm_imported imported; /* the worker's; a copy of the version's */
	uint8_t *key;                 /* a place of the page */
	uint64_t began_ms, until_ms;
	bool running, forgotten;
	struct key_wait *waits;
};

struct keys {
	uv_loop_t *loop;
	struct keys_options options;
	bool has_root;
	struct tpm2_name root;
	uv_timer_t *timer; /* of its own, since closing takes a turn of the loop */
	struct secret page;
	struct unsealing *places[KEYS_MAX]; /* whose key is there; NULL: free */
};

static void wipe(struct unsealing *unsealing)
{
	struct keys *keys = unsealing->keys;

	secret_wipe(unsealing->key, WRAP_KEY_SIZE);
	keys->places[(size_t)(unsealing->key - keys->page.p) / WRAP_KEY_SIZE] = NULL;
	sealed_unref(unsealing->sealed);
	free(unsealing);
}

/* ── keys that are held ── */

static void schedule(struct keys *keys);

static void on_time(uv_timer_t *timer)
{
	struct keys *keys = timer->data;
	uint64_t now = uv_now(keys->loop);

	for (size_t i = 0; i < KEYS_MAX; i++) {
		struct unsealing *unsealing = keys->places[i];
		if (unsealing && !unsealing->running && unsealing->until_ms <= now)
			wipe(unsealing);
	}
	schedule(keys);
}

static void schedule(struct keys *keys)
{
	uint64_t first = UINT64_MAX, now = uv_now(keys->loop);

	for (size_t i = 0; i < KEYS_MAX; i++) {
		const struct unsealing *unsealing = keys->places[i];
		if (unsealing && !unsealing->running && unsealing->until_ms < first)
			first = unsealing->until_ms;
	}
	if (first != UINT64_MAX)
		uv_timer_start(keys->timer, on_time, first > now ? first - now : 0, 0);
}

void keys_forget(struct keys *keys)
{
	for (size_t i = 0; i < KEYS_MAX; i++) {
		struct unsealing *unsealing = keys->places[i];
		if (unsealing && unsealing->running)
			unsealing->forgotten = true;
		else if (unsealing)
			wipe(unsealing);
	}
}

/* ── unsealing ── */

static int run(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct unsealing *unsealing = (struct unsealing *)job;

	return tpm_unseal(tpm, &unsealing->what, unsealing->key, err);
}

static void answer_all(struct unsealing *unsealing, int r, const struct error *err)
{
	struct key_wait *wait;

	while ((wait = unsealing->waits)) {
		unsealing->waits = wait->next;
		wait->unsealing = NULL;
		wait->got(wait, r, r == 0 ? unsealing->key : NULL, err);
	}
}

static void done(struct tpm_job *job, int r, const struct error *err)
{
	struct unsealing *unsealing = (struct unsealing *)job;
	struct keys *keys = unsealing->keys;
	const struct keys_options *options = &keys->options;

	if (r == 0)
		unsealing->sealed->imported = unsealing->imported;
	options->unsealed(options->context, unsealing->sealed, r, err, uv_now(keys->loop) - unsealing->began_ms);
	answer_all(unsealing, r, err);
	unsealing->running = false;
	if (r < 0 || options->reuse_ms == 0 || unsealing->forgotten) {
		wipe(unsealing);
		return;
	}
	unsealing->until_ms = uv_now(keys->loop) + options->reuse_ms;
	schedule(keys);
}

static struct unsealing *find(struct keys *keys, const struct sealed *sealed)
{
	for (size_t i = 0; i < KEYS_MAX; i++) {
		if (keys->places[i] && keys->places[i]->sealed == sealed && !keys->places[i]->forgotten)
			return keys->places[i];
	}
	return NULL;
}

/* A key that is only held makes room for one that is wanted. */
static uint8_t *find_place(struct keys *keys)
{
	for (size_t i = 0; i < KEYS_MAX; i++) {
		if (!keys->places[i])
			return keys->page.p + i * WRAP_KEY_SIZE;
	}
	for (size_t i = 0; i < KEYS_MAX; i++) {
		if (!keys->places[i]->running) {
			wipe(keys->places[i]);
			return keys->page.p + i * WRAP_KEY_SIZE;
		}
	}
	return NULL;
}

static int begin(struct keys *keys, struct sealed *sealed, struct unsealing **ret, struct error *err)
{
	if (!keys->has_root)
		return error_set(err, EAGAIN, "this node's TPM is not ready yet: see `holdfast-tpm status` on the node");
	uint8_t *place = find_place(keys);
	if (!place)
		return error_set(err, EAGAIN, "the TPM has %d secrets to unseal already", KEYS_MAX);
	struct unsealing *unsealing = calloc(1, sizeof(*unsealing));
	if (!unsealing)
		return error_nomem(err);
	*unsealing = (struct unsealing){
		.job = { .run = run, .done = done },
		.keys = keys,
		.sealed = sealed_ref(sealed),
		.imported = sealed->imported,
		.what = { keys->root, sealed->recipient->release, sealed->recipient->n_release, &sealed->recipient->wrap,
			  keys->options.signatures, &unsealing->imported },
		.key = place,
		.began_ms = uv_now(keys->loop),
		.running = true,
	};
	keys->places[(size_t)(place - keys->page.p) / WRAP_KEY_SIZE] = unsealing;
	int r = tpm_worker_submit(keys->options.worker, &unsealing->job, err);
	if (r < 0)
		wipe(unsealing);
	else
		*ret = unsealing;
	return r;
}

void keys_get(struct keys *keys, struct sealed *sealed, struct key_wait *wait)
{
	struct unsealing *unsealing = find(keys, sealed);
	struct error err;

	wait->unsealing = NULL;
	if (unsealing && !unsealing->running) {
		wait->got(wait, 0, unsealing->key, NULL);
		return;
	}
	int r = unsealing ? 0 : begin(keys, sealed, &unsealing, &err);
	if (r < 0) {
		wait->got(wait, r, NULL, &err);
		return;
	}
	wait->unsealing = unsealing;
	wait->next = unsealing->waits;
	unsealing->waits = wait;
}

void keys_cancel(struct key_wait *wait)
{
	struct key_wait **at;

	if (!wait->unsealing)
		return;
	for (at = &wait->unsealing->waits; *at != wait; at = &(*at)->next)
		;
	*at = wait->next;
	wait->unsealing = NULL;
}

size_t keys_held(const struct keys *keys)
{
	size_t n = 0;

	for (size_t i = 0; i < KEYS_MAX; i++)
		n += keys->places[i] && !keys->places[i]->running;
	return n;
}

void keys_set_root(struct keys *keys, const struct tpm2_name *root)
{
	keys->root = *root;
	keys->has_root = true;
}

int keys_new(uv_loop_t *loop, const struct keys_options *options, struct keys **ret, struct error *err)
{
	struct keys *keys = calloc(1, sizeof(*keys));

	if (!keys)
		return error_nomem(err);
	*keys = (struct keys){ .loop = loop, .options = *options };
	keys->timer = malloc(sizeof(*keys->timer));
	int r = keys->timer ? secret_make(PAGE_BYTES, &keys->page, err) : error_nomem(err);
	if (r < 0) {
		free(keys->timer);
		free(keys);
		return r;
	}
	uv_timer_init(loop, keys->timer);
	keys->timer->data = keys;
	*ret = keys;
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	free(handle);
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	keys_forget(keys);
	uv_close((uv_handle_t *)keys->timer, timer_closed);
	secret_free(&keys->page);
	free(keys);
}
