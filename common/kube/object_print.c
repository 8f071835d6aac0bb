// SPDX-License-Identifier: Apache-2.0
/*
 * An object in the form in which the API server gives it, so that what reads and checks the server's objects reads these too. Only what
 * was kept is there: reading the text gives an equal object.
 */
#include "common/base/buf.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"

/* A comma, unless this is the first member or element. */
static void separate(struct buf *out)
{
	uint8_t last = out->n ? out->p[out->n - 1] : '{';

	if (last != '{' && last != '[')
		buf_byte(out, ',');
}

/* Opens a member (`key` NULL: an element) with `bracket`. */
static void open(struct buf *out, const char *key, char bracket)
{
	separate(out);
	if (key) {
		buf_byte(out, '"');
		buf_string(out, key);
		buf_string(out, "\":");
	}
	if (bracket)
		buf_byte(out, (uint8_t)bracket);
}

static void print_string(struct buf *out, const char *key, const char *text)
{
	open(out, key, 0);
	buf_json_string(out, slice_string(text));
}

static void print_string_if_any(struct buf *out, const char *key, const char *text)
{
	if (text && *text)
		print_string(out, key, text);
}

static void print_number(struct buf *out, const char *key, unsigned number)
{
	open(out, key, 0);
	buf_printf(out, "%u", number);
}

static void print_address(struct buf *out, const char *key, const struct kube_address *address)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	print_string(out, key, text);
}

static void print_labels(const struct kube_labels *labels, struct buf *out)
{
	if (labels->n == 0)
		return;
	open(out, "labels", '{');
	for (size_t i = 0; i < labels->n; i++)
		print_string(out, labels->items[i].key, labels->items[i].value);
	buf_byte(out, '}');
}

static void print_annotations(const char *const keys[2], const char *const values[2], struct buf *out)
{
	if (!values[0] && !values[1])
		return;
	open(out, "annotations", '{');
	for (size_t i = 0; i < 2; i++) {
		if (values[i])
			print_string(out, keys[i], values[i]);
	}
	buf_byte(out, '}');
}

static void print_namespace_annotations(const struct kube_namespace *ns, struct buf *out)
{
	print_annotations((const char *const[2]){ KUBE_ALLOW_SPOOFING },
			  (const char *const[2]){ ns->allows_spoofing ? "true" : ns->bad_spoofing }, out);
}

static void print_pod_annotations(const struct kube_pod *pod, struct buf *out)
{
	print_annotations((const char *const[2]){ KUBE_CONFIG_HASH, KUBE_SECRETS },
			  (const char *const[2]){ pod->config_hash, pod->secrets }, out);
}

static void print_metadata(const struct kube_object *object, struct buf *out)
{
	open(out, "metadata", '{');
	print_string_if_any(out, "namespace", object->namespace);
	print_string(out, "name", object->name);
	print_string_if_any(out, "uid", object->uid);
	print_labels(&object->labels, out);
	if (object->kind == KUBE_NAMESPACE)
		print_namespace_annotations(&object->ns, out);
	if (object->kind == KUBE_POD)
		print_pod_annotations(&object->pod, out);
	buf_byte(out, '}');
}

static void print_container_ports(const struct kube_container_port *ports, size_t n, struct buf *out)
{
	open(out, NULL, '{');
	open(out, "ports", '[');
	for (size_t i = 0; i < n; i++) {
		open(out, NULL, '{');
		print_string(out, "name", ports[i].name);
		print_number(out, "containerPort", ports[i].port);
		print_string(out, "protocol", kube_protocol_name(ports[i].protocol));
		buf_byte(out, '}');
	}
	buf_string(out, "]}");
}

/* Which container has a port is not kept: as few containers as may have them all. */
static void print_containers(const struct kube_pod *pod, struct buf *out)
{
	if (pod->n_ports == 0)
		return;
	open(out, "containers", '[');
	for (size_t i = 0; i < pod->n_ports; i += KUBE_CONTAINER_PORTS_MAX) {
		size_t rest = pod->n_ports - i;
		print_container_ports(pod->ports + i, rest < KUBE_CONTAINER_PORTS_MAX ? rest : KUBE_CONTAINER_PORTS_MAX, out);
	}
	buf_byte(out, ']');
}

static void print_pod(const struct kube_pod *pod, struct buf *out)
{
	open(out, "spec", '{');
	print_string_if_any(out, "nodeName", pod->node);
	print_string_if_any(out, "serviceAccountName", pod->service_account);
	if (pod->host_network) {
		open(out, "hostNetwork", 0);
		buf_string(out, "true");
	}
	print_containers(pod, out);
	buf_byte(out, '}');
	open(out, "status", '{');
	if (pod->phase != KUBE_PHASE_UNKNOWN)
		print_string(out, "phase", kube_phase_name(pod->phase));
	open(out, "podIPs", '[');
	for (size_t i = 0; i < pod->n_addresses; i++) {
		open(out, NULL, '{');
		print_address(out, "ip", &pod->addresses[i]);
		buf_byte(out, '}');
	}
	buf_string(out, "]}");
}

static void print_node(const struct kube_node *node, struct buf *out)
{
	open(out, "status", '{');
	open(out, "addresses", '[');
	for (size_t i = 0; i < node->n_addresses; i++) {
		open(out, NULL, '{');
		print_string(out, "type", "InternalIP");
		print_address(out, "address", &node->addresses[i]);
		buf_byte(out, '}');
	}
	buf_string(out, "]}");
}

