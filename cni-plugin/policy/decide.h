// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_DECIDE_H
#define HOLDFAST_POLICY_DECIDE_H

#include "cni-plugin/policy/engine.h"
#include "cni-plugin/policy/view.h"

/*
 * What the model says about one connection, and why: the words behind `holdfast-net explain`. Looks at all objects, not only at this
 * node's, so it can answer for pods of other nodes too.
 */
struct policy_flow {
	struct kube_address source, destination;
	uint8_t protocol;
	uint16_t port;
	bool source_is_own_node; /* of the destination: its ingress is then always allowed (facts S11) */
};

enum policy_reason {
	POLICY_NOT_A_POD,    /* the address at this end belongs to no pod: nothing is judged there */
	POLICY_NOT_ISOLATED, /* no policy selects the pod in this direction */
	POLICY_OWN_NODE,
	POLICY_ALLOWED_BY,  /* policy and rule say which */
	POLICY_NO_RULE,     /* isolated, and no rule matches: denied */
	POLICY_QUARANTINED, /* denied: the pod's object is unknown */
};

#define POLICY_ISOLATING_MAX 8

struct policy_verdict {
	bool is_ingress; /* else egress */
	bool allowed;
	enum policy_reason reason;
	const struct kube_object *pod;    /* the pod at this end; NULL if unknown */
	const struct kube_object *policy; /* ALLOWED_BY: the first by name that allows; NO_RULE: the first by name that isolates */
	size_t rule;                      /* ALLOWED_BY: index in its ingress or egress list */
	size_t n_policies;                /* how many isolate the pod in this direction */
	const struct kube_object *isolating[POLICY_ISOLATING_MAX]; /* the first of them by name */
	const char *refusals[POLICY_ISOLATING_MAX];                /* why they are refused; NULL: they are not */
};

struct policy_decision {
	bool allowed; /* both */
	struct policy_verdict egress, ingress;
};

void policy_decide(const struct policy_engine *engine, const struct policy_flow *flow, struct policy_decision *ret);

/* Who an address is taken for: of several who claim it this node's own pod, else the first by name. Valid until an object changes. */
struct policy_end {
	const struct pod *pod; /* the engine's; NULL: none, or one whose object is unknown */
	bool is_endpoint;      /* of this node */
};
struct policy_end policy_end_of(const struct policy_engine *engine, const struct kube_address *address);
const struct kube_object *policy_end_pod(const struct policy_end *end); /* NULL if unknown */

/* One answer for each of `n` ports, in one walk over the policies; the protocol and port of `flow` are not looked at. */
struct policy_port {
	uint8_t protocol;
	uint16_t port;
};
void policy_decide_ports(const struct policy_view *view, const struct policy_flow *flow, const struct policy_end *source,
			 const struct policy_end *destination, const struct policy_port *ports, size_t n, struct policy_decision *ret);

/* As policy_decide, under a view. */
void policy_decide_view(const struct policy_view *view, const struct policy_flow *flow, struct policy_decision *ret);

/* "allowed by shop/allow-web ingress[0]", "denied: shop/a and shop/default-deny isolate shop/db and no rule of theirs matches". */
void policy_verdict_print(const struct policy_verdict *verdict, struct buf *out);

#endif
