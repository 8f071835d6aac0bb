// SPDX-License-Identifier: Apache-2.0
/*
 * The fixed part of the table. Each direction has a base chain of its own on the hook: an accept ends only the chain in which it is
 * said, a drop ends everything, so "source-egress AND destination-ingress" (facts S3) needs no marks and no order of rules.
 *
 *	pod → elsewhere     forward-egress  (source)  then  forward-ingress (destination)
 *	pod → its own node  input-egress    (source)
 *	own node → pod      output-egress: only what answers a pod; the rest is always allowed (facts S11)
 *
 * Every packet is judged by today's policy, not only the first of a connection: revocation needs no second mechanism, nothing to mark and
 * nothing to delete. Source and destination are the connection's, so an answer is judged as what it answers, and a Service's
 * translation is looked through. What conntrack does not track (NodeLocal DNS asks for that) is judged by its own header.
 *
 * Most packets belong to a connection of which neither pod is selected. So the rules ask for connections first, IPv4 before IPv6: one lookup,
 * and out. Behind them are the packets that belong to none.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "common/base/array.h"

#define ICMPV6_PACKET_TOO_BIG 2    /* RFC 4443; path-MTU discovery must never be cut */
#define ICMPV6_NEIGHBOUR_FIRST 133 /* RFC 4861: router and neighbour discovery, redirect */
#define ICMPV6_NEIGHBOUR_LAST 137

struct map_row {
	const char *name;
	enum ruleset_key key;
};

static const struct map_row maps[] = {
	{ POLICY_EGRESS_MAP4, RULESET_KEY_IPV4 },
	{ POLICY_EGRESS_MAP6, RULESET_KEY_IPV6 },
	{ POLICY_INGRESS_MAP4, RULESET_KEY_IPV4 },
	{ POLICY_INGRESS_MAP6, RULESET_KEY_IPV6 },
};

struct base_chain_row {
	const char *name;
	enum ruleset_hook hook;
	int priority;
	enum ruleset_verdict lookup;
	const char *map4, *map6;
	const char *comment;
};

static const struct base_chain_row base_chains[] = {
	{ "forward-egress", RULESET_HOOK_FORWARD, -10, RULESET_SOURCE_MAP, POLICY_EGRESS_MAP4, POLICY_EGRESS_MAP6,
	  "what pods of this node may send" },
	{ "forward-ingress", RULESET_HOOK_FORWARD, -9, RULESET_DESTINATION_MAP, POLICY_INGRESS_MAP4, POLICY_INGRESS_MAP6,
	  "what pods of this node may receive" },
	{ "input-egress", RULESET_HOOK_INPUT, -10, RULESET_SOURCE_MAP, POLICY_EGRESS_MAP4, POLICY_EGRESS_MAP6,
	  "what pods of this node may send to it" },
	{ "output-egress", RULESET_HOOK_OUTPUT, -10, RULESET_SOURCE_MAP, POLICY_EGRESS_MAP4, POLICY_EGRESS_MAP6,
	  "what it may answer to pods of this node" },
};

#define ICMPV6_CHAIN "essential-icmpv6"

static struct ruleset_rule when(enum ruleset_match_type type, uint16_t first, uint16_t last, enum ruleset_verdict verdict)
{
	return (struct ruleset_rule){
		.matches = { { .type = type, .first = first, .last = last } },
		.n_matches = 1,
		.verdict = verdict,
	};
}

static int put_icmpv6(struct ruleset *ruleset, struct error *err)
{
	struct ruleset_rule rules[] = {
		when(RULESET_ICMPV6_TYPE, ICMPV6_PACKET_TOO_BIG, ICMPV6_PACKET_TOO_BIG, RULESET_ACCEPT),
		when(RULESET_ICMPV6_TYPE, ICMPV6_NEIGHBOUR_FIRST, ICMPV6_NEIGHBOUR_LAST, RULESET_ACCEPT),
	};

	return ruleset_chain_put(ruleset, ICMPV6_CHAIN, RULESET_NO_HOOK, 0, "what IPv6 cannot work without", rules, ELEMENTS_OF(rules),
				 err);
}

static bool aim(struct ruleset_rule *rule, const char *target)
{
	rule->target = strdup(target);
	return rule->target;
}

