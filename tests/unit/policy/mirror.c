// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy/mirror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *element_at(const struct ruleset_set *set, const struct ruleset_elements *elements, size_t i)
{
	return elements->bytes + i * set->stride;
}

static void add_element(struct ruleset_set *to, const struct ruleset_set *from, const uint8_t *element)
{
	ptrdiff_t at = ruleset_element_find(from, element);

	assert_true(at >= 0);
	assert_int_equal(ruleset_element_find(to, element), -1);
	assert_int_equal(ruleset_element_add(to, element, from->map ? from->targets[at] : NULL, NULL), 0);
}

static void create_set(struct ruleset *mirror, const struct ruleset_set *set)
{
	struct ruleset_set *copy;

	assert_null(ruleset_set_find(mirror, set->name));
	assert_int_equal(ruleset_set_add(mirror, set->name, set->key, set->interval, set->map, set->comment, &copy, NULL), 0);
	for (size_t i = 0; i < set->elements.n; i++)
		add_element(copy, set, element_at(set, &set->elements, i));
}

static void change_set(struct ruleset *mirror, const struct ruleset_set *set)
{
	struct ruleset_set *there = ruleset_set_find(mirror, set->name);

	assert_non_null(there);
	for (size_t i = 0; i < set->removed.n; i++) {
		assert_true(ruleset_element_find(there, element_at(set, &set->removed, i)) >= 0);
		assert_int_equal(ruleset_element_remove(there, element_at(set, &set->removed, i), NULL), 0);
	}
	for (size_t i = 0; i < set->added.n; i++)
		add_element(there, set, element_at(set, &set->added, i));
}

static void put_chain(struct ruleset *mirror, const struct ruleset_chain *chain)
{
	struct ruleset_rule *rules = calloc(chain->n_rules + 1, sizeof(*rules));

	assert_non_null(rules);
	for (size_t i = 0; i < chain->n_rules; i++) {
		rules[i] = chain->rules[i];
		for (size_t j = 0; j < rules[i].n_matches; j++)
			if (rules[i].matches[j].set)
				rules[i].matches[j].set = strdup(rules[i].matches[j].set);
		if (rules[i].target)
			rules[i].target = strdup(rules[i].target);
		if (rules[i].counter)
			rules[i].counter = strdup(rules[i].counter);
		if (rules[i].log_prefix)
			rules[i].log_prefix = strdup(rules[i].log_prefix);
		if (rules[i].comment)
			rules[i].comment = strdup(rules[i].comment);
	}
	assert_int_equal(ruleset_chain_put(mirror, chain->name, chain->hook, chain->priority, chain->comment, rules, chain->n_rules, NULL),
			 0);
	free(rules);
}

static void assert_no_dangling_chain(const struct ruleset *mirror, const char *name)
{
	if (!ruleset_chain_find(mirror, name))
		fail_msg("something leads to chain \"%s\", which is not there", name);
}

static void assert_references_hold(const struct ruleset *mirror)
{
	for (struct ruleset_chain *chain = NULL; (chain = ruleset_next_chain(mirror, chain));) {
		for (size_t i = 0; i < chain->n_rules; i++) {
			const struct ruleset_rule *rule = &chain->rules[i];

			if (rule->verdict == RULESET_JUMP)
				assert_no_dangling_chain(mirror, rule->target);
			if (rule->counter)
				assert_non_null(ruleset_counter_find(mirror, rule->counter));
			for (size_t j = 0; j < rule->n_matches; j++)
				if (rule->matches[j].set)
					assert_non_null(ruleset_set_find(mirror, rule->matches[j].set));
		}
	}
	for (struct ruleset_set *set = NULL; (set = ruleset_next_set(mirror, set));)
		for (size_t i = 0; set->map && i < set->elements.n; i++)
			assert_no_dangling_chain(mirror, set->targets[i]);
}

static void delete_doomed(struct ruleset *mirror, const struct ruleset *wanted)
{
	for (struct ruleset_chain *chain = NULL; (chain = ruleset_next_pending_chain(wanted, chain));) {
		if (chain->state != RULESET_DOOMED)
			continue;
		assert_non_null(ruleset_chain_find(mirror, chain->name));
		ruleset_chain_remove(mirror, chain->name);
	}
	for (struct ruleset_set *set = NULL; (set = ruleset_next_pending_set(wanted, set));) {
		if (set->state != RULESET_DOOMED)
			continue;
		assert_non_null(ruleset_set_find(mirror, set->name));
		ruleset_set_remove(mirror, set->name);
	}
	for (struct ruleset_counter *counter = NULL; (counter = ruleset_next_pending_counter(wanted, counter));) {
		if (counter->state != RULESET_DOOMED)
			continue;
		assert_non_null(ruleset_counter_find(mirror, counter->name));
		ruleset_counter_remove(mirror, counter->name);
	}
}

void mirror_apply(struct ruleset *mirror, struct ruleset *wanted)
{
	for (struct ruleset_counter *counter = NULL; (counter = ruleset_next_pending_counter(wanted, counter));) {
		if (counter->state != RULESET_NEW)
			continue;
		assert_null(ruleset_counter_find(mirror, counter->name));
		assert_int_equal(ruleset_counter_add(mirror, counter->name, NULL), 0);
	}
	for (struct ruleset_set *set = NULL; (set = ruleset_next_pending_set(wanted, set));) {
		if (set->state == RULESET_NEW)
			create_set(mirror, set);
		else if (set->state == RULESET_SAME)
			change_set(mirror, set);
	}
	for (struct ruleset_chain *chain = NULL; (chain = ruleset_next_pending_chain(wanted, chain));)
		if (chain->state == RULESET_NEW || chain->state == RULESET_CHANGED)
			put_chain(mirror, chain);
	delete_doomed(mirror, wanted);
	assert_references_hold(mirror);
	ruleset_committed(wanted);
	assert_false(ruleset_is_pending(wanted));
}

struct ruleset *mirror_read(const struct ruleset *mirror)
{
	struct ruleset *kernel = ruleset_new(RULESET_INET);

	assert_non_null(kernel);
	for (struct ruleset_counter *counter = NULL; (counter = ruleset_next_counter(mirror, counter));)
		assert_int_equal(ruleset_counter_add(kernel, counter->name, NULL), 0);
	for (struct ruleset_set *set = NULL; (set = ruleset_next_set(mirror, set));)
		create_set(kernel, set);
	for (struct ruleset_chain *chain = NULL; (chain = ruleset_next_chain(mirror, chain));)
		assert_int_equal(ruleset_chain_put_kernel(kernel, chain->name, chain->hook, chain->priority, chain->fingerprint, NULL), 0);
	return kernel;
}
