// SPDX-License-Identifier: Apache-2.0
/*
 * A group is a set of policies, and a chain that jumps to each and then drops. Pods with the same policies share it, so a hundred
 * replicas cost one chain and a map element each, and a packet meets only the policies of its own pod.
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
	free(group);
}
DEFINE_CLEANUP(struct group *, group_free);

static int chain_name(const struct group *group, const char *namespace, struct chain_name *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf key = BUF_MAX(KEY_MAX);
	char hex[FINGERPRINT_SIZE];

	buf_string(&key, namespace);
	for (size_t i = 0; i < group->n; i++)
		buf_printf(&key, "/%zu:%s", strlen(group->policies[i]->name), group->policies[i]->name);
	int r = buf_check(&key, "list of policies", err);
	if (r == 0)
		r = fingerprint_hex(buf_view(&key), hex, err);
	if (r == 0)
		snprintf(ret->text, sizeof(ret->text), "%s-pods-%s", policy_side_names[group->side], hex);
	return r;
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

static void comment_of(const struct group *group, const char *namespace, char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < group->n && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s/%s", i > 0 ? ", " : "", namespace, group->policies[i]->name);
}

struct rules {
	struct ruleset_rule *items;
	size_t n;
};

static void rules_clear(struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		ruleset_rule_clear(&rules->items[i]);
	free(rules->items);
}

static int put_chain(struct policy_engine *engine, const struct group *group, const char *namespace, struct error *err)
{
	_cleanup_(rules_clear) struct rules rules = { .items = calloc(group->n + POLICY_DROP_RULES, sizeof(*rules.items)) };
	char comment[RULESET_COMMENT_MAX + 1];
	size_t n = 0;

	if (!rules.items)
		return error_nomem(err);
	for (; rules.n < group->n; rules.n++) {
		struct ruleset_rule *rule = &rules.items[rules.n];

		rule->verdict = RULESET_JUMP;
		rule->target = strdup(group->policies[rules.n]->sides[group->side].chain);
		if (!rule->target)
			return error_nomem(err);
	}
	int r = policy_drop_rules(group->side == EGRESS ? POLICY_DROP_EGRESS : POLICY_DROP_INGRESS, &engine->drop_log,
				  rules.items + rules.n, &n, err);
	if (r < 0)
		return r;
	n += rules.n;
	comment_of(group, namespace, comment, sizeof(comment));
	rules.n = 0; /* the ruleset takes their content, whatever happens */
	return ruleset_chain_put(engine->ruleset, group->chain, RULESET_NO_HOOK, 0, comment, rules.items, n, err);
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
		r = put_chain(engine, group, namespace, err);
	if (r == 0 && !named_put(&engine->groups, group))
		r = error_nomem(err);
	return r;
}

int group_acquire(struct policy_engine *engine, const struct pod *pod, enum policy_side side, struct group **ret, struct error *err)
{
	_cleanup_(group_freep) struct group *wanted = NULL;
	struct chain_name name;
	int r = collect(pod, side, &wanted, err);

	if (r < 0 || !wanted) {
		*ret = NULL;
		return r;
	}
	r = chain_name(wanted, pod->ns->name, &name, err);
	if (r < 0)
		return r;
	struct group *group = named_get(&engine->groups, name.text);
	if (!group) {
		wanted->chain = strdup(name.text);
		r = wanted->chain ? group_register(engine, wanted, pod->ns->name, err) : error_nomem(err);
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
	named_remove(&engine->groups, group->chain);
	for (size_t i = 0; i < group->n; i++)
		policy_unuse(engine, group->policies[i], group->side);
	group_free(group);
}
