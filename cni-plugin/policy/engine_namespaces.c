// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

int namespace_get(struct policy_engine *engine, const char *name, struct ns **ret, struct error *err)
{
	struct ns *ns = named_get(&engine->namespaces, name);

	if (!ns) {
		ns = calloc(1, sizeof(*ns));
		if (!ns || !(ns->name = strdup(name)) || !named_put(&engine->namespaces, ns)) {
			namespace_free(ns);
			return error_nomem(err);
		}
	}
	*ret = ns;
	return 0;
}

void namespace_free(struct ns *ns)
{
	if (!ns)
		return;
	named_free(&ns->pods);
	named_free(&ns->policies);
	named_free(&ns->peer_sets);
	free(ns->endpoints);
	free(ns->name);
	free(ns);
}

void namespace_release(struct policy_engine *engine, struct ns *ns)
{
	if (ns->object || ns->pods.n > 0 || ns->policies.n > 0 || ns->peer_sets.n > 0 || ns->n_endpoints > 0)
		return;
	named_remove(&engine->namespaces, ns->name);
	namespace_free(ns);
}

static bool selects(const struct kube_peer *peer, const struct kube_object *namespace)
{
	return namespace && kube_selector_matches(&peer->namespace_selector, &namespace->labels);
}

/* Whether the peer judges the namespace differently now. */
static bool turns(const struct peer_set *set, const struct kube_object *before, const struct kube_object *after)
{
	return selects(set->users[0], before) != selects(set->users[0], after);
}

static int judge_pods(struct policy_engine *engine, const struct ns *ns, struct peer_set *set, struct error *err)
{
	_cleanup_(addresses_clear) struct addresses list = {};

	for (size_t i = 0; i < ns->pods.n; i++) {
		list.n = 0;
		int r = pod_addresses(engine, ns->pods.items[i], &list, err);
		for (size_t j = 0; j < list.n && r == 0; j++)
			r = peer_set_judge(engine, set, &list.items[j], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int namespace_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	struct ns *ns = NULL;
	int r = namespace_get(engine, after ? after->name : before->name, &ns, err);

	if (r < 0)
		return r;
	ns->object = after;
	for (size_t i = 0; i < engine->peer_sets.n && r == 0; i++) {
		struct peer_set *set = engine->peer_sets.items[i];

		if (turns(set, before, after))
			r = judge_pods(engine, ns, set, err);
	}
	namespace_release(engine, ns);
	return r;
}
