// SPDX-License-Identifier: Apache-2.0
/*
 * nft's own syntax, so that a golden file can be read by whoever knows nft, and loaded by `nft -f` (but for ports by connection, and raw
 * bits looked up in sets, which nft 1.0.6 cannot read). The text of a rule is also what its chain's fingerprint is made of: it must say
 * everything that the kernel will do.
 */
#include "cni-plugin/policy/ruleset_internal.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

const char *ruleset_family_name(enum ruleset_family family)
{
	return family == RULESET_NETDEV ? "netdev" : "inet";
}

static bool key_is_ipv6(enum ruleset_key key)
{
	return key == RULESET_KEY_IPV6 || key == RULESET_KEY_IPV6_PORT;
}

void print_address(const uint8_t *bytes, bool ipv6, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
	buf_string(out, text);
}

void print_protocol(uint8_t protocol, struct buf *out)
{
	switch (protocol) {
	case IPPROTO_TCP:
		buf_string(out, "tcp");
		break;
	case IPPROTO_UDP:
		buf_string(out, "udp");
		break;
	case IPPROTO_SCTP:
		buf_string(out, "sctp");
		break;
	default:
		buf_printf(out, "%u", protocol);
	}
}

static void print_sender(enum ruleset_key key, const uint8_t *bytes, struct buf *out)
{
	const uint8_t *address = bytes + sizeof(uint32_t);
	uint32_t index;

	memcpy(&index, bytes, sizeof(index));
	buf_printf(out, "%" PRIu32 " . ", index);
	if (key == RULESET_KEY_IIF_MAC)
		buf_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", address[0], address[1], address[2], address[3], address[4], address[5]);
	else
		print_address(address, key == RULESET_KEY_IIF_IPV6, out);
}

static void print_key(enum ruleset_key key, const uint8_t *bytes, struct buf *out)
{
	size_t address = key_is_ipv6(key) ? 16 : 4;

	if (key >= RULESET_KEY_IIF_MAC) {
		print_sender(key, bytes, out);
		return;
	}
	if (key == RULESET_KEY_PORT) {
		buf_printf(out, "%u", (unsigned)bytes[0] << 8 | bytes[1]);
		return;
	}
	print_address(bytes, key_is_ipv6(key), out);
	if (key == RULESET_KEY_IPV4_PORT || key == RULESET_KEY_IPV6_PORT) {
		buf_string(out, " . ");
		print_protocol(bytes[address], out);
		buf_printf(out, " . %u", (unsigned)bytes[address + 4] << 8 | bytes[address + 5]);
	}
}

static const char *key_type(enum ruleset_key key)
{
	switch (key) {
	case RULESET_KEY_IPV4:
		return "ipv4_addr";
	case RULESET_KEY_IPV6:
		return "ipv6_addr";
	case RULESET_KEY_IPV4_PORT:
		return "ipv4_addr . inet_proto . inet_service";
	case RULESET_KEY_IPV6_PORT:
		return "ipv6_addr . inet_proto . inet_service";
	case RULESET_KEY_PORT:
		return "inet_service";
	case RULESET_KEY_IIF_MAC:
		return "iface_index . ether_addr";
	case RULESET_KEY_IIF_IPV4:
		return "iface_index . ipv4_addr";
	case RULESET_KEY_IIF_IPV6:
		return "iface_index . ipv6_addr";
	case RULESET_KEY_COUNT:
		break;
	}
	return "";
}

/* nft has no escapes inside a string. */
static void print_comment(const char *comment, struct buf *out)
{
	buf_string(out, "comment \"");
	for (const char *c = comment; *c; c++)
		buf_byte(out, *c == '"' || (unsigned char)*c < ' ' ? '_' : (uint8_t)*c);
	buf_byte(out, '"');
}

