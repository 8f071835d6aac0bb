// SPDX-License-Identifier: Apache-2.0
/*
 * Other processes' hands in our tables: the kernel tells of them, and what they did is put right at once. A table that somebody changes
 * again and again is repaired again and again, but not more often than every PAUSE_MAX_MS, so that a fight costs a part of one CPU
 * and a wrong rule never lives for a second. Changes of other tables cost the reading of the message.
 *
 *	notification ─► remembered ─► timer (at once, or when the pause is over) ─► audit: read, compare, repair, log
 *	lost ones    ─► timer with longer pauses ─────────────────────────────────► audit
 */
#include <errno.h>
#include <stdlib.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/listen.h"
#include "cni-plugin/nft/watch.h"
#include "common/base/log.h"

#define DATAGRAMS_MAX 256 /* of one turn of the loop */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 800
#define LOST_FIRST_MS 1000
#define LOST_MAX_MS 60000

/* Audits of one kind: the first is at once; while they follow each other, the pause between them doubles. */
struct pace {
	uv_timer_t timer;
	uint64_t first_ms, max_ms;
	uint64_t last_ms, pause_ms; /* the last audit; 0: none yet */
};

struct guard {
	struct agent *agent;
	struct nft_watch *watch;
	uv_poll_t poll;
	struct pace repair, lost;
	struct nft_meddling first; /* since the last audit */
	size_t n_transactions;
};

static void schedule(struct pace *pace, uv_timer_cb callback)
{
	uint64_t now = uv_now(pace->timer.loop);

	if (uv_is_active((uv_handle_t *)&pace->timer))
		return;
	uint64_t due = pace->pause_ms ? pace->last_ms + pace->pause_ms : now;
	uv_timer_start(&pace->timer, callback, due > now ? due - now : 0, 0);
}

static void slow_down(struct pace *pace)
{
	uint64_t now = uv_now(pace->timer.loop);
	bool again = pace->pause_ms && now - pace->last_ms < 2 * pace->max_ms;

	pace->pause_ms = again ? pace->pause_ms * 2 : pace->first_ms;
	if (pace->pause_ms > pace->max_ms)
		pace->pause_ms = pace->max_ms;
	pace->last_ms = now;
}

/* 1: something had been changed, and is repaired. */
static int audit(struct guard *guard, struct error *err)
{
	struct agent *agent = guard->agent;

	if (enforcer_is_lost(agent->enforcer))
		return 0;
	int r = enforcer_audit(agent->enforcer, err);
	if (r < 0)
		agent_apply_or_log(agent); /* says that the rules are not in force, and tries again */
	return r;
}

static void report(const struct guard *guard, int r)
{
	const struct nft_meddling *first = &guard->first;
	const char *message = r > 0    ? "another process changed our table; it is repaired"
			      : r == 0 ? "another process touched our table; what it has is right"
				       : "another process changed our table; it is not repaired yet";

	log_warn(message, "program", first->program, "pid", LOG_NUMBER(first->process), "change", first->first, "changes",
		 LOG_NUMBER(first->n_changes), "transactions", LOG_NUMBER(guard->n_transactions));
}

static void on_repair(uv_timer_t *timer)
{
	struct guard *guard = timer->data;
	struct error err;

	slow_down(&guard->repair);
	report(guard, audit(guard, &err));
	guard->first = (struct nft_meddling){};
	guard->n_transactions = 0;
}

static void on_lost(uv_timer_t *timer)
{
	struct guard *guard = timer->data;
	struct error err;

	slow_down(&guard->lost);
	if (audit(guard, &err) > 0)
		log_warn("another process changed our table, the kernel's notice of it was lost; it is repaired");
}

static void remember(struct guard *guard, const struct nft_meddling *meddling)
{
	if (guard->n_transactions++ == 0)
		guard->first = *meddling;
	schedule(&guard->repair, on_repair);
}

static void on_notifications(uv_poll_t *poll, int status, int events)
{
	struct guard *guard = poll->data;
	struct nft_meddling meddling;
	struct error err;

	listen_on(poll, status, on_notifications);
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		int r = nft_watch_receive(guard->watch, &meddling, &err);
		if (r == 0)
			return;
		if (r < 0)
			schedule(&guard->lost, on_lost);
		if (r < 0 && r != -ENOBUFS)
			return;
		if (meddling.n_changes > 0)
			remember(guard, &meddling);
	}
}

int guard_start(struct agent *agent, struct error *err)
{
	struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return error_nomem(err);
	*guard = (struct guard){
		.agent = agent,
		.repair = { .first_ms = PAUSE_FIRST_MS, .max_ms = PAUSE_MAX_MS },
		.lost = { .first_ms = LOST_FIRST_MS, .max_ms = LOST_MAX_MS },
	};
	agent->guard = guard;
	uv_timer_init(&agent->loop, &guard->repair.timer);
	uv_timer_init(&agent->loop, &guard->lost.timer);
	guard->repair.timer.data = guard->lost.timer.data = guard->poll.data = guard;
	int r = enforcer_watch(agent->enforcer, &guard->watch, err);
	if (r < 0)
		return r;
	r = uv_poll_init(&agent->loop, &guard->poll, nft_watch_fd(guard->watch));
	if (r == 0)
		r = uv_poll_start(&guard->poll, UV_READABLE, on_notifications);
	return r < 0 ? error_set(err, -r, "cannot listen for changes of nf_tables: %s", uv_strerror(r)) : 0;
}

void guard_free(struct agent *agent)
{
	if (!agent->guard)
		return;
	nft_watch_close(agent->guard->watch);
	free(agent->guard);
	agent->guard = NULL;
}
