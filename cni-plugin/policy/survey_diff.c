// SPDX-License-Identifier: Apache-2.0
/*
 * What two views judge differently. Only pairs with an end that a changed policy isolates, before or after, can be among it. Equal changes
 * are then merged twice: over those who reach the same pods, and over those who are reached by the same.
 */
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "cni-plugin/policy/survey.h"
#include "common/base/array.h"

#define MERGE_FIRST 2000

static void change_clear(struct survey_change *change)
{
	free(change->ports);
	free(change->from);
	free(change->to);
}

void survey_changes_clear(struct survey_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++)
		change_clear(&changes->items[i]);
	free(changes->items);
	*changes = (struct survey_changes){};
}

/* One pair under work: the changes of its families so far. */
struct work {
	struct survey *survey;
	struct survey_changes *changes;
	struct survey_pair *pair;
	size_t first;  /* of this pair */
	size_t judged; /* pairs */
	size_t merge_at;
	uint8_t common_families;
	uint64_t pod_pairs;
};

static bool same_verdict(const struct policy_verdict *a, const struct policy_verdict *b)
{
	return a->reason == b->reason && a->policy == b->policy && a->rule == b->rule && a->n_policies == b->n_policies;
}

static bool same_cause(const struct survey_change *a, const struct survey_change *b)
{
	return a->becomes_allowed == b->becomes_allowed && a->is_ingress == b->is_ingress && same_verdict(&a->before, &b->before) &&
	       same_verdict(&a->after, &b->after);
}

static bool same_ports(const struct survey_change *a, const struct survey_change *b)
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

/* The direction that turned; if both did, the one that the packet meets first. */
static struct survey_change change_of(const struct policy_decision *before, const struct policy_decision *after, uint8_t family)
{
	const struct policy_decision *denied = after->allowed ? before : after;
	bool is_ingress = denied->egress.allowed;

	return (struct survey_change){
		.becomes_allowed = after->allowed,
		.is_ingress = is_ingress,
		.families = family,
		.before = is_ingress ? before->ingress : before->egress,
		.after = is_ingress ? after->ingress : after->egress,
	};
}

static int add_range(struct survey_change *change, const struct survey_range *range, struct error *err)
{
	struct survey_range *last = change->n_ports ? &change->ports[change->n_ports - 1] : NULL;

	if (last && last->protocol == range->protocol && last->last + 1 == range->first) {
		last->last = range->last;
		return 0;
	}
	if (!array_room((void **)&change->ports, change->n_ports, &change->ports_capacity, sizeof(*change->ports)))
		return error_nomem(err);
	change->ports[change->n_ports++] = *range;
	return 0;
}

static uint32_t *list_of_one(uint32_t class)
{
	uint32_t *list = malloc(sizeof(*list));

	if (list)
		*list = class;
	return list;
}

static int new_change(struct work *work, const struct survey_change *model, struct survey_change **ret, struct error *err)
{
	struct survey_changes *changes = work->changes;

	if (!array_room((void **)&changes->items, changes->n, &changes->capacity, sizeof(*changes->items)))
		return error_nomem(err);
	struct survey_change *change = &changes->items[changes->n++];
	*change = *model;
	change->common_families = work->common_families;
	change->pairs = work->pod_pairs;
	change->from = list_of_one(work->pair->from);
	change->to = list_of_one(work->pair->to);
	change->n_from = change->n_to = 1;
	*ret = change;
	return change->from && change->to ? 0 : error_nomem(err);
}

/* Pieces with the same cause are one change. `begin`: where this family's changes begin. */
static int add_piece(struct work *work, size_t begin, size_t i, uint8_t family, struct error *err)
{
	const struct survey_pair *pair = work->pair;
	struct survey_change model = change_of(&pair->before[i], &pair->after[i], family), *change = NULL;

	for (size_t j = begin; j < work->changes->n && !change; j++) {
		if (same_cause(&work->changes->items[j], &model))
			change = &work->changes->items[j];
	}
	int r = change ? 0 : new_change(work, &model, &change, err);
	return r < 0 ? r : add_range(change, &pair->ranges[i], err);
}

/* What IPv6 changes just as IPv4 does is one change of both. */
static void merge_families(struct work *work, size_t begin)
{
	struct survey_changes *changes = work->changes;

	for (size_t i = begin; i < changes->n;) {
		struct survey_change *change = &changes->items[i], *twin = NULL;

		for (size_t j = work->first; j < begin && !twin; j++) {
			if (same_cause(&changes->items[j], change) && same_ports(&changes->items[j], change))
				twin = &changes->items[j];
		}
		if (!twin) {
			i++;
			continue;
		}
		twin->families |= change->families;
		change_clear(change);
		*change = changes->items[--changes->n];
	}
}

