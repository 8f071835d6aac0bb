// SPDX-License-Identifier: Apache-2.0
/*
 * The pods' interfaces on this node, and the dispatch maps. The maps say for each address of this node which chain judges it;
 * an address that is in none belongs to a pod that no policy isolates. A pod's identity is its UID: an endpoint whose object is not
 * (yet) known is quarantined, because labels of a predecessor with the same name say nothing about it. So is one that is leaving.
 */
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "common/base/array.h"

void endpoint_free(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	addresses_clear(&endpoint->addresses);
	free(endpoint->id);
	free(endpoint->pod_name);
	free(endpoint->uid);
	free(endpoint);
}
DEFINE_CLEANUP(struct endpoint *, endpoint_free);

bool endpoint_fits(const struct endpoint *endpoint, const struct kube_object *pod)
{
	/* A pod in the host's network has no interface of its own: somebody is mistaken, and nothing is opened for it. */
	return !pod->pod.host_network && !endpoint->leaving && kube_pod_has_uid(pod, endpoint->uid);
}

const struct endpoint *endpoint_with_address(const struct policy_engine *engine, const struct kube_address *address)
{
	const struct endpoint *newest = NULL;

	for (size_t i = 0; i < engine->endpoints.n; i++) {
		const struct endpoint *endpoint = engine->endpoints.items[i];

		if ((!newest || endpoint->serial > newest->serial) && addresses_have(&endpoint->addresses, address))
			newest = endpoint;
	}
	return newest;
}

static int point_maps(struct policy_engine *engine, const struct kube_address *address, struct error *err)
{
	const struct endpoint *owner = endpoint_with_address(engine, address);
	int r = 0;

	for (int side = EGRESS; side < SIDES && r == 0; side++) {
		struct ruleset_set *map = engine->maps[side][family_of(address)];

		if (owner && !owner->pod)
			r = ruleset_element_add(map, address->bytes, POLICY_QUARANTINE_CHAIN, err);
		else if (owner && owner->groups[side])
			r = ruleset_element_add(map, address->bytes, owner->groups[side]->chain, err);
		else
			r = ruleset_element_remove(map, address->bytes, err);
	}
	return r;
}

static int point_all(struct policy_engine *engine, const struct endpoint *endpoint, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < endpoint->addresses.n && r == 0; i++)
		r = point_maps(engine, &endpoint->addresses.items[i], err);
	return r;
}

int endpoint_settle(struct policy_engine *engine, struct endpoint *endpoint, struct error *err)
{
	struct group *old[SIDES];
	int r = 0;

	memcpy(old, endpoint->groups, sizeof(old));
	for (int side = EGRESS; side < SIDES && r == 0; side++) {
		endpoint->groups[side] = NULL;
		if (endpoint->pod)
			r = group_acquire(engine, endpoint->pod, side, &endpoint->groups[side], err);
	}
	if (r == 0)
		r = point_all(engine, endpoint, err);
	if (r < 0)
		return r;
	for (int side = EGRESS; side < SIDES; side++)
		group_release(engine, old[side]);
	return 0;
}

static int endpoint_new(struct policy_engine *engine, const struct policy_endpoint *from, struct endpoint **ret, struct error *err)
{
	_cleanup_(endpoint_freep) struct endpoint *endpoint = calloc(1, sizeof(*endpoint));

	if (!endpoint)
		return error_nomem(err);
	endpoint->id = strdup(from->id);
	endpoint->pod_name = strdup(from->pod);
	endpoint->uid = strdup(from->uid);
	if (!endpoint->id || !endpoint->pod_name || !endpoint->uid)
		return error_nomem(err);
	for (size_t i = 0; i < from->n_addresses; i++) {
		int r = addresses_add(&endpoint->addresses, &from->addresses[i], err);

		if (r < 0)
			return r;
	}
	endpoint->leaving = from->leaving;
	endpoint->serial = ++engine->serial;
	*ret = TAKE_PTR(endpoint);
	return 0;
}

static int endpoint_attach(struct policy_engine *engine, struct endpoint *endpoint, struct ns *ns, struct error *err)
{
	if (!array_room((void **)&ns->endpoints, ns->n_endpoints, &ns->endpoints_capacity, sizeof(*ns->endpoints)) ||
	    !named_put(&engine->endpoints, endpoint)) {
		endpoint_free(endpoint);
		return error_nomem(err);
	}
	endpoint->ns = ns;
	ns->endpoints[ns->n_endpoints++] = endpoint;
	struct pod *pod = named_get(&ns->pods, endpoint->pod_name);
	int r = pod ? pod_rebind(engine, pod, err) : 0;
	return r < 0 ? r : endpoint_settle(engine, endpoint, err);
}

static bool is_same(const struct endpoint *old, const struct policy_endpoint *new)
{
	if (strcmp(old->ns->name, new->namespace) != 0 || strcmp(old->pod_name, new->pod) != 0 || strcmp(old->uid, new->uid) != 0)
		return false;
	for (size_t i = 0; i < new->n_addresses; i++)
		if (!addresses_have(&old->addresses, &new->addresses[i]))
			return false;
	return old->addresses.n == new->n_addresses && old->leaving == new->leaving;
}

int policy_engine_endpoint_put(struct policy_engine *engine, const struct policy_endpoint *endpoint, struct error *err)
{
	const struct endpoint *old = named_get(&engine->endpoints, endpoint->id);
	struct endpoint *new = NULL;
	struct ns *ns = NULL;
	int r = 0;

	if (old && is_same(old, endpoint))
		return 0;
	if (old)
		r = policy_engine_endpoint_remove(engine, endpoint->id, err);
	if (r == 0)
		r = namespace_get(engine, endpoint->namespace, &ns, err);
	if (r == 0)
		r = endpoint_new(engine, endpoint, &new, err);
	if (r == 0)
		r = endpoint_attach(engine, new, ns, err);
	return r < 0 ? r : budget_settle(engine, err);
}

static void detach(struct policy_engine *engine, const struct endpoint *endpoint)
{
	struct ns *ns = endpoint->ns;
	size_t at = 0;

	named_remove(&engine->endpoints, endpoint->id);
	while (ns->endpoints[at] != endpoint)
		at++;
	ns->n_endpoints--;
	memmove(ns->endpoints + at, ns->endpoints + at + 1, (ns->n_endpoints - at) * sizeof(struct endpoint *));
}

int policy_engine_endpoint_remove(struct policy_engine *engine, const char *id, struct error *err)
{
	_cleanup_(endpoint_freep) struct endpoint *endpoint = named_get(&engine->endpoints, id);
	int r = 0;

	if (!endpoint)
		return 0;
	detach(engine, endpoint);
	if (endpoint->pod)
		r = pod_rebind(engine, endpoint->pod, err);
	if (r == 0)
		r = point_all(engine, endpoint, err);
	if (r < 0)
		return r;
	for (int side = EGRESS; side < SIDES; side++)
		group_release(engine, endpoint->groups[side]);
	namespace_release(engine, endpoint->ns);
	return budget_settle(engine, err);
}

enum policy_endpoint_state policy_engine_endpoint_state(const struct policy_engine *engine, const char *id)
{
	const struct endpoint *endpoint = named_get(&engine->endpoints, id);

	if (!endpoint)
		return POLICY_ENDPOINT_UNKNOWN;
	return endpoint->pod ? POLICY_ENDPOINT_READY : POLICY_ENDPOINT_QUARANTINED;
}
