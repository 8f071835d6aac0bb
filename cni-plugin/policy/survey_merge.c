// SPDX-License-Identifier: Apache-2.0
/* Equal changes into one: over those who reach the same, then over those who are reached by the same, until nothing is equal any more. */
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/policy/survey_internal.h"

void survey_change_clear(struct survey_change *change)
{
	free(change->ports);
	free(change->from);
	free(change->to);
}

void survey_changes_clear(struct survey_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++)
		survey_change_clear(&changes->items[i]);
	free(changes->items);
	*changes = (struct survey_changes){};
}

static bool same_verdict(const struct policy_verdict *a, const struct policy_verdict *b)
{
	return a->reason == b->reason && a->policy == b->policy && a->rule == b->rule && a->n_policies == b->n_policies;
}

bool survey_same_cause(const struct survey_change *a, const struct survey_change *b)
{
	return a->becomes_allowed == b->becomes_allowed && a->is_ingress == b->is_ingress && same_verdict(&a->before, &b->before) &&
	       same_verdict(&a->after, &b->after);
}

bool survey_same_ports(const struct survey_change *a, const struct survey_change *b)
{
	if (a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++) {
		const struct survey_range *x = &a->ports[i], *y = &b->ports[i];

		if (x->protocol != y->protocol || x->first != y->first || x->last != y->last)
			return false;
	}
	return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_lists(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	for (size_t i = 0; i < n_a && i < n_b; i++) {
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	}
	return compare_numbers(n_a, n_b);
}

static int compare_verdicts(const struct policy_verdict *a, const struct policy_verdict *b)
{
	int order = compare_numbers((uintptr_t)a->policy, (uintptr_t)b->policy);

	if (order == 0)
		order = compare_numbers(a->reason, b->reason);
	if (order == 0)
		order = compare_numbers(a->n_policies, b->n_policies);
	return order ? order : compare_numbers(a->rule, b->rule);
}

static int compare_ports(const struct survey_change *a, const struct survey_change *b)
{
	int order = compare_numbers(a->n_ports, b->n_ports);

	for (size_t i = 0; i < a->n_ports && order == 0; i++) {
		const struct survey_range *x = &a->ports[i], *y = &b->ports[i];

		order = compare_numbers((uint64_t)x->protocol << 32 | (uint64_t)x->first << 16 | x->last,
					(uint64_t)y->protocol << 32 | (uint64_t)y->first << 16 | y->last);
	}
	return order;
}

static uint64_t kind_of(const struct survey_change *change)
{
	return (uint64_t)change->becomes_allowed << 16 | (uint64_t)change->is_ingress << 8 | survey_only_family(change);
}

/* All but the ends. */
static int compare_kinds(const struct survey_change *a, const struct survey_change *b)
{
	int order = compare_numbers(kind_of(a), kind_of(b));

	if (order == 0)
		order = compare_verdicts(&a->before, &b->before);
	if (order == 0)
		order = compare_verdicts(&a->after, &b->after);
	return order ? order : compare_ports(a, b);
}

static int compare_by_to(const void *a, const void *b)
{
	const struct survey_change *x = a, *y = b;
	int order = compare_kinds(x, y);

	if (order == 0)
		order = compare_lists(x->to, x->n_to, y->to, y->n_to);
	return order ? order : compare_lists(x->from, x->n_from, y->from, y->n_from);
}

static int compare_by_from(const void *a, const void *b)
{
	const struct survey_change *x = a, *y = b;
	int order = compare_kinds(x, y);

	if (order == 0)
		order = compare_lists(x->from, x->n_from, y->from, y->n_from);
	return order ? order : compare_lists(x->to, x->n_to, y->to, y->n_to);
}

/* For a person: what becomes blocked first, then by names. */
static int compare_to_show(const void *a, const void *b)
{
	const struct survey_change *x = a, *y = b;
	int order = compare_numbers(x->becomes_allowed, y->becomes_allowed);

	if (order == 0)
		order = compare_lists(x->from, x->n_from, y->from, y->n_from);
	if (order == 0)
		order = compare_lists(x->to, x->n_to, y->to, y->n_to);
	return order ? order : compare_ports(x, y);
}

static int append(uint32_t **list, size_t *n, const uint32_t *more, size_t n_more, struct error *err)
{
	uint32_t *grown = reallocarray(*list, *n + n_more, sizeof(**list));

	if (!grown)
		return error_nomem(err);
	memcpy(grown + *n, more, n_more * sizeof(*more));
	*list = grown;
	*n += n_more;
	return 0;
}

/* Takes `change` into `into` if they differ only in one end. 1: taken. */
static int absorb(struct survey_change *into, const struct survey_change *change, bool by_to, struct error *err)
{
	if (compare_kinds(into, change) != 0)
		return 0;
	if (by_to ? compare_lists(into->to, into->n_to, change->to, change->n_to) != 0
		  : compare_lists(into->from, into->n_from, change->from, change->n_from) != 0)
		return 0;
	int r = by_to ? append(&into->from, &into->n_from, change->from, change->n_from, err)
		      : append(&into->to, &into->n_to, change->to, change->n_to, err);
	if (r < 0)
		return r;
	into->families |= change->families;
	into->common_families |= change->common_families;
	into->pairs += change->pairs;
	return 1;
}

static int compare_classes(const void *a, const void *b)
{
	return compare_numbers(*(const uint32_t *)a, *(const uint32_t *)b);
}

static void sort_ends(struct survey_change *change)
{
	qsort(change->from, change->n_from, sizeof(*change->from), compare_classes);
	qsort(change->to, change->n_to, sizeof(*change->to), compare_classes);
}

static int merge_by(struct survey_changes *changes, bool by_to, struct error *err)
{
	size_t kept = 0;

	if (changes->n == 0)
		return 0;
	qsort(changes->items, changes->n, sizeof(*changes->items), by_to ? compare_by_to : compare_by_from);
	for (size_t i = 1; i < changes->n; i++) {
		int r = absorb(&changes->items[kept], &changes->items[i], by_to, err);

		if (r < 0)
			return r;
		if (r > 0) {
			survey_change_clear(&changes->items[i]);
			changes->items[i] = (struct survey_change){};
			continue;
		}
		struct survey_change moved = changes->items[i];
		changes->items[i] = (struct survey_change){};
		changes->items[++kept] = moved;
	}
	changes->n = kept + 1;
	for (size_t i = 0; i < changes->n; i++)
		sort_ends(&changes->items[i]);
	return 0;
}

/* Until it is as short as it gets: what is merged over one end may be what can be merged over the other. */
int survey_merge(struct survey_changes *changes, struct error *err)
{
	size_t n;
	int r = 0;

	do {
		n = changes->n;
		r = merge_by(changes, true, err);
		if (r == 0)
			r = merge_by(changes, false, err);
	} while (r == 0 && changes->n < n);
	if (r == 0 && changes->n)
		qsort(changes->items, changes->n, sizeof(*changes->items), compare_to_show);
	return r;
}
