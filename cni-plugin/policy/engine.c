// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

static void namespace_free_all(struct ns *ns)
{
	for (size_t i = 0; i < ns->pods.n; i++)
		free(ns->pods.items[i]);
	for (size_t i = 0; i < ns->policies.n; i++)
		policy_free(ns->policies.items[i]);
	for (size_t i = 0; i < ns->peer_sets.n; i++)
		peer_set_free(ns->peer_sets.items[i]);
	namespace_free(ns);
}

void policy_engine_free(struct policy_engine *engine)
{
	if (!engine)
		return;
	for (size_t i = 0; i < engine->namespaces.n; i++)
		namespace_free_all(engine->namespaces.items[i]);
	for (size_t i = 0; i < engine->endpoints.n; i++)
		endpoint_free(engine->endpoints.items[i]);
	for (size_t i = 0; i < engine->groups.n; i++)
		group_free(engine->groups.items[i]);
	for (size_t i = 0; i < engine->peer_sets.n; i++)
		peer_set_free(engine->peer_sets.items[i]);
	for (size_t i = 0; i < engine->served_sets.n; i++)
		served_set_free(engine->served_sets.items[i]);
	for (size_t i = 0; i < engine->fixed_sets.n; i++)
		fixed_set_free(engine->fixed_sets.items[i]);
	named_free(&engine->namespaces);
	named_free(&engine->endpoints);
	named_free(&engine->groups);
	named_free(&engine->peer_sets);
	named_free(&engine->served_sets);
	named_free(&engine->fixed_sets);
	free(engine->claims);
	ruleset_free(engine->ruleset);
	free(engine);
}

struct policy_engine *policy_engine_new(void)
{
	static const char *const map_names[SIDES][FAMILIES] = {
		[EGRESS] = { POLICY_EGRESS_MAP4, POLICY_EGRESS_MAP6 },
		[INGRESS] = { POLICY_INGRESS_MAP4, POLICY_INGRESS_MAP6 },
	};
	_cleanup_(policy_engine_freep) struct policy_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->ruleset = ruleset_new(RULESET_INET);
	if (!engine->ruleset || policy_skeleton(engine->ruleset, &engine->drop_log, NULL) < 0)
		return NULL;
	for (int side = EGRESS; side < SIDES; side++)
		for (int family = POLICY_IPV4; family < FAMILIES; family++)
			engine->maps[side][family] = ruleset_set_find(engine->ruleset, map_names[side][family]);
	return TAKE_PTR(engine);
}

void policy_engine_set_node(struct policy_engine *engine, const char *name)
{
	engine->node = name;
}

int policy_engine_set_drop_log(struct policy_engine *engine, const struct ruleset_log *log, struct error *err)
{
	engine->drop_log = *log;
	return policy_put_quarantine(engine->ruleset, log, err);
}

struct ruleset *policy_engine_ruleset(struct policy_engine *engine)
{
	return engine->ruleset;
}

static int change(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	switch ((after ? after : before)->kind) {
	case KUBE_POD:
		return pod_changed(engine, before, after, err);
	case KUBE_NAMESPACE:
		return namespace_changed(engine, before, after, err);
	case KUBE_NETWORK_POLICY:
		return policy_changed(engine, before, after, err);
	case KUBE_SERVICE: /* a packet is judged behind the translation */
	case KUBE_NODE:    /* a node's address is never in a set (facts S12) */
	case KUBE_TPM_SECRET:
	case KUBE_TPM_NODE:
	case KUBE_KIND_COUNT:
		break;
	}
	return 0;
}

int policy_engine_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after,
			  struct error *err)
{
	int r = change(engine, before, after, err);

	return r < 0 ? r : budget_settle(engine, err);
}

static void count_namespace(const struct ns *ns, struct policy_counts *counts)
{
	counts->policies += ns->policies.n;
	counts->pods += ns->pods.n;
	counts->peer_sets += ns->peer_sets.n;
	for (size_t i = 0; i < ns->policies.n; i++) {
		const struct policy *policy = ns->policies.items[i];

		counts->invalid_policies += policy_refusal(policy) != NULL;
	}
}

void policy_engine_count(const struct policy_engine *engine, struct policy_counts *ret)
{
	struct policy_counts counts = { .peer_sets = engine->peer_sets.n, .endpoints = engine->endpoints.n };

	for (size_t i = 0; i < engine->namespaces.n; i++)
		count_namespace(engine->namespaces.items[i], &counts);
	for (size_t i = 0; i < engine->endpoints.n; i++) {
		const struct endpoint *endpoint = engine->endpoints.items[i];

		counts.quarantined += !endpoint->pod;
		counts.isolated_ingress += !endpoint->pod || endpoint->groups[INGRESS];
		counts.isolated_egress += !endpoint->pod || endpoint->groups[EGRESS];
	}
	*ret = counts;
}

int policy_engine_each_invalid(const struct policy_engine *engine, policy_invalid_visit *visit, void *context)
{
	for (size_t i = 0; i < engine->namespaces.n; i++) {
		const struct ns *ns = engine->namespaces.items[i];

		for (size_t j = 0; j < ns->policies.n; j++) {
			const struct policy *policy = ns->policies.items[j];
			const char *reason = policy_refusal(policy);
			int r = reason ? visit(context, policy->object, reason) : 0;

			if (r != 0)
				return r;
		}
	}
	return 0;
}
