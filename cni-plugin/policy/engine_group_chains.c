// SPDX-License-Identifier: Apache-2.0
/*
 * Almost every packet belongs to a connection that one of the pod's policies lets through. So a group's chains, one for each family, have
 * what it meets on the way first, and of its family only:
 *
 *	egress-pods-…    what small policies say of connections, rule by rule; a jump to each other policy
 *	                 of a connection? goto egress-drop-…
 *	                 a jump to each small policy, for packets that belong to no connection
 *	                 goto egress-drop-…
 *
 * A policy that stands here costs a packet less than half of one that is jumped to (docs/benchmarks.md), but is there once for each group.
 * Hence only small ones, and not too many.
 */
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "common/base/array.h"

#define SMALL_RULES 8     /* of a policy, of one family, by connection */
#define REPEATED_RULES 64 /* of all policies, in one chain */

struct rules {
	struct ruleset_rule *items;
	size_t n, capacity;
};

static void rules_clear(struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		ruleset_rule_clear(&rules->items[i]);
	free(rules->items);
}

static struct ruleset_rule *add(struct rules *rules)
{
	if (!array_room((void **)&rules->items, rules->n, &rules->capacity, sizeof(*rules->items)))
		return NULL;
	rules->items[rules->n] = (struct ruleset_rule){};
	return &rules->items[rules->n++];
}

static int add_branch(struct rules *rules, enum ruleset_verdict verdict, const char *target, bool tracked, struct error *err)
{
	struct ruleset_rule *rule = add(rules);

	if (!rule || !(rule->target = strdup(target)))
		return error_nomem(err);
	rule->verdict = verdict;
	rule->matches[0].type = RULESET_TRACKED;
	rule->n_matches = tracked;
	return 0;
}

static int move(struct rules *rules, struct ruleset_rule *from, struct error *err)
{
	struct ruleset_rule *rule = add(rules);

	if (!rule)
		return error_nomem(err);
	*rule = *from;
	*from = (struct ruleset_rule){};
	return 0;
}

static bool is_of_other_family(enum ruleset_key key, enum policy_family family)
{
	bool v4 = key == RULESET_KEY_IPV4 || key == RULESET_KEY_IPV4_PORT, v6 = key == RULESET_KEY_IPV6 || key == RULESET_KEY_IPV6_PORT;

	return family == POLICY_IPV4 ? v6 : v4;
}

/* Whether a connection of the family can meet it. */
static bool is_met(const struct ruleset_rule *rule, enum policy_family family)
{
	bool met = rule->by_connection;

	for (size_t i = 0; i < rule->n_matches; i++)
		met &= !rule->matches[i].set || !is_of_other_family(rule->matches[i].key, family);
	return met;
}

static const struct ruleset_chain *chain_of(const struct policy_engine *engine, const struct group *group, size_t i)
{
	return ruleset_chain_find(engine->ruleset, group->policies[i]->sides[group->side].chain);
}

static size_t count_met(const struct ruleset_chain *chain, enum policy_family family)
{
	size_t n = 0;

	for (size_t i = 0; i < chain->n_rules; i++)
		n += is_met(&chain->rules[i], family);
	return n;
}

static int repeat(struct rules *rules, const struct ruleset_chain *chain, enum policy_family family, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < chain->n_rules && r == 0; i++) {
		if (!is_met(&chain->rules[i], family))
			continue;
		struct ruleset_rule *rule = add(rules);
		r = rule ? ruleset_rule_copy(&chain->rules[i], rule, err) : error_nomem(err);
	}
	return r;
}

static int ask_all(const struct policy_engine *engine, const struct group *group, enum policy_family family, struct rules *first,
		   struct rules *untracked, struct error *err)
{
	size_t repeated = 0;
	int r = 0;

	for (size_t i = 0; i < group->n && r == 0; i++) {
		const struct ruleset_chain *chain = chain_of(engine, group, i);
		size_t n = count_met(chain, family);

		if (n > SMALL_RULES || repeated + n > REPEATED_RULES) {
			r = add_branch(first, RULESET_JUMP, chain->name, false, err);
			continue;
		}
		repeated += n;
		r = repeat(first, chain, family, err);
		if (r == 0 && chain->n_rules > 0)
			r = add_branch(untracked, RULESET_JUMP, chain->name, false, err);
	}
	return r;
}

static int build(const struct policy_engine *engine, const struct group *group, enum policy_family family, struct rules *rules,
		 struct error *err)
{
	_cleanup_(rules_clear) struct rules untracked = {};
	int r = ask_all(engine, group, family, rules, &untracked, err);

	if (r == 0 && untracked.n > 0)
		r = add_branch(rules, RULESET_GOTO, group->drop, true, err);
	for (size_t i = 0; i < untracked.n && r == 0; i++)
		r = move(rules, &untracked.items[i], err);
	return r < 0 ? r : add_branch(rules, RULESET_GOTO, group->drop, false, err);
}

static void comment_of(const struct group *group, const char *namespace, char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < group->n && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s/%s", i > 0 ? ", " : "", namespace, group->policies[i]->name);
}

/* The ruleset takes the rules' content, whatever happens. */
static int put(struct policy_engine *engine, const char *chain, const char *comment, struct rules *rules, struct error *err)
{
	size_t n = rules->n;

	rules->n = 0;
	return ruleset_chain_put(engine->ruleset, chain, RULESET_NO_HOOK, 0, comment, rules->items, n, err);
}

static int put_drop(struct policy_engine *engine, const struct group *group, const char *comment, struct error *err)
{
	struct ruleset_rule rules[POLICY_DROP_RULES];
	size_t n = 0;
	int r = policy_drop_rules(group->side == EGRESS ? POLICY_DROP_EGRESS : POLICY_DROP_INGRESS, &engine->drop_log, rules, &n, err);

	return r < 0 ? r : ruleset_chain_put(engine->ruleset, group->drop, RULESET_NO_HOOK, 0, comment, rules, n, err);
}

int group_put_chains(struct policy_engine *engine, const struct group *group, const char *namespace, struct error *err)
{
	char comment[RULESET_COMMENT_MAX + 1];

	comment_of(group, namespace, comment, sizeof(comment));
	int r = put_drop(engine, group, comment, err);
	for (int family = POLICY_IPV4; family <= POLICY_IPV6 && r == 0; family++) {
		_cleanup_(rules_clear) struct rules rules = {};

		r = build(engine, group, family, &rules, err);
		if (r == 0)
			r = put(engine, group_chain(group, family), comment, &rules, err);
	}
	return r;
}
