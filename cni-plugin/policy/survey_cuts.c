// SPDX-License-Identifier: Apache-2.0
/* The port numbers, cut where a rule of a policy that isolates the class changes its mind. */
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "cni-plugin/policy/survey_internal.h"
#include "common/base/array.h"

static int add(struct survey_cuts *cuts, uint8_t protocol, uint32_t port, struct error *err)
{
	if (port > UINT16_MAX)
		return 0;
	if (!array_room((void **)&cuts->items, cuts->n, &cuts->capacity, sizeof(*cuts->items)))
		return error_nomem(err);
	cuts->items[cuts->n++] = (uint32_t)protocol << 16 | port;
	return 0;
}

static int add_rule(struct survey_cuts *cuts, const struct kube_rule *rule, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < rule->n_ports && r == 0; i++) {
		const struct kube_policy_port *port = &rule->ports[i];

		cuts->names |= port->name != NULL;
		if (port->name || port->port == 0)
			continue;
		r = add(cuts, port->protocol, port->port, err);
		if (r == 0)
			r = add(cuts, port->protocol, (uint32_t)port->end + 1, err);
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void tidy(struct survey_cuts *cuts)
{
	size_t n = 0;

	if (cuts->n)
		qsort(cuts->items, cuts->n, sizeof(*cuts->items), compare);
	for (size_t i = 0; i < cuts->n; i++) {
		if (n == 0 || cuts->items[n - 1] != cuts->items[i])
			cuts->items[n++] = cuts->items[i];
	}
	cuts->n = n;
}

static int cut_side(const struct policy_view *view, const struct survey_class *class, enum policy_side side, struct survey_cuts *cuts,
		    bool *ret_isolated, struct error *err)
{
	struct policy_walk walk = policy_walk_begin(view, class->pods[0]->namespace);
	const struct kube_object *policy;
	const struct kube_rule *rules;

	while ((policy = policy_walk_next(&walk))) {
		bool isolates = policy_isolates(policy, side, class->pods[0]);
		size_t n = isolates ? policy_rules(policy, side, &rules) : 0;

		*ret_isolated |= isolates;

		for (size_t i = 0; i < n; i++) {
			int r = add_rule(cuts, &rules[i], err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int survey_cut(struct survey *survey, struct survey_class *class, struct error *err)
{
	for (int side = EGRESS; side < SIDES; side++) {
		bool ignored = false;
		int r = cut_side(survey->before, class, side, &class->cuts[side], &class->isolated[side], err);

		if (r == 0 && survey->after)
			r = cut_side(survey->after, class, side, &class->cuts[side], &ignored, err);
		if (r < 0)
			return r;
		tidy(&class->cuts[side]);
	}
	return 0;
}

/* Into the sorted list, once. */
static void insert(uint32_t *list, size_t *n, uint32_t cut)
{
	size_t at = *n;

	while (at > 0 && list[at - 1] >= cut) {
		if (list[at - 1] == cut)
			return;
		at--;
	}
	if (*n == SURVEY_PORTS_MAX)
		return;
	memmove(list + at + 1, list + at, (*n - at) * sizeof(*list));
	list[at] = cut;
	++*n;
}

static size_t collect(struct survey *survey, const struct survey_class *from, const struct survey_class *to, uint32_t *list)
{
	static const uint8_t protocols[] = { KUBE_PROTOCOL_TCP, KUBE_PROTOCOL_UDP, KUBE_PROTOCOL_SCTP };
	const struct survey_cuts *cuts[] = { &from->cuts[EGRESS], &to->cuts[INGRESS] };
	const struct kube_pod *pod = to->n_pods ? &to->pods[0]->pod : NULL;
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS_OF(protocols); i++)
		insert(list, &n, (uint32_t)protocols[i] << 16 | 1);
	for (size_t i = 0; i < ELEMENTS_OF(cuts); i++) {
		for (size_t j = 0; j < cuts[i]->n; j++)
			insert(list, &n, cuts[i]->items[j]);
	}
	for (size_t i = 0; pod && (cuts[0]->names || cuts[1]->names) && i < pod->n_ports; i++) {
		uint32_t cut = (uint32_t)pod->ports[i].protocol << 16 | pod->ports[i].port;

		insert(list, &n, cut);
		if (pod->ports[i].port < UINT16_MAX)
			insert(list, &n, cut + 1);
	}
	survey->cut_short |= n == SURVEY_PORTS_MAX;
	return n;
}

static void judge_flow(struct survey *survey, const struct policy_flow *flow, struct survey_pair *pair)
{
	const struct policy_end *source = &survey->classes[pair->from].end;
	const struct policy_end *destination =
		pair->from == pair->to ? &survey->classes[pair->to].second_end : &survey->classes[pair->to].end;
	uint32_t list[SURVEY_PORTS_MAX];

	pair->n = collect(survey, &survey->classes[pair->from], &survey->classes[pair->to], list);
	for (size_t i = 0; i < pair->n; i++) {
		uint8_t protocol = (uint8_t)(list[i] >> 16);
		uint16_t first = (uint16_t)list[i];
		bool is_last = i + 1 == pair->n || list[i + 1] >> 16 != protocol;

		pair->ports[i] = (struct policy_port){ protocol, first };
		pair->ranges[i] = (struct survey_range){ protocol, first, is_last ? UINT16_MAX : (uint16_t)(list[i + 1] - 1) };
	}
	policy_decide_ports(survey->before, flow, source, destination, pair->ports, pair->n, pair->before);
	if (survey->after)
		policy_decide_ports(survey->after, flow, source, destination, pair->ports, pair->n, pair->after);
}

void survey_judge(struct survey *survey, uint32_t from, uint32_t to, int family, struct survey_pair *pair)
{
	const struct survey_class *source = &survey->classes[from], *destination = &survey->classes[to];
	struct policy_flow flow = {
		.source = source->addresses[family],
		.destination = from == to ? source->second[family] : destination->addresses[family],
	};

	pair->from = from;
	pair->to = to;
	pair->n = 0;
	if (flow.source.family && flow.destination.family)
		judge_flow(survey, &flow, pair);
}
