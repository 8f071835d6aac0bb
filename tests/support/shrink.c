// SPDX-License-Identifier: Apache-2.0
/*
 * Removes one thing at a time and keeps the removal if the scenario still fails; again, until nothing more can go. Arrays inside objects
 * are cut in place: an object is one block of memory, so nothing in them is owned.
 */
#include "tests/support/scenario.h"

#include <string.h>

#define ITEM_MAX 256 /* of what is cut in place */

struct shrinking {
	struct scenario *scenario;
	bool (*fails)(const struct scenario *scenario);
	bool progress;
};

/* What was removed is gone for good, or back in its place. `removed` gets what is gone. */
static bool try_remove(struct shrinking *shrinking, void *items, size_t *n, size_t size, size_t at, void *removed)
{
	char *item = (char *)items + at * size;

	memcpy(removed, item, size);
	memmove(item, item + size, (*n - at - 1) * size);
	(*n)--;
	if (shrinking->fails(shrinking->scenario)) {
		shrinking->progress = true;
		return true;
	}
	memmove(item + size, item, (*n - at) * size);
	memcpy(item, removed, size);
	(*n)++;
	return false;
}

static void shrink_array(struct shrinking *shrinking, void *items, size_t *n, size_t size)
{
	char removed[ITEM_MAX];

	for (size_t at = *n; at-- > 0;)
		try_remove(shrinking, items, n, size, at, removed);
}

#define SHRINK(shrinking, items, n) shrink_array(shrinking, items, &(n), sizeof(*(items)))

static void shrink_selector(struct shrinking *shrinking, struct kube_selector *selector)
{
	SHRINK(shrinking, selector->requirements, selector->n);
}

static void shrink_peer(struct shrinking *shrinking, struct kube_peer *peer)
{
	if (!peer->is_ip_block) {
		shrink_selector(shrinking, &peer->namespace_selector);
		shrink_selector(shrinking, &peer->pod_selector);
		return;
	}
	SHRINK(shrinking, peer->ip_block.except, peer->ip_block.n_except);
}

static void shrink_rule(struct shrinking *shrinking, struct kube_rule *rule)
{
	SHRINK(shrinking, rule->peers, rule->n_peers);
	SHRINK(shrinking, rule->ports, rule->n_ports);
	for (size_t i = 0; i < rule->n_peers; i++)
		shrink_peer(shrinking, &rule->peers[i]);
}

static void shrink_policy(struct shrinking *shrinking, struct kube_network_policy *policy)
{
	SHRINK(shrinking, policy->ingress, policy->n_ingress);
	SHRINK(shrinking, policy->egress, policy->n_egress);
	shrink_selector(shrinking, &policy->pod_selector);
	for (size_t i = 0; i < policy->n_ingress; i++)
		shrink_rule(shrinking, &policy->ingress[i]);
	for (size_t i = 0; i < policy->n_egress; i++)
		shrink_rule(shrinking, &policy->egress[i]);
}

/* From the end only: there are one or two. */
static void shrink_addresses(struct shrinking *shrinking, struct kube_pod *pod)
{
	while (pod->n_addresses > 0) {
		pod->n_addresses--;
		if (!shrinking->fails(shrinking->scenario)) {
			pod->n_addresses++;
			return;
		}
		shrinking->progress = true;
	}
}

static void shrink_object(struct shrinking *shrinking, struct kube_object *object)
{
	if (object->kind == KUBE_NETWORK_POLICY)
		shrink_policy(shrinking, &object->policy);
	if (object->kind != KUBE_POD)
		return;
	SHRINK(shrinking, object->labels.items, object->labels.n);
	SHRINK(shrinking, object->pod.ports, object->pod.n_ports);
	shrink_addresses(shrinking, &object->pod);
}

static void shrink_objects(struct shrinking *shrinking)
{
	struct scenario *scenario = shrinking->scenario;
	struct kube_object *removed;

	for (size_t at = scenario->n_objects; at-- > 0;)
		if (try_remove(shrinking, scenario->objects, &scenario->n_objects, sizeof(removed), at, &removed))
			kube_object_free(removed);
}

static void shrink_endpoints(struct shrinking *shrinking)
{
	struct scenario *scenario = shrinking->scenario;
	struct policy_endpoint removed;

	for (size_t at = scenario->n_endpoints; at-- > 0;)
		if (try_remove(shrinking, scenario->endpoints, &scenario->n_endpoints, sizeof(removed), at, &removed))
			scenario_endpoint_clear(&removed);
}

void scenario_shrink(struct scenario *scenario, bool (*fails)(const struct scenario *scenario))
{
	struct shrinking shrinking = { scenario, fails, true };

	while (shrinking.progress) {
		shrinking.progress = false;
		SHRINK(&shrinking, scenario->probes, scenario->n_probes);
		shrink_objects(&shrinking);
		shrink_endpoints(&shrinking);
		for (size_t i = 0; i < scenario->n_objects; i++)
			shrink_object(&shrinking, scenario->objects[i]);
	}
}
