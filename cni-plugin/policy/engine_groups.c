// SPDX-License-Identifier: Apache-2.0
/*
 * A group is a set of policies, and the chains that ask them all and then drop. Pods with the same policies share it, so a hundred
 * replicas cost its chains and a map element each, and a packet meets only the policies of its own pod.
 */
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

#define KEY_MAX (16u * 1024 * 1024)

void group_free(struct group *group)
{
	if (!group)
		return;
	free(group->policies);
	free(group->chain);
	free(group->chain6);
	free(group->drop);
	free(group);
}
DEFINE_CLEANUP(struct group *, group_free);

/* What follows the direction and the kind in the names of its chains. */
static int identify(const struct group *group, const char *namespace, char hex[static FINGERPRINT_SIZE], struct error *err)
{
	_cleanup_(buf_free) struct buf key = BUF_MAX(KEY_MAX);

	buf_string(&key, namespace);
	for (size_t i = 0; i < group->n; i++)
		buf_printf(&key, "/%zu:%s", strlen(group->policies[i]->name), group->policies[i]->name);
	int r = buf_check(&key, "list of policies", err);
	return r < 0 ? r : fingerprint_hex(buf_view(&key), hex, err);
}

static char *chain_name(const struct group *group, const char *kind, const char *hex)
{
	char name[RULESET_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s-%s-%s", policy_side_names[group->side], kind, hex);
	return strdup(name);
}

static int name_chains(struct group *group, const char *namespace, struct error *err)
{
	char hex[FINGERPRINT_SIZE];
	int r = identify(group, namespace, hex, err);

	if (r < 0)
		return r;
	group->chain = chain_name(group, "pods", hex);
	group->chain6 = chain_name(group, "pods6", hex);
	group->drop = chain_name(group, "drop", hex);
	return group->chain && group->chain6 && group->drop ? 0 : error_nomem(err);
}

const char *group_chain(const struct group *group, enum policy_family family)
{
	return family == POLICY_IPV4 ? group->chain : group->chain6;
}

/* The policies that isolate the pod, by name. Without any, `*ret` is NULL. */
static int collect(const struct pod *pod, enum policy_side side, struct group **ret, struct error *err)
{
	_cleanup_(group_freep) struct group *group = calloc(1, sizeof(*group));
	const struct named *policies = &pod->ns->policies;

	if (!group)
		return error_nomem(err);
	group->side = side;
	if (policies->n > 0)
		group->policies = malloc(policies->n * sizeof(struct policy *));
	if (policies->n > 0 && !group->policies)
		return error_nomem(err);
	for (size_t i = 0; i < policies->n; i++) {
		struct policy *policy = policies->items[i];

		if (policy_isolates(policy->object, side, pod->object))
			group->policies[group->n++] = policy;
	}
	*ret = group->n > 0 ? TAKE_PTR(group) : NULL;
	return 0;
}

static int use_policies(struct policy_engine *engine, struct group *group, struct error *err)
{
	for (size_t i = 0; i < group->n; i++) {
		int r = policy_use(engine, group->policies[i], group->side, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int group_register(struct policy_engine *engine, struct group *group, const char *namespace, struct error *err)
{
	int r = use_policies(engine, group, err);

	if (r == 0)
		r = group_put_chains(engine, group, namespace, err);
	if (r == 0 && !named_put(&engine->groups, group))
		r = error_nomem(err);
	return r;
}

int group_acquire(struct policy_engine *engine, const struct pod *pod, enum policy_side side, struct group **ret, struct error *err)
{
	_cleanup_(group_freep) struct group *wanted = NULL;
	int r = collect(pod, side, &wanted, err);

	if (r < 0 || !wanted) {
		*ret = NULL;
		return r;
	}
	r = name_chains(wanted, pod->ns->name, err);
	if (r < 0)
		return r;
	struct group *group = named_get(&engine->groups, wanted->chain);
	if (!group) {
		r = group_register(engine, wanted, pod->ns->name, err);
		if (r < 0)
			return r;
		group = TAKE_PTR(wanted);
	}
	group->users++;
	*ret = group;
	return 0;
}

void group_release(struct policy_engine *engine, struct group *group)
{
	if (!group || --group->users > 0)
		return;
	ruleset_chain_remove(engine->ruleset, group->chain);
	ruleset_chain_remove(engine->ruleset, group->chain6);
	ruleset_chain_remove(engine->ruleset, group->drop);
	named_remove(&engine->groups, group->chain);
	for (size_t i = 0; i < group->n; i++)
		policy_unuse(engine, group->policies[i], group->side);
	group_free(group);
}

static bool has_policy(const struct group *group, const struct policy *policy)
{
	size_t i = 0;

	while (i < group->n && group->policies[i] != policy)
		i++;
	return i < group->n;
}

int groups_rebuild(struct policy_engine *engine, const struct policy *policy, enum policy_side side, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < engine->groups.n && r == 0; i++) {
		const struct group *group = engine->groups.items[i];

		if (group->side == side && has_policy(group, policy))
			r = group_put_chains(engine, group, policy->ns->name, err);
	}
	return r;
}
