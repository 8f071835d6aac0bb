// SPDX-License-Identifier: Apache-2.0
/*
 * Pods into classes: each pod gets a key of all that a policy can know of it, and equal keys are one class. A label that no policy asks for
 * (pod-template-hash, a StatefulSet's pod name) does not part pods.
 */
#include <errno.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "cni-plugin/policy/survey_internal.h"
#include "common/base/array.h"

#define KEYS_MAX (256u * 1024 * 1024) /* bytes of all keys together */

/* How many bounds are at or below the number. */
static size_t piece_of(const struct survey_bounds *bounds, interval_number number)
{
	size_t low = 0, high = bounds->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bounds->items[middle] <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A pod and its key, while classes are made. */
struct member {
	const struct kube_object *pod;
	struct kube_address addresses[FAMILIES];
	struct policy_end end;
	size_t offset, length;
	const struct buf *keys;
};

struct members {
	struct member *items;
	size_t n, capacity;
	struct buf keys;
};

static void members_clear(struct members *members)
{
	free(members->items);
	buf_free(&members->keys);
}

static void write_key(const struct survey_asked *asked, const struct member *member, struct buf *out)
{
	const struct kube_object *pod = member->pod;

	buf_append(out, pod->namespace, strlen(pod->namespace) + 1);
	for (size_t i = 0; i < asked->n_labels; i++) {
		const char *value = kube_labels_get(&pod->labels, asked->labels[i]);

		if (value)
			buf_printf(out, "%zu=%s,", i, value);
	}
	for (size_t i = 0; i < pod->pod.n_ports; i++)
		buf_printf(out, ";%s %u %u", pod->pod.ports[i].name, pod->pod.ports[i].protocol, pod->pod.ports[i].port);
	for (int family = 0; family < FAMILIES; family++) {
		if (member->addresses[family].family)
			buf_printf(out, "/%zu", piece_of(&asked->bounds[family], interval_address(&member->addresses[family])));
		else
			buf_string(out, "/-");
	}
}

/* An address that the engine takes for another pod's is none of this one's. */
static int find_addresses(const struct policy_engine *engine, const struct pod *pod, struct member *member, struct error *err)
{
	_cleanup_(addresses_clear) struct addresses list = {};
	int r = pod_addresses(engine, pod, &list, err);

	for (size_t i = 0; i < list.n; i++) {
		struct kube_address *slot = &member->addresses[family_of(&list.items[i])];
		struct policy_end end = slot->family ? member->end : policy_end_of(engine, &list.items[i]);

		if (slot->family || end.pod != pod)
			continue;
		*slot = list.items[i];
		member->end = end;
	}
	return r;
}

static int add_member(const struct policy_engine *engine, const struct survey_asked *asked, const struct pod *pod, struct members *members,
		      struct error *err)
{
	struct member member = { .pod = pod->object, .offset = members->keys.n, .keys = &members->keys };

	int r = find_addresses(engine, pod, &member, err);
	if (r < 0 || (!member.addresses[POLICY_IPV4].family && !member.addresses[POLICY_IPV6].family))
		return r;
	write_key(asked, &member, &members->keys);
	member.length = members->keys.n - member.offset;
	if (!array_room((void **)&members->items, members->n, &members->capacity, sizeof(*members->items)))
		return error_nomem(err);
	members->items[members->n++] = member;
	return buf_check(&members->keys, "the pods' labels", err);
}

static int compare_keys(const struct member *a, const struct member *b)
{
	size_t n = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->keys->p + a->offset, b->keys->p + b->offset, n);

	return order ? order : a->length < b->length ? -1 : a->length > b->length;
}

static int compare_members(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int order = compare_keys(left, right);

	return order ? order : strcmp(left->pod->name, right->pod->name);
}

static int compare_classes(const void *a, const void *b)
{
	const struct survey_class *left = a, *right = b;
	int order = strcmp(left->pods[0]->namespace, right->pods[0]->namespace);

	return order ? order : strcmp(left->pods[0]->name, right->pods[0]->name);
}

static int new_class(struct survey *survey, const struct survey_class *class, struct error *err)
{
	if (!array_room((void **)&survey->classes, survey->n, &survey->capacity, sizeof(*survey->classes)))
		return error_nomem(err);
	survey->classes[survey->n++] = *class;
	return 0;
}

static int join(struct survey_class *class, const struct member *member, struct error *err)
{
	if (!array_room((void **)&class->pods, class->n_pods, &class->capacity, sizeof(*class->pods)))
		return error_nomem(err);
	if (class->n_pods < 2) {
		memcpy(class->n_pods ? class->second : class->addresses, member->addresses, sizeof(class->addresses));
		*(class->n_pods ? &class->second_end : &class->end) = member->end;
	}
	class->pods[class->n_pods++] = member->pod;
	return 0;
}

