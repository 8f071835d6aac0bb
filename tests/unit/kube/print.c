// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kube/print.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void print_address(const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	buf_string(out, text);
}

static void print_cidr(const struct kube_cidr *cidr, struct buf *out)
{
	print_address(&cidr->address, out);
	buf_printf(out, "/%u", cidr->prefix);
}

static void print_selector(const char *what, const struct kube_selector *selector, struct buf *out)
{
	buf_printf(out, "%s{", what);
	kube_selector_print(selector, out);
	buf_string(out, "}");
}

static void print_addresses(const struct kube_address *addresses, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_string(out, "address ");
		print_address(&addresses[i], out);
		buf_byte(out, '\n');
	}
}

static void print_pod(const struct kube_pod *pod, struct buf *out)
{
	static const char *const phases[] = { "unknown", "pending", "running", "succeeded", "failed" };

	buf_printf(out, "node %s\nhash %s\nhost network %s\nphase %s\n", pod->node ? pod->node : "-",
		   pod->config_hash ? pod->config_hash : "-", pod->host_network ? "yes" : "no", phases[pod->phase]);
	buf_printf(out, "service account %s\nsecrets %s\n", pod->service_account, pod->secrets ? pod->secrets : "-");
	print_addresses(pod->addresses, pod->n_addresses, out);
	for (size_t i = 0; i < pod->n_ports; i++)
		buf_printf(out, "port %s %u/%s\n", pod->ports[i].name, pod->ports[i].port, kube_protocol_name(pod->ports[i].protocol));
}

static void print_peer(const struct kube_peer *peer, struct buf *out)
{
	buf_string(out, "  peer");
	if (peer->is_ip_block) {
		buf_string(out, " block ");
		print_cidr(&peer->ip_block.cidr, out);
		for (size_t i = 0; i < peer->ip_block.n_except; i++) {
			buf_string(out, " except ");
			print_cidr(&peer->ip_block.except[i], out);
		}
	} else {
		if (peer->has_namespace_selector)
			print_selector(" namespaces", &peer->namespace_selector, out);
		print_selector(" pods", &peer->pod_selector, out);
	}
	buf_byte(out, '\n');
}

static void print_rules(const char *what, const struct kube_rule *rules, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s rule\n", what);
		for (size_t j = 0; j < rules[i].n_peers; j++)
			print_peer(&rules[i].peers[j], out);
		for (size_t j = 0; j < rules[i].n_ports; j++) {
			const struct kube_policy_port *port = &rules[i].ports[j];
			buf_printf(out, "  port %s %s %u-%u\n", kube_protocol_name(port->protocol), port->name ? port->name : "-",
				   port->port, port->end);
		}
	}
}

static void print_policy(const struct kube_network_policy *policy, struct buf *out)
{
	print_selector("selects ", &policy->pod_selector, out);
	buf_printf(out, "\nisolates%s%s\n", policy->isolates_ingress ? " ingress" : "", policy->isolates_egress ? " egress" : "");
	if (policy->invalid)
		buf_printf(out, "invalid %s\n", policy->invalid);
	print_rules("ingress", policy->ingress, policy->n_ingress, out);
	print_rules("egress", policy->egress, policy->n_egress, out);
}

static void print_service(const struct kube_service *service, struct buf *out)
{
	buf_printf(out, "external name %s\nheadless %s\n", service->external_name ? service->external_name : "-",
		   service->headless ? "yes" : "no");
	for (size_t i = 0; i < service->selector.n; i++)
		buf_printf(out, "selects %s=%s\n", service->selector.items[i].key, service->selector.items[i].value);
	print_addresses(service->addresses, service->n_addresses, out);
	for (size_t i = 0; i < service->n_ports; i++) {
		const struct kube_service_port *port = &service->ports[i];
		buf_printf(out, "port %u/%s to %u %s\n", port->port, kube_protocol_name(port->protocol), port->target,
			   port->target_name ? port->target_name : "-");
	}
}

void print_object(const struct kube_object *object, struct buf *out)
{
	buf_printf(out, "%s %s/%s uid \"%s\" version \"%s\"\n", kube_kind_name(object->kind), object->namespace, object->name, object->uid,
		   object->resource_version);
	for (size_t i = 0; i < object->labels.n; i++)
		buf_printf(out, "label %s=%s\n", object->labels.items[i].key, object->labels.items[i].value);
	if (object->kind == KUBE_POD)
		print_pod(&object->pod, out);
	else if (object->kind == KUBE_NETWORK_POLICY)
		print_policy(&object->policy, out);
	else if (object->kind == KUBE_NAMESPACE && (object->ns.allows_spoofing || object->ns.bad_spoofing))
		buf_printf(out, "spoofing %s\n", object->ns.allows_spoofing ? "allowed" : object->ns.bad_spoofing);
	else if (object->kind == KUBE_NODE)
		print_addresses(object->node.addresses, object->node.n_addresses, out);
	else if (object->kind == KUBE_SERVICE)
		print_service(&object->service, out);
	else if (object->kind == KUBE_TPM_SECRET || object->kind == KUBE_TPM_NODE)
		buf_printf(out, "spec %s\n", object->tpm.spec);
}

int read_object_text(const char *text, struct kube_object **ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (json_parse(slice_string(text), &json_limits_object, &tree, err) < 0) {
		fprintf(stderr, "the test's own JSON is wrong: %s\n%s\n", err->message, text);
		abort();
	}
	struct json_view root = json_root(tree);
	return kube_object_read(&root, ret, err);
}

struct kube_object *object_of(const char *text)
{
	struct kube_object *object;
	struct error err;

	if (read_object_text(text, &object, &err) < 0) {
		fprintf(stderr, "the test's own object is wrong: %s\n%s\n", err.message, text);
		abort();
	}
	return object;
}
