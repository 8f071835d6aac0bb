// SPDX-License-Identifier: Apache-2.0
/*
 * The journal is written before the first change and removed after the last, and each step in between can be done again. So there is one
 * way through, which a call after a power cut takes too: what is already so is not done again, and what was before the journal says.
 */
#include "deploy/install/containerd/life.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/daemon/lock.h"
#include "deploy/install/containerd/apply.h"
#include "deploy/install/containerd/life_internal.h"
#include "deploy/install/containerd/restart.h"

#define LOCK_FOLDER "containerd"
#define RESTART_MS 30000 /* what the command that restarts it gets at least */

static void __attribute__((format(printf, 3, 4))) say(struct life *life, enum containerd_state state, const char *format, ...)
{
	va_list arguments;

	life->out->state = state;
	va_start(arguments, format);
	vsnprintf(life->out->message, sizeof(life->out->message), format, arguments);
	va_end(arguments);
}

static void say_done(struct life *life)
{
	if (life->answers)
		say(life, CONTAINERD_DONE, life->install ? "containerd has Holdfast's handlers" : "containerd has nothing of Holdfast");
	else
		say(life, CONTAINERD_DONE, "containerd does not run; its files are as they should be");
}

static int write_phase(struct life *life, enum containerd_phase phase, struct error *err)
{
	life->journal.phase = phase;
	return containerd_journal_write(life->state, &life->journal, err);
}

/* From here on containerd has to read it: the run that is there now has not. */
static int write_unread(struct life *life, enum containerd_phase phase, struct error *err)
{
	containerd_run(life->socket, life->journal.run, sizeof(life->journal.run));
	return write_phase(life, phase, err);
}

static int finish(struct life *life, struct error *err)
{
	containerd_journal_tidy(life->target->root, &life->journal);
	int r = containerd_journal_remove(life->state, err);
	r = r < 0 ? r : containerd_refusal_remove(life->state, err);
	if (r < 0)
		return r;
	say_done(life);
	return 0;
}

/*
 * 0: another run of containerd answers. ENOTSUP: it was left alone, and if it ran it still does. All else: it does not run.
 */
static int restart(struct life *life, struct error *err)
{
	struct error failed = { 0 };

	if (!life->target->may_restart && life->layout.services[0])
		return error_set(err, ENOTSUP, "it may not be restarted here");
	uint64_t time = life->patience_ms > RESTART_MS ? life->patience_ms : RESTART_MS;
	int r = containerd_restart(life->target->root, &life->layout, life->target->restart_command, time, &failed);
	int answer = r == -ENOTSUP ? r : life_wait(life, true, r < 0 ? life->settle_ms : life->patience_ms, err);
	life->out->restarted |= life_is_another_run(life);
	if (answer < 0 && r < 0)
		*err = failed;
	/* The old one answers: the command did nothing. */
	return answer < 0 && r < 0 && life->answers ? -ENOTSUP : answer;
}

/* ── The way back ── */

static int restore_files(struct life *life, bool *ret_changed, struct error *err)
{
	_cleanup_(containerd_plan_clear) struct containerd_plan plan = { 0 };

	int r = containerd_journal_plan(life->target->root, &life->journal, &plan, err);
	*ret_changed = plan.n > 0;
	return r < 0 ? r : containerd_plan_apply(life->target->root, &plan, err);
}

/* What containerd lacks with its files of before too, it has not lost by us: then the change may be tried again. */
static int conclude_back(struct life *life, struct error *err)
{
	struct error lost;
	int r = 0;

	containerd_journal_tidy(life->target->root, &life->journal);
	if (life_check_kept(life, &lost) == 0)
		r = containerd_refusal_write(life->state, life->journal.digest, life->journal.why, err);
	r = r < 0 ? r : containerd_journal_remove(life->state, err);
	if (r < 0)
		return r;
	say(life, CONTAINERD_PUT_BACK, "containerd has its former configuration back: with Holdfast's change, %s; see its log",
	    life->journal.why);
	return error_set(err, ECANCELED, "%s", life->out->message);
}

static int explain_stuck(struct life *life, int code, const struct error *why, struct error *err)
{
	if (code == -ENOTSUP && life->answers) {
		say(life, CONTAINERD_UNREAD, "containerd must read its former configuration, put back since %s: %s (%s)", life->journal.why,
		    life->layout.restart, why->message);
		return error_set(err, ECANCELED, "%s", life->out->message);
	}
	say(life, CONTAINERD_BROKEN, "containerd does not run. With Holdfast's change: %s. With its files of before, now back: %s. %s",
	    life->journal.why, why->message, life->layout.restart);
	return error_set(err, code == -ETIMEDOUT ? ETIMEDOUT : EIO, "%s", life->out->message);
}

