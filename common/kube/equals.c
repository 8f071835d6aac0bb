// SPDX-License-Identifier: Apache-2.0
/* Equality of objects, field by field: an API server repeats unchanged objects often (status heartbeats), and those must cost nothing. */
#include <string.h>

#include "common/kube/objects.h"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_addresses(const struct kube_address *a, const struct kube_address *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!kube_address_equals(&a[i], &b[i]))
			return false;
	}
	return true;
}

static bool same_labels(const struct kube_labels *a, const struct kube_labels *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!same_text(a->items[i].key, b->items[i].key) || !same_text(a->items[i].value, b->items[i].value))
			return false;
	}
	return true;
}

static bool same_requirement(const struct kube_requirement *a, const struct kube_requirement *b)
{
	if (!same_text(a->key, b->key) || a->operator!= b->operator|| a->n_values != b->n_values)
		return false;
	for (size_t i = 0; i < a->n_values; i++) {
		if (!same_text(a->values[i], b->values[i]))
			return false;
	}
	return true;
}

static bool same_selector(const struct kube_selector *a, const struct kube_selector *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!same_requirement(&a->requirements[i], &b->requirements[i]))
			return false;
	}
	return true;
}

static bool same_cidr(const struct kube_cidr *a, const struct kube_cidr *b)
{
	return a->prefix == b->prefix && kube_address_equals(&a->address, &b->address);
}

static bool same_ip_block(const struct kube_ip_block *a, const struct kube_ip_block *b)
{
	if (!same_cidr(&a->cidr, &b->cidr) || a->n_except != b->n_except)
		return false;
	for (size_t i = 0; i < a->n_except; i++) {
		if (!same_cidr(&a->except[i], &b->except[i]))
			return false;
	}
	return true;
}

static bool same_peer(const struct kube_peer *a, const struct kube_peer *b)
{
	return a->is_ip_block == b->is_ip_block && same_ip_block(&a->ip_block, &b->ip_block) &&
	       a->has_namespace_selector == b->has_namespace_selector && same_selector(&a->namespace_selector, &b->namespace_selector) &&
	       same_selector(&a->pod_selector, &b->pod_selector);
}

static bool same_policy_port(const struct kube_policy_port *a, const struct kube_policy_port *b)
{
	return a->protocol == b->protocol && same_text(a->name, b->name) && a->port == b->port && a->end == b->end;
}

static bool same_rule(const struct kube_rule *a, const struct kube_rule *b)
{
	if (a->n_peers != b->n_peers || a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_peers; i++) {
		if (!same_peer(&a->peers[i], &b->peers[i]))
			return false;
	}
	for (size_t i = 0; i < a->n_ports; i++) {
		if (!same_policy_port(&a->ports[i], &b->ports[i]))
			return false;
	}
	return true;
}

static bool same_rules(const struct kube_rule *a, size_t n_a, const struct kube_rule *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++) {
		if (!same_rule(&a[i], &b[i]))
			return false;
	}
	return true;
}

static bool same_policy(const struct kube_network_policy *a, const struct kube_network_policy *b)
{
	return same_selector(&a->pod_selector, &b->pod_selector) && a->isolates_ingress == b->isolates_ingress &&
	       a->isolates_egress == b->isolates_egress && same_rules(a->ingress, a->n_ingress, b->ingress, b->n_ingress) &&
	       same_rules(a->egress, a->n_egress, b->egress, b->n_egress) && same_text(a->invalid, b->invalid);
}

static bool same_container_ports(const struct kube_pod *a, const struct kube_pod *b)
{
	if (a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++) {
		if (!same_text(a->ports[i].name, b->ports[i].name) || a->ports[i].port != b->ports[i].port ||
		    a->ports[i].protocol != b->ports[i].protocol)
			return false;
	}
	return true;
}

static bool same_pod(const struct kube_pod *a, const struct kube_pod *b)
{
	return same_text(a->node, b->node) && same_text(a->config_hash, b->config_hash) &&
	       same_text(a->service_account, b->service_account) && same_text(a->secrets, b->secrets) &&
	       a->host_network == b->host_network && a->phase == b->phase && a->n_addresses == b->n_addresses &&
	       same_addresses(a->addresses, b->addresses, a->n_addresses) && same_container_ports(a, b);
}

static bool same_service_ports(const struct kube_service *a, const struct kube_service *b)
{
	if (a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++) {
		if (a->ports[i].port != b->ports[i].port || a->ports[i].protocol != b->ports[i].protocol ||
		    a->ports[i].target != b->ports[i].target || !same_text(a->ports[i].target_name, b->ports[i].target_name))
			return false;
	}
	return true;
}

static bool same_service(const struct kube_service *a, const struct kube_service *b)
{
	return same_text(a->external_name, b->external_name) && a->headless == b->headless && same_labels(&a->selector, &b->selector) &&
	       a->n_addresses == b->n_addresses && same_addresses(a->addresses, b->addresses, a->n_addresses) && same_service_ports(a, b);
}

bool kube_object_equals(const struct kube_object *a, const struct kube_object *b)
{
	if (a->kind != b->kind || !same_text(a->namespace, b->namespace) || !same_text(a->name, b->name) || !same_text(a->uid, b->uid) ||
	    !same_labels(&a->labels, &b->labels))
		return false;
	switch (a->kind) {
	case KUBE_POD:
		return same_pod(&a->pod, &b->pod);
	case KUBE_NETWORK_POLICY:
		return same_policy(&a->policy, &b->policy);
	case KUBE_NODE:
		return a->node.n_addresses == b->node.n_addresses &&
		       same_addresses(a->node.addresses, b->node.addresses, a->node.n_addresses);
	case KUBE_SERVICE:
		return same_service(&a->service, &b->service);
	case KUBE_NAMESPACE:
		return a->ns.allows_spoofing == b->ns.allows_spoofing && same_text(a->ns.bad_spoofing, b->ns.bad_spoofing);
	case KUBE_TPM_SECRET:
	case KUBE_TPM_NODE:
		return same_text(a->tpm.spec, b->tpm.spec);
	case KUBE_KIND_COUNT:
		break;
	}
	return true;
}
