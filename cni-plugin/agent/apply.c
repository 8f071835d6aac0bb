// SPDX-License-Identifier: Apache-2.0
/*
 * When the model goes to the kernel: requests apply at once, since somebody waits; changes of objects are collected until the turn of
 * the loop ends, so that a burst is one transaction. A refused transaction is tried again by itself, from 1 s to 30 s.
 */
#include <errno.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/verbs.h"
#include "common/base/log.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 30000

void agent_stop_if_lost(struct agent *agent)
{
	if (!enforcer_is_lost(agent->enforcer) || agent->exit_code)
		return;
	log_error("the model is incomplete: the agent ends, the kernel keeps the last rules");
	agent->exit_code = 1;
	uv_stop(&agent->loop);
}

static void on_retry(uv_timer_t *timer)
{
	agent_apply_or_log(timer->data);
}

static void schedule_retry(struct agent *agent)
{
	if (uv_is_active((uv_handle_t *)&agent->retry))
		return;
	agent->retry_ms = agent->retry_ms ? agent->retry_ms * 2 : RETRY_FIRST_MS;
	if (agent->retry_ms > RETRY_MAX_MS)
		agent->retry_ms = RETRY_MAX_MS;
	uv_timer_start(&agent->retry, on_retry, agent->retry_ms, 0);
}

/* Once per change: a kernel that refuses for an hour is one line, and one more when it is over. */
static void report(struct agent *agent, bool was_in_force, int r, const struct error *err)
{
	if (r < 0 && was_in_force)
		log_error("cannot apply the rules: the kernel keeps the last ones, new pods are refused", "error", err->message);
	else if (r == 0 && !was_in_force)
		log_info("rules are in force");
}

int agent_apply(struct agent *agent, struct error *err)
{
	const struct enforcer_stats *stats = enforcer_statistics(agent->enforcer);
	bool was_in_force = stats->in_force || !*stats->last_error;
	uint64_t before = stats->transactions;

	agent->dirty = false;
	uv_idle_stop(&agent->no_sleep);
	int r = enforcer_is_lost(agent->enforcer) ? error_nomem(err) : enforcer_apply(agent->enforcer, err);
	report(agent, was_in_force, r, err);
	if (r < 0) {
		schedule_retry(agent);
	} else {
		uv_timer_stop(&agent->retry);
		agent->retry_ms = 0;
	}
	if (stats->transactions != before)
		log_debug("applied", "messages", LOG_NUMBER(stats->last_messages), "us", LOG_NUMBER(stats->last_us));
	agent_stop_if_lost(agent);
	add_recheck(agent);
	tell_refusals(agent);
	return r;
}

void agent_apply_or_log(struct agent *agent)
{
	struct error err;

	if (agent_apply(agent, &err) < 0)
		log_debug("rules are not in force", "error", err.message);
}

static void on_turn_end(uv_check_t *check)
{
	struct agent *agent = check->data;

	if (agent->dirty)
		agent_apply_or_log(agent);
}

static void on_no_sleep(uv_idle_t *idle)
{
}

void agent_mark_dirty(struct agent *agent)
{
	if (agent->dirty)
		return;
	agent->dirty = true;
	uv_idle_start(&agent->no_sleep, on_no_sleep);
}

void apply_prepare(struct agent *agent)
{
	uv_check_init(&agent->loop, &agent->turn_end);
	uv_idle_init(&agent->loop, &agent->no_sleep);
	uv_timer_init(&agent->loop, &agent->retry);
	agent->turn_end.data = agent->no_sleep.data = agent->retry.data = agent;
	uv_check_start(&agent->turn_end, on_turn_end);
}
