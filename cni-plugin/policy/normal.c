// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/normal.h"

#include <string.h>

#include "cni-plugin/policy/normal_peers.h"
#include "common/base/array.h"

void normal_rule_clear(struct normal_rule *rule)
{
	for (size_t i = 0; i < rule->n_protocols; i++) {
		intervals_free(&rule->protocols[i].ranges);
		free(rule->protocols[i].names);
	}
	intervals_free(&rule->blocks[POLICY_IPV4]);
	intervals_free(&rule->blocks[POLICY_IPV6]);
	free(rule->peers);
	*rule = (struct normal_rule){};
}

/* An except takes away from its own block only (facts S8), so each block is finished before it joins the others. */
static int add_block(struct normal_rule *rule, const struct kube_ip_block *block, struct error *err)
{
	enum policy_family family = block->cidr.address.family == AF_INET ? POLICY_IPV4 : POLICY_IPV6;
	_cleanup_(intervals_free) struct intervals whole = {};
	_cleanup_(intervals_free) struct intervals holes = {};
	int r = intervals_append(&whole, interval_cidr(&block->cidr), err);

	for (size_t i = 0; i < block->n_except && r == 0; i++)
		if (block->except[i].address.family == block->cidr.address.family)
			r = intervals_append(&holes, interval_cidr(&block->except[i]), err);
	if (r < 0)
		return r;
	intervals_tidy(&holes);
	return intervals_subtract(&whole, &holes, &rule->blocks[family], err);
}

static int add_blocks(struct normal_rule *rule, const struct kube_rule *from, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < from->n_peers && r == 0; i++)
		if (from->peers[i].is_ip_block)
			r = add_block(rule, &from->peers[i].ip_block, err);
	intervals_tidy(&rule->blocks[POLICY_IPV4]);
	intervals_tidy(&rule->blocks[POLICY_IPV6]);
	return r;
}

static struct normal_protocol *protocol_of(struct normal_rule *rule, uint8_t protocol)
{
	for (size_t i = 0; i < rule->n_protocols; i++)
		if (rule->protocols[i].protocol == protocol)
			return &rule->protocols[i];
	if (rule->n_protocols == NORMAL_PROTOCOLS_MAX)
		return NULL;
	rule->protocols[rule->n_protocols].protocol = protocol;
	return &rule->protocols[rule->n_protocols++];
}

/* Sorted in; a rule has few names. */
static int add_name(struct normal_protocol *protocol, const char *name, struct error *err)
{
	size_t at = 0;

	while (at < protocol->n_names && strcmp(protocol->names[at], name) < 0)
		at++;
	if (at < protocol->n_names && strcmp(protocol->names[at], name) == 0)
		return 0;
	if (!array_room((void **)&protocol->names, protocol->n_names, &protocol->names_capacity, sizeof(*protocol->names)))
		return error_nomem(err);
	memmove(protocol->names + at + 1, protocol->names + at, (protocol->n_names - at) * sizeof(*protocol->names));
	protocol->names[at] = name;
	protocol->n_names++;
	return 0;
}

static int add_port(struct normal_rule *rule, const struct kube_policy_port *port, struct error *err)
{
	struct normal_protocol *protocol = protocol_of(rule, port->protocol);

	/* A fourth protocol cannot be said in NetworkPolicy; not to allow it is the safe side. */
	if (!protocol)
		return 0;
	if (!port->name && port->port == 0) {
		protocol->all = true;
		return 0;
	}
	if (!port->name)
		return intervals_append(&protocol->ranges, (struct interval){ port->port, port->end }, err);
	return add_name(protocol, port->name, err);
}

static int compare_protocols(const void *a, const void *b)
{
	const struct normal_protocol *x = a, *y = b;

	return (int)x->protocol - (int)y->protocol;
}

/* What "all ports" already covers goes too. */
static void tidy(struct normal_protocol *protocol)
{
	intervals_tidy(&protocol->ranges);
	if (!protocol->all)
		return;
	intervals_free(&protocol->ranges);
	free(protocol->names);
	protocol->names = NULL;
	protocol->n_names = 0;
}

static int add_ports(struct normal_rule *rule, const struct kube_rule *from, struct error *err)
{
	for (size_t i = 0; i < from->n_ports; i++) {
		int r = add_port(rule, &from->ports[i], err);

		if (r < 0)
			return r;
	}
	qsort(rule->protocols, rule->n_protocols, sizeof(rule->protocols[0]), compare_protocols);
	for (size_t i = 0; i < rule->n_protocols; i++)
		tidy(&rule->protocols[i]);
	return 0;
}

int normal_rule_build(const struct kube_rule *rule, const char *namespace, struct normal_rule *ret, struct error *err)
{
	struct normal_rule built = { .namespace = namespace, .any_peer = rule->n_peers == 0, .any_port = rule->n_ports == 0 };
	int r = normal_peers(rule, namespace, &built, err);

	if (r == 0)
		r = add_blocks(&built, rule, err);
	if (r == 0)
		r = add_ports(&built, rule, err);
	if (r < 0)
		normal_rule_clear(&built);
	*ret = built;
	return r;
}
