// SPDX-License-Identifier: Apache-2.0
/*
 * A rule is a row of register instructions; a comparison that fails ends the rule. What nft would print for it:
 *
 *	ip saddr @s      meta nfproto → r1, r1 == ipv4, payload 4 @ network + 12 → r1, lookup r1 in s
 *	tcp dport 80     meta l4proto → r1, r1 == tcp, payload 2 @ transport + 2 → r1, r1 == 80
 *	by connection    the same with ct loads in place of payload and meta: ct original saddr, ct reply saddr, ct reply proto-src
 *	served @s        payload daddr → r1, meta l4proto → next, payload dport → next, lookup r1 in s
 *
 * Registers: NFT_REG_1 is 16 bytes, the same memory as NFT_REG32_00 to _03. A concatenation fills 4-byte registers one after the other;
 * the kernel pads a shorter value with zeros at its end, which is how ruleset_key lays out its keys.
 * The table is inet, so an address match asks for the family first; a rule that has asked does not ask again. A packet without a
 * transport header (a later fragment, which conntrack puts together before we see it) fails a port match.
 */
#include "cni-plugin/nft/expression.h"
#include "cni-plugin/nft/lowering.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

/* TCP, UDP, SCTP and DCCP all have the destination port here. */
#define PORT_OFFSET 2
#define PORT_SIZE 2

struct nftnl_expr *lowering_add(struct lowering *to, const char *name)
{
	struct nftnl_expr *expression = to->failed ? NULL : nftnl_expr_alloc(name);

	if (!expression) {
		to->failed = true;
		return NULL;
	}
	nftnl_rule_add_expr(to->rule, expression);
	return expression;
}

void lowering_put_u32(struct nftnl_expr *expression, uint16_t attribute, uint32_t value)
{
	if (expression)
		nftnl_expr_set_u32(expression, attribute, value);
}

static void put_data(struct lowering *to, struct nftnl_expr *expression, uint16_t attribute, const void *data, size_t n)
{
	if (expression && nftnl_expr_set(expression, attribute, data, (uint32_t)n) < 0)
		to->failed = true;
}

static void put_string(struct lowering *to, struct nftnl_expr *expression, uint16_t attribute, const char *text)
{
	if (expression && (nftnl_expr_set_str(expression, attribute, text) < 0 || !nftnl_expr_is_set(expression, attribute)))
		to->failed = true;
}

void lowering_load_meta(struct lowering *to, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *meta = lowering_add(to, "meta");

	lowering_put_u32(meta, NFTNL_EXPR_META_KEY, key);
	lowering_put_u32(meta, NFTNL_EXPR_META_DREG, reg);
}

void lowering_load_payload(struct lowering *to, uint32_t base, size_t offset, size_t n, uint32_t reg)
{
	struct nftnl_expr *payload = lowering_add(to, "payload");

	lowering_put_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, reg);
	lowering_put_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, base);
	lowering_put_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, (uint32_t)offset);
	lowering_put_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)n);
}

#define NO_DIRECTION (-1)

/* A packet that belongs to no connection, or to one of the other family, ends the rule. */
static void load_ct(struct lowering *to, uint32_t key, int direction, uint32_t reg)
{
	struct nftnl_expr *ct = lowering_add(to, "ct");

	lowering_put_u32(ct, NFTNL_EXPR_CT_KEY, key);
	lowering_put_u32(ct, NFTNL_EXPR_CT_DREG, reg);
	if (ct && direction != NO_DIRECTION)
		nftnl_expr_set_u8(ct, NFTNL_EXPR_CT_DIR, (uint8_t)direction);
}

static void load_protocol(struct lowering *to, uint32_t reg)
{
	if (to->by_connection)
		load_ct(to, NFT_CT_PROTOCOL, NO_DIRECTION, reg);
	else
		lowering_load_meta(to, NFT_META_L4PROTO, reg);
}