static void print_element(const struct ruleset_set *set, size_t i, struct buf *out)
{
	const uint8_t *element = elements_at(&set->elements, set->stride, i);
	size_t size = ruleset_key_size(set->key);

	buf_string(out, "\t\t\t");
	print_key(set->key, element, out);
	if (set->interval && memcmp(element, element + size, size) != 0) {
		buf_byte(out, '-');
		print_key(set->key, element + size, out);
	}
	if (set->map)
		buf_printf(out, " : goto %s", set->targets[i]);
	buf_string(out, ",\n");
}

static void print_set(const struct ruleset_set *set, struct buf *out)
{
	buf_printf(out, "\t%s %s {\n\t\ttype %s%s\n", set->map ? "map" : "set", set->name, key_type(set->key),
		   set->map ? " : verdict" : "");
	if (set->interval)
		buf_string(out, "\t\tflags interval\n");
	if (set->comment[0]) {
		buf_string(out, "\t\t");
		print_comment(set->comment, out);
		buf_byte(out, '\n');
	}
	if (set->elements.n > 0) {
		buf_string(out, "\t\telements = {\n");
		for (size_t i = 0; i < set->elements.n; i++)
			print_element(set, i, out);
		buf_string(out, "\t\t}\n");
	}
	buf_string(out, "\t}\n\n");
}

static void print_range(uint32_t first, uint32_t last, struct buf *out)
{
	buf_printf(out, "%u", first);
	if (first != last)
		buf_printf(out, "-%u", last);
}

struct words {
	const char *protocol, *port;
};

static const struct words words_of[] = {
	[false] = { "meta l4proto", "th dport" },
	[true] = { "ct protocol", "ct reply proto-src" },
};

static void print_end(const struct ruleset_rule *rule, bool source, enum ruleset_key key, struct buf *out)
{
	const char *ip = key_is_ipv6(key) ? "ip6" : "ip";

	if (rule->by_connection)
		buf_printf(out, "ct %s %s saddr", source ? "original" : "reply", ip);
	else
		buf_printf(out, "%s %s", ip, source ? "saddr" : "daddr");
}

static void print_match(const struct ruleset_rule *rule, const struct ruleset_match *match, struct buf *out)
{
	const struct words *words = &words_of[rule->by_connection];

	switch (match->type) {
	case RULESET_TRACKED:
		buf_string(out, "ct state new,established,related");
		break;
	case RULESET_CONNECTION_OF:
		buf_printf(out, "ct l3proto %s", match->first == AF_INET6 ? "ipv6" : "ipv4");
		break;
	case RULESET_ANSWER:
		buf_string(out, "ct direction reply");
		break;
	case RULESET_ICMPV6_TYPE:
		buf_string(out, "icmpv6 type ");
		print_range(match->first, match->last, out);
		break;
	case RULESET_SOURCE_IN:
		print_end(rule, true, match->key, out);
		buf_printf(out, " @%s", match->set);
		break;
	case RULESET_DESTINATION_IN:
		print_end(rule, false, match->key, out);
		buf_printf(out, " @%s", match->set);
		break;
	case RULESET_PROTOCOL:
		buf_printf(out, "%s ", words->protocol);
		print_protocol((uint8_t)match->first, out);
		break;
	case RULESET_PORT:
		buf_printf(out, "%s ", words->port);
		print_range(match->first, match->last, out);
		break;
	case RULESET_PORT_IN:
		buf_printf(out, "%s @%s", words->port, match->set);
		break;
	case RULESET_SERVED_PORT_IN:
		print_end(rule, false, match->key, out);
		buf_printf(out, " . %s . %s @%s", words->protocol, words->port, match->set);
		break;
	case RULESET_FIELD:
		field_print(match, out);
		break;
	case RULESET_SENDER_IN:
		buf_printf(out, "iif . %s @%s", field_name(match->field), match->set);
		break;
	}
	buf_byte(out, ' ');
}

