// SPDX-License-Identifier: Apache-2.0
/*
 * NetworkPolicy: validated as strictly as the API server does it (k8s.io/kubernetes/pkg/apis/networking/validation), because a
 * manifest in a directory never met one. A policy that is wrong must not open its pods: it is kept with the reason and without
 * rules, and isolates. What is still good decides how far: a bad selector makes it the whole namespace, bad types both
 * directions. Only the first problem is reported; the rest shows when that one is repaired.
 */
#include <errno.h>
#include <string.h>

#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"

/* Remembers the first problem. Passes on only -ENOMEM. */
static int note_problem(struct arena *arena, struct kube_network_policy *policy, int r, const struct error *problem, struct error *err)
{
	if (r == 0)
		return 0;
	if (problem->code == ENOMEM)
		return error_nomem(err);
	if (policy->invalid)
		return 0;
	policy->invalid = arena_string(arena, problem->message);
	return policy->invalid ? 0 : error_nomem(err);
}

static void isolate_only(struct kube_network_policy *policy)
{
	policy->ingress = policy->egress = NULL;
	policy->n_ingress = policy->n_egress = 0;
	policy->combinations = 0;
}

int kube_policy_refuse(struct arena *arena, struct kube_network_policy *policy, const char *reason, struct error *err)
{
	policy->invalid = arena_string(arena, reason);
	isolate_only(policy);
	return policy->invalid ? 0 : error_nomem(err);
}

static int read_selector(struct arena *arena, const struct json_view *spec, struct kube_network_policy *policy, struct error *err)
{
	struct json_view at;
	struct error problem;
	int r = 0;

	if (json_member(spec, "podSelector", &at))
		r = kube_selector_read(arena, &at, &policy->pod_selector, &problem);
	return note_problem(arena, policy, r, &problem, err);
}

static int read_type(const struct json_view *at, bool *ingress, bool *egress, struct error *err)
{
	const char *text;
	int r = json_expect_string(at, &text, err);

	if (r < 0)
		return r;
	if (strcmp(text, "Ingress") == 0)
		*ingress = true;
	else if (strcmp(text, "Egress") == 0)
		*egress = true;
	else
		return json_error(at, err, "\"%s\" is no policy type: use Ingress or Egress", SHOW(slice_string(text)));
	return 0;
}

static int read_type_list(const struct json_view *list, bool *ingress, bool *egress, struct error *err)
{
	size_t n;
	int r = json_expect_array(list, 2, &n, err);

	JSON_FOR_EACH(item, list) {
		if (r < 0)
			return r;
		r = read_type(&item, ingress, egress, err);
	}
	return r;
}

/* Facts S2: without policyTypes a policy is for ingress, and for egress too if it has egress rules. */
static void default_types(const struct json_view *spec, struct kube_network_policy *policy)
{
	struct json_view egress;

	policy->isolates_ingress = true;
	policy->isolates_egress = json_member(spec, "egress", &egress) && (!cJSON_IsArray(egress.value) || egress.value->child);
}

static int read_types(struct arena *arena, const struct json_view *spec, struct kube_network_policy *policy, struct error *err)
{
	bool ingress = false, egress = false;
	struct json_view list;
	struct error problem;

	if (!json_member(spec, "policyTypes", &list) || (cJSON_IsArray(list.value) && !list.value->child)) {
		default_types(spec, policy);
		return 0;
	}
	int r = read_type_list(&list, &ingress, &egress, &problem);
	policy->isolates_ingress = ingress || r < 0;
	policy->isolates_egress = egress || r < 0;
	return note_problem(arena, policy, r, &problem, err);
}

static int read_rule(struct arena *arena, const struct json_view *at, const char *peers_key, struct kube_rule *rule, struct error *err)
{
	int r = json_expect_object(at, err);

	if (r == 0)
		r = kube_peers_read(arena, at, peers_key, rule, err);
	if (r == 0)
		r = kube_policy_ports_read(arena, at, rule, err);
	return r;
}

/* How many rules of the kernel, in one family, it comes to at most; see KUBE_COMBINATIONS_MAX. */
static size_t count_combinations(const struct kube_rule *rule)
{
	bool any_block = false, numbered[UINT8_MAX + 1] = {};
	size_t peers = 0, ports = 0;

	for (size_t i = 0; i < rule->n_peers; i++) {
		peers += !rule->peers[i].is_ip_block;
		any_block |= rule->peers[i].is_ip_block;
	}
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct kube_policy_port *port = &rule->ports[i];
		ports += port->name || !numbered[port->protocol];
		numbered[port->protocol] |= !port->name;
	}
	peers += any_block;
	return (peers ? peers : 1) * (ports ? ports : 1);
}

static int read_rules(struct arena *arena, const struct json_view *spec, const char *key, const char *peers_key, struct kube_rule **ret,
		      size_t *ret_n, size_t *ret_combinations, struct error *err)
{
	size_t n, i = 0, combinations = 0;
	struct json_view list;

	if (!json_member(spec, key, &list))
		return 0;
	int r = json_expect_array(&list, KUBE_RULES_MAX, &n, err);
	if (r < 0 || n == 0)
		return r;
	struct kube_rule *rules = ARENA_ARRAY(arena, struct kube_rule, n);
	if (!rules)
		return error_nomem(err);
	JSON_FOR_EACH(item, &list) {
		r = read_rule(arena, &item, peers_key, &rules[i], err);
		if (r < 0)
			return r;
		combinations += count_combinations(&rules[i++]);
		if (combinations > KUBE_COMBINATIONS_MAX)
			return json_error(&item, err,
					  "up to here there are %zu combinations of a selector with a named port or protocol, above the "
					  "limit of %d: use fewer selectors (with more values) or numeric ports",
					  combinations, KUBE_COMBINATIONS_MAX);
	}
	*ret = rules;
	*ret_n = n;
	*ret_combinations = combinations;
	return 0;
}

static int read_both_directions(struct arena *arena, const struct json_view *spec, struct kube_network_policy *policy, struct error *err)
{
	size_t ingress = 0, egress = 0;
	struct error problem;
	int r = read_rules(arena, spec, "ingress", "from", &policy->ingress, &policy->n_ingress, &ingress, &problem);

	if (r == 0)
		r = read_rules(arena, spec, "egress", "to", &policy->egress, &policy->n_egress, &egress, &problem);
	policy->combinations = ingress + egress;
	return note_problem(arena, policy, r, &problem, err);
}

int kube_policy_read(struct arena *arena, const struct json_view *at, struct kube_network_policy *ret, struct error *err)
{
	struct kube_network_policy policy = {};
	struct json_view spec = {};
	struct error problem;
	int r = 0;

	if (json_member(at, "spec", &spec))
		r = json_expect_object(&spec, &problem);
	if (r < 0) {
		policy.isolates_ingress = policy.isolates_egress = true;
		r = note_problem(arena, &policy, r, &problem, err);
	} else {
		r = read_selector(arena, &spec, &policy, err);
		if (r == 0)
			r = read_types(arena, &spec, &policy, err);
		if (r == 0)
			r = read_both_directions(arena, &spec, &policy, err);
	}
	if (r < 0)
		return r;
	if (policy.invalid)
		isolate_only(&policy);
	*ret = policy;
	return 0;
}
