// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_ENGINE_INTERNAL_H
#define HOLDFAST_POLICY_ENGINE_INTERNAL_H

#include "cni-plugin/policy/engine.h"
#include "cni-plugin/policy/named.h"
#include "cni-plugin/policy/normal.h"
#include "common/base/buf.h"

/*
 * Who refers to whom (→ counts as a use; what has no more uses goes, and its part of the ruleset with it):
 *
 *	endpoint ─→ group (policies that isolate it, per side) ─→ policy side ─→ peer set, served set, fixed set
 *	    │                                                          only policies that isolate a pod of this node are compiled
 *	    └── pod ── namespace ── policies
 *	         └── claims: who has which address
 *
 * Membership is never remembered per pod. After a change, each address that the change can have touched is judged anew from the
 * claims: it belongs into a set if one of its claimants does. So two pods may share an address for a while, in any order.
 */
enum policy_side { EGRESS, INGRESS };
#define SIDES 2
#define FAMILIES 2

extern const char *const policy_side_names[SIDES];

struct addresses {
	struct kube_address *items;
	size_t n, capacity;
};

struct ns {
	char *name;
	const struct kube_object *object;       /* NULL until it is known: then no namespace selector matches it */
	struct named pods, policies, peer_sets; /* peer_sets: those that only pods of this namespace can be in */
	struct endpoint **endpoints;
	size_t n_endpoints, endpoints_capacity;
};

struct pod {
	const char *name; /* the object's */
	const struct kube_object *object;
	struct ns *ns;
	struct endpoint *endpoints; /* those that are bound to it */
};

struct claim {
	struct kube_address address;
	struct pod *pod;
};

/* The pods that a peer means. All users are equal peers; the selectors are read from the first. */
struct peer_set {
	char *id; /* normal_peer.id */
	const struct kube_peer **users;
	size_t n_users, users_capacity;
	struct ns *ns; /* of the policies, if the peer has no namespace selector: only its pods can be in the set; else NULL */
	struct ruleset_set *sets[FAMILIES];
};

/* Address . protocol . port of every pod (of this node only, if local) that serves the named port. */
struct served_set {
	char *id;
	char *port_name;
	uint8_t protocol;
	bool local;
	size_t users;
	struct ruleset_set *sets[FAMILIES];
};

/* Intervals of addresses or ports; the name is the content. */
struct fixed_set {
	char *name;
	size_t users;
};

/* What a compiled policy side holds on to; one of the three. */
struct reference {
	struct peer_set *peers;
	const struct kube_peer *peer; /* with peers */
	struct served_set *served;
	struct fixed_set *fixed;
};

struct references {
	struct reference *items;
	size_t n, capacity;
};

struct policy_use {
	size_t users;      /* groups */
	char *chain;       /* its name; NULL without users */
	size_t n_counters; /* one per rule: policy_counter_name(chain, 0) ... */
	struct references references;
};

struct policy {
	const char *name; /* the object's */
	const struct kube_object *object;
	struct ns *ns;
	struct policy_use sides[SIDES];
	size_t combinations; /* that count towards the node's; 0 while it is not in use */
	bool refused;        /* since all together are above the limit: isolates, and has no rules */
};

/* The policies of one namespace that isolate a pod in one direction, sorted by name: a chain, shared by all pods with the same. */
struct group {
	char *chain;
	enum policy_side side;
	struct policy **policies;
	size_t n;
	size_t users;
};

struct endpoint {
	char *id, *pod_name, *uid;
	bool leaving;
	uint64_t serial; /* of two endpoints with one address, the newer has it */
	struct ns *ns;
	struct pod *pod; /* NULL: quarantined */
	struct endpoint *next_of_pod;
	struct group *groups[SIDES]; /* NULL: not isolated */
	struct addresses addresses;
};

struct policy_engine {
	struct ruleset *ruleset;
	const char *node; /* NULL: unknown */
	struct ruleset_log drop_log;
	struct ruleset_set *maps[SIDES][FAMILIES];
	struct named namespaces, endpoints, groups;
	struct named peer_sets; /* those with a namespace selector; the others are in their namespace */
	struct named served_sets, fixed_sets;
	struct claim *claims; /* sorted by address */
	size_t n_claims, claims_capacity;
	uint64_t serial;
	size_t combinations, n_refused; /* of all policies that are in use */
	uint64_t refusals;              /* how often one was refused, or no longer */
};

static inline enum policy_family family_of(const struct kube_address *address)
{
	return address->family == AF_INET ? POLICY_IPV4 : POLICY_IPV6;
}

/* engine_namespaces.c */
int namespace_get(struct policy_engine *engine, const char *name, struct ns **ret, struct error *err) must_check;
void namespace_release(struct policy_engine *engine, struct ns *ns); /* frees it if nothing is in it any more */
void namespace_free(struct ns *ns);
int namespace_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after,
		      struct error *err) must_check;

/* addresses.c */
void addresses_clear(struct addresses *list);
int addresses_add(struct addresses *list, const struct kube_address *address, struct error *err) must_check; /* once */
bool addresses_have(const struct addresses *list, const struct kube_address *address);
bool addresses_equal(const struct addresses *a, const struct addresses *b);
int engine_claim_add(struct policy_engine *engine, const struct kube_address *address, struct pod *pod, struct error *err) must_check;
void engine_claim_remove(struct policy_engine *engine, const struct kube_address *address, const struct pod *pod);
/* The claims of one address: `*ret_n` of them from the returned one on; NULL if there are none. */
const struct claim *engine_claims_of(const struct policy_engine *engine, const struct kube_address *address, size_t *ret_n);

/* engine_pods.c */
int pod_addresses(const struct policy_engine *engine, const struct pod *pod, struct addresses *ret,
		  struct error *err) must_check; /* appends */
