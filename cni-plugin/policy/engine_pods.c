// SPDX-License-Identifier: Apache-2.0
/*
 * A change of a pod is a view of it before and one after; the sets that match either are told to judge the addresses of both. Pods whose
 * labels, addresses and ports stay as they were (most events are heartbeats of their status) cost nothing.
 */
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

struct pod_view {
	const struct kube_object *object; /* NULL: there is no pod */
	bool local;
	struct addresses addresses;
};

static void view_clear(struct pod_view *view)
{
	addresses_clear(&view->addresses);
}

static bool is_of_this_node(const struct policy_engine *engine, const struct kube_pod *spec)
{
	return engine->node && spec->node && strcmp(engine->node, spec->node) == 0;
}

int pod_addresses(const struct policy_engine *engine, const struct pod *pod, struct addresses *ret, struct error *err)
{
	const struct kube_pod *spec = &pod->object->pod;
	int r = 0;

	/* An ended pod's address may already be another's; a pod in the host's network has the node's (facts S12, S18). */
	if (spec->host_network || kube_phase_has_ended(spec->phase))
		return 0;
	for (const struct endpoint *endpoint = pod->endpoints; endpoint; endpoint = endpoint->next_of_pod)
		for (size_t i = 0; i < endpoint->addresses.n && r == 0; i++)
			r = addresses_add(ret, &endpoint->addresses.items[i], err);
	if (pod->endpoints || is_of_this_node(engine, spec))
		return r;
	for (size_t i = 0; i < spec->n_addresses && r == 0; i++)
		r = addresses_add(ret, &spec->addresses[i], err);
	return r;
}

static int view_of(const struct policy_engine *engine, const struct pod *pod, struct pod_view *ret, struct error *err)
{
	ret->object = pod->object;
	ret->local = pod->endpoints != NULL;
	return pod->object ? pod_addresses(engine, pod, &ret->addresses, err) : 0;
}

static bool same_labels(const struct kube_labels *a, const struct kube_labels *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->items[i].key, b->items[i].key) != 0 || strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	return a->n == b->n;
}

static bool same_ports(const struct kube_pod *a, const struct kube_pod *b)
{
	for (size_t i = 0; i < a->n_ports && i < b->n_ports; i++) {
		const struct kube_container_port *x = &a->ports[i], *y = &b->ports[i];

		if (x->port != y->port || x->protocol != y->protocol || strcmp(x->name, y->name) != 0)
			return false;
	}
	return a->n_ports == b->n_ports;
}

static int judge_addresses(struct policy_engine *engine, struct peer_set *set, const struct addresses *list, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = peer_set_judge(engine, set, &list->items[i], err);
	return r;
}

static bool matched(const struct peer_set *set, const struct ns *ns, const struct pod_view *view)
{
	const struct kube_labels *labels = ns->object ? &ns->object->labels : NULL;

	return view->object && view->addresses.n > 0 && peer_set_matches(set, ns, labels, &view->object->labels);
}

static int judge_peer_sets(struct policy_engine *engine, const struct named *sets, const struct ns *ns, const struct pod_view *before,
			   const struct pod_view *after, struct error *err)
{
	bool same = addresses_equal(&before->addresses, &after->addresses);
	int r = 0;

	for (size_t i = 0; i < sets->n && r == 0; i++) {
		struct peer_set *set = sets->items[i];
		bool was = matched(set, ns, before), is = matched(set, ns, after);

		if (was == is && (same || !is))
			continue;
		r = judge_addresses(engine, set, &before->addresses, err);
		if (r == 0)
			r = judge_addresses(engine, set, &after->addresses, err);
	}
	return r;
}