/* The destination's. */
static void load_port(struct lowering *to, uint32_t reg)
{
	if (to->by_connection)
		load_ct(to, NFT_CT_PROTO_SRC, IP_CT_DIR_REPLY, reg);
	else
		lowering_load_payload(to, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_OFFSET, PORT_SIZE, reg);
}

static void compare(struct lowering *to, uint32_t comparison, const void *value, size_t n)
{
	struct nftnl_expr *cmp = lowering_add(to, "cmp");

	lowering_put_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	lowering_put_u32(cmp, NFTNL_EXPR_CMP_OP, comparison);
	put_data(to, cmp, NFTNL_EXPR_CMP_DATA, value, n);
}

void lowering_compare_range(struct lowering *to, const void *first, const void *last, size_t n)
{
	if (memcmp(first, last, n) == 0) {
		compare(to, NFT_CMP_EQ, first, n);
		return;
	}
	compare(to, NFT_CMP_GTE, first, n);
	compare(to, NFT_CMP_LTE, last, n);
}

struct nftnl_expr *lowering_lookup(struct lowering *to, const char *set)
{
	struct nftnl_expr *expression = lowering_add(to, "lookup");

	lowering_put_u32(expression, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	put_string(to, expression, NFTNL_EXPR_LOOKUP_SET, set);
	return expression;
}

static void need_family(struct lowering *to, uint8_t family)
{
	if (to->family == family)
		return;
	lowering_load_meta(to, NFT_META_NFPROTO, NFT_REG_1);
	compare(to, NFT_CMP_EQ, &family, sizeof(family));
	to->family = family;
}

static void need_protocol(struct lowering *to, uint8_t protocol)
{
	if (to->protocol == protocol)
		return;
	load_protocol(to, NFT_REG_1);
	compare(to, NFT_CMP_EQ, &protocol, sizeof(protocol));
	to->protocol = protocol;
}

static void load_address(struct lowering *to, bool ipv6, bool source, uint32_t reg)
{
	if (to->by_connection) {
		load_ct(to, ipv6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, source ? IP_CT_DIR_ORIGINAL : IP_CT_DIR_REPLY, reg);
		return;
	}
	size_t ip4 = source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
	size_t ip6 = source ? offsetof(struct ip6_hdr, ip6_src) : offsetof(struct ip6_hdr, ip6_dst);

	need_family(to, ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	lowering_load_payload(to, NFT_PAYLOAD_NETWORK_HEADER, ipv6 ? ip6 : ip4, ipv6 ? sizeof(struct in6_addr) : sizeof(struct in_addr),
			      reg);
}

static int lower_tracked(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const uint32_t states = NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED), zero = 0;

	load_ct(to, NFT_CT_STATE, NO_DIRECTION, NFT_REG_1);
	struct nftnl_expr *bitwise = lowering_add(to, "bitwise");
	lowering_put_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	lowering_put_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	lowering_put_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, sizeof(states));
	put_data(to, bitwise, NFTNL_EXPR_BITWISE_MASK, &states, sizeof(states));
	put_data(to, bitwise, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
	compare(to, NFT_CMP_NEQ, &zero, sizeof(zero));
	return 0;
}

static int lower_connection_of(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const uint8_t family = (uint8_t)match->first; /* NFPROTO_IPV4 and _IPV6 are the same numbers */

	if (match->first != AF_INET && match->first != AF_INET6)
		return error_set(err, EINVAL, "%u is no address family", match->first);
	load_ct(to, NFT_CT_L3PROTOCOL, NO_DIRECTION, NFT_REG_1);
	compare(to, NFT_CMP_EQ, &family, sizeof(family));
	return 0;
}

static int lower_answer(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const uint8_t reply = IP_CT_DIR_REPLY;

	load_ct(to, NFT_CT_DIRECTION, NO_DIRECTION, NFT_REG_1);
	compare(to, NFT_CMP_EQ, &reply, sizeof(reply));
	return 0;
}

static int lower_icmpv6(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const uint8_t first = (uint8_t)match->first, last = (uint8_t)match->last;

	if (match->first > match->last || match->last > UINT8_MAX)
		return error_set(err, EINVAL, "%u-%u is no range of ICMPv6 types", match->first, match->last);
	need_family(to, NFPROTO_IPV6);
	need_protocol(to, IPPROTO_ICMPV6);
	lowering_load_payload(to, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct icmp6_hdr, icmp6_type), sizeof(first), NFT_REG_1);
	lowering_compare_range(to, &first, &last, sizeof(first));
	return 0;
}