int pod_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after,
		struct error *err) must_check;
/* Endpoints of the pod came or went; `pod->endpoints` still has the old ones. */
int pod_rebind(struct policy_engine *engine, struct pod *pod, struct error *err) must_check;
bool endpoint_fits(const struct endpoint *endpoint, const struct kube_object *pod);

/* engine_peers.c */
bool peer_set_matches(const struct peer_set *set, const struct ns *ns, const struct kube_labels *ns_labels,
		      const struct kube_labels *labels);
bool peer_matches_pod(const struct kube_peer *peer, const struct ns *policy_ns, const struct pod *pod);
/* `ns` is the policy's. */
int peer_set_acquire(struct policy_engine *engine, const struct normal_peer *peer, struct ns *ns, struct peer_set **ret,
		     struct error *err) must_check;
void peer_set_release(struct policy_engine *engine, struct peer_set *set, const struct kube_peer *peer);
/* Puts the address in or out of the set, as its claimants say. */
int peer_set_judge(struct policy_engine *engine, struct peer_set *set, const struct kube_address *address, struct error *err) must_check;

/* engine_served.c */
int served_set_acquire(struct policy_engine *engine, const char *name, uint8_t protocol, bool local, struct served_set **ret,
		       struct error *err) must_check;
void served_set_release(struct policy_engine *engine, struct served_set *set);
int served_set_judge(struct policy_engine *engine, struct served_set *set, const struct kube_address *address, uint16_t port,
		     struct error *err) must_check;
/* Whether a claimant of the address (a local one, if asked so) serves the port under that name. */
bool address_serves(const struct policy_engine *engine, const struct kube_address *address, const char *name, uint8_t protocol,
		    uint16_t port, bool local);

/* engine_fixed.c */
int block_set_acquire(struct policy_engine *engine, const struct intervals *blocks, enum policy_family family, struct fixed_set **ret,
		      struct error *err) must_check;
int port_set_acquire(struct policy_engine *engine, const struct intervals *ports, struct fixed_set **ret, struct error *err) must_check;
void fixed_set_release(struct policy_engine *engine, struct fixed_set *set);

void peer_set_free(struct peer_set *set);
void served_set_free(struct served_set *set);
void fixed_set_free(struct fixed_set *set);

/* engine_compile.c: puts the chain policy->sides[side].chain and takes what its rules refer to. */
int policy_compile(struct policy_engine *engine, struct policy *policy, enum policy_side side, struct references *ret,
		   struct error *err) must_check;
void references_release(struct policy_engine *engine, struct references *references);

/* engine_counters.c: as many counters as the side has rules; the new ones before its chain is put, the others go after. */
int policy_counters_add(struct policy_engine *engine, struct policy_use *use, size_t n, struct error *err) must_check;
void policy_counters_trim(struct policy_engine *engine, struct policy_use *use, size_t n);

/* engine_policies.c */
bool policy_isolates(const struct kube_object *policy, enum policy_side side, const struct kube_object *pod);
size_t policy_rules(const struct kube_object *policy, enum policy_side side, const struct kube_rule **ret);
int policy_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after,
		   struct error *err) must_check;
int policy_use(struct policy_engine *engine, struct policy *policy, enum policy_side side, struct error *err) must_check;
void policy_unuse(struct policy_engine *engine, struct policy *policy, enum policy_side side);
void policy_free(struct policy *policy);
/* Its chains, as far as they are in use. */
int policy_recompile(struct policy_engine *engine, struct policy *policy, struct error *err) must_check;
/* The rules that are in force: none of one that is refused. */
size_t policy_rules_in_force(const struct policy *policy, enum policy_side side, const struct kube_rule **ret);

/* engine_budget.c: what all policies in use may come to together, KUBE_NODE_COMBINATIONS_MAX */
void budget_enter(struct policy_engine *engine, struct policy *policy); /* also again, after a change */
void budget_leave(struct policy_engine *engine, struct policy *policy);
/* At the end of every event. */
int budget_settle(struct policy_engine *engine, struct error *err) must_check;
const char *policy_refusal(const struct policy *policy); /* why it is refused; NULL: it is not */

/* engine_groups.c: *ret NULL if no policy isolates the pod. */
int group_acquire(struct policy_engine *engine, const struct pod *pod, enum policy_side side, struct group **ret,
		  struct error *err) must_check;
void group_release(struct policy_engine *engine, struct group *group); /* accepts NULL */
void group_free(struct group *group);

/* engine_endpoints.c */
/* Finds its groups anew and points the maps to them. */
int endpoint_settle(struct policy_engine *engine, struct endpoint *endpoint, struct error *err) must_check;
const struct endpoint *endpoint_with_address(const struct policy_engine *engine, const struct kube_address *address);
void endpoint_free(struct endpoint *endpoint);

/* drop_rules.c: the end of a chain that drops what no rule has let through. `rules` has room for POLICY_DROP_RULES. */
#define POLICY_DROP_RULES 4
int policy_drop_rules(enum policy_drop drop, const struct ruleset_log *log, struct ruleset_rule *rules, size_t *ret_n,
		      struct error *err) must_check;
/* skeleton.c */
int policy_put_quarantine(struct ruleset *ruleset, const struct ruleset_log *log, struct error *err) must_check;

/* names.c */
struct chain_name {
	char text[RULESET_NAME_MAX + 1];
};
int policy_chain_name(enum policy_side side, const char *namespace, const char *policy, struct chain_name *ret,
		      struct error *err) must_check;
/* The counter of a rule of the policy that this chain is. */
void policy_counter_name(const char *chain, size_t rule, struct chain_name *ret);

#endif