/* Each port of the view that goes by the set's name, on each of `addresses`. */
static int judge_served_set(struct policy_engine *engine, struct served_set *set, const struct pod_view *view, struct error *err)
{
	const struct kube_pod *pod = &view->object->pod;

	for (size_t i = 0; i < pod->n_ports; i++) {
		if (pod->ports[i].protocol != set->protocol || strcmp(pod->ports[i].name, set->port_name) != 0)
			continue;
		for (size_t j = 0; j < view->addresses.n; j++) {
			int r = served_set_judge(engine, set, &view->addresses.items[j], pod->ports[i].port, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int judge_served_sets(struct policy_engine *engine, const struct pod_view *before, const struct pod_view *after, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < engine->served_sets.n && r == 0; i++) {
		struct served_set *set = engine->served_sets.items[i];

		if (before->object)
			r = judge_served_set(engine, set, before, err);
		if (r == 0 && after->object)
			r = judge_served_set(engine, set, after, err);
	}
	return r;
}

static int move_claims(struct policy_engine *engine, struct pod *pod, const struct pod_view *before, const struct pod_view *after,
		       struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < before->addresses.n; i++)
		if (!addresses_have(&after->addresses, &before->addresses.items[i]))
			engine_claim_remove(engine, &before->addresses.items[i], pod);
	for (size_t i = 0; i < after->addresses.n && r == 0; i++)
		if (!addresses_have(&before->addresses, &after->addresses.items[i]))
			r = engine_claim_add(engine, &after->addresses.items[i], pod, err);
	return r;
}

static int compare_views(struct policy_engine *engine, struct pod *pod, const struct pod_view *before, const struct pod_view *after,
			 struct error *err)
{
	bool both = before->object && after->object;
	bool same = both && addresses_equal(&before->addresses, &after->addresses);
	int r = move_claims(engine, pod, before, after, err);

	if (r == 0 && !(same && same_labels(&before->object->labels, &after->object->labels))) {
		r = judge_peer_sets(engine, &pod->ns->peer_sets, pod->ns, before, after, err);
		if (r == 0)
			r = judge_peer_sets(engine, &engine->peer_sets, pod->ns, before, after, err);
	}
	if (r == 0 && !(same && before->local == after->local && same_ports(&before->object->pod, &after->object->pod)))
		r = judge_served_sets(engine, before, after, err);
	return r;
}

static void bind_endpoints(struct pod *pod)
{
	struct ns *ns = pod->ns;

	pod->endpoints = NULL;
	for (size_t i = 0; i < ns->n_endpoints; i++) {
		struct endpoint *endpoint = ns->endpoints[i];

		if (strcmp(endpoint->pod_name, pod->name) != 0)
			continue;
		endpoint->pod = NULL;
		if (!pod->object || !endpoint_fits(endpoint, pod->object))
			continue;
		endpoint->pod = pod;
		endpoint->next_of_pod = pod->endpoints;
		pod->endpoints = endpoint;
	}
}

static int pod_become(struct policy_engine *engine, struct pod *pod, const struct kube_object *object, struct error *err)
{
	_cleanup_(view_clear) struct pod_view before = {};
	_cleanup_(view_clear) struct pod_view after = {};
	int r = view_of(engine, pod, &before, err);

	if (r < 0)
		return r;
	pod->object = object;
	if (object)
		pod->name = object->name;
	bind_endpoints(pod);
	r = view_of(engine, pod, &after, err);
	return r < 0 ? r : compare_views(engine, pod, &before, &after, err);
}

int pod_rebind(struct policy_engine *engine, struct pod *pod, struct error *err)
{
	return pod_become(engine, pod, pod->object, err);
}

static int settle_endpoints(struct policy_engine *engine, const struct pod *pod, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < pod->ns->n_endpoints && r == 0; i++)
		if (strcmp(pod->ns->endpoints[i]->pod_name, pod->name) == 0)
			r = endpoint_settle(engine, pod->ns->endpoints[i], err);
	return r;
}

static int pod_get(struct ns *ns, const struct kube_object *object, struct pod **ret, struct error *err)
{
	struct pod *pod = named_get(&ns->pods, object->name);

	if (!pod) {
		pod = calloc(1, sizeof(*pod));
		if (!pod)
			return error_nomem(err);
		*pod = (struct pod){ .name = object->name, .ns = ns };
		if (!named_put(&ns->pods, pod)) {
			free(pod);
			return error_nomem(err);
		}
	}
	*ret = pod;
	return 0;
}

int pod_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	const struct kube_object *any = after ? after : before;
	struct ns *ns = NULL;
	struct pod *pod = NULL;
	int r = namespace_get(engine, any->namespace, &ns, err);

	if (r == 0)
		r = pod_get(ns, any, &pod, err);
	if (r == 0)
		r = pod_become(engine, pod, after, err);
	if (r == 0)
		r = settle_endpoints(engine, pod, err);
	if (r < 0 || after)
		return r;
	named_remove(&ns->pods, any->name);
	free(pod);
	namespace_release(engine, ns);
	return 0;
}
