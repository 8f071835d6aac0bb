// SPDX-License-Identifier: Apache-2.0
/* The labels that policies ask for, and the addresses at which their blocks begin and end. */
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "cni-plugin/policy/survey_internal.h"
#include "common/base/array.h"

void survey_asked_clear(struct survey_asked *asked)
{
	free(asked->labels);
	for (int family = 0; family < FAMILIES; family++)
		free(asked->bounds[family].items);
}

interval_number survey_last_address(int family)
{
	return family == POLICY_IPV4 ? UINT32_MAX : ~(interval_number)0;
}

static int ask_selector(struct survey_asked *asked, const struct kube_selector *selector, struct error *err)
{
	for (size_t i = 0; i < selector->n; i++) {
		if (!array_room((void **)&asked->labels, asked->n_labels, &asked->labels_capacity, sizeof(*asked->labels)))
			return error_nomem(err);
		asked->labels[asked->n_labels++] = selector->requirements[i].key;
	}
	return 0;
}

static int ask_bound(struct survey_bounds *bounds, interval_number number, struct error *err)
{
	if (!array_room((void **)&bounds->items, bounds->n, &bounds->capacity, sizeof(*bounds->items)))
		return error_nomem(err);
	bounds->items[bounds->n++] = number;
	return 0;
}

static int ask_cidr(struct survey_asked *asked, const struct kube_cidr *cidr, struct error *err)
{
	enum policy_family family = family_of(&cidr->address);
	struct interval range = interval_cidr(cidr);

	int r = range.first > 0 ? ask_bound(&asked->bounds[family], range.first, err) : 0;
	if (r == 0 && range.last < survey_last_address(family))
		r = ask_bound(&asked->bounds[family], range.last + 1, err);
	return r;
}

static int ask_peer(struct survey_asked *asked, const struct kube_peer *peer, struct error *err)
{
	if (!peer->is_ip_block)
		return ask_selector(asked, &peer->pod_selector, err);
	int r = ask_cidr(asked, &peer->ip_block.cidr, err);
	for (size_t i = 0; i < peer->ip_block.n_except && r == 0; i++)
		r = ask_cidr(asked, &peer->ip_block.except[i], err);
	return r;
}

static int ask_policy(struct survey_asked *asked, const struct kube_object *policy, struct error *err)
{
	int r = ask_selector(asked, &policy->policy.pod_selector, err);

	for (int side = EGRESS; side < SIDES; side++) {
		const struct kube_rule *rules;
		size_t n = policy_rules(policy, side, &rules);

		for (size_t i = 0; i < n; i++) {
			for (size_t j = 0; j < rules[i].n_peers && r == 0; j++)
				r = ask_peer(asked, &rules[i].peers[j], err);
		}
	}
	return r;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_number(const void *a, const void *b)
{
	interval_number left = *(const interval_number *)a, right = *(const interval_number *)b;

	return left < right ? -1 : left > right;
}

static void tidy(struct survey_asked *asked)
{
	size_t n = 0;

	if (asked->n_labels)
		qsort(asked->labels, asked->n_labels, sizeof(*asked->labels), compare_text);
	for (size_t i = 0; i < asked->n_labels; i++) {
		if (n == 0 || strcmp(asked->labels[n - 1], asked->labels[i]) != 0)
			asked->labels[n++] = asked->labels[i];
	}
	asked->n_labels = n;
	for (int family = 0; family < FAMILIES; family++) {
		struct survey_bounds *bounds = &asked->bounds[family];

		n = 0;
		if (bounds->n)
			qsort(bounds->items, bounds->n, sizeof(*bounds->items), compare_number);
		for (size_t i = 0; i < bounds->n; i++) {
			if (n == 0 || bounds->items[n - 1] != bounds->items[i])
				bounds->items[n++] = bounds->items[i];
		}
		bounds->n = n;
	}
}

int survey_ask(const struct survey *survey, struct survey_asked *asked, struct error *err)
{
	const struct policy_view *views[] = { survey->before, survey->after };
	const struct policy_engine *engine = survey->before->engine;
	int r = 0;

	for (size_t i = 0; i < engine->namespaces.n; i++) {
		const struct ns *ns = engine->namespaces.items[i];

		for (size_t j = 0; j < ns->policies.n && r == 0; j++)
			r = ask_policy(asked, ((const struct policy *)ns->policies.items[j])->object, err);
	}
	for (size_t i = 0; i < ELEMENTS_OF(views); i++) {
		for (size_t j = 0; views[i] && j < views[i]->n_changes && r == 0; j++)
			r = views[i]->changes[j].after ? ask_policy(asked, views[i]->changes[j].after, err) : 0;
	}
	tidy(asked);
	return r;
}
