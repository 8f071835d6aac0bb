// SPDX-License-Identifier: Apache-2.0
/*
 * Named ports. A name means another number on each pod that serves it (facts S10), so a rule looks for
 * destination address . protocol . port in the set of all who serve the name. On ingress the destination is a pod of this node, and
 * the set holds only those: pods that come and go elsewhere then change nothing here.
 */
#include <stdio.h>
#include <errno.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

static bool serves(const struct pod *pod, const char *name, uint8_t protocol, uint16_t number)
{
	const struct kube_pod *spec = &pod->object->pod;

	for (size_t i = 0; i < spec->n_ports; i++) {
		const struct kube_container_port *port = &spec->ports[i];

		if (port->port == number && port->protocol == protocol && strcmp(port->name, name) == 0)
			return true;
	}
	return false;
}

bool address_serves(const struct policy_engine *engine, const struct kube_address *address, const char *name, uint8_t protocol,
		    uint16_t port, bool local)
{
	size_t n;
	const struct claim *claims = engine_claims_of(engine, address, &n);

	for (size_t i = 0; i < n; i++)
		if ((!local || claims[i].pod->endpoints) && serves(claims[i].pod, name, protocol, port))
			return true;
	return false;
}

struct served_key {
	uint8_t bytes[24];
};

static struct served_key key_of(const struct kube_address *address, uint8_t protocol, uint16_t port)
{
	size_t size = family_of(address) == POLICY_IPV4 ? 4 : 16;
	struct served_key key = {};

	memcpy(key.bytes, address->bytes, size);
	key.bytes[size] = protocol;
	key.bytes[size + 4] = (uint8_t)(port >> 8);
	key.bytes[size + 5] = (uint8_t)port;
	return key;
}

int served_set_judge(struct policy_engine *engine, struct served_set *set, const struct kube_address *address, uint16_t port,
		     struct error *err)
{
	struct served_key key = key_of(address, set->protocol, port);
	struct ruleset_set *elements = set->sets[family_of(address)];

	if (address_serves(engine, address, set->port_name, set->protocol, port, set->local))
		return ruleset_element_add(elements, key.bytes, NULL, err);
	return ruleset_element_remove(elements, key.bytes, err);
}

static int fill(struct policy_engine *engine, struct served_set *set, struct error *err)
{
	for (size_t i = 0; i < engine->n_claims; i++) {
		const struct kube_pod *pod = &engine->claims[i].pod->object->pod;

		for (size_t j = 0; j < pod->n_ports; j++) {
			const struct kube_container_port *port = &pod->ports[j];

			if (port->protocol != set->protocol || strcmp(port->name, set->port_name) != 0)
				continue;
			int r = served_set_judge(engine, set, &engine->claims[i].address, port->port, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

void served_set_free(struct served_set *set)
{
	if (!set)
		return;
	free(set->id);
	free(set->port_name);
	free(set);
}
DEFINE_CLEANUP(struct served_set *, served_set_free);

static int add_ruleset_sets(struct policy_engine *engine, struct served_set *set, struct error *err)
{
	static const enum ruleset_key keys[FAMILIES] = { RULESET_KEY_IPV4_PORT, RULESET_KEY_IPV6_PORT };
	char name[RULESET_NAME_MAX + 1];
	int r = 0;

	for (size_t i = 0; i < FAMILIES && r == 0; i++) {
		snprintf(name, sizeof(name), "%s%s-%s", set->local ? "local" : "served", i == POLICY_IPV4 ? "4" : "6", set->id + 1);
		r = ruleset_set_add(engine->ruleset, name, keys[i], false, false, "", &set->sets[i], err);
	}
	return r;
}

static int served_set_new(struct policy_engine *engine, const char *id, const char *name, uint8_t protocol, bool local,
			  struct served_set **ret, struct error *err)
{
	_cleanup_(served_set_freep) struct served_set *set = calloc(1, sizeof(*set));

	if (!set)
		return error_nomem(err);
	set->id = strdup(id);
	set->port_name = strdup(name);
	if (!set->id || !set->port_name)
		return error_nomem(err);
	set->protocol = protocol;
	set->local = local;
	int r = add_ruleset_sets(engine, set, err);
	if (r == 0)
		r = fill(engine, set, err);
	if (r < 0)
		return r;
	if (!named_put(&engine->served_sets, set))
		return error_nomem(err);
	*ret = TAKE_PTR(set);
	return 0;
}

int served_set_acquire(struct policy_engine *engine, const char *name, uint8_t protocol, bool local, struct served_set **ret,
		       struct error *err)
{
	char id[64];
	int n = snprintf(id, sizeof(id), "%c%s-%s", local ? 'l' : 's', name, kube_protocol_name(protocol));

	/* Port names have at most 15 bytes; the reader of objects holds them to it. */
	if (n >= (int)sizeof(id))
		return error_set(err, EINVAL, "port name \"%.20s...\" is too long", name);
	struct served_set *set = named_get(&engine->served_sets, id);
	if (!set) {
		int r = served_set_new(engine, id, name, protocol, local, &set, err);
		if (r < 0)
			return r;
	}
	set->users++;
	*ret = set;
	return 0;
}

void served_set_release(struct policy_engine *engine, struct served_set *set)
{
	if (--set->users > 0)
		return;
	for (size_t i = 0; i < FAMILIES; i++)
		ruleset_set_remove(engine->ruleset, set->sets[i]->name);
	named_remove(&engine->served_sets, set->id);
	served_set_free(set);
}
