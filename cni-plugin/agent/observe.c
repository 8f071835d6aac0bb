// SPDX-License-Identifier: Apache-2.0
/*
 * A pair is kept by the names that its ends had when it was seen: an address may be another pod's a minute later. The table is in the order
 * of the last sight (uthash keeps the order of insertion, and what is seen again is inserted again), so the oldest is always the first.
 */
#include "cni-plugin/agent/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/live.h"
#include "cni-plugin/policy/survey.h"
#include "common/base/log.h"
#include "common/kube/hash.h"

struct pair {
	uint64_t seen_ms;
	bool refused; /* the hash table had no memory for it */
	UT_hash_handle hh;
	struct pair_names {
		uint16_t from, to_namespace, to; /* where they begin in `key` */
	} names;
	size_t key_size;
	char key[]; /* protocol, port, then four names, each with its NUL */
};

struct observer {
	struct agent *agent;
	uv_timer_t timer;
	struct live *live; /* NULL between two looks */
	struct pair *pairs;
	bool failing; /* and it was said */
};

#define KEY_MAX (3 + 2 * (64 + SURVEY_WORKLOAD_MAX))

/* "" and "" for an end outside. */
static size_t put_names(char *key, size_t at, const struct kube_object *pod, uint16_t *ret_name)
{
	char workload[SURVEY_WORKLOAD_MAX] = "";

	if (pod)
		survey_workload(pod, workload);
	at += (size_t)snprintf(key + at, 64, "%s", pod ? pod->namespace : "") + 1;
	*ret_name = (uint16_t)at;
	return at + (size_t)snprintf(key + at, SURVEY_WORKLOAD_MAX, "%s", workload) + 1;
}

static void forget(struct observer *observer, struct pair *pair)
{
	HASH_DELETE(hh, observer->pairs, pair);
	free(pair);
}

static void forget_oldest(struct observer *observer, uint64_t now_ms)
{
	struct pair *pair, *next;

	HASH_ITER(hh, observer->pairs, pair, next) {
		if (now_ms - pair->seen_ms < OBSERVE_MEMORY_MS && HASH_COUNT(observer->pairs) < OBSERVE_PAIRS_MAX)
			return;
		forget(observer, pair);
	}
}

/* Without memory the pair is not remembered, and nothing else suffers. */
static void remember(struct observer *observer, const char *key, size_t n, const struct pair_names *names)
{
	uint64_t now_ms = uv_now(&observer->agent->loop);
	struct pair *pair;

	HASH_FIND(hh, observer->pairs, key, n, pair);
	if (pair) {
		HASH_DELETE(hh, observer->pairs, pair);
	} else {
		forget_oldest(observer, now_ms);
		pair = calloc(1, sizeof(*pair) + n);
		if (!pair)
			return;
		memcpy(pair->key, key, n);
		pair->key_size = n;
		pair->names = *names;
	}
	pair->seen_ms = now_ms;
	pair->refused = false;
	HASH_ADD(hh, observer->pairs, key, (unsigned)n, pair);
	if (pair->refused)
		free(pair);
}

static void look_at(void *context, const struct conntrack_entry *entry)
{
	struct observer *observer = context;
	const struct agent *agent = observer->agent;
	const struct policy_engine *engine = enforcer_engine(agent->enforcer);
	const struct policy_flow flow = live_flow(entry);
	struct pair_names names;
	char key[KEY_MAX];

	if (!engine || (flow.protocol != KUBE_PROTOCOL_TCP && flow.protocol != KUBE_PROTOCOL_UDP && flow.protocol != KUBE_PROTOCOL_SCTP) ||
	    live_is_own_node(agent->store, agent->settings.node_name, &flow.source))
		return;
	const struct policy_end from = policy_end_of(engine, &flow.source), to = policy_end_of(engine, &flow.destination);
	if (!policy_end_pod(&from) && !policy_end_pod(&to))
		return;
	key[0] = (char)flow.protocol;
	memcpy(key + 1, &flow.port, sizeof(flow.port));
	names.to_namespace = (uint16_t)put_names(key, 3, policy_end_pod(&from), &names.from);
	size_t n = put_names(key, names.to_namespace, policy_end_pod(&to), &names.to);
	remember(observer, key, n, &names);
}

static void on_read(void *context, const struct error *problem)
{
	struct observer *observer = context;

	observer->live = NULL;
	if (problem && !observer->failing)
		log_warn("cannot look at the tracked connections: graph shows less than there was", "error", problem->message);
	observer->failing = problem != NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct observer *observer = timer->data;
	const struct live_handler handler = { look_at, on_read, observer };
	struct error err;

	if (observer->live || !enforcer_is_live(observer->agent->enforcer))
		return;
	if (live_start(&observer->agent->loop, &handler, &observer->live, &err) < 0)
		on_read(observer, &err);
}

int observe_start(struct agent *agent, struct error *err)
{
	uint64_t interval = agent->settings.observe_ms;
	struct observer *observer;

	if (interval == 0)
		return 0;
	observer = calloc(1, sizeof(*observer));
	if (!observer)
		return error_nomem(err);
	observer->agent = agent;
	uv_timer_init(&agent->loop, &observer->timer);
	observer->timer.data = observer;
	uv_timer_start(&observer->timer, on_timer, interval, interval);
	agent->observer = observer;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void observe_stop(struct agent *agent)
{
	struct observer *observer = TAKE_PTR(agent->observer);
	struct pair *pair, *next;

	if (!observer)
		return;
	live_stop(observer->live);
	HASH_ITER(hh, observer->pairs, pair, next)
		forget(observer, pair);
	uv_close((uv_handle_t *)&observer->timer, on_closed);
}

void observe_each(const struct agent *agent, void (*visit)(void *context, const struct observed_pair *pair), void *context)
{
	uint64_t now_ms = uv_now(&agent->loop);
	const struct pair *pair, *next;

	if (!agent->observer)
		return;
	HASH_ITER(hh, agent->observer->pairs, pair, next) {
		struct observed_pair view = {
			.protocol = (uint8_t)pair->key[0],
			.from_namespace = pair->key + 3,
			.from = pair->key + pair->names.from,
			.to_namespace = pair->key + pair->names.to_namespace,
			.to = pair->key + pair->names.to,
		};

		memcpy(&view.port, pair->key + 1, sizeof(view.port));
		if (now_ms - pair->seen_ms < OBSERVE_MEMORY_MS)
			visit(context, &view);
	}
}
