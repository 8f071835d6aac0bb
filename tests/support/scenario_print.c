// SPDX-License-Identifier: Apache-2.0
/* Objects as YAML in flow style: what a shrunk case looks like, and what can be pasted into a golden case. */
#include "tests/support/scenario.h"

#include <string.h>

static void print_text(const char *text, struct buf *out)
{
	buf_json_string(out, slice_string(text));
}

static void print_labels(const struct kube_labels *labels, struct buf *out)
{
	const char *separator = "";

	buf_string(out, ", labels: {");
	for (size_t i = 0; i < labels->n; i++) {
		if (strcmp(labels->items[i].key, "kubernetes.io/metadata.name") == 0)
			continue;
		buf_string(out, separator);
		print_text(labels->items[i].key, out);
		buf_string(out, ": ");
		print_text(labels->items[i].value, out);
		separator = ", ";
	}
	buf_byte(out, '}');
}

static void print_selector(const char *name, const struct kube_selector *selector, struct buf *out)
{
	static const char *const operators[] = {
		[KUBE_IN] = "In",
		[KUBE_NOT_IN] = "NotIn",
		[KUBE_EXISTS] = "Exists",
		[KUBE_DOES_NOT_EXIST] = "DoesNotExist",
	};

	buf_printf(out, "%s: {matchExpressions: [", name);
	for (size_t i = 0; i < selector->n; i++) {
		const struct kube_requirement *requirement = &selector->requirements[i];

		buf_printf(out, "%s{operator: %s, key: ", i > 0 ? ", " : "", operators[requirement->operator]);
		print_text(requirement->key, out);
		for (size_t j = 0; j < requirement->n_values; j++) {
			buf_string(out, j == 0 ? ", values: [" : ", ");
			print_text(requirement->values[j], out);
		}
		buf_string(out, requirement->n_values > 0 ? "]}" : "}");
	}
	buf_string(out, "]}");
}

static void print_address(const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	buf_string(out, text);
}

static void print_cidr(const struct kube_cidr *cidr, struct buf *out)
{
	buf_byte(out, '"');
	print_address(&cidr->address, out);
	buf_printf(out, "/%u\"", cidr->prefix);
}

static void print_peer(const struct kube_peer *peer, struct buf *out)
{
	if (!peer->is_ip_block) {
		buf_byte(out, '{');
		if (peer->has_namespace_selector) {
			print_selector("namespaceSelector", &peer->namespace_selector, out);
			buf_string(out, ", ");
		}
		print_selector("podSelector", &peer->pod_selector, out);
		buf_byte(out, '}');
		return;
	}
	buf_string(out, "{ipBlock: {cidr: ");
	print_cidr(&peer->ip_block.cidr, out);
	for (size_t i = 0; i < peer->ip_block.n_except; i++) {
		buf_string(out, i == 0 ? ", except: [" : ", ");
		print_cidr(&peer->ip_block.except[i], out);
	}
	buf_string(out, peer->ip_block.n_except > 0 ? "]}}" : "}}");
}

static void print_port(const struct kube_policy_port *port, struct buf *out)
{
	buf_printf(out, "{protocol: %s", kube_protocol_name(port->protocol));
	if (port->name)
		buf_printf(out, ", port: \"%s\"", port->name);
	else if (port->port > 0)
		buf_printf(out, ", port: %u", port->port);
	if (port->end > port->port)
		buf_printf(out, ", endPort: %u", port->end);
	buf_byte(out, '}');
}

static void print_rules(const char *name, const char *peers, const struct kube_rule *rules, size_t n, struct buf *out)
{
	buf_printf(out, "  %s:\n", name);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "  - {%s: [", peers);
		for (size_t j = 0; j < rules[i].n_peers; j++) {
			buf_string(out, j > 0 ? ", " : "");
			print_peer(&rules[i].peers[j], out);
		}
		buf_string(out, "], ports: [");
		for (size_t j = 0; j < rules[i].n_ports; j++) {
			buf_string(out, j > 0 ? ", " : "");
			print_port(&rules[i].ports[j], out);
		}
		buf_string(out, "]}\n");
	}
}

