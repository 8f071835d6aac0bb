// SPDX-License-Identifier: Apache-2.0
/*
 * Chains are compared by the fingerprint of their printed rules: that is all that can be kept in the kernel (a chain's user data), so
 * the same comparison serves a change of policy and a restart of the agent.
 */
#include "cni-plugin/policy/fingerprint.h"
#include "cni-plugin/policy/ruleset_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PRINT_MAX (64u * 1024 * 1024)

void ruleset_rule_clear(struct ruleset_rule *rule)
{
	for (size_t i = 0; i < rule->n_matches; i++)
		free(rule->matches[i].set);
	free(rule->target);
	free(rule->counter);
	free(rule->log_prefix);
	free(rule->comment);
	*rule = (struct ruleset_rule){};
}

static void rules_clear(struct ruleset_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ruleset_rule_clear(&rules[i]);
}

static void chain_drop_rules(struct ruleset_chain *chain)
{
	rules_clear(chain->rules, chain->n_rules);
	free(chain->rules);
	chain->rules = NULL;
	chain->n_rules = 0;
}

void ruleset_chain_free(struct ruleset_chain *chain)
{
	if (!chain)
		return;
	chain_drop_rules(chain);
	free(chain->device);
	free(chain->comment);
	free(chain->name);
	free(chain);
}
DEFINE_CLEANUP(struct ruleset_chain *, ruleset_chain_free);

static int key_of(const struct ruleset *ruleset, const char *name, enum ruleset_key *ret, struct error *err)
{
	const struct ruleset_set *set = name ? ruleset_set_find(ruleset, name) : NULL;

	if (!set)
		return error_set(err, EINVAL, "a rule names set \"%s\", which is not there", name ? name : "");
	*ret = set->key;
	return 0;
}

static bool match_names_a_set(enum ruleset_match_type type)
{
	return type == RULESET_SOURCE_IN || type == RULESET_DESTINATION_IN || type == RULESET_PORT_IN || type == RULESET_SERVED_PORT_IN ||
	       type == RULESET_SENDER_IN;
}

static int rule_resolve(const struct ruleset *ruleset, struct ruleset_rule *rule, struct error *err)
{
	bool maps = rule->verdict == RULESET_SOURCE_MAP || rule->verdict == RULESET_DESTINATION_MAP;
	int r = 0;

	for (size_t i = 0; i < rule->n_matches && r == 0; i++)
		if (match_names_a_set(rule->matches[i].type))
			r = key_of(ruleset, rule->matches[i].set, &rule->matches[i].key, err);
	if (r == 0 && maps)
		r = key_of(ruleset, rule->target, &rule->target_key, err);
	if (r == 0 && rule->counter && !ruleset_counter_find(ruleset, rule->counter))
		r = error_set(err, EINVAL, "a rule names counter \"%s\", which is not there", rule->counter);
	return r;
}

int ruleset_fingerprint(enum ruleset_hook hook, int priority, const struct ruleset_rule *rules, size_t n, char fingerprint[static 33],
			struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(PRINT_MAX);

	if (hook != RULESET_NO_HOOK)
		buf_printf(&text, "hook %d priority %d\n", (int)hook, priority);
	for (size_t i = 0; i < n; i++) {
		ruleset_rule_print(&rules[i], &text);
		buf_byte(&text, '\n');
	}
	int r = buf_check(&text, "rules of a chain", err);
	if (r < 0)
		return r;
	return fingerprint_hex(buf_view(&text), fingerprint, err);
}

static int chain_new(struct ruleset *ruleset, const char *name, const char *comment, struct ruleset_chain **ret, struct error *err)
{
	_cleanup_(ruleset_chain_freep) struct ruleset_chain *chain = NULL;
	size_t at;

	if (!named_reserve(&ruleset->chains, ruleset->chains.n + 1) || !named_reserve(&ruleset->pending_chains, ruleset->chains.n + 1))
		return error_nomem(err);
	chain = calloc(1, sizeof(*chain));
	if (!chain)
		return error_nomem(err);
	chain->name = strdup(name);
	chain->comment = strndup(comment, RULESET_COMMENT_MAX);
	if (!chain->name || !chain->comment)
		return error_nomem(err);
	named_find(&ruleset->chains, name, &at);
	named_insert(&ruleset->chains, at, chain);
	*ret = TAKE_PTR(chain);
	return 0;
}

void ruleset_chain_judge(struct ruleset *ruleset, struct ruleset_chain *chain)
{
	if (!chain->in_kernel)
		chain->state = RULESET_NEW;
	else if (strcmp(chain->fingerprint, chain->kernel_fingerprint) == 0)
		chain->state = RULESET_SAME;
	else
		chain->state = RULESET_CHANGED;
	if (chain->state != RULESET_SAME)
		ruleset_mark_chain(ruleset, chain);
}