static int lower_address_in(struct lowering *to, const struct ruleset_match *match, bool source, struct error *err)
{
	if (match->key != RULESET_KEY_IPV4 && match->key != RULESET_KEY_IPV6)
		return error_set(err, EINVAL, "set \"%s\" does not hold addresses", match->set);
	load_address(to, match->key == RULESET_KEY_IPV6, source, NFT_REG_1);
	lowering_lookup(to, match->set);
	return 0;
}

static int lower_source_in(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	return lower_address_in(to, match, true, err);
}

static int lower_destination_in(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	return lower_address_in(to, match, false, err);
}

static int lower_protocol(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	if (match->first == 0 || match->first > UINT8_MAX)
		return error_set(err, EINVAL, "%u is no protocol", match->first);
	need_protocol(to, (uint8_t)match->first);
	return 0;
}

static int load_known_port(struct lowering *to, struct error *err)
{
	if (to->protocol == 0)
		return error_set(err, EINVAL, "a port is matched without a protocol before it");
	load_port(to, NFT_REG_1);
	return 0;
}

static int lower_port(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const uint16_t first = htons(match->first), last = htons(match->last);

	if (match->first > match->last)
		return error_set(err, EINVAL, "%u-%u is no range of ports", match->first, match->last);
	int r = load_known_port(to, err);
	if (r == 0)
		lowering_compare_range(to, &first, &last, sizeof(first));
	return r;
}

static int lower_port_in(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	if (match->key != RULESET_KEY_PORT)
		return error_set(err, EINVAL, "set \"%s\" does not hold ports", match->set);
	int r = load_known_port(to, err);
	if (r == 0)
		lowering_lookup(to, match->set);
	return r;
}

static int lower_served_port_in(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	bool ipv6 = match->key == RULESET_KEY_IPV6_PORT;
	uint32_t after = NFT_REG32_00 + (ipv6 ? 4 : 1);

	if (!ipv6 && match->key != RULESET_KEY_IPV4_PORT)
		return error_set(err, EINVAL, "set \"%s\" does not hold served ports", match->set);
	load_address(to, ipv6, false, NFT_REG_1);
	load_protocol(to, after);
	load_port(to, after + 1);
	lowering_lookup(to, match->set);
	return 0;
}

static int (*const lower_match[])(struct lowering *to, const struct ruleset_match *match, struct error *err) = {
	[RULESET_TRACKED] = lower_tracked,
	[RULESET_CONNECTION_OF] = lower_connection_of,
	[RULESET_ANSWER] = lower_answer,
	[RULESET_ICMPV6_TYPE] = lower_icmpv6,
	[RULESET_SOURCE_IN] = lower_source_in,
	[RULESET_DESTINATION_IN] = lower_destination_in,
	[RULESET_PROTOCOL] = lower_protocol,
	[RULESET_PORT] = lower_port,
	[RULESET_PORT_IN] = lower_port_in,
	[RULESET_SERVED_PORT_IN] = lower_served_port_in,
	[RULESET_FIELD] = lower_field,
	[RULESET_SENDER_IN] = lower_sender_in,
};

