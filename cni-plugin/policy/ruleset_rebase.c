// SPDX-License-Identifier: Apache-2.0
/*
 * After a restart, a refused transaction or somebody else's hands in our table, the kernel's content is the only truth. What is
 * pending is computed anew from it, as two sorted merges; nothing that is right in the kernel is touched.
 */
#include "cni-plugin/policy/ruleset_internal.h"

#include <errno.h>
#include <string.h>

static bool same_target(const struct ruleset_set *wanted, size_t i, const struct ruleset_set *kernel, size_t j)
{
	return !wanted->map || strcmp(wanted->targets[i], kernel->targets[j]) == 0;
}

static bool append(struct ruleset_elements *elements, size_t stride, const uint8_t *element)
{
	if (!elements_reserve(elements, stride, elements->n + 1))
		return false;
	elements_insert(elements, stride, elements->n, element);
	return true;
}

static int order_at(const struct ruleset_set *wanted, size_t i, const struct ruleset_set *kernel, size_t j)
{
	if (i >= wanted->elements.n)
		return 1;
	if (j >= kernel->elements.n)
		return -1;
	return memcmp(elements_at(&wanted->elements, wanted->stride, i), elements_at(&kernel->elements, kernel->stride, j), wanted->stride);
}

static int diff_elements(struct ruleset_set *wanted, const struct ruleset_set *kernel, struct error *err)
{
	size_t i = 0, j = 0;

	elements_free(&wanted->added);
	elements_free(&wanted->removed);
	while (i < wanted->elements.n || j < kernel->elements.n) {
		int order = order_at(wanted, i, kernel, j);
		bool differs = order == 0 && !same_target(wanted, i, kernel, j);

		if ((order < 0 || differs) && !append(&wanted->added, wanted->stride, elements_at(&wanted->elements, wanted->stride, i)))
			return error_nomem(err);
		if ((order > 0 || differs) && !append(&wanted->removed, wanted->stride, elements_at(&kernel->elements, kernel->stride, j)))
			return error_nomem(err);
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static int rebase_set(struct ruleset_set *wanted, const struct ruleset_set *kernel, struct error *err)
{
	if (!kernel) {
		wanted->state = RULESET_NEW;
		elements_free(&wanted->added);
		elements_free(&wanted->removed);
		ruleset_mark_set(wanted);
		return 0;
	}
	if (wanted->key != kernel->key || wanted->interval != kernel->interval || wanted->map != kernel->map)
		return error_set(err, EEXIST, "set \"%s\" has another type in the kernel", wanted->name);
	wanted->state = RULESET_SAME;
	ruleset_mark_set(wanted);
	return diff_elements(wanted, kernel, err);
}

/* What is doomed comes back below, if the kernel still has it. */
static void forget_doomed(struct ruleset *wanted)
{
	for (size_t i = wanted->sets.n; i-- > 0;) {
		struct ruleset_set *set = wanted->sets.items[i];

		if (set->state != RULESET_DOOMED)
			continue;
		named_remove(&wanted->sets, set->name);
		ruleset_set_free(set);
	}
	for (size_t i = wanted->chains.n; i-- > 0;) {
		struct ruleset_chain *chain = wanted->chains.items[i];

		if (chain->state != RULESET_DOOMED)
			continue;
		named_remove(&wanted->chains, chain->name);
		ruleset_chain_free(chain);
	}
	for (size_t i = wanted->counters.n; i-- > 0;) {
		struct ruleset_counter *counter = wanted->counters.items[i];

		if (counter->state != RULESET_DOOMED)
			continue;
		named_remove(&wanted->counters, counter->name);
		ruleset_counter_free(counter);
	}
	wanted->pending_sets.n = 0;
	wanted->pending_chains.n = 0;
	wanted->pending_counters.n = 0;
}

static int doom_set(struct ruleset *wanted, const struct ruleset_set *kernel, struct error *err)
{
	struct ruleset_set *set;
	int r = ruleset_set_add(wanted, kernel->name, kernel->key, kernel->interval, kernel->map, kernel->comment, &set, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < kernel->elements.n; i++) {
		const char *target = kernel->map ? kernel->targets[i] : NULL;

		r = ruleset_element_add(set, elements_at(&kernel->elements, kernel->stride, i), target, err);
		if (r < 0)
			return r;
	}
	set->state = RULESET_DOOMED;
	return 0;
}

static int doom_chain(struct ruleset *wanted, const struct ruleset_chain *kernel, struct error *err)
{
	int r = ruleset_chain_put_kernel(wanted, kernel->name, kernel->hook, kernel->priority, kernel->fingerprint, err);

	if (r == 0)
		ruleset_chain_remove(wanted, kernel->name);
	return r;
}

static int rebase_sets(struct ruleset *wanted, const struct ruleset *kernel, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < wanted->sets.n && r == 0; i++) {
		struct ruleset_set *set = wanted->sets.items[i];

		r = rebase_set(set, named_get(&kernel->sets, set->name), err);
	}
	for (size_t i = 0; i < kernel->sets.n && r == 0; i++) {
		const struct ruleset_set *set = kernel->sets.items[i];

		if (!named_get(&wanted->sets, set->name))
			r = doom_set(wanted, set, err);
	}
	return r;
}

static int rebase_chains(struct ruleset *wanted, const struct ruleset *kernel, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < wanted->chains.n; i++) {
		struct ruleset_chain *chain = wanted->chains.items[i];
		const struct ruleset_chain *there = named_get(&kernel->chains, chain->name);

		chain->in_kernel = there != NULL;
		memcpy(chain->kernel_fingerprint, there ? there->fingerprint : "", there ? sizeof(there->fingerprint) : 1);
		chain->kernel_hook = there ? there->hook : RULESET_NO_HOOK;
		chain->kernel_priority = there ? there->priority : 0;
		ruleset_chain_judge(wanted, chain);
	}
	for (size_t i = 0; i < kernel->chains.n && r == 0; i++) {
		const struct ruleset_chain *chain = kernel->chains.items[i];

		if (!named_get(&wanted->chains, chain->name))
			r = doom_chain(wanted, chain, err);
	}
	return r;
}

static int rebase_counters(struct ruleset *wanted, const struct ruleset *kernel, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < wanted->counters.n; i++) {
		struct ruleset_counter *counter = wanted->counters.items[i];

		counter->state = named_get(&kernel->counters, counter->name) ? RULESET_SAME : RULESET_NEW;
		ruleset_mark_counter(wanted, counter);
	}
	for (size_t i = 0; i < kernel->counters.n && r == 0; i++) {
		const struct ruleset_counter *counter = kernel->counters.items[i];

		if (named_get(&wanted->counters, counter->name))
			continue;
		r = ruleset_counter_add(wanted, counter->name, err);
		if (r == 0)
			ruleset_counter_find(wanted, counter->name)->state = RULESET_DOOMED;
	}
	return r;
}

int ruleset_rebase(struct ruleset *wanted, const struct ruleset *kernel, struct error *err)
{
	forget_doomed(wanted);
	int r = rebase_sets(wanted, kernel, err);
	if (r == 0)
		r = rebase_chains(wanted, kernel, err);
	if (r == 0)
		r = rebase_counters(wanted, kernel, err);
	if (r < 0)
		error_wrap(err, "cannot compare with what the kernel has");
	return r;
}
