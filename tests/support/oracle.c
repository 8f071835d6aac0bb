// SPDX-License-Identifier: Apache-2.0
#include "tests/support/oracle.h"

#include <string.h>

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static const char *label(const struct kube_object *object, const char *key)
{
	for (size_t i = 0; i < object->labels.n; i++)
		if (is(object->labels.items[i].key, key))
			return object->labels.items[i].value;
	return NULL;
}

static bool requirement_holds(const struct kube_requirement *requirement, const char *value)
{
	enum kube_operator how = requirement->operator;
	bool among = false;

	for (size_t i = 0; i < requirement->n_values; i++)
		if (value && is(requirement->values[i], value))
			among = true;
	if (how == KUBE_IN)
		return among;
	if (how == KUBE_NOT_IN)
		return !among;
	if (how == KUBE_EXISTS)
		return value;
	return !value;
}

static bool selects(const struct kube_selector *selector, const struct kube_object *object)
{
	for (size_t i = 0; i < selector->n; i++)
		if (!requirement_holds(&selector->requirements[i], label(object, selector->requirements[i].key)))
			return false;
	return true;
}

static bool same_address(const struct kube_address *a, const struct kube_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

/* Bit by bit. */
static bool in_cidr(const struct kube_address *address, const struct kube_cidr *cidr)
{
	if (address->family != cidr->address.family)
		return false;
	for (unsigned bit = 0; bit < cidr->prefix; bit++) {
		unsigned mask = 0x80u >> (bit % 8);

		if ((address->bytes[bit / 8] & mask) != (cidr->address.bytes[bit / 8] & mask))
			return false;
	}
	return true;
}

static bool endpoint_has(const struct policy_endpoint *endpoint, const struct kube_address *address)
{
	for (size_t i = 0; i < endpoint->n_addresses; i++)
		if (same_address(&endpoint->addresses[i], address))
			return true;
	return false;
}

static bool endpoint_is_of(const struct policy_endpoint *endpoint, const struct kube_object *pod)
{
	if (pod->kind != KUBE_POD || pod->pod.host_network)
		return false;
	if (!is(endpoint->namespace, pod->namespace) || !is(endpoint->pod, pod->name))
		return false;
	return is(endpoint->uid, "") || is(pod->uid, "") || is(endpoint->uid, pod->uid) ||
	       (pod->pod.config_hash && is(endpoint->uid, pod->pod.config_hash));
}

static bool is_local(const struct scenario *scenario, const struct kube_object *pod)
{
	for (size_t i = 0; i < scenario->n_endpoints; i++)
		if (endpoint_is_of(&scenario->endpoints[i], pod))
			return true;
	return false;
}

/* Does this living pod have the address? What CNI gave it here counts more than what its status says. */
static bool pod_has(const struct scenario *scenario, const struct kube_object *pod, const struct kube_address *address)
{
	if (pod->kind != KUBE_POD || pod->pod.host_network)
		return false;
	if (pod->pod.phase == KUBE_PHASE_SUCCEEDED || pod->pod.phase == KUBE_PHASE_FAILED)
		return false;
	for (size_t i = 0; i < scenario->n_endpoints; i++)
		if (endpoint_is_of(&scenario->endpoints[i], pod) && endpoint_has(&scenario->endpoints[i], address))
			return true;
	for (size_t i = 0; i < pod->pod.n_addresses; i++)
		if (!is_local(scenario, pod) && same_address(&pod->pod.addresses[i], address))
			return true;
	return false;
}

static const struct kube_object *namespace_of(const struct scenario *scenario, const struct kube_object *pod)
{
	for (size_t i = 0; i < scenario->n_objects; i++)
		if (scenario->objects[i]->kind == KUBE_NAMESPACE && is(scenario->objects[i]->name, pod->namespace))
			return scenario->objects[i];
	return NULL;
}

static bool peer_is(const struct scenario *scenario, const struct kube_object *policy, const struct kube_peer *peer,
		    const struct kube_object *pod)
{
	const struct kube_object *namespace = namespace_of(scenario, pod);

	if (!selects(&peer->pod_selector, pod))
		return false;
	if (!peer->has_namespace_selector)
		return is(policy->namespace, pod->namespace);
	return namespace && selects(&peer->namespace_selector, namespace);
}

static bool in_block(const struct kube_ip_block *block, const struct kube_address *address)
{
	for (size_t i = 0; i < block->n_except; i++)
		if (in_cidr(address, &block->except[i]))
			return false;
	return in_cidr(address, &block->cidr);
}

static bool peer_matches(const struct scenario *scenario, const struct kube_object *policy, const struct kube_peer *peer,
			 const struct kube_address *address)
{
	if (peer->is_ip_block)
		return in_block(&peer->ip_block, address);
	for (size_t i = 0; i < scenario->n_objects; i++)
		if (pod_has(scenario, scenario->objects[i], address) && peer_is(scenario, policy, peer, scenario->objects[i]))
			return true;
	return false;
}

static bool pod_serves(const struct kube_object *pod, const struct kube_policy_port *port, uint16_t number)
{
	for (size_t i = 0; i < pod->pod.n_ports; i++)
		if (is(pod->pod.ports[i].name, port->name) && pod->pod.ports[i].protocol == port->protocol &&
		    pod->pod.ports[i].port == number)
			return true;
	return false;
}

/* `local`: the connection goes to a pod of this node, whose own ports count and not those of a stale claimant elsewhere. */
static bool port_matches(const struct scenario *scenario, const struct kube_policy_port *port, const struct policy_flow *flow, bool local)
{
	if (port->protocol != flow->protocol)
		return false;
	if (!port->name)
		return port->port == 0 || (port->port <= flow->port && flow->port <= port->end);
	for (size_t i = 0; i < scenario->n_objects; i++) {
		const struct kube_object *pod = scenario->objects[i];

		if (pod_has(scenario, pod, &flow->destination) && (!local || is_local(scenario, pod)) && pod_serves(pod, port, flow->port))
			return true;
	}
	return false;
}

static bool rule_matches(const struct scenario *scenario, const struct kube_object *policy, const struct kube_rule *rule,
			 const struct policy_flow *flow, bool ingress, bool local)
{
	bool peer = rule->n_peers == 0, port = rule->n_ports == 0;

	for (size_t i = 0; i < rule->n_peers; i++)
		if (peer_matches(scenario, policy, &rule->peers[i], ingress ? &flow->source : &flow->destination))
			peer = true;
	for (size_t i = 0; i < rule->n_ports; i++)
		if (port_matches(scenario, &rule->ports[i], flow, local))
			port = true;
	return peer && port;
}

static bool policies_allow(const struct scenario *scenario, const struct kube_object *pod, const struct policy_flow *flow, bool ingress,
			   bool local)
{
	bool isolated = false;

	for (size_t i = 0; i < scenario->n_objects; i++) {
		const struct kube_object *policy = scenario->objects[i];

		if (policy->kind != KUBE_NETWORK_POLICY || !is(policy->namespace, pod->namespace) ||
		    !selects(&policy->policy.pod_selector, pod))
			continue;
		if (!(ingress ? policy->policy.isolates_ingress : policy->policy.isolates_egress))
			continue;
		isolated = true;
		size_t n = ingress ? policy->policy.n_ingress : policy->policy.n_egress;
		for (size_t j = 0; j < n; j++)
			if (rule_matches(scenario, policy, ingress ? &policy->policy.ingress[j] : &policy->policy.egress[j], flow, ingress,
					 local))
				return true;
	}
	return !isolated;
}

/* The newest endpoint with the address. */
static const struct policy_endpoint *endpoint_at(const struct scenario *scenario, const struct kube_address *address)
{
	for (size_t i = scenario->n_endpoints; i-- > 0;)
		if (endpoint_has(&scenario->endpoints[i], address))
			return &scenario->endpoints[i];
	return NULL;
}

static const struct kube_object *pod_of_endpoint(const struct scenario *scenario, const struct policy_endpoint *endpoint)
{
	for (size_t i = 0; i < scenario->n_objects; i++)
		if (endpoint_is_of(endpoint, scenario->objects[i]))
			return scenario->objects[i];
	return NULL;
}

/* Of several pods with the address, the first by namespace and name. */
static const struct kube_object *pod_at(const struct scenario *scenario, const struct kube_address *address)
{
	const struct kube_object *first = NULL;

	for (size_t i = 0; i < scenario->n_objects; i++) {
		const struct kube_object *pod = scenario->objects[i];

		if (!pod_has(scenario, pod, address))
			continue;
		if (!first || strcmp(pod->namespace, first->namespace) < 0 ||
		    (is(pod->namespace, first->namespace) && strcmp(pod->name, first->name) < 0))
			first = pod;
	}
	return first;
}

static bool end_allows(const struct scenario *scenario, const struct policy_flow *flow, bool ingress, bool only_local)
{
	const struct kube_address *address = ingress ? &flow->destination : &flow->source;
	const struct policy_endpoint *endpoint = endpoint_at(scenario, address);
	const struct kube_object *pod;

	if (endpoint)
		pod = pod_of_endpoint(scenario, endpoint);
	else
		pod = only_local ? NULL : pod_at(scenario, address);
	if (!endpoint && !pod)
		return true;
	if (ingress && flow->source_is_own_node)
		return true;
	return pod && policies_allow(scenario, pod, flow, ingress, ingress && endpoint);
}

bool oracle_allows(const struct scenario *scenario, const struct scenario_probe *probe, bool only_local)
{
	return end_allows(scenario, &probe->flow, false, only_local) && end_allows(scenario, &probe->flow, true, only_local);
}
