// SPDX-License-Identifier: Apache-2.0
/*
 * Peer sets: the addresses of the pods that a peer's selectors match. Equal peers of all rules share one: a rule that gets one more peer
 * costs the new peer's set, not a new union of all of them. A set that only pods of one namespace can be in is kept with that
 * namespace, so that an event elsewhere does not even look at it.
 */
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "common/base/array.h"

#define COMMENT_MAX (16u * 1024 * 1024) /* of the whole text; what is kept is much less */

/* ipBlocks are looked at as intervals only. */
static bool peer_matches(const struct kube_peer *peer, const struct ns *policy_ns, const struct ns *ns, const struct kube_labels *ns_labels,
			 const struct kube_labels *labels)
{
	if (peer->is_ip_block)
		return false;
	if (!peer->has_namespace_selector)
		return ns == policy_ns && kube_selector_matches(&peer->pod_selector, labels);
	return ns_labels && kube_selector_matches(&peer->namespace_selector, ns_labels) &&
	       kube_selector_matches(&peer->pod_selector, labels);
}

bool peer_set_matches(const struct peer_set *set, const struct ns *ns, const struct kube_labels *ns_labels,
		      const struct kube_labels *labels)
{
	return peer_matches(set->users[0], set->ns, ns, ns_labels, labels);
}

static const struct kube_labels *labels_of(const struct ns *ns)
{
	return ns->object ? &ns->object->labels : NULL;
}

bool peer_matches_pod(const struct kube_peer *peer, const struct ns *policy_ns, const struct pod *pod)
{
	return peer_matches(peer, policy_ns, pod->ns, labels_of(pod->ns), &pod->object->labels);
}

static bool set_wants(const struct peer_set *set, const struct pod *pod)
{
	return peer_set_matches(set, pod->ns, labels_of(pod->ns), &pod->object->labels);
}

int peer_set_judge(struct policy_engine *engine, struct peer_set *set, const struct kube_address *address, struct error *err)
{
	struct ruleset_set *elements = set->sets[family_of(address)];
	size_t n;
	const struct claim *claims = engine_claims_of(engine, address, &n);

	for (size_t i = 0; i < n; i++)
		if (set_wants(set, claims[i].pod))
			return ruleset_element_add(elements, address->bytes, NULL, err);
	return ruleset_element_remove(elements, address->bytes, err);
}

static int fill_from_namespace(const struct policy_engine *engine, struct peer_set *set, struct error *err)
{
	_cleanup_(addresses_clear) struct addresses list = {};

	for (size_t i = 0; i < set->ns->pods.n; i++) {
		const struct pod *pod = set->ns->pods.items[i];

		if (!set_wants(set, pod))
			continue;
		list.n = 0;
		int r = pod_addresses(engine, pod, &list, err);
		for (size_t j = 0; j < list.n && r == 0; j++)
			r = ruleset_element_add(set->sets[family_of(&list.items[j])], list.items[j].bytes, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Claims are sorted as elements are, so each lands at the end. */
static int fill_from_claims(struct policy_engine *engine, struct peer_set *set, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < engine->n_claims && r == 0; i++) {
		const struct claim *claim = &engine->claims[i];

		if (set_wants(set, claim->pod))
			r = ruleset_element_add(set->sets[family_of(&claim->address)], claim->address.bytes, NULL, err);
	}
	return r;
}

void peer_set_free(struct peer_set *set)
{
	if (!set)
		return;
	free(set->users);
	free(set->id);
	free(set);
}
DEFINE_CLEANUP(struct peer_set *, peer_set_free);

static int add_ruleset_sets(struct policy_engine *engine, struct peer_set *set, const struct kube_peer *peer, struct error *err)
{
	_cleanup_(buf_free) struct buf comment = BUF_MAX(COMMENT_MAX);
	static const char *const prefixes[FAMILIES] = { "peers4", "peers6" };
	static const enum ruleset_key keys[FAMILIES] = { RULESET_KEY_IPV4, RULESET_KEY_IPV6 };
	char name[64];

	normal_peer_print(peer, set->ns ? set->ns->name : "", &comment);
	int r = buf_check(&comment, "peer of a rule", err);
	for (size_t i = 0; i < FAMILIES && r == 0; i++) {
		snprintf(name, sizeof(name), "%s-%s", prefixes[i], set->id);
		r = ruleset_set_add(engine->ruleset, name, keys[i], false, false, buf_text(&comment), &set->sets[i], err);
	}
	return r;
}

static struct named *home_of(struct policy_engine *engine, struct ns *ns)
{
	return ns ? &ns->peer_sets : &engine->peer_sets;
}

static bool add_user(struct peer_set *set, const struct kube_peer *peer)
{
	if (!array_room((void **)&set->users, set->n_users, &set->users_capacity, sizeof(*set->users)))
		return false;
	set->users[set->n_users++] = peer;
	return true;
}

static int peer_set_new(struct policy_engine *engine, const struct normal_peer *peer, struct ns *ns, struct peer_set **ret,
			struct error *err)
{
	_cleanup_(peer_set_freep) struct peer_set *set = calloc(1, sizeof(*set));

	if (!set)
		return error_nomem(err);
	set->id = strdup(peer->id);
	set->ns = ns;
	if (!set->id || !add_user(set, peer->peer))
		return error_nomem(err);
	int r = add_ruleset_sets(engine, set, peer->peer, err);
	if (r == 0)
		r = ns ? fill_from_namespace(engine, set, err) : fill_from_claims(engine, set, err);
	if (r < 0)
		return r;
	if (!named_put(home_of(engine, ns), set))
		return error_nomem(err);
	*ret = TAKE_PTR(set);
	return 0;
}

int peer_set_acquire(struct policy_engine *engine, const struct normal_peer *peer, struct ns *ns, struct peer_set **ret, struct error *err)
{
	struct ns *only = peer->peer->has_namespace_selector ? NULL : ns;
	struct peer_set *set = named_get(home_of(engine, only), peer->id);

	if (!set)
		return peer_set_new(engine, peer, only, ret, err);
	if (!add_user(set, peer->peer))
		return error_nomem(err);
	*ret = set;
	return 0;
}

void peer_set_release(struct policy_engine *engine, struct peer_set *set, const struct kube_peer *peer)
{
	size_t at = 0;

	while (at < set->n_users && set->users[at] != peer)
		at++;
	if (at < set->n_users)
		set->users[at] = set->users[--set->n_users];
	if (set->n_users > 0)
		return;
	for (size_t i = 0; i < FAMILIES; i++)
		ruleset_set_remove(engine->ruleset, set->sets[i]->name);
	named_remove(home_of(engine, set->ns), set->id);
	peer_set_free(set);
}
