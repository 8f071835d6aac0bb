// SPDX-License-Identifier: Apache-2.0
/*
 * The ruleset's objects by name, and what is pending.
 *
 * An object that the kernel has is never freed before the kernel has lost it; it is DOOMED, and wanting it again before the next
 * transaction costs nothing. A second pair of lists names the objects with something pending, so that the
 * cost of a transaction is that of its changes.
 */
#include "cni-plugin/policy/ruleset_internal.h"

#include <errno.h>
#include <string.h>

static void mark(struct named *pending, const char *name, void *item)
{
	size_t at;

	if (!named_find(pending, name, &at))
		named_insert(pending, at, item);
}

void ruleset_mark_set(struct ruleset_set *set)
{
	mark(&set->ruleset->pending_sets, set->name, set);
}

void ruleset_mark_chain(struct ruleset *ruleset, struct ruleset_chain *chain)
{
	mark(&ruleset->pending_chains, chain->name, chain);
}

void ruleset_mark_counter(struct ruleset *ruleset, struct ruleset_counter *counter)
{
	mark(&ruleset->pending_counters, counter->name, counter);
}

struct ruleset *ruleset_new(enum ruleset_family family)
{
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (ruleset)
		ruleset->family = family;
	return ruleset;
}

enum ruleset_family ruleset_family(const struct ruleset *ruleset)
{
	return ruleset->family;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	for (size_t i = 0; i < ruleset->sets.n; i++)
		ruleset_set_free(ruleset->sets.items[i]);
	for (size_t i = 0; i < ruleset->chains.n; i++)
		ruleset_chain_free(ruleset->chains.items[i]);
	for (size_t i = 0; i < ruleset->counters.n; i++)
		ruleset_counter_free(ruleset->counters.items[i]);
	named_free(&ruleset->sets);
	named_free(&ruleset->chains);
	named_free(&ruleset->counters);
	named_free(&ruleset->pending_sets);
	named_free(&ruleset->pending_chains);
	named_free(&ruleset->pending_counters);
	free(ruleset);
}

int ruleset_check_name(const char *name, struct error *err)
{
	if (name[0] == '\0' || strlen(name) > RULESET_NAME_MAX)
		return error_set(err, EINVAL, "name \"%.40s\" has not between 1 and %d bytes", name, RULESET_NAME_MAX);
	return 0;
}

struct ruleset_set *ruleset_next_set(const struct ruleset *ruleset, const struct ruleset_set *after)
{
	return named_next(&ruleset->sets, after);
}

struct ruleset_chain *ruleset_next_chain(const struct ruleset *ruleset, const struct ruleset_chain *after)
{
	return named_next(&ruleset->chains, after);
}

struct ruleset_counter *ruleset_next_counter(const struct ruleset *ruleset, const struct ruleset_counter *after)
{
	return named_next(&ruleset->counters, after);
}

struct ruleset_set *ruleset_next_pending_set(const struct ruleset *ruleset, const struct ruleset_set *after)
{
	return named_next(&ruleset->pending_sets, after);
}

struct ruleset_chain *ruleset_next_pending_chain(const struct ruleset *ruleset, const struct ruleset_chain *after)
{
	return named_next(&ruleset->pending_chains, after);
}

struct ruleset_counter *ruleset_next_pending_counter(const struct ruleset *ruleset, const struct ruleset_counter *after)
{
	return named_next(&ruleset->pending_counters, after);
}

static bool set_is_pending(const struct ruleset_set *set)
{
	return set->state != RULESET_SAME || set->added.n > 0 || set->removed.n > 0;
}

bool ruleset_is_pending(const struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->pending_sets.n; i++)
		if (set_is_pending(ruleset->pending_sets.items[i]))
			return true;
	for (size_t i = 0; i < ruleset->pending_chains.n; i++) {
		const struct ruleset_chain *chain = ruleset->pending_chains.items[i];

		if (chain->state != RULESET_SAME)
			return true;
	}
	for (size_t i = 0; i < ruleset->pending_counters.n; i++) {
		const struct ruleset_counter *counter = ruleset->pending_counters.items[i];

		if (counter->state != RULESET_SAME)
			return true;
	}
	return false;
}

static void commit_set(struct ruleset *ruleset, struct ruleset_set *set)
{
	if (set->state == RULESET_DOOMED) {
		named_remove(&ruleset->sets, set->name);
		ruleset_set_free(set);
		return;
	}
	set->state = RULESET_SAME;
	elements_free(&set->added);
	elements_free(&set->removed);
}

static void commit_chain(struct ruleset *ruleset, struct ruleset_chain *chain)
{
	if (chain->state == RULESET_DOOMED) {
		named_remove(&ruleset->chains, chain->name);
		ruleset_chain_free(chain);
		return;
	}
	chain->state = RULESET_SAME;
	chain->in_kernel = true;
	memcpy(chain->kernel_fingerprint, chain->fingerprint, sizeof(chain->fingerprint));
	chain->kernel_hook = chain->hook;
	chain->kernel_priority = chain->priority;
}

static void commit_counter(struct ruleset *ruleset, struct ruleset_counter *counter)
{
	if (counter->state == RULESET_DOOMED) {
		named_remove(&ruleset->counters, counter->name);
		ruleset_counter_free(counter);
		return;
	}
	counter->state = RULESET_SAME;
}

void ruleset_committed(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->pending_sets.n; i++)
		commit_set(ruleset, ruleset->pending_sets.items[i]);
	for (size_t i = 0; i < ruleset->pending_chains.n; i++)
		commit_chain(ruleset, ruleset->pending_chains.items[i]);
	for (size_t i = 0; i < ruleset->pending_counters.n; i++)
		commit_counter(ruleset, ruleset->pending_counters.items[i]);
	ruleset->pending_sets.n = 0;
	ruleset->pending_chains.n = 0;
	ruleset->pending_counters.n = 0;
}
