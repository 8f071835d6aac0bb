// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/view.h"

#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

int policy_change_compare(const void *a, const void *b)
{
	const struct policy_change *left = a, *right = b;
	int order = strcmp(left->namespace, right->namespace);

	return order ? order : strcmp(left->name, right->name);
}

struct policy_walk policy_walk_begin(const struct policy_view *view, const char *namespace)
{
	struct policy_walk walk = { .view = view, .namespace = namespace };

	while (walk.next_change < view->n_changes && strcmp(view->changes[walk.next_change].namespace, namespace) < 0)
		walk.next_change++;
	return walk;
}

static const struct policy *next_policy(const struct policy_walk *walk)
{
	const struct ns *ns = named_get(&walk->view->engine->namespaces, walk->namespace);

	return ns && walk->next < ns->policies.n ? ns->policies.items[walk->next] : NULL;
}

static const struct policy_change *next_change(const struct policy_walk *walk)
{
	const struct policy_change *change = &walk->view->changes[walk->next_change];

	return walk->next_change < walk->view->n_changes && strcmp(change->namespace, walk->namespace) == 0 ? change : NULL;
}

const struct kube_object *policy_walk_next(struct policy_walk *walk)
{
	for (;;) {
		const struct policy *policy = next_policy(walk);
		const struct policy_change *change = next_change(walk);
		int order = !policy ? 1 : !change ? -1 : strcmp(policy->name, change->name);

		if (!policy && !change)
			return NULL;
		walk->next += order <= 0;
		walk->next_change += order >= 0;
		if (order < 0)
			return policy->object;
		if (change->after)
			return change->after;
	}
}

const struct kube_object *policy_change_before(const struct policy_engine *engine, const struct policy_change *change)
{
	const struct ns *ns = named_get(&engine->namespaces, change->namespace);
	const struct policy *policy = ns ? named_get(&ns->policies, change->name) : NULL;

	return policy ? policy->object : NULL;
}
