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
	const struct policy_view *view;
	const struct policy_flow *flow;
	const struct policy_port *ports;
	size_t n_ports;
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
	const struct claim *claims = engine_claims_of(question->view->engine, address, &n);

	if (peer->is_ip_block)
		return block_has(&peer->ip_block, address);
	for (size_t i = 0; i < n; i++)
		if (peer_matches_pod(peer, question->ns, claims[i].pod))
			return true;
	return false;
}

static bool port_has(const struct question *question, const struct kube_policy_port *port, const struct policy_port *asked)
{
	if (port->protocol != asked->protocol)
		return false;
	if (port->name)
		return address_serves(question->view->engine, &question->flow->destination, port->name, port->protocol, asked->port,
				      question->local);
	return port->port == 0 || (asked->port >= port->port && asked->port <= port->end);
}

static bool rule_has_port(const struct question *question, const struct kube_rule *rule, const struct policy_port *asked)
{
	bool has = rule->n_ports == 0;

	for (size_t i = 0; i < rule->n_ports && !has; i++)
		has = port_has(question, &rule->ports[i], asked);
	return has;
}

static bool rule_has_peer(const struct question *question, const struct kube_rule *rule)
{
	bool has = rule->n_peers == 0;

	for (size_t i = 0; i < rule->n_peers && !has; i++)
		has = peer_has(question, &rule->peers[i]);
	return has;
}

/* The peers are the same for every port: they are looked at once, and only if a port asks for it. */
static void ask_rule(const struct question *question, const struct kube_object *policy, const struct kube_rule *rule, size_t index,
		     struct policy_verdict *verdicts)
{
	bool peer = false;

	for (size_t i = 0; i < question->n_ports; i++) {
		if (verdicts[i].allowed || !rule_has_port(question, rule, &question->ports[i]))
			continue;
		if (!peer && !rule_has_peer(question, rule))
			return;
		peer = true;
		verdicts[i].allowed = true;
		verdicts[i].policy = policy;
		verdicts[i].rule = index;
	}
}

static void note_isolating(const struct question *question, const struct kube_object *policy, const char *refusal,
			   struct policy_verdict *verdicts)
{
	for (size_t i = 0; i < question->n_ports; i++) {
		struct policy_verdict *verdict = &verdicts[i];

		if (verdict->n_policies < POLICY_ISOLATING_MAX) {
			verdict->isolating[verdict->n_policies] = policy;
			verdict->refusals[verdict->n_policies] = refusal;
		}
		verdict->n_policies++;
		if (!verdict->policy)
			verdict->policy = policy;
	}
}

static void ask_policies(const struct question *question, struct policy_verdict *verdicts)
{
	struct policy_walk walk = policy_walk_begin(question->view, question->ns->name);
	const struct kube_object *policy, *pod = verdicts[0].pod;
	const struct kube_rule *rules;

	while ((policy = policy_walk_next(&walk))) {
		if (!policy_isolates(policy, question->side, pod))
			continue;
		const char *refusal = policy_engine_refusal(question->view->engine, policy);
		note_isolating(question, policy, refusal, verdicts);
		size_t n = refusal ? 0 : policy_rules(policy, question->side, &rules);
		for (size_t i = 0; i < n; i++)
			ask_rule(question, policy, &rules[i], i, verdicts);
	}
	for (size_t i = 0; i < question->n_ports; i++) {
		struct policy_verdict *verdict = &verdicts[i];

		verdict->reason = verdict->n_policies == 0 ? POLICY_NOT_ISOLATED : verdict->allowed ? POLICY_ALLOWED_BY : POLICY_NO_RULE;
		verdict->allowed |= verdict->n_policies == 0;
	}
}

/* Without a look at the policies. False if they must be asked. */
static bool is_settled(const struct question *question, bool is_known, const struct pod *pod, struct policy_verdict *verdict)
{
	if (!is_known) {
		verdict->allowed = true;
		verdict->reason = POLICY_NOT_A_POD;
	} else if (question->side == INGRESS && question->flow->source_is_own_node) {
		verdict->allowed = true;
		verdict->reason = POLICY_OWN_NODE;
	} else if (!pod) {
		verdict->reason = POLICY_QUARANTINED;
	} else {
		return false;
	}
	return true;
}

/* One verdict for each port. */
static void decide(struct question *question, const struct policy_end *end, struct policy_verdict *verdicts)
{
	bool ask = false;

	for (size_t i = 0; i < question->n_ports; i++) {
		verdicts[i] = (struct policy_verdict){ .is_ingress = question->side == INGRESS, .pod = policy_end_pod(end) };
		ask = !is_settled(question, end->is_endpoint || end->pod, end->pod, &verdicts[i]);
	}
	question->ns = end->pod ? end->pod->ns : NULL;
	question->local = end->is_endpoint && question->side == INGRESS;
	if (ask)
		ask_policies(question, verdicts);
}

/* Ports are asked for in pieces of this size, so that the answers fit the stack. */
#define PIECE 16

static void decide_piece(struct question *question, const struct policy_end *source, const struct policy_end *destination,
			 struct policy_decision *ret)
{
	struct policy_verdict egress[PIECE], ingress[PIECE];

	question->side = EGRESS;
	decide(question, source, egress);
	question->side = INGRESS;
	decide(question, destination, ingress);
	for (size_t i = 0; i < question->n_ports; i++)
		ret[i] = (struct policy_decision){ egress[i].allowed && ingress[i].allowed, egress[i], ingress[i] };
}

void policy_decide_ports(const struct policy_view *view, const struct policy_flow *flow, const struct policy_end *source,
			 const struct policy_end *destination, const struct policy_port *ports, size_t n, struct policy_decision *ret)
{
	for (size_t i = 0; i < n; i += PIECE) {
		struct question question = { .view = view, .flow = flow, .ports = ports + i, .n_ports = n - i < PIECE ? n - i : PIECE };

		decide_piece(&question, source, destination, ret + i);
	}
}

void policy_decide_view(const struct policy_view *view, const struct policy_flow *flow, struct policy_decision *ret)
{
	const struct policy_end source = policy_end_of(view->engine, &flow->source);
	const struct policy_end destination = policy_end_of(view->engine, &flow->destination);
	const struct policy_port port = { flow->protocol, flow->port };

	policy_decide_ports(view, flow, &source, &destination, &port, 1, ret);
}

void policy_decide(const struct policy_engine *engine, const struct policy_flow *flow, struct policy_decision *ret)
{
	const struct policy_view view = { .engine = engine };

	policy_decide_view(&view, flow, ret);
}

struct policy_end policy_end_of(const struct policy_engine *engine, const struct kube_address *address)
{
	const struct endpoint *endpoint = endpoint_with_address(engine, address);

	return (struct policy_end){ endpoint ? endpoint->pod : claimant(engine, address), endpoint != NULL };
}

const struct kube_object *policy_end_pod(const struct policy_end *end)
{
	return end->pod ? end->pod->object : NULL;
}
