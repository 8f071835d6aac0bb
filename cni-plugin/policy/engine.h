// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_ENGINE_H
#define HOLDFAST_POLICY_ENGINE_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/objects.h"
#include "cni-plugin/policy/ruleset.h"

/*
 * Objects and local endpoints in, ruleset out; pure, incremental: the cost of an event does not grow with the number of pods or
 * policies except where the event itself touches them. The result is always the same as that of a new engine that is
 * fed with the same objects in any order (a property test holds it to that).
 *
 * Only -ENOMEM can happen, and then the engine must not be used any further: the agent ends, the kernel keeps the last rules.
 */
struct policy_engine;

#define POLICY_ENDPOINT_ADDRESSES_MAX 8

/* A pod's interface on this node, as CNI made it. */
struct policy_endpoint {
	const char *id;        /* "<container id>/<interface>": unique */
	const char *namespace; /* K8S_POD_NAMESPACE */
	const char *pod;       /* K8S_POD_NAME */
	const char *uid;       /* K8S_POD_UID; "" if the runtime gave none: then any pod object of that name will do, as
				* does an object without UID (from a file) for any endpoint */
	struct kube_address addresses[POLICY_ENDPOINT_ADDRESSES_MAX];
	size_t n_addresses;
	bool leaving; /* no pod object will do any more: quarantined until it is removed */
};

struct policy_engine *policy_engine_new(void) must_check;
void policy_engine_free(struct policy_engine *engine);

/*
 * Before the first object; the name must outlive the engine. Without it, and for pods of other nodes, an object is believed as to the
 * pod's addresses. For a pod of this node only its endpoints are: the object still has the address when the sandbox is gone, and the
 * next pod may have it already.
 */
void policy_engine_set_node(struct policy_engine *engine, const char *name);
DEFINE_CLEANUP(struct policy_engine *, policy_engine_free);

/* Before the first object: what is dropped is logged so. Without it nothing is. */
int policy_engine_set_drop_log(struct policy_engine *engine, const struct ruleset_log *log, struct error *err) must_check;

/*
 * As a kube_store observer's `changed`. The engine keeps pointers to `after` until it is told of the next change of that object, so
 * the store must outlive it.
 */
int policy_engine_changed(struct policy_engine *engine, const struct kube_object *before, const struct kube_object *after,
			  struct error *err) must_check;

/*
 * Adds or replaces (by id); copies it. An endpoint whose pod object is unknown, or has another UID, is quarantined until it comes. Of two
 * endpoints with one address, the one that was put last has it.
 */
int policy_engine_endpoint_put(struct policy_engine *engine, const struct policy_endpoint *endpoint, struct error *err) must_check;
int policy_engine_endpoint_remove(struct policy_engine *engine, const char *id, struct error *err) must_check;

/* The engine's; pending changes are in it. */
struct ruleset *policy_engine_ruleset(struct policy_engine *engine);

/*
 * The fixed part: base chains, dispatch maps, the quarantine chain, without any pod. The agent uses it before the first sync, when
 * the kernel has no table yet. The maps' names are below.
 */
int policy_skeleton(struct ruleset *ruleset, const struct ruleset_log *log, struct error *err) must_check;
/*
 * What guards new packets is there and of our types; what its chains say is not looked at. The output hook is not asked for: it only cuts
 * answers, and the builds before it guarded all the same.
 */
bool policy_has_skeleton(const struct ruleset *ruleset);

#define POLICY_EGRESS_MAP4 "egress4"
#define POLICY_EGRESS_MAP6 "egress6"
#define POLICY_INGRESS_MAP4 "ingress4"
#define POLICY_INGRESS_MAP6 "ingress6"
#define POLICY_QUARANTINE_CHAIN "quarantine"

/* What is dropped is counted and logged by reason. */
enum policy_drop { POLICY_DROP_EGRESS, POLICY_DROP_INGRESS, POLICY_DROP_QUARANTINE, POLICY_DROP_COUNT };
struct policy_drop_kind {
	const char *counter;   /* also the log's prefix, before POLICY_DROP_ANSWER if the packet was an answer */
	const char *reason;    /* "policy", "quarantine" */
	const char *direction; /* "egress", "ingress"; "any" */
};
#define POLICY_DROP_ANSWER " answer"
extern const struct policy_drop_kind policy_drops[POLICY_DROP_COUNT];

/* Puts the endpoint's addresses into the maps of any ruleset that has the fixed part, as quarantined; or takes them out. */
int policy_quarantine_put(struct ruleset *ruleset, const struct policy_endpoint *endpoint, struct error *err) must_check;
int policy_quarantine_remove(struct ruleset *ruleset, const struct policy_endpoint *endpoint, struct error *err) must_check;

enum policy_endpoint_state { POLICY_ENDPOINT_UNKNOWN, POLICY_ENDPOINT_QUARANTINED, POLICY_ENDPOINT_READY };
enum policy_endpoint_state policy_engine_endpoint_state(const struct policy_engine *engine, const char *id);

struct policy_counts {
	size_t policies, invalid_policies, peer_sets, pods, endpoints, quarantined, isolated_ingress, isolated_egress;
};
void policy_engine_count(const struct policy_engine *engine, struct policy_counts *ret);

/* What the rules of a policy have let through on this node: a counter per rule, as long as the policy isolates a pod here. */
struct policy_counter {
	const struct kube_object *policy;
	const char *direction; /* "egress" or "ingress" */
	size_t rule;           /* index in that list */
	const struct ruleset_counter *counter;
};
typedef int policy_counter_visit(void *context, const struct policy_counter *counter);
/* In the order of their names, until `visit` returns non-zero. */
int policy_engine_each_counter(const struct policy_engine *engine, policy_counter_visit *visit, void *context);

/*
 * Calls `visit` for each policy that is refused until it returns non-zero: its spec is invalid, or it does not fit into the limit for all
 * policies that isolate pods of this node together (KUBE_NODE_COMBINATIONS_MAX).
 */
typedef int policy_invalid_visit(void *context, const struct kube_object *policy, const char *reason);
int policy_engine_each_invalid(const struct policy_engine *engine, policy_invalid_visit *visit, void *context);
/* The reason for one; NULL: it is not refused. */
const char *policy_engine_refusal(const struct policy_engine *engine, const struct kube_object *policy);
/* Rises when a policy is refused for the limit, or no longer. */
uint64_t policy_engine_refusals(const struct policy_engine *engine);

/* The model as text: each policy with its normalised rules, each endpoint with its state and policies. Deterministic. */
void policy_engine_print(const struct policy_engine *engine, struct buf *out);

#endif
