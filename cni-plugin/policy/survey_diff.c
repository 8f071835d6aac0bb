// SPDX-License-Identifier: Apache-2.0
/*
 * What two views judge differently. Only pairs with an end that a changed policy isolates, before or after, can be among it. Equal changes
 * are then merged twice: over those who reach the same pods, and over those who are reached by the same.
 */
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "cni-plugin/policy/survey_internal.h"
#include "common/base/array.h"

#define MERGE_FIRST 2000 /* changes, before the first time */

/* One pair under work: the changes of its families so far. */
struct work {
	bool reach; /* what is allowed, not what differs */
	struct survey *survey;
	struct survey_changes *changes;
	struct survey_pair *pair;
	size_t first;  /* of this pair */
	size_t judged; /* pairs */
	size_t merge_at;
	uint8_t common_families;
	uint64_t pod_pairs;
};

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

/* What lets it through, on either side; nothing that has to is as good as nothing that may. */
static struct survey_change reach_of(const struct policy_decision *decision, uint8_t family)
{
	struct survey_change reach = {
		.becomes_allowed = true, .families = family, .before = decision->egress, .after = decision->ingress
	};

	if (reach.before.reason != POLICY_ALLOWED_BY)
		reach.before = (struct policy_verdict){ .allowed = true, .reason = POLICY_NOT_ISOLATED };
	if (reach.after.reason != POLICY_ALLOWED_BY)
		reach.after = (struct policy_verdict){ .allowed = true, .reason = POLICY_NOT_ISOLATED };
	return reach;
}

/* Pieces with the same cause are one change. `begin`: where this family's changes begin. */
static int add_piece(struct work *work, size_t begin, size_t i, uint8_t family, struct error *err)
{
	const struct survey_pair *pair = work->pair;
	struct survey_change model =
		work->reach ? reach_of(&pair->before[i], family) : change_of(&pair->before[i], &pair->after[i], family);
	struct survey_change *change = NULL;

	for (size_t j = begin; j < work->changes->n && !change; j++) {
		if (survey_same_cause(&work->changes->items[j], &model))
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
			if (survey_same_cause(&changes->items[j], change) && survey_same_ports(&changes->items[j], change))
				twin = &changes->items[j];
		}
		if (!twin) {
			i++;
			continue;
		}
		twin->families |= change->families;
		survey_change_clear(change);
		*change = changes->items[--changes->n];
	}
}

static int judge_family(struct work *work, uint32_t from, uint32_t to, int family, struct error *err)
{
	size_t begin = work->changes->n;

	survey_judge(work->survey, from, to, family, work->pair);
	for (size_t i = 0; i < work->pair->n; i++) {
		if (work->reach ? !work->pair->before[i].allowed : work->pair->before[i].allowed == work->pair->after[i].allowed)
			continue;
		int r = add_piece(work, begin, i, (uint8_t)(1 << family), err);
		if (r < 0)
			return r;
	}
	merge_families(work, begin);
	return 0;
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
	int r = survey_merge(work->changes, err);

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

static int collect(struct survey *survey, bool reach, struct survey_changes *ret, struct error *err)
{
	_cleanup_(survey_changes_clear) struct survey_changes changes = {};
	_cleanup_free_ struct survey_pair *pair = malloc(sizeof(*pair));
	struct work work = { .reach = reach, .survey = survey, .changes = &changes, .pair = pair, .merge_at = MERGE_FIRST };

	if (!pair)
		return error_nomem(err);
	int r = judge_pairs(&work, err);
	if (r == 0)
		r = survey_merge(&changes, err);
	if (r < 0)
		return r;
	*ret = changes;
	changes = (struct survey_changes){};
	return 0;
}

int survey_diff(struct survey *survey, struct survey_changes *ret, struct error *err)
{
	return collect(survey, false, ret, err);
}

int survey_reach(struct survey *survey, bool (*in_scope)(void *context, const struct kube_object *pod), void *context,
		 struct survey_changes *ret, struct error *err)
{
	for (size_t i = 0; i < survey->n_pod_classes; i++) {
		struct survey_class *class = &survey->classes[i];
		bool scope = false;

		for (size_t j = 0; j < class->n_pods && !scope; j++)
			scope = in_scope(context, class->pods[j]);
		class->subject[EGRESS] = class->subject[INGRESS] = scope;
	}
	return collect(survey, true, ret, err);
}