static int judge_family(struct work *work, uint32_t from, uint32_t to, int family, struct error *err)
{
	size_t begin = work->changes->n;

	survey_judge(work->survey, from, to, family, work->pair);
	for (size_t i = 0; i < work->pair->n; i++) {
		if (work->pair->before[i].allowed == work->pair->after[i].allowed)
			continue;
		int r = add_piece(work, begin, i, (uint8_t)(1 << family), err);
		if (r < 0)
			return r;
	}
	merge_families(work, begin);
	return 0;
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
			change_clear(&changes->items[i]);
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
static int merge(struct survey_changes *changes, struct error *err)
{
	size_t n;
	int r = 0;

	do {
		n = changes->n;
		r = merge_by(changes, true, err);
		if (r == 0)
			r = merge_by(changes, false, err);
	} while (r == 0 && changes->n < n);
	return r;
}

static uint64_t count_pod_pairs(const struct survey_class *from, const struct survey_class *to)
{
	if (from == to)
		return (uint64_t)from->n_pods * (from->n_pods - 1);
	return (uint64_t)(from->n_pods ? from->n_pods : 1) * (to->n_pods ? to->n_pods : 1);
}

static void count_pair(struct work *work)
{
	bool blocked = false, allowed = false;

	for (size_t i = work->first; i < work->changes->n; i++) {
		blocked |= !work->changes->items[i].becomes_allowed;
		allowed |= work->changes->items[i].becomes_allowed;
	}
	work->changes->n_blocked += blocked ? work->pod_pairs : 0;
	work->changes->n_allowed += allowed ? work->pod_pairs : 0;
}

/* So that what is in memory follows what there is to say, not how many pairs it is said of. */
static int merge_what_there_is(struct work *work, struct error *err)
{
	int r = merge(work->changes, err);

	work->merge_at = 2 * work->changes->n < MERGE_FIRST ? MERGE_FIRST : 2 * work->changes->n;
	return r;
}

static int judge_pair(struct work *work, uint32_t from, uint32_t to, struct error *err)
{
	const struct survey_class *source = &work->survey->classes[from], *destination = &work->survey->classes[to];

	int r = work->changes->n < work->merge_at ? 0 : merge_what_there_is(work, err);

	if (r < 0 || work->judged == SURVEY_PAIRS_MAX || work->changes->n >= SURVEY_CHANGES_MAX) {
		work->survey->cut_short = true;
		return r;
	}
	work->judged++;
	work->first = work->changes->n;
	work->pod_pairs = count_pod_pairs(source, destination);
	work->common_families = 0;
	for (int family = 0; family < FAMILIES; family++) {
		if (source->addresses[family].family && destination->addresses[family].family)
			work->common_families |= (uint8_t)(1 << family);
	}
	for (int family = 0; family < FAMILIES; family++) {
		r = judge_family(work, from, to, family, err);
		if (r < 0)
			return r;
	}
	count_pair(work);
	return 0;
}

static int judge_pairs(struct work *work, struct error *err)
{
	const struct survey *survey = work->survey;
	int r = 0;

	for (uint32_t from = 0; from < survey->n; from++) {
		for (uint32_t to = 0; to < survey->n && r == 0; to++) {
			if (survey->classes[from].subject[EGRESS] || survey->classes[to].subject[INGRESS])
				r = judge_pair(work, from, to, err);
		}
	}
	return r;
}

int survey_diff(struct survey *survey, struct survey_changes *ret, struct error *err)
{
	_cleanup_(survey_changes_clear) struct survey_changes changes = {};
	_cleanup_free_ struct survey_pair *pair = malloc(sizeof(*pair));
	struct work work = { .survey = survey, .changes = &changes, .pair = pair, .merge_at = MERGE_FIRST };

	if (!pair)
		return error_nomem(err);
	int r = judge_pairs(&work, err);
	if (r == 0)
		r = merge(&changes, err);
	if (r < 0)
		return r;
	if (changes.n)
		qsort(changes.items, changes.n, sizeof(*changes.items), compare_to_show);
	*ret = changes;
	changes = (struct survey_changes){};
	return 0;
}