/* `why`: what is wrong with the change. Never returns 0. */
static int put_back(struct life *life, const char *why, struct error *err)
{
	struct error stuck = { 0 };
	bool changed = false;
	int r = 0;

	if (life->journal.phase != CONTAINERD_BACK) {
		snprintf(life->journal.why, sizeof(life->journal.why), "%s", why);
		r = write_phase(life, CONTAINERD_BACK, err);
	}
	r = r < 0 ? r : restore_files(life, &changed, err);
	if (r == 0 && changed)
		r = write_unread(life, CONTAINERD_BACK, err);
	if (r < 0)
		return error_wrap(err, "containerd's files are to be put back, since with Holdfast's change, %s", life->journal.why);
	if (changed || !life->answers || !life_is_another_run(life))
		r = restart(life, &stuck);
	return r < 0 ? explain_stuck(life, r, &stuck, err) : conclude_back(life, err);
}

/* containerd has read nothing of it yet. */
static int undo_files(struct life *life, struct error *err)
{
	struct error ignored;
	bool changed = false;

	containerd_journal_tidy(life->target->root, &life->journal);
	if (restore_files(life, &changed, &ignored) == 0 && containerd_journal_remove(life->state, &ignored) == 0)
		say(life, CONTAINERD_UNWRITTEN, "containerd's files are as they were: %s", err->message);
	return -err->code;
}

/* ── The way there ── */

/* What `plan` will change, as it is now, or as it would be after `clean`. */
static int add_files(struct life *life, const struct containerd_plan *plan, bool clean, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		const struct containerd_change *change = &plan->changes[i];
		const struct containerd_file *now = containerd_site_file(&life->site, change->path);

		r = containerd_journal_add(&life->journal, change->path, clean ? change->text : now ? now->text : NULL, err);
	}
	return r;
}

/* containerd has not read what stands there already: what was before can only be told by taking our lines out. */
static int add_clean_files(struct life *life, struct error *err)
{
	_cleanup_(containerd_plan_clear) struct containerd_plan clean = { 0 };
	int r = containerd_plan_make(&life->site, NULL, &clean, err);

	return r < 0 ? r : add_files(life, &clean, true, err);
}

/* Of a journal that there is already the handlers and files count that it has: they are from before the first change. */
static int open_journal(struct life *life, struct error *err)
{
	int r = 0;

	if (life->journal.phase == CONTAINERD_NO_JOURNAL) {
		life->journal.handlers = cJSON_Duplicate(life->runtime.handlers, true);
		life->journal.files = cJSON_CreateArray();
		if (!life->journal.files || !life->journal.handlers != !life->runtime.handlers)
			return error_nomem(err);
		if (life->plan.n == 0)
			r = add_clean_files(life, err);
	}
	memcpy(life->journal.digest, life->digest, sizeof(life->digest));
	r = r < 0 ? r : add_files(life, &life->plan, false, err);
	return r < 0 ? r : write_phase(life, CONTAINERD_OPEN, err);
}

static int write_files(struct life *life, struct error *err)
{
	int r = open_journal(life, err);

	if (r < 0)
		return r;
	r = containerd_plan_apply(life->target->root, &life->plan, err);
	if (r < 0)
		return undo_files(life, err);
	life->out->wrote |= life->plan.n > 0;
	return write_unread(life, CONTAINERD_WRITTEN, err);
}

static int bring_up(struct life *life, struct error *err)
{
	struct error why = { 0 };
	int r = 0;

	if (!life->answers)
		return finish(life, err);
	if (!life_is_another_run(life))
		r = restart(life, &why);
	if (r == -ENOTSUP) {
		say(life, CONTAINERD_UNREAD, "containerd must read what is written: %s (%s)", life->layout.restart, why.message);
		return 0;
	}
	r = r < 0 ? r : life_judge(life, &why);
	return r < 0 ? put_back(life, why.message, err) : finish(life, err);
}

