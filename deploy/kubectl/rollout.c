// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/rollout.h"

#include <errno.h>
#include <time.h>

#include "common/json/json.h"

#define POLLS 20 /* within the patience, but not more often or seldom than */
#define POLL_MIN_MS 100
#define POLL_MAX_MS 2000

static const struct json_limits limits = { .bytes = 1024 * 1024, .depth = 64, .values = 100 * 1000 };

static int64_t number_at(const cJSON *tree, const char *object, const char *key)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tree, object), key);

	return cJSON_IsNumber(member) ? (int64_t)member->valuedouble : 0;
}

static int take_answer(const struct kubectl *kubectl, const struct child *child, struct rollout *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = kubectl_check(kubectl, child, false, err);
	r = r < 0 ? r : json_parse(buf_view(&child->out), &limits, &tree, err);
	if (r < 0)
		return error_wrap(err, "cannot read the DaemonSet " ROLLOUT_DAEMONSET " in namespace %.63s", kubectl->holdfast);
	*ret = (struct rollout){
		.generation = number_at(tree, "metadata", "generation"),
		.observed = number_at(tree, "status", "observedGeneration"),
		.wanted = number_at(tree, "status", "desiredNumberScheduled"),
		.updated = number_at(tree, "status", "updatedNumberScheduled"),
		.available = number_at(tree, "status", "numberAvailable"),
	};
	return 0;
}

int rollout_read(const struct kubectl *kubectl, struct rollout *ret, struct error *err)
{
	const char *const what[] = { "daemonset", ROLLOUT_DAEMONSET, "-n", kubectl->holdfast, NULL };
	struct child child = CHILD(KUBECTL_OUTPUT_MAX);

	kubectl_begin_get(kubectl, &child.words, what);
	int r = children_run(&child, 1, kubectl->timeout_ms, err);
	r = r < 0 ? r : take_answer(kubectl, &child, ret, err);
	child_clear(&child);
	return r;
}

bool rollout_is_done(const struct rollout *rollout)
{
	return rollout->observed >= rollout->generation && rollout->updated == rollout->wanted && rollout->available == rollout->wanted;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_within(uint64_t patience_ms)
{
	uint64_t ms = patience_ms / POLLS;

	ms = ms < POLL_MIN_MS ? POLL_MIN_MS : ms > POLL_MAX_MS ? POLL_MAX_MS : ms;
	nanosleep(&(struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 }, NULL);
}

int rollout_wait(const struct kubectl *kubectl, uint64_t patience_ms, void (*on_node)(const struct rollout *rollout),
		 struct rollout *ret, struct error *err)
{
	uint64_t since = now_ms();
	int64_t most = 0;

	for (;;) {
		bool answered = rollout_read(kubectl, ret, err) == 0, current = answered && ret->observed >= ret->generation;

		if (answered && rollout_is_done(ret))
			return 0;
		if (current && ret->updated > most) {
			most = ret->updated;
			since = now_ms();
			on_node(ret);
		}
		if (now_ms() - since > patience_ms)
			return answered ? error_set(err, ETIMEDOUT, "%lld of %lld nodes have it, and no further one within %llu s (--patience)",
						    (long long)(ret->updated < ret->available ? ret->updated : ret->available),
						    (long long)ret->wanted, (unsigned long long)patience_ms / 1000)
					: error_wrap(err, "the cluster does not answer any more");
		pause_within(patience_ms);
	}
}