static int make_classes(struct survey *survey, struct members *members, struct error *err)
{
	int r = 0;

	if (members->n)
		qsort(members->items, members->n, sizeof(*members->items), compare_members);
	for (size_t i = 0; i < members->n && r == 0; i++) {
		if (i == 0 || compare_keys(&members->items[i - 1], &members->items[i]) != 0)
			r = new_class(survey, &(struct survey_class){}, err);
		if (r == 0)
			r = join(&survey->classes[survey->n - 1], &members->items[i], err);
	}
	if (r == 0 && survey->n)
		qsort(survey->classes, survey->n, sizeof(*survey->classes), compare_classes);
	survey->n_pod_classes = survey->n;
	return r;
}

static int classify_pods(struct survey *survey, const struct survey_asked *asked, struct error *err)
{
	_cleanup_(members_clear) struct members members = { .keys = BUF_MAX(KEYS_MAX) };
	const struct policy_engine *engine = survey->before->engine;

	for (size_t i = 0; i < engine->namespaces.n; i++) {
		const struct ns *ns = engine->namespaces.items[i];

		for (size_t j = 0; j < ns->pods.n; j++) {
			int r = add_member(engine, asked, ns->pods.items[j], &members, err);

			if (r < 0)
				return r;
		}
	}
	return make_classes(survey, &members, err);
}

/* An address of the range that no pod has, if one of its first does not. */
static bool find_outsider(const struct policy_engine *engine, const struct interval *range, int family, struct kube_address *ret)
{
	for (interval_number number = range->first, tries = 0; tries < 256; number++, tries++) {
		struct kube_address address = { .family = family == POLICY_IPV4 ? AF_INET : AF_INET6 };
		size_t n;

		interval_bytes(number, address.bytes, family == POLICY_IPV4 ? 4 : 16);
		if (!engine_claims_of(engine, &address, &n) && !endpoint_with_address(engine, &address)) {
			*ret = address;
			return true;
		}
		if (number == range->last)
			break;
	}
	return false;
}

static int add_outside(struct survey *survey, const struct survey_asked *asked, int family, struct error *err)
{
	const struct survey_bounds *bounds = &asked->bounds[family];
	int r = 0;

	for (size_t i = 0; i <= bounds->n && r == 0; i++) {
		struct survey_class class = { .range = { i > 0 ? bounds->items[i - 1] : 0,
							 i < bounds->n ? bounds->items[i] - 1 : survey_last_address(family) } };

		if (!find_outsider(survey->before->engine, &class.range, family, &class.addresses[family]))
			continue;
		if (survey->n - survey->n_pod_classes == SURVEY_OUTSIDE_MAX) {
			survey->cut_short = true;
			return 0;
		}
		r = new_class(survey, &class, err);
	}
	return r;
}

static void mark_subjects(struct survey *survey, const struct policy_change *change)
{
	const struct kube_object *versions[] = { policy_change_before(survey->before->engine, change), change->after };

	for (size_t i = 0; i < survey->n_pod_classes; i++) {
		struct survey_class *class = &survey->classes[i];

		if (strcmp(class->pods[0]->namespace, change->namespace) != 0)
			continue;
		for (int side = EGRESS; side < SIDES; side++) {
			for (size_t j = 0; j < ELEMENTS_OF(versions); j++)
				class->subject[side] |= versions[j] && policy_isolates(versions[j], side, class->pods[0]);
		}
	}
}

static int finish(struct survey *survey, struct error *err)
{
	int r = 0;

	for (size_t i = 0; survey->after && i < survey->after->n_changes; i++)
		mark_subjects(survey, &survey->after->changes[i]);
	for (size_t i = 0; i < survey->n_pod_classes && r == 0; i++)
		r = survey_cut(survey, &survey->classes[i], err);
	return r;
}

int survey_build(const struct policy_view *before, const struct policy_view *after, struct survey *ret, struct error *err)
{
	_cleanup_(survey_asked_clear) struct survey_asked asked = {};
	struct survey survey = { .before = before, .after = after };

	int r = survey_ask(&survey, &asked, err);
	if (r == 0)
		r = classify_pods(&survey, &asked, err);
	for (int family = 0; family < FAMILIES && r == 0; family++)
		r = add_outside(&survey, &asked, family, err);
	if (r == 0)
		r = finish(&survey, err);
	if (r < 0) {
		survey_clear(&survey);
		return r;
	}
	*ret = survey;
	return 0;
}

void survey_clear(struct survey *survey)
{
	for (size_t i = 0; i < survey->n; i++) {
		free(survey->classes[i].pods);
		for (int side = EGRESS; side < SIDES; side++)
			free(survey->classes[i].cuts[side].items);
	}
	free(survey->classes);
	*survey = (struct survey){};
}