static void lower_immediate(struct lowering *to, int verdict, const char *chain)
{
	struct nftnl_expr *immediate = lowering_add(to, "immediate");

	lowering_put_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	lowering_put_u32(immediate, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		put_string(to, immediate, NFTNL_EXPR_IMM_CHAIN, chain);
}

static int lower_map(struct lowering *to, const struct ruleset_rule *rule, struct error *err)
{
	if (rule->target_key != RULESET_KEY_IPV4 && rule->target_key != RULESET_KEY_IPV6)
		return error_set(err, EINVAL, "map \"%s\" does not hold addresses", rule->target);
	load_address(to, rule->target_key == RULESET_KEY_IPV6, rule->verdict == RULESET_SOURCE_MAP, NFT_REG_1);
	lowering_put_u32(lowering_lookup(to, rule->target), NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	return 0;
}

static int lower_verdict(struct lowering *to, const struct ruleset_rule *rule, struct error *err)
{
	switch (rule->verdict) {
	case RULESET_ACCEPT:
		lower_immediate(to, NF_ACCEPT, NULL);
		return 0;
	case RULESET_DROP:
		lower_immediate(to, NF_DROP, NULL);
		return 0;
	case RULESET_RETURN:
		lower_immediate(to, NFT_RETURN, NULL);
		return 0;
	case RULESET_CONTINUE:
		return 0;
	case RULESET_JUMP:
	case RULESET_GOTO:
		if (!rule->target || strlen(rule->target) > RULESET_NAME_MAX)
			return error_set(err, EINVAL, "a jump has no usable target");
		lower_immediate(to, rule->verdict == RULESET_GOTO ? NFT_GOTO : NFT_JUMP, rule->target);
		return 0;
	case RULESET_SOURCE_MAP:
	case RULESET_DESTINATION_MAP:
		return lower_map(to, rule, err);
	}
	return error_set(err, EINVAL, "unknown verdict %d", (int)rule->verdict);
}

/* The limit ends the rule for what is above it; the rules behind it are not concerned. */
static void log_limited(struct lowering *to, const struct ruleset_rule *rule)
{
	struct nftnl_expr *limit = lowering_add(to, "limit");

	if (limit) {
		nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, rule->log.rate);
		nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 1); /* seconds */
	}
	lowering_put_u32(limit, NFTNL_EXPR_LIMIT_BURST, rule->log.burst);
	lowering_put_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	struct nftnl_expr *log = lowering_add(to, "log");
	put_string(to, log, NFTNL_EXPR_LOG_PREFIX, rule->log_prefix);
	if (log) {
		nftnl_expr_set_u16(log, NFTNL_EXPR_LOG_GROUP, rule->log.group);
		nftnl_expr_set_u16(log, NFTNL_EXPR_LOG_QTHRESHOLD, 1); /* each at once */
	}
	lowering_put_u32(log, NFTNL_EXPR_LOG_SNAPLEN, RULESET_LOG_BYTES);
}

static void count(struct lowering *to, const char *counter)
{
	struct nftnl_expr *reference = lowering_add(to, "objref");

	lowering_put_u32(reference, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	put_string(to, reference, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
}

int nft_expression_rule(const struct ruleset_rule *rule, struct nftnl_rule **ret, struct error *err)
{
	_cleanup_(nft_rule_freep) struct nftnl_rule *built = nftnl_rule_alloc();
	struct lowering to = { .rule = built, .by_connection = rule->by_connection };
	int r = 0;

	if (!built)
		return error_nomem(err);
	for (size_t i = 0; i < rule->n_matches && r == 0; i++)
		r = lower_match[rule->matches[i].type](&to, &rule->matches[i], err);
	if (r == 0 && rule->log_prefix)
		log_limited(&to, rule);
	if (r == 0 && rule->counter)
		count(&to, rule->counter);
	if (r == 0)
		r = lower_verdict(&to, rule, err);
	if (r < 0)
		return r;
	if (to.failed)
		return error_nomem(err);
	*ret = TAKE_PTR(built);
	return 0;
}
