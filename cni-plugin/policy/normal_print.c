// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include "cni-plugin/policy/normal.h"
#include "common/base/buf.h"

static void print_separator(size_t i, const char *separator, struct buf *out)
{
	if (i > 0)
		buf_string(out, separator);
}

static void print_selected(const char *what, const struct kube_selector *selector, struct buf *out)
{
	buf_printf(out, "%s%s", selector->n == 0 ? "all " : "", what);
	if (selector->n > 0) {
		buf_byte(out, ' ');
		kube_selector_print(selector, out);
	}
}

void normal_peer_print(const struct kube_peer *peer, const char *namespace, struct buf *out)
{
	print_selected("pods", &peer->pod_selector, out);
	buf_string(out, " of ");
	if (peer->has_namespace_selector)
		print_selected("namespaces", &peer->namespace_selector, out);
	else
		buf_string(out, namespace);
}

static void print_address(interval_number number, enum policy_family family, struct buf *out)
{
	uint8_t bytes[16];
	char text[INET6_ADDRSTRLEN];

	interval_bytes(number, bytes, family == POLICY_IPV4 ? 4 : 16);
	inet_ntop(family == POLICY_IPV4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	buf_string(out, text);
}

static size_t print_blocks(const struct intervals *blocks, enum policy_family family, size_t printed, struct buf *out)
{
	for (size_t i = 0; i < blocks->n; i++) {
		print_separator(printed++, "; ", out);
		print_address(blocks->items[i].first, family, out);
		if (blocks->items[i].first == blocks->items[i].last)
			continue;
		buf_byte(out, '-');
		print_address(blocks->items[i].last, family, out);
	}
	return printed;
}

static void print_peers(const struct normal_rule *rule, struct buf *out)
{
	size_t printed = rule->n_peers;

	if (rule->any_peer) {
		buf_string(out, "anyone");
		return;
	}
	for (size_t i = 0; i < rule->n_peers; i++) {
		print_separator(i, "; ", out);
		normal_peer_print(rule->peers[i].peer, rule->namespace, out);
	}
	printed = print_blocks(&rule->blocks[POLICY_IPV4], POLICY_IPV4, printed, out);
	printed = print_blocks(&rule->blocks[POLICY_IPV6], POLICY_IPV6, printed, out);
	if (printed == 0)
		buf_string(out, "nobody");
}

static void print_protocol(const struct normal_protocol *protocol, struct buf *out)
{
	size_t printed = 0;

	buf_printf(out, "%s ", kube_protocol_name(protocol->protocol));
	if (protocol->all)
		buf_string(out, "all");
	for (size_t i = 0; i < protocol->ranges.n; i++) {
		const struct interval *range = &protocol->ranges.items[i];

		print_separator(printed++, ", ", out);
		buf_printf(out, "%u", (unsigned)range->first);
		if (range->first != range->last)
			buf_printf(out, "-%u", (unsigned)range->last);
	}
	for (size_t i = 0; i < protocol->n_names; i++) {
		print_separator(printed++, ", ", out);
		buf_string(out, protocol->names[i]);
	}
}

void normal_rule_print(const struct normal_rule *rule, struct buf *out)
{
	print_peers(rule, out);
	buf_string(out, " | ");
	if (rule->any_port)
		buf_string(out, "all ports");
	for (size_t i = 0; i < rule->n_protocols; i++) {
		print_separator(i, "; ", out);
		print_protocol(&rule->protocols[i], out);
	}
}
