// SPDX-License-Identifier: Apache-2.0
/*
 * Removes one thing at a time and keeps the removal if the scenario still fails; again, until nothing more can go. Arrays inside objects
 * are cut in place: an object is one block of memory, so nothing in them is owned.
 */
#include "tests/support/scenario.h"

#include <string.h>

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

#define SHRINK_EACH(shrinking, items, n, removed)                                                         \
	for (size_t at_ = (n); at_-- > 0;)                                                                \
		if (try_remove(shrinking, items, &(n), sizeof(*(items)), at_, &(removed)))

static void shrink_selector(struct shrinking *shrinking, struct kube_selector *selector)
{
	struct kube_requirement removed;

	SHRINK_EACH(shrinking, selector->requirements, selector->n, removed)
		continue;
}

static void shrink_peer(struct shrinking *shrinking, struct kube_peer *peer)
{
	struct kube_cidr removed;

	if (!peer->is_ip_block) {
		shrink_selector(shrinking, &peer->namespace_selector);
		shrink_selector(shrinking, &peer->pod_selector);
		return;
	}
	SHRINK_EACH(shrinking, peer->ip_block.except, peer->ip_block.n_except, removed)
		continue;
}

/* The last peer or port stays: without any, the rule would allow all. */
static void shrink_rule(struct shrinking *shrinking, struct kube_rule *rule)
{
	struct kube_peer peer;
	struct kube_policy_port port;

	SHRINK_EACH(shrinking, rule->peers, rule->n_peers, peer)
		continue;
	SHRINK_EACH(shrinking, rule->ports, rule->n_ports, port)
		continue;
	for (size_t i = 0; i < rule->n_peers; i++)
		shrink_peer(shrinking, &rule->peers[i]);
}

static void shrink_policy(struct shrinking *shrinking, struct kube_network_policy *policy)
{
	struct kube_rule removed;

	SHRINK_EACH(shrinking, policy->ingress, policy->n_ingress, removed)
		continue;
	SHRINK_EACH(shrinking, policy->egress, policy->n_egress, removed)
		continue;
	shrink_selector(shrinking, &policy->pod_selector);
	for (size_t i = 0; i < policy->n_ingress; i++)
		shrink_rule(shrinking, &policy->ingress[i]);
	for (size_t i = 0; i < policy->n_egress; i++)
		shrink_rule(shrinking, &policy->egress[i]);
}

static void shrink_object(struct shrinking *shrinking, struct kube_object *object)
{
	struct kube_container_port port;
	struct kube_address address;
	struct kube_label label;

	for (size_t at = object->labels.n; object->kind != KUBE_NAMESPACE && at-- > 0;)
		try_remove(shrinking, object->labels.items, &object->labels.n, sizeof(label), at, &label);
	if (object->kind == KUBE_NETWORK_POLICY)
		shrink_policy(shrinking, &object->policy);
	if (object->kind != KUBE_POD)
		return;
	SHRINK_EACH(shrinking, object->pod.ports, object->pod.n_ports, port)
		continue;
	SHRINK_EACH(shrinking, object->pod.addresses, object->pod.n_addresses, address)
		continue;
}

static void shrink_once(struct shrinking *shrinking)
{
	struct scenario *scenario = shrinking->scenario;
	struct scenario_probe probe;
	struct kube_object *object;
	struct policy_endpoint endpoint;

	SHRINK_EACH(shrinking, scenario->probes, scenario->n_probes, probe)
		continue;
	SHRINK_EACH(shrinking, scenario->objects, scenario->n_objects, object)
		kube_object_free(object);
	SHRINK_EACH(shrinking, scenario->endpoints, scenario->n_endpoints, endpoint) {
		free((char *)endpoint.id);
		free((char *)endpoint.namespace);
		free((char *)endpoint.pod);
		free((char *)endpoint.uid);
	}
	for (size_t i = 0; i < scenario->n_objects; i++)
		shrink_object(shrinking, scenario->objects[i]);
}

void scenario_shrink(struct scenario *scenario, bool (*fails)(const struct scenario *scenario))
{
	struct shrinking shrinking = { scenario, fails, true };

	while (shrinking.progress) {
		shrinking.progress = false;
		shrink_once(&shrinking);
	}
}