static void print_policy(const struct kube_network_policy *policy, struct buf *out)
{
	buf_string(out, "spec:\n  ");
	print_selector("podSelector", &policy->pod_selector, out);
	buf_printf(out, "\n  policyTypes: [%s%s%s]\n", policy->isolates_ingress ? "Ingress" : "",
		   policy->isolates_ingress && policy->isolates_egress ? ", " : "", policy->isolates_egress ? "Egress" : "");
	if (policy->n_ingress > 0)
		print_rules("ingress", "from", policy->ingress, policy->n_ingress, out);
	if (policy->n_egress > 0)
		print_rules("egress", "to", policy->egress, policy->n_egress, out);
	if (policy->invalid)
		buf_printf(out, "# invalid: %s\n", policy->invalid);
}

static void print_pod_ports(const struct kube_pod *pod, struct buf *out)
{
	for (size_t i = 0; i < pod->n_ports; i++)
		buf_printf(out, "%s{name: %s, protocol: %s, containerPort: %u}", i > 0 ? ", " : "", pod->ports[i].name,
			   kube_protocol_name(pod->ports[i].protocol), pod->ports[i].port);
}

static void print_pod(const struct kube_pod *pod, struct buf *out)
{
	static const char *const phases[] = { "Unknown", "Pending", "Running", "Succeeded", "Failed" };

	buf_printf(out, "spec: {hostNetwork: %s, containers: [{name: c, ports: [", pod->host_network ? "true" : "false");
	print_pod_ports(pod, out);
	buf_printf(out, "]}]}\nstatus: {phase: %s, podIPs: [", phases[pod->phase]);
	for (size_t i = 0; i < pod->n_addresses; i++) {
		buf_string(out, i > 0 ? ", {ip: \"" : "{ip: \"");
		print_address(&pod->addresses[i], out);
		buf_string(out, "\"}");
	}
	buf_string(out, "]}\n");
}

void scenario_print_object(const struct kube_object *object, struct buf *out)
{
	buf_printf(out, "kind: %s\napiVersion: %s\nmetadata: {name: %s", kube_kind_name(object->kind),
		   object->kind == KUBE_NETWORK_POLICY ? "networking.k8s.io/v1" : "v1", object->name);
	if (object->namespace[0])
		buf_printf(out, ", namespace: %s", object->namespace);
	if (object->uid[0])
		buf_printf(out, ", uid: %s", object->uid);
	if (object->kind == KUBE_POD && object->pod.config_hash)
		buf_printf(out, ", annotations: {kubernetes.io/config.hash: \"%s\"}", object->pod.config_hash);
	print_labels(&object->labels, out);
	buf_string(out, "}\n");
	if (object->kind == KUBE_POD)
		print_pod(&object->pod, out);
	if (object->kind == KUBE_NETWORK_POLICY)
		print_policy(&object->policy, out);
	buf_string(out, "---\n");
}

static void print_endpoint(const struct policy_endpoint *endpoint, struct buf *out)
{
	buf_printf(out, "- {id: %s, pod: %s/%s, uid: \"%s\", addresses: [", endpoint->id, endpoint->namespace, endpoint->pod,
		   endpoint->uid);
	for (size_t i = 0; i < endpoint->n_addresses; i++) {
		buf_string(out, i > 0 ? ", \"" : "\"");
		print_address(&endpoint->addresses[i], out);
		buf_byte(out, '"');
	}
	buf_string(out, "]}\n");
}

void scenario_print_probe(const struct scenario_probe *probe, struct buf *out)
{
	print_address(&probe->flow.source, out);
	buf_string(out, " > ");
	print_address(&probe->flow.destination, out);
	buf_printf(out, " %s %u", kube_protocol_name(probe->flow.protocol), probe->flow.port);
}

void scenario_print(const struct scenario *scenario, struct buf *out)
{
	for (size_t i = 0; i < scenario->n_objects; i++)
		scenario_print_object(scenario->objects[i], out);
	if (scenario->n_endpoints > 0)
		buf_string(out, "endpoints:\n");
	for (size_t i = 0; i < scenario->n_endpoints; i++)
		print_endpoint(&scenario->endpoints[i], out);
	if (scenario->n_probes > 0)
		buf_string(out, "probes:\n");
	for (size_t i = 0; i < scenario->n_probes; i++) {
		buf_string(out, "- ");
		scenario_print_probe(&scenario->probes[i], out);
		buf_byte(out, '\n');
	}
}
