// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/engine_internal.h"

static void print_rule(const struct kube_rule *rule, const char *namespace, enum policy_side side, size_t index, struct buf *out)
{
	_cleanup_(normal_rule_clear) struct normal_rule normal = {};

	buf_printf(out, "\t%s[%zu] %s ", policy_side_names[side], index, side == EGRESS ? "to" : "from");
	if (normal_rule_build(rule, namespace, &normal, NULL) < 0)
		buf_string(out, "(out of memory)");
	else
		normal_rule_print(&normal, out);
	buf_byte(out, '\n');
}

static void print_side(const struct policy *policy, enum policy_side side, struct buf *out)
{
	const struct kube_network_policy *spec = &policy->object->policy;
	const struct kube_rule *rules;
	size_t n = policy_rules_in_force(policy, side, &rules);

	if (!(side == EGRESS ? spec->isolates_egress : spec->isolates_ingress))
		return;
	if (n == 0)
		buf_printf(out, "\t%s: nothing is allowed\n", policy_side_names[side]);
	for (size_t i = 0; i < n; i++)
		print_rule(&rules[i], policy->ns->name, side, i, out);
}

static void print_policy(const struct policy *policy, struct buf *out)
{
	const struct kube_network_policy *spec = &policy->object->policy;

	buf_printf(out, "policy %s/%s selects ", policy->ns->name, policy->name);
	if (spec->pod_selector.n == 0)
		buf_string(out, "all pods");
	else
		kube_selector_print(&spec->pod_selector, out);
	buf_byte(out, '\n');
	if (policy_refusal(policy))
		buf_printf(out, "\tinvalid: %s\n", policy_refusal(policy));
	print_side(policy, EGRESS, out);
	print_side(policy, INGRESS, out);
}

static void print_group(const struct endpoint *endpoint, enum policy_side side, struct buf *out)
{
	const struct group *group = endpoint->groups[side];

	buf_printf(out, "\t%s: ", policy_side_names[side]);
	if (!group)
		buf_string(out, "not isolated");
	for (size_t i = 0; group && i < group->n; i++)
		buf_printf(out, "%s%s", i > 0 ? ", " : "", group->policies[i]->name);
	buf_byte(out, '\n');
}

static void print_endpoint(const struct endpoint *endpoint, struct buf *out)
{
	buf_printf(out, "endpoint %s of pod %s/%s", endpoint->id, endpoint->ns->name, endpoint->pod_name);
	for (size_t i = 0; i < endpoint->addresses.n; i++) {
		char text[INET6_ADDRSTRLEN];

		kube_address_format(&endpoint->addresses.items[i], text);
		buf_printf(out, " %s", text);
	}
	buf_byte(out, '\n');
	if (endpoint->leaving) {
		buf_string(out, "\tleaving: quarantined until its interface is gone\n");
		return;
	}
	if (!endpoint->pod) {
		buf_string(out, "\tquarantined: the pod's object is unknown or of another pod\n");
		return;
	}
	print_group(endpoint, EGRESS, out);
	print_group(endpoint, INGRESS, out);
}

void policy_engine_print(const struct policy_engine *engine, struct buf *out)
{
	for (size_t i = 0; i < engine->namespaces.n; i++) {
		const struct ns *ns = engine->namespaces.items[i];

		for (size_t j = 0; j < ns->policies.n; j++)
			print_policy(ns->policies.items[j], out);
	}
	for (size_t i = 0; i < engine->endpoints.n; i++)
		print_endpoint(engine->endpoints.items[i], out);
}