static int put_base_chain(struct ruleset *ruleset, const struct base_chain_row *row, struct error *err)
{
	const struct ruleset_rule by_connection = { .verdict = row->lookup, .by_connection = true }, by_header = { .verdict = row->lookup };
	struct ruleset_rule rules[] = {
		by_connection,
		when(RULESET_CONNECTION_OF, AF_INET, AF_INET, RULESET_ACCEPT),
		when(RULESET_PROTOCOL, IPPROTO_ICMPV6, IPPROTO_ICMPV6, RULESET_JUMP),
		by_connection,
		when(RULESET_CONNECTION_OF, AF_INET6, AF_INET6, RULESET_ACCEPT),
		by_header,
		by_header,
	};
	const char *const targets[ELEMENTS_OF(rules)] = { row->map4, NULL, ICMPV6_CHAIN, row->map6, NULL, row->map4, row->map6 };
	bool ok = true;

	for (size_t i = 0; i < ELEMENTS_OF(rules); i++)
		ok &= !targets[i] || aim(&rules[i], targets[i]);
	if (ok)
		return ruleset_chain_put(ruleset, row->name, row->hook, row->priority, row->comment, rules, ELEMENTS_OF(rules), err);
	for (size_t i = 0; i < ELEMENTS_OF(rules); i++)
		ruleset_rule_clear(&rules[i]);
	return error_nomem(err);
}

int policy_put_quarantine(struct ruleset *ruleset, const struct ruleset_log *log, struct error *err)
{
	struct ruleset_rule rules[POLICY_DROP_RULES];
	size_t n = 0;
	int r = policy_drop_rules(POLICY_DROP_QUARANTINE, log, rules, &n, err);

	if (r < 0)
		return r;
	return ruleset_chain_put(ruleset, POLICY_QUARANTINE_CHAIN, RULESET_NO_HOOK, 0, "pods whose object is unknown", rules, n, err);
}

int policy_skeleton(struct ruleset *ruleset, const struct ruleset_log *log, struct error *err)
{
	struct ruleset_set *unused;
	int r = 0;

	for (size_t i = 0; i < POLICY_DROP_COUNT && r == 0; i++)
		r = ruleset_counter_add(ruleset, policy_drops[i].counter, err);
	for (size_t i = 0; i < ELEMENTS_OF(maps) && r == 0; i++)
		r = ruleset_set_add(ruleset, maps[i].name, maps[i].key, false, true, "", &unused, err);
	if (r == 0)
		r = policy_put_quarantine(ruleset, log, err);
	if (r == 0)
		r = put_icmpv6(ruleset, err);
	for (size_t i = 0; i < ELEMENTS_OF(base_chains) && r == 0; i++)
		r = put_base_chain(ruleset, &base_chains[i], err);
	return r;
}

bool policy_has_skeleton(const struct ruleset *ruleset)
{
	bool all = ruleset_chain_find(ruleset, POLICY_QUARANTINE_CHAIN);

	for (size_t i = 0; i < ELEMENTS_OF(maps); i++) {
		const struct ruleset_set *set = ruleset_set_find(ruleset, maps[i].name);
		all &= set && set->map && set->key == maps[i].key && !set->interval;
	}
	for (size_t i = 0; i < ELEMENTS_OF(base_chains); i++)
		all &= base_chains[i].hook == RULESET_HOOK_OUTPUT || ruleset_chain_find(ruleset, base_chains[i].name) != NULL;
	return all;
}

static int change_maps(struct ruleset *ruleset, const struct kube_address *address, bool put, struct error *err)
{
	enum ruleset_key key = family_of(address) == POLICY_IPV4 ? RULESET_KEY_IPV4 : RULESET_KEY_IPV6;
	int r = 0;

	for (size_t i = 0; i < ELEMENTS_OF(maps) && r == 0; i++) {
		struct ruleset_set *map = ruleset_set_find(ruleset, maps[i].name);

		if (maps[i].key != key)
			continue;
		if (!map)
			return error_set(err, EINVAL, "map \"%s\" is not there", maps[i].name);
		r = put ? ruleset_element_add(map, address->bytes, POLICY_QUARANTINE_CHAIN, err)
			: ruleset_element_remove(map, address->bytes, err);
	}
	return r;
}

int policy_quarantine_put(struct ruleset *ruleset, const struct policy_endpoint *endpoint, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < endpoint->n_addresses && r == 0; i++)
		r = change_maps(ruleset, &endpoint->addresses[i], true, err);
	return r;
}

int policy_quarantine_remove(struct ruleset *ruleset, const struct policy_endpoint *endpoint, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < endpoint->n_addresses && r == 0; i++)
		r = change_maps(ruleset, &endpoint->addresses[i], false, err);
	return r;
}
