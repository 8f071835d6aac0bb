// SPDX-License-Identifier: Apache-2.0
/*
 * Answers from the objects, not from the ruleset: what the policies say, to be held against what the kernel does. Rules are read as
 * they were written, so that the answer names the rule that a person can find in the manifest.
 */
#include "cni-plugin/policy/decide.h"

#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

/* One end of the connection, as its policies see it. */
struct question {
	const struct policy_engine *engine;
	const struct policy_flow *flow;
	enum policy_side side;
	const struct ns *ns; /* of the policy */
	bool local;          /* the destination is a pod of this node */
};

static bool is_before(const struct pod *a, const struct pod *b)
{
	int order = strcmp(a->ns->name, b->ns->name);

	return order < 0 || (order == 0 && strcmp(a->name, b->name) < 0);
}

/* Of several who claim the address, this node's own; else the first by name. */
static const struct pod *claimant(const struct policy_engine *engine, const struct kube_address *address)
{
	const struct pod *first = NULL;
	size_t n;
	const struct claim *claims = engine_claims_of(engine, address, &n);

	for (size_t i = 0; i < n; i++)
		if (!first || is_before(claims[i].pod, first))
			first = claims[i].pod;
	return first;
}

static bool block_has(const struct kube_ip_block *block, const struct kube_address *address)
{
	interval_number number = interval_address(address);
	struct interval range = interval_cidr(&block->cidr);

	if (block->cidr.address.family != address->family || number < range.first || number > range.last)
		return false;
	for (size_t i = 0; i < block->n_except; i++) {
		struct interval except = interval_cidr(&block->except[i]);

		if (block->except[i].address.family == address->family && number >= except.first && number <= except.last)
			return false;
	}
	return true;
}

static bool peer_has(const struct question *question, const struct kube_peer *peer)
{
	const struct kube_address *address = question->side == EGRESS ? &question->flow->destination : &question->flow->source;
	size_t n;
	const struct claim *claims = engine_claims_of(question->engine, address, &n);

	if (peer->is_ip_block)
		return block_has(&peer->ip_block, address);
	for (size_t i = 0; i < n; i++)
		if (peer_matches_pod(peer, question->ns, claims[i].pod))
			return true;
	return false;
}

static bool port_has(const struct question *question, const struct kube_policy_port *port)
{
	const struct policy_flow *flow = question->flow;

	if (port->protocol != flow->protocol)
		return false;
	if (port->name)
		return address_serves(question->engine, &flow->destination, port->name, port->protocol, flow->port, question->local);
	return port->port == 0 || (flow->port >= port->port && flow->port <= port->end);
}

static bool rule_allows(const struct question *question, const struct kube_rule *rule)
{
	bool peer = rule->n_peers == 0, port = rule->n_ports == 0;

	for (size_t i = 0; i < rule->n_ports && !port; i++)
		port = port_has(question, &rule->ports[i]);
	for (size_t i = 0; i < rule->n_peers && port && !peer; i++)
		peer = peer_has(question, &rule->peers[i]);
	return peer && port;
}

static bool policy_allows(const struct question *question, const struct kube_object *policy, size_t *ret_rule)
{
	const struct kube_rule *rules;
	size_t n = policy_rules(policy, question->side, &rules);

	for (size_t i = 0; i < n; i++) {
		if (!rule_allows(question, &rules[i]))
			continue;
		*ret_rule = i;
		return true;
	}
	return false;
}

static void ask_policies(const struct question *question, struct policy_verdict *verdict)
{
	const struct named *policies = &question->ns->policies;

	for (size_t i = 0; i < policies->n; i++) {
		const struct kube_object *policy = ((const struct policy *)policies->items[i])->object;
		size_t rule;

		if (!policy_isolates(policy, question->side, verdict->pod))
			continue;
		verdict->n_policies++;
		if (!verdict->policy)
			verdict->policy = policy;
		if (verdict->allowed || !policy_allows(question, policy, &rule))
			continue;
		verdict->allowed = true;
		verdict->policy = policy;
		verdict->rule = rule;
	}
	if (verdict->n_policies == 0) {
		verdict->allowed = true;
		verdict->reason = POLICY_NOT_ISOLATED;
		return;
	}
	verdict->reason = verdict->allowed ? POLICY_ALLOWED_BY : POLICY_NO_RULE;
}

static struct policy_verdict decide(const struct policy_engine *engine, const struct policy_flow *flow, enum policy_side side)
{
	const struct kube_address *address = side == EGRESS ? &flow->source : &flow->destination;
	const struct endpoint *endpoint = endpoint_with_address(engine, address);
	const struct pod *pod = endpoint ? endpoint->pod : claimant(engine, address);
	struct policy_verdict verdict = { .is_ingress = side == INGRESS, .pod = pod ? pod->object : NULL };
	struct question question = { engine, flow, side, pod ? pod->ns : NULL, endpoint != NULL && side == INGRESS };

	if (!endpoint && !pod) {
		verdict.allowed = true;
		verdict.reason = POLICY_NOT_A_POD;
	} else if (side == INGRESS && flow->source_is_own_node) {
		verdict.allowed = true;
		verdict.reason = POLICY_OWN_NODE;
	} else if (!pod) {
		verdict.reason = POLICY_QUARANTINED;
	} else {
		ask_policies(&question, &verdict);
	}
	return verdict;
}

void policy_decide(const struct policy_engine *engine, const struct policy_flow *flow, struct policy_decision *ret)
{
	struct policy_decision decision = {
		.egress = decide(engine, flow, EGRESS),
		.ingress = decide(engine, flow, INGRESS),
	};

	decision.allowed = decision.egress.allowed && decision.ingress.allowed;
	*ret = decision;
}