static void print_verdict(const struct ruleset_rule *rule, struct buf *out)
{
	switch (rule->verdict) {
	case RULESET_ACCEPT:
		buf_string(out, "accept");
		break;
	case RULESET_DROP:
		buf_string(out, "drop");
		break;
	case RULESET_RETURN:
		buf_string(out, "return");
		break;
	case RULESET_CONTINUE: /* nft has no word for it where a rule ends */
		break;
	case RULESET_JUMP:
		buf_printf(out, "jump %s", rule->target);
		break;
	case RULESET_GOTO:
		buf_printf(out, "goto %s", rule->target);
		break;
	case RULESET_SOURCE_MAP:
	case RULESET_DESTINATION_MAP:
		print_end(rule, rule->verdict == RULESET_SOURCE_MAP, rule->target_key, out);
		buf_printf(out, " vmap @%s", rule->target);
		break;
	}
}

static void print_log(const struct ruleset_rule *rule, struct buf *out)
{
	buf_printf(out, "limit rate %u/second burst %u packets log prefix \"%s\" group %u snaplen %d queue-threshold 1%s", rule->log.rate,
		   rule->log.burst, rule->log_prefix, rule->log.group, RULESET_LOG_BYTES, rule->verdict == RULESET_CONTINUE ? "" : " ");
}

void ruleset_rule_print(const struct ruleset_rule *rule, struct buf *out)
{
	for (size_t i = 0; i < rule->n_matches; i++)
		print_match(rule, &rule->matches[i], out);
	if (rule->log_prefix)
		print_log(rule, out);
	if (rule->counter)
		buf_printf(out, "counter name \"%s\" ", rule->counter);
	print_verdict(rule, out);
	if (rule->comment && rule->comment[0]) {
		buf_byte(out, ' ');
		print_comment(rule->comment, out);
	}
}

static const char *const hook_names[] = {
	[RULESET_HOOK_FORWARD] = "forward",
	[RULESET_HOOK_INPUT] = "input",
	[RULESET_HOOK_OUTPUT] = "output",
	[RULESET_HOOK_INGRESS] = "ingress",
	[RULESET_HOOK_UNKNOWN] = "unknown",
};

static void print_chain(const struct ruleset_chain *chain, struct buf *out)
{
	buf_printf(out, "\tchain %s {\n", chain->name);
	if (chain->comment[0]) {
		buf_string(out, "\t\t");
		print_comment(chain->comment, out);
		buf_byte(out, '\n');
	}
	if (chain->hook != RULESET_NO_HOOK)
		buf_printf(out, "\t\ttype filter hook %s%s%s priority %d; policy accept;\n", hook_names[chain->hook],
			   chain->device ? " device " : "", chain->device ? chain->device : "", chain->priority);
	for (size_t i = 0; i < chain->n_rules; i++) {
		buf_string(out, "\t\t");
		ruleset_rule_print(&chain->rules[i], out);
		buf_byte(out, '\n');
	}
	buf_string(out, "\t}\n\n");
}

void ruleset_print(const struct ruleset *ruleset, struct buf *out)
{
	buf_printf(out, "table %s %s {\n", ruleset_family_name(ruleset->family), RULESET_TABLE);
	for (size_t i = 0; i < ruleset->counters.n; i++) {
		const struct ruleset_counter *counter = ruleset->counters.items[i];

		if (counter->state != RULESET_DOOMED)
			buf_printf(out, "\tcounter %s {\n\t}\n\n", counter->name);
	}
	for (size_t i = 0; i < ruleset->sets.n; i++) {
		const struct ruleset_set *set = ruleset->sets.items[i];

		if (set->state != RULESET_DOOMED)
			print_set(set, out);
	}
	for (size_t i = 0; i < ruleset->chains.n; i++) {
		const struct ruleset_chain *chain = ruleset->chains.items[i];

		if (chain->state != RULESET_DOOMED)
			print_chain(chain, out);
	}
	buf_string(out, "}\n");
}
