// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/array.h"
#include "common/base/sha256.h"
#include "common/json/json.h"
#include "deploy/install/containerd/apply.h"
#include "deploy/install/containerd/life_internal.h"

#define ANSWER_MS 2000 /* how long one question may take */
#define POLL_MS 100    /* between two questions */

static const char *const ours[] = { CONTAINERD_HANDLER_VM, CONTAINERD_HANDLER_UNTRUSTED, CONTAINERD_HANDLER_DEFAULT };

void life_clear(struct life *life)
{
	cri_runtime_clear(&life->runtime);
	containerd_wished_clear(&life->wished);
	containerd_plan_clear(&life->plan);
	containerd_site_clear(&life->site);
	containerd_journal_clear(&life->journal);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}


static int ask(struct life *life, struct error *err)
{
	struct cri_runtime runtime;

	int r = cri_ask(life->socket, ANSWER_MS, &runtime, err);
	life->answers = r == 0;
	if (r < 0)
		return r;
	cri_runtime_clear(&life->runtime);
	life->runtime = runtime;
	snprintf(life->out->version, sizeof(life->out->version), "%s", runtime.version);
	return 0;
}

bool life_is_another_run(const struct life *life)
{
	char run[CONTAINERD_RUN_MAX];

	containerd_run(life->socket, run, sizeof(run));
	return *run && strcmp(run, life->journal.run) != 0;
}

/* Until it answers, and with `another` until that is a containerd that was started after the files were written. */
int life_wait(struct life *life, bool another, uint64_t patience_ms, struct error *err)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t end = now_ms() + patience_ms;

	for (;;) {
		bool started = !another || life_is_another_run(life);
		int r = ask(life, err);

		if ((r == 0 && started) || (r < 0 && r != -ECONNREFUSED && r != -ENOENT && r != -EAGAIN && r != -ENOTSUP))
			return r;
		if (now_ms() >= end)
			return r < 0 ? r : error_set(err, ETIMEDOUT, "it was not started anew");
		nanosleep(&pause, NULL);
	}
}

static int read_site(struct life *life, struct error *err)
{
	const struct containerd_target *target = life->target;
	const struct containerd_layout *layout = target->layout ? containerd_layout_named(target->layout) : NULL;
	/* Without one that runs: only the socket's place is asked for yet. */
	const char *version = target->version ? target->version : life->answers ? life->runtime.version : "2.0.0";

	if (target->layout && !layout)
		return error_set(err, EINVAL, "there is no layout \"%s\" of a node", target->layout);
	containerd_site_clear(&life->site);
	return containerd_site_read(target->root, layout, target->config, version, &life->layout, &life->site, err);
}

/* A containerd that is about to start is waited for; one that does not run has only its files. */
static int look_at_containerd(struct life *life, struct error *err)
{
	struct error silent;

	int r = containerd_socket(life->target->root, &life->site, life->socket, err);
	if (r < 0)
		return r;
	bool pending = life->journal.phase != CONTAINERD_NO_JOURNAL;
	r = life_wait(life, false, life->settle_ms, &silent);
	snprintf(life->why_silent, sizeof(life->why_silent), "%s", life->answers ? "" : silent.message);
	if (r == 0 || pending || life->target->version)
		return 0;
	*err = silent;
	return r;
}

int life_plan(struct life *life, struct error *err)
{
	containerd_plan_clear(&life->plan);
	return containerd_plan_make(&life->site, life->install ? &life->wished.wish : NULL, &life->plan, err);
}

static void add_text(struct sha256 *sha, const char *text)
{
	sha256_add(sha, slice_from(text, strlen(text) + 1));
}

/* Of all that decides whether it will go well: us, containerd, what is wished for and what others have written. */
static void make_digest(struct life *life)
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;

	sha256_begin(&sha);
	add_text(&sha, life->install ? HOLDFAST_VERSION : "");
	add_text(&sha, life->runtime.version);
	for (const char *const *annotation = life->wished.annotations; life->install && *annotation; annotation++)
		add_text(&sha, *annotation);
	add_text(&sha, life->install && life->target->default_runtime ? "default" : "");
	for (size_t i = 0; i < life->site.files.n; i++)
		add_text(&sha, life->site.files.items[i].others);
	sha256_end(&sha, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(life->digest + 2 * i, 3, "%02x", digest[i]);
}

int life_look(struct life *life, struct error *err)
{
	const struct containerd_target *target = life->target;
	const char *settings = target->settings ? target->settings : CONFIG_DEFAULT_PATH;
	const char *shims = target->shims ? target->shims : CONTAINERD_SHIMS_DEFAULT;

	int r = containerd_host_path(target->root, target->state_dir, life->state, err);
	r = r < 0 ? r : containerd_journal_read(life->state, &life->journal, err);
	r = r < 0 ? r : read_site(life, err);
	r = r < 0 ? r : look_at_containerd(life, err);
	r = r < 0 ? r : read_site(life, err);
	if (r == 0 && life->install)
		r = containerd_wish_load(target->root, settings, shims, target->default_runtime, &life->wished, err);
	if (r < 0)
		return r;
	snprintf(life->out->layout, sizeof(life->out->layout), "%s", life->layout.name);
	make_digest(life);
	return 0;
}

/* ── Whether it is as it should be ── */

static bool is_ours(const char *handler)
{
	for (size_t i = 0; i < ELEMENTS_OF(ours); i++) {
		if (strcmp(ours[i], handler) == 0)
			return true;
	}
	return false;
}

/* The first of our handlers that is wished for and not there; NULL: none. */
static const char *lacking(const struct life *life)
{
	if (!life->install)
		return NULL;
	for (size_t i = 0; i < ELEMENTS_OF(ours); i++) {
		bool wished = life->target->default_runtime || strcmp(ours[i], CONTAINERD_HANDLER_DEFAULT) != 0;

		if (wished && !cri_has_handler(life->runtime.handlers, ours[i]))
			return ours[i];
	}
	return NULL;
}

static bool has_any_of_ours(const struct life *life)
{
	for (size_t i = 0; i < ELEMENTS_OF(ours); i++) {
		if (cri_has_handler(life->runtime.handlers, ours[i]))
			return true;
	}
	return false;
}

int life_check_kept(const struct life *life, struct error *err)
{
	const cJSON *handler;

	cJSON_ArrayForEach(handler, life->journal.handlers)
	{
		if (!is_ours(handler->valuestring) && !cri_has_handler(life->runtime.handlers, handler->valuestring))
			return error_set(err, ECANCELED, "it has lost the handler %s", handler->valuestring);
	}
	return 0;
}

int life_judge(const struct life *life, struct error *err)
{
	const char *handler = lacking(life);

	int r = life_check_kept(life, err);
	if (r == 0 && handler)
		r = error_set(err, ECANCELED, "it does not know the handler %s: is %s what it reads?", handler, life->layout.config);
	if (r == 0 && !life->install && has_any_of_ours(life))
		r = error_set(err, ECANCELED, "it still has Holdfast's handlers: is %s what it reads?", life->layout.config);
	return r;
}

bool life_knows_enough(const struct life *life)
{
	return !life->answers || (life->install ? !lacking(life) : !has_any_of_ours(life));
}