static int check_refused(struct life *life, struct error *err)
{
	char why[ERROR_MESSAGE_MAX];

	containerd_refusal_read(life->state, life->digest, why);
	if (!*why)
		return 0;
	say(life, CONTAINERD_PUT_BACK,
	    "it was tried and put back, since with Holdfast's change, %s; it is tried again when Holdfast, containerd or its configuration "
	    "has changed, or without the file %s/" CONTAINERD_REFUSAL,
	    why, life->target->state_dir);
	return error_set(err, ECANCELED, "%s", life->out->message);
}

/* Whether the change is to be made and may be. `ret_is_so`: there is nothing to do. */
static int decide(struct life *life, bool *ret_is_so, struct error *err)
{
	int r = life_plan(life, err);

	*ret_is_so = r == 0 && life->plan.n == 0 && life->journal.phase == CONTAINERD_NO_JOURNAL && life_knows_enough(life);
	if (r == 0 && !*ret_is_so && life->journal.phase == CONTAINERD_NO_JOURNAL)
		r = check_refused(life, err);
	if (r < 0 && life->out->state == CONTAINERD_UNKNOWN)
		say(life, CONTAINERD_UNWRITTEN, "%s", err->message);
	return r;
}

static int change(struct life *life, struct error *err)
{
	enum containerd_phase phase = life->journal.phase;
	bool is_so = false;

	if (phase == CONTAINERD_BACK || (phase != CONTAINERD_NO_JOURNAL && !life->answers))
		return put_back(life, life->why_silent, err);
	int r = decide(life, &is_so, err);
	if (r < 0 || is_so)
		return r < 0 ? r : finish(life, err);
	if (life->plan.n > 0 || phase != CONTAINERD_WRITTEN)
		r = write_files(life, err);
	return r < 0 ? r : bring_up(life, err);
}

/* ── The calls ── */

static int begin(struct life *life, struct error *err)
{
	const struct containerd_target *target = life->target;

	*life->out = (struct containerd_outcome){ 0 };
	life->patience_ms = target->patience_ms ? target->patience_ms : CONTAINERD_PATIENCE_MS;
	life->settle_ms = life->patience_ms / 40;
	return containerd_host_path(target->root, target->state_dir, life->state, err);
}

static int lock(struct life *life, int *ret_fd, struct error *err)
{
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s/" LOCK_FOLDER, life->state) >= (int)sizeof(folder))
		return error_set(err, ENAMETOOLONG, "\"%s\" is too long for a path", life->state);
	return daemon_lock(folder, ret_fd, err);
}

static int run(const struct containerd_target *target, bool install, struct containerd_outcome *ret, struct error *err)
{
	_cleanup_(life_clear) struct life life = { .target = target, .out = ret, .install = install };
	_cleanup_close_ int held = -1;

	int r = begin(&life, err);
	r = r < 0 ? r : lock(&life, &held, err);
	r = r < 0 ? r : life_look(&life, err);
	r = r < 0 ? r : change(&life, err);
	if (r < 0 && !*ret->message)
		snprintf(ret->message, sizeof(ret->message), "%s", err->message);
	return r;
}

int containerd_install(const struct containerd_target *target, struct containerd_outcome *ret, struct error *err)
{
	return run(target, true, ret, err);
}

int containerd_uninstall(const struct containerd_target *target, struct containerd_outcome *ret, struct error *err)
{
	return run(target, false, ret, err);
}

static void tell(struct life *life, bool is_so)
{
	const char *cure = life->layout.restart;

	if (life->journal.phase == CONTAINERD_BACK)
		say(life, CONTAINERD_UNREAD, "containerd is about to get its former configuration back: with Holdfast's change, %s",
		    life->journal.why);
	else if (life->plan.n > 0)
		say(life, CONTAINERD_UNWRITTEN, "%s is to be written", life->plan.changes[0].path);
	else if (!is_so)
		say(life, CONTAINERD_UNREAD, "containerd must read what is written: %s", cure);
	else
		say_done(life);
}

int containerd_check(const struct containerd_target *target, struct containerd_outcome *ret, struct error *err)
{
	_cleanup_(life_clear) struct life life = { .target = target, .out = ret, .install = true };
	bool is_so = false;

	int r = begin(&life, err);
	r = r < 0 ? r : life_look(&life, err);
	r = r < 0 ? r : decide(&life, &is_so, err);
	if (r == -ECANCELED)
		return 0;
	if (r == 0)
		tell(&life, is_so);
	else if (!*ret->message)
		snprintf(ret->message, sizeof(ret->message), "%s", err->message);
	return r;
}