/* A chain that only the kernel knew until now has neither hook nor comment. */
static int chain_describe(struct ruleset_chain *chain, enum ruleset_hook hook, int priority, const char *comment, struct error *err)
{
	chain->hook = hook;
	chain->priority = priority;
	if (strncmp(chain->comment, comment, RULESET_COMMENT_MAX) == 0)
		return 0;
	char *copy = strndup(comment, RULESET_COMMENT_MAX);
	if (!copy)
		return error_nomem(err);
	free(chain->comment);
	chain->comment = copy;
	return 0;
}

static int chain_set_rules(struct ruleset *ruleset, struct ruleset_chain *chain, struct ruleset_rule *rules, size_t n_rules,
			   const char *fingerprint, struct error *err)
{
	struct ruleset_rule *copy = NULL;

	if (n_rules > 0) {
		copy = malloc(n_rules * sizeof(*copy));
		if (!copy)
			return error_nomem(err);
		memcpy(copy, rules, n_rules * sizeof(*copy));
		memset(rules, 0, n_rules * sizeof(*rules));
	}
	chain_drop_rules(chain);
	chain->rules = copy;
	chain->n_rules = n_rules;
	memcpy(chain->fingerprint, fingerprint, sizeof(chain->fingerprint));
	ruleset_chain_judge(ruleset, chain);
	return 0;
}

static int chain_put(struct ruleset *ruleset, const char *name, enum ruleset_hook hook, int priority, const char *comment,
		     struct ruleset_rule *rules, size_t n_rules, struct error *err)
{
	struct ruleset_chain *chain = named_get(&ruleset->chains, name);
	char fingerprint[33];
	int r = ruleset_check_name(name, err);

	for (size_t i = 0; i < n_rules && r == 0; i++)
		r = rule_resolve(ruleset, &rules[i], err);
	if (r == 0)
		r = ruleset_fingerprint(hook, priority, rules, n_rules, fingerprint, err);
	if (r < 0)
		return r;
	bool same = chain && chain->state != RULESET_DOOMED && strcmp(chain->fingerprint, fingerprint) == 0;
	if (!chain)
		r = chain_new(ruleset, name, comment, &chain, err);
	if (r == 0)
		r = chain_describe(chain, hook, priority, comment, err);
	if (r < 0 || same)
		return r;
	return chain_set_rules(ruleset, chain, rules, n_rules, fingerprint, err);
}

static int set_device(struct ruleset *ruleset, const char *name, const char *device, struct error *err)
{
	struct ruleset_chain *chain = ruleset_chain_find(ruleset, name);

	if (chain->device)
		return strcmp(chain->device, device) == 0 ? 0 : error_set(err, EINVAL, "it is on interface %s already", chain->device);
	chain->device = strdup(device);
	return chain->device ? 0 : error_nomem(err);
}

int ruleset_ingress_put(struct ruleset *ruleset, const char *name, const char *device, int priority, const char *comment,
			struct ruleset_rule *rules, size_t n_rules, struct error *err)
{
	int r = ruleset_chain_put(ruleset, name, RULESET_HOOK_INGRESS, priority, comment, rules, n_rules, err);

	return r < 0 ? r : set_device(ruleset, name, device, err);
}

int ruleset_chain_put(struct ruleset *ruleset, const char *name, enum ruleset_hook hook, int priority, const char *comment,
		      struct ruleset_rule *rules, size_t n_rules, struct error *err)
{
	int r = chain_put(ruleset, name, hook, priority, comment, rules, n_rules, err);

	rules_clear(rules, n_rules);
	if (r < 0 && r != -ENOMEM)
		error_wrap(err, "chain \"%s\"", name);
	return r;
}

struct ruleset_chain *ruleset_chain_find(const struct ruleset *ruleset, const char *name)
{
	struct ruleset_chain *chain = named_get(&ruleset->chains, name);

	return chain && chain->state != RULESET_DOOMED ? chain : NULL;
}

void ruleset_chain_remove(struct ruleset *ruleset, const char *name)
{
	struct ruleset_chain *chain = ruleset_chain_find(ruleset, name);

	if (!chain)
		return;
	if (!chain->in_kernel) {
		named_remove(&ruleset->pending_chains, name);
		named_remove(&ruleset->chains, name);
		ruleset_chain_free(chain);
		return;
	}
	chain_drop_rules(chain);
	chain->state = RULESET_DOOMED;
	ruleset_mark_chain(ruleset, chain);
}

int ruleset_chain_put_kernel(struct ruleset *ruleset, const char *name, enum ruleset_hook hook, int priority, const char *fingerprint,
			     struct error *err)
{
	struct ruleset_chain *chain = named_get(&ruleset->chains, name);
	int r = ruleset_check_name(name, err);

	if (r < 0)
		return r;
	if (!chain) {
		r = chain_new(ruleset, name, "", &chain, err);
		if (r < 0)
			return r;
	}
	chain->in_kernel = true;
	chain->hook = chain->kernel_hook = hook;
	chain->priority = chain->kernel_priority = priority;
	snprintf(chain->fingerprint, sizeof(chain->fingerprint), "%s", fingerprint);
	memcpy(chain->kernel_fingerprint, chain->fingerprint, sizeof(chain->fingerprint));
	chain->state = RULESET_SAME;
	return 0;
}
