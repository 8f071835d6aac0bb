// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

size_t policy_rules(const struct kube_object *policy, enum policy_side side, const struct kube_rule **ret)
{
	const struct kube_network_policy *spec = &policy->policy;

	*ret = side == EGRESS ? spec->egress : spec->ingress;
	return side == EGRESS ? spec->n_egress : spec->n_ingress;
}

size_t policy_rules_in_force(const struct policy *policy, enum policy_side side, const struct kube_rule **ret)
{
	return policy->refused ? 0 : policy_rules(policy->object, side, ret);
}

bool policy_isolates(const struct kube_object *policy, enum policy_side side, const struct kube_object *pod)
{
	const struct kube_network_policy *spec = &policy->policy;
	bool isolates = side == EGRESS ? spec->isolates_egress : spec->isolates_ingress;

	return isolates && kube_selector_matches(&spec->pod_selector, &pod->labels);
}

static bool is_used(const struct policy *policy)
{
	return policy->sides[EGRESS].users + policy->sides[INGRESS].users > 0;
}

static int first_use(struct policy_engine *engine, struct policy *policy, enum policy_side side, struct error *err)
{
	struct policy_use *use = &policy->sides[side];
	struct chain_name name;
	int r = policy_chain_name(side, policy->ns->name, policy->name, &name, err);

	if (r < 0)
		return r;
	use->chain = strdup(name.text);
	if (!use->chain)
		return error_nomem(err);
	return policy_compile(engine, policy, side, &use->references, err);
}

int policy_use(struct policy_engine *engine, struct policy *policy, enum policy_side side, struct error *err)
{
	if (!is_used(policy))
		budget_enter(engine, policy);
	int r = policy->sides[side].users > 0 ? 0 : first_use(engine, policy, side, err);
	if (r == 0)
		policy->sides[side].users++;
	return r;
}

void policy_unuse(struct policy_engine *engine, struct policy *policy, enum policy_side side)
{
	struct policy_use *use = &policy->sides[side];

	if (--use->users > 0)
		return;
	ruleset_chain_remove(engine->ruleset, use->chain);
	policy_counters_trim(engine, use, 0);
	references_release(engine, &use->references);
	free(use->chain);
	use->chain = NULL;
	if (!is_used(policy))
		budget_leave(engine, policy);
}

void policy_free(struct policy *policy)
{
	for (int side = EGRESS; side < SIDES; side++) {
		free(policy->sides[side].references.items);
		free(policy->sides[side].chain);
	}
	free(policy);
}

int policy_recompile(struct policy_engine *engine, struct policy *policy, struct error *err)
{
	for (int side = EGRESS; side < SIDES; side++) {
		struct policy_use *use = &policy->sides[side];
		struct references references;

		if (use->users == 0)
			continue;
		int r = policy_compile(engine, policy, side, &references, err);
		if (r < 0)
			return r;
		references_release(engine, &use->references);
		use->references = references;
	}
	return 0;
}

static bool isolation_turns(const struct kube_object *before, const struct kube_object *after, const struct kube_object *pod)
{
	for (int side = EGRESS; side < SIDES; side++)
		if ((before && policy_isolates(before, side, pod)) != (after && policy_isolates(after, side, pod)))
			return true;
	return false;
}

static int settle_pods(struct policy_engine *engine, struct ns *ns, const struct kube_object *before, const struct kube_object *after,
		       struct error *err)
{
	for (size_t i = 0; i < ns->n_endpoints; i++) {
		struct endpoint *endpoint = ns->endpoints[i];

		if (!endpoint->pod || !isolation_turns(before, after, endpoint->pod->object))
			continue;
		int r = endpoint_settle(engine, endpoint, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int policy_get(struct ns *ns, const struct kube_object *object, struct policy **ret, struct error *err)
{
	struct policy *policy = named_get(&ns->policies, object->name);

	if (!policy) {
		policy = calloc(1, sizeof(*policy));
		if (!policy)
			return error_nomem(err);
		*policy = (struct policy){ .name = object->name, .ns = ns };
		if (!named_put(&ns->policies, policy)) {
			free(policy);
			return error_nomem(err);
		}
	}
	*ret = policy;
	return 0;
}

static int policy_put(struct policy_engine *engine, struct ns *ns, const struct kube_object *before, const struct kube_object *after,
		      struct error *err)
{
	struct policy *policy = NULL;
	int r = policy_get(ns, after, &policy, err);

	if (r < 0)
		return r;
	policy->name = after->name;
	policy->object = after;
	if (is_used(policy))
		budget_enter(engine, policy);
	r = policy_recompile(engine, policy, err);
	return r < 0 ? r : settle_pods(engine, ns, before, after, err);
}

/* Out of the list first, so that the pods settle without it; the last group that named it then lets its chains go. */
static int policy_remove(struct policy_engine *engine, struct ns *ns, const struct kube_object *before, struct error *err)
{
	struct policy *policy = named_get(&ns->policies, before->name);

	if (!policy)
		return 0;
	named_remove(&ns->policies, before->name);
	int r = settle_pods(engine, ns, before, NULL, err);
	if (r == 0)
		policy_free(policy);
	else
		named_insert(&ns->policies, ns->policies.n, policy); /* room is there; policy_engine_free will find it */
	return r;
}

int policy_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	struct ns *ns = NULL;
	int r = namespace_get(engine, after ? after->namespace : before->namespace, &ns, err);

	if (r < 0)
		return r;
	r = after ? policy_put(engine, ns, before, after, err) : policy_remove(engine, ns, before, err);
	if (r == 0)
		namespace_release(engine, ns);
	return r;
}
