// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ruleset_eval.h"

#include <stdio.h>
#include <string.h>

enum outcome { CONTINUE, RETURNED, ACCEPTED, DROPPED };

static const void *there(const void *object, const char *name)
{
	if (object)
		return object;
	fprintf(stderr, "ruleset names \"%s\", which is not in it\n", name);
	abort();
}

static bool is_ipv6(enum ruleset_key key)
{
	return key == RULESET_KEY_IPV6 || key == RULESET_KEY_IPV6_PORT;
}

static bool set_has(const struct ruleset_set *set, const uint8_t *key)
{
	size_t size = ruleset_key_size(set->key);

	for (size_t i = 0; i < set->elements.n; i++) {
		const uint8_t *first = set->elements.bytes + i * set->stride;
		const uint8_t *last = set->interval ? first + size : first;

		if (memcmp(first, key, size) <= 0 && memcmp(key, last, size) <= 0)
			return true;
	}
	return false;
}

static bool address_in(const struct ruleset *ruleset, const char *name, const struct kube_address *address)
{
	const struct ruleset_set *set = there(ruleset_set_find(ruleset, name), name);

	return is_ipv6(set->key) == (address->family == AF_INET6) && set_has(set, address->bytes);
}

static bool served(const struct ruleset *ruleset, const char *name, const struct policy_flow *flow)
{
	const struct ruleset_set *set = there(ruleset_set_find(ruleset, name), name);
	size_t size = flow->destination.family == AF_INET6 ? 16 : 4;
	uint8_t key[24] = {};

	if (is_ipv6(set->key) != (size == 16))
		return false;
	memcpy(key, flow->destination.bytes, size);
	key[size] = flow->protocol;
	key[size + 4] = (uint8_t)(flow->port >> 8);
	key[size + 5] = (uint8_t)(flow->port & 255);
	return set_has(set, key);
}

static bool port_in(const struct ruleset *ruleset, const char *name, uint16_t port)
{
	uint8_t key[2] = { (uint8_t)(port >> 8), (uint8_t)(port & 255) };

	return set_has(there(ruleset_set_find(ruleset, name), name), key);
}

static bool match_holds(const struct ruleset *ruleset, const struct ruleset_match *match, const struct policy_flow *flow)
{
	switch (match->type) {
	case RULESET_TRACKED:
		return true;
	case RULESET_CONNECTION_OF:
		return match->first == flow->source.family;
	case RULESET_ANSWER:
	case RULESET_ICMPV6_TYPE:
		return false;
	case RULESET_SOURCE_IN:
		return address_in(ruleset, match->set, &flow->source);
	case RULESET_DESTINATION_IN:
		return address_in(ruleset, match->set, &flow->destination);
	case RULESET_PROTOCOL:
		return match->first == flow->protocol;
	case RULESET_PORT:
		return match->first <= flow->port && flow->port <= match->last;
	case RULESET_PORT_IN:
		return port_in(ruleset, match->set, flow->port);
	case RULESET_SERVED_PORT_IN:
		return served(ruleset, match->set, flow);
	case RULESET_FIELD: /* in table netdev, which judges no flows */
	case RULESET_SENDER_IN:
		abort();
	}
	return false;
}

static const char *map_lookup(const struct ruleset *ruleset, const char *name, const struct kube_address *address)
{
	const struct ruleset_set *map = there(ruleset_set_find(ruleset, name), name);

	if (is_ipv6(map->key) != (address->family == AF_INET6))
		return NULL;
	ptrdiff_t at = ruleset_element_find(map, address->bytes);
	return at < 0 ? NULL : map->targets[at];
}

static enum outcome run_chain(const struct ruleset *ruleset, const struct ruleset_chain *chain, const struct policy_flow *flow);

static enum outcome run_named(const struct ruleset *ruleset, const char *name, const struct policy_flow *flow)
{
	return run_chain(ruleset, there(ruleset_chain_find(ruleset, name), name), flow);
}

/* A goto never comes back: the end of its chain is the end of the base chain, whose policy is accept. */
static enum outcome run_goto(const struct ruleset *ruleset, const char *chain, const struct policy_flow *flow)
{
	enum outcome outcome = chain ? run_named(ruleset, chain, flow) : CONTINUE;

	return chain && outcome == CONTINUE ? ACCEPTED : outcome;
}

static enum outcome run_rule(const struct ruleset *ruleset, const struct ruleset_rule *rule, const struct policy_flow *flow)
{
	for (size_t i = 0; i < rule->n_matches; i++)
		if (!match_holds(ruleset, &rule->matches[i], flow))
			return CONTINUE;
	switch (rule->verdict) {
	case RULESET_ACCEPT:
		return ACCEPTED;
	case RULESET_DROP:
		return DROPPED;
	case RULESET_RETURN:
		return RETURNED;
	case RULESET_CONTINUE:
		return CONTINUE;
	case RULESET_GOTO: /* likewise */
		abort();
	case RULESET_JUMP:
		return run_named(ruleset, rule->target, flow);
	case RULESET_SOURCE_MAP:
		return run_goto(ruleset, map_lookup(ruleset, rule->target, &flow->source), flow);
	case RULESET_DESTINATION_MAP:
		return run_goto(ruleset, map_lookup(ruleset, rule->target, &flow->destination), flow);
	}
	return CONTINUE;
}

static enum outcome run_chain(const struct ruleset *ruleset, const struct ruleset_chain *chain, const struct policy_flow *flow)
{
	for (size_t i = 0; i < chain->n_rules; i++) {
		enum outcome outcome = run_rule(ruleset, &chain->rules[i], flow);

		if (outcome != CONTINUE)
			return outcome == RETURNED ? CONTINUE : outcome;
	}
	return CONTINUE;
}

/* An accept ends only its base chain, so their order does not matter to the result. */
bool ruleset_allows(const struct ruleset *ruleset, const struct scenario_probe *probe)
{
	enum ruleset_hook hook = probe->to_own_node ? RULESET_HOOK_INPUT : RULESET_HOOK_FORWARD;
	const struct ruleset_chain *chain = NULL;

	if (probe->flow.source_is_own_node)
		hook = RULESET_HOOK_OUTPUT;
	while ((chain = ruleset_next_chain(ruleset, chain)))
		if (chain->hook == hook && run_chain(ruleset, chain, &probe->flow) == DROPPED)
			return false;
	return true;
}