/* In matchLabels a key stands once. */
static bool is_match_label(const struct kube_selector *selector, size_t i)
{
	const struct kube_requirement *requirement = &selector->requirements[i];

	if (requirement->operator!= KUBE_IN || requirement->n_values != 1)
		return false;
	return i == 0 || strcmp(requirement->key, selector->requirements[i - 1].key) != 0;
}

static void print_expression(const struct kube_requirement *requirement, struct buf *out)
{
	open(out, NULL, '{');
	print_string(out, "key", requirement->key);
	print_string(out, "operator", kube_operator_name(requirement->operator));
	if (requirement->n_values > 0) {
		open(out, "values", '[');
		for (size_t i = 0; i < requirement->n_values; i++)
			print_string(out, NULL, requirement->values[i]);
		buf_byte(out, ']');
	}
	buf_byte(out, '}');
}

static void print_selector(const char *key, const struct kube_selector *selector, struct buf *out)
{
	open(out, key, '{');
	open(out, "matchLabels", '{');
	for (size_t i = 0; i < selector->n; i++) {
		if (is_match_label(selector, i))
			print_string(out, selector->requirements[i].key, selector->requirements[i].values[0]);
	}
	buf_byte(out, '}');
	open(out, "matchExpressions", '[');
	for (size_t i = 0; i < selector->n; i++) {
		if (!is_match_label(selector, i))
			print_expression(&selector->requirements[i], out);
	}
	buf_string(out, "]}");
}

static void print_cidr(const char *key, const struct kube_cidr *cidr, struct buf *out)
{
	char address[INET6_ADDRSTRLEN];

	kube_address_format(&cidr->address, address);
	open(out, key, 0);
	buf_printf(out, "\"%s/%u\"", address, cidr->prefix);
}

static void print_ip_block(const struct kube_ip_block *block, struct buf *out)
{
	open(out, "ipBlock", '{');
	print_cidr("cidr", &block->cidr, out);
	if (block->n_except > 0) {
		open(out, "except", '[');
		for (size_t i = 0; i < block->n_except; i++)
			print_cidr(NULL, &block->except[i], out);
		buf_byte(out, ']');
	}
	buf_byte(out, '}');
}

static void print_peer(const struct kube_peer *peer, struct buf *out)
{
	open(out, NULL, '{');
	if (peer->is_ip_block) {
		print_ip_block(&peer->ip_block, out);
	} else {
		if (peer->has_namespace_selector)
			print_selector("namespaceSelector", &peer->namespace_selector, out);
		print_selector("podSelector", &peer->pod_selector, out);
	}
	buf_byte(out, '}');
}

static void print_policy_port(const struct kube_policy_port *port, struct buf *out)
{
	open(out, NULL, '{');
	print_string(out, "protocol", kube_protocol_name(port->protocol));
	if (port->name)
		print_string(out, "port", port->name);
	else if (port->port)
		print_number(out, "port", port->port);
	if (port->end != port->port)
		print_number(out, "endPort", port->end);
	buf_byte(out, '}');
}

static void print_rules(const char *key, const char *peers_key, const struct kube_rule *rules, size_t n, struct buf *out)
{
	open(out, key, '[');
	for (size_t i = 0; i < n; i++) {
		open(out, NULL, '{');
		open(out, peers_key, '[');
		for (size_t j = 0; j < rules[i].n_peers; j++)
			print_peer(&rules[i].peers[j], out);
		buf_byte(out, ']');
		open(out, "ports", '[');
		for (size_t j = 0; j < rules[i].n_ports; j++)
			print_policy_port(&rules[i].ports[j], out);
		buf_string(out, "]}");
	}
	buf_byte(out, ']');
}

static void print_policy(const struct kube_network_policy *policy, struct buf *out)
{
	open(out, "spec", '{');
	print_selector("podSelector", &policy->pod_selector, out);
	open(out, "policyTypes", '[');
	if (policy->isolates_ingress)
		print_string(out, NULL, "Ingress");
	if (policy->isolates_egress)
		print_string(out, NULL, "Egress");
	buf_byte(out, ']');
	print_rules("ingress", "from", policy->ingress, policy->n_ingress, out);
	print_rules("egress", "to", policy->egress, policy->n_egress, out);
	buf_byte(out, '}');
}

void kube_object_print(const struct kube_object *object, struct buf *out)
{
	buf_byte(out, '{');
	print_string(out, "kind", kube_kind_name(object->kind));
	print_string(out, "apiVersion", kube_kind_api_version(object->kind));
	print_metadata(object, out);
	switch (object->kind) {
	case KUBE_POD:
		print_pod(&object->pod, out);
		break;
	case KUBE_NETWORK_POLICY:
		if (object->policy.invalid)
			print_string(out, KUBE_REFUSED_KEY, object->policy.invalid);
		print_policy(&object->policy, out);
		break;
	case KUBE_NODE:
		print_node(&object->node, out);
		break;
	case KUBE_TPM_SECRET:
	case KUBE_TPM_NODE:
		open(out, "spec", 0);
		buf_string(out, object->tpm.spec);
		break;
	case KUBE_SERVICE: /* an optional kind: it is in no snapshot */
	case KUBE_NAMESPACE:
	case KUBE_KIND_COUNT:
		break;
	}
	buf_byte(out, '}');
}
