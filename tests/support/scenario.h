// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SCENARIO_H
#define HOLDFAST_TESTS_SCENARIO_H

#include "cni-plugin/policy/decide.h"
#include "cni-plugin/policy/engine.h"
#include "common/base/buf.h"

/*
 * A cluster as one node sees it, and connections to judge: Kubernetes objects, this node's endpoints in the order in which CNI made
 * them, and probes. Read from YAML, printed as YAML that reads the same.
 *
 *	kind: Pod …
 *	---
 *	endpoints:
 *	- {pod: shop/web, uid: u1, addresses: [10.1.0.2, "fd00::2"]}      # uid and id may be left out
 *	probes:
 *	- 10.1.0.2 > 10.1.0.3 TCP 80 denied                               # or allowed, or nothing
 */

/* This node's own addresses: a probe from them is never judged on ingress, one to them only on egress. */
#define SCENARIO_NODE4 "192.0.2.1"
#define SCENARIO_NODE6 "2001:db8::1"

struct scenario_probe {
	struct policy_flow flow;
	bool to_own_node;
	bool has_expectation, expected;
};

struct scenario {
	struct kube_object **objects;
	size_t n_objects, objects_capacity;
	struct policy_endpoint *endpoints; /* their strings are the scenario's */
	size_t n_endpoints, endpoints_capacity;
	struct scenario_probe *probes;
	size_t n_probes, probes_capacity;
};

int scenario_parse(struct slice yaml, struct scenario *ret, struct error *err) must_check;
int scenario_load(const char *path, struct scenario *ret, struct error *err) must_check;
void scenario_clear(struct scenario *scenario);
void scenario_endpoint_clear(struct policy_endpoint *endpoint);
void scenario_print(const struct scenario *scenario, struct buf *out);
void scenario_print_object(const struct kube_object *object, struct buf *out);
void scenario_print_probe(const struct scenario_probe *probe, struct buf *out);

/* Without an object, and with a log of what is dropped. NULL if out of memory. */
struct policy_engine *scenario_empty_engine(void);

/* A new engine that knows all of it. NULL if out of memory. */
struct policy_engine *scenario_engine(const struct scenario *scenario) must_check;

/*
 * Makes the scenario as small as it can be while `fails` stays true: drops probes, policies, pods, namespaces, endpoints, then rules,
 * peers, ports and requirements. `fails` must be true at the start.
 */
void scenario_shrink(struct scenario *scenario, bool (*fails)(const struct scenario *scenario));

#endif
