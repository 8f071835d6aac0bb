// SPDX-License-Identifier: Apache-2.0
/*
 * What a rule of a policy has let through, by named counters: a change of the policy rewrites its chain, and the counters of the rules that
 * stay go on. A rule is known by its place in its list, as everywhere.
 */
#include "cni-plugin/policy/engine_internal.h"

int policy_counters_add(struct policy_engine *engine, struct policy_use *use, size_t n, struct error *err)
{
	struct chain_name name;

	for (; use->n_counters < n; use->n_counters++) {
		policy_counter_name(use->chain, use->n_counters, &name);
		int r = ruleset_counter_add(engine->ruleset, name.text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void policy_counters_trim(struct policy_engine *engine, struct policy_use *use, size_t n)
{
	struct chain_name name;

	while (use->n_counters > n) {
		policy_counter_name(use->chain, --use->n_counters, &name);
		ruleset_counter_remove(engine->ruleset, name.text);
	}
}

static int visit_side(const struct policy_engine *engine, const struct policy *policy, enum policy_side side, policy_counter_visit *visit,
		      void *context)
{
	const struct policy_use *use = &policy->sides[side];
	struct policy_counter found = { .policy = policy->object, .direction = policy_side_names[side] };
	struct chain_name name;
	int r = 0;

	for (; found.rule < use->n_counters && r == 0; found.rule++) {
		policy_counter_name(use->chain, found.rule, &name);
		found.counter = ruleset_counter_find(engine->ruleset, name.text);
		r = found.counter ? visit(context, &found) : 0;
	}
	return r;
}

int policy_engine_each_counter(const struct policy_engine *engine, policy_counter_visit *visit, void *context)
{
	int r = 0;

	for (size_t i = 0; i < engine->namespaces.n; i++) {
		const struct ns *ns = engine->namespaces.items[i];

		for (size_t j = 0; j < ns->policies.n * SIDES && r == 0; j++)
			r = visit_side(engine, ns->policies.items[j / SIDES], (enum policy_side)(j % SIDES), visit, context);
	}
	return r;
}
