// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_JUDGES_H
#define HOLDFAST_TESTS_JUDGES_H

#include "tests/net/fabric.h"
#include "tests/support/random_cluster.h"

/*
 * One cluster, judged by three: the oracle (the objects alone), the model (policy_decide), and the kernel: real packets between network
 * namespaces, under the real ruleset. Only what this node enforces counts: a pod of another node has its namespace outside.
 *
 * Addresses are random_cluster's. Whoever the pod is, host i's addresses live in one namespace while an endpoint has them, and
 * outside otherwise.
 */
struct judges;

int judges_new(enum fabric_kind kind, struct judges **ret, struct error *err) must_check;
void judges_free(struct judges *judges);
DEFINE_CLEANUP(struct judges *, judges_free);

/*
 * Another cluster, and a new engine, as after a restart of the agent: what the kernel has is read, and only the difference is sent.
 * Takes the scenario's content; its probes are not used.
 */
int judges_restart(struct judges *judges, struct scenario *scenario, struct error *err) must_check;

/* One event: an object or endpoint comes, changes or goes. The kernel gets it with judges_apply. */
int judges_event(struct judges *judges, struct random *random, const struct random_options *options, struct error *err) must_check;
int judges_apply(struct judges *judges, struct error *err) must_check;

struct judgement {
	struct scenario_probe probe;
	bool oracle, model;
	const char *kernel; /* volley_outcome_name */
};

struct judges_report {
	size_t probes, allowed, fired_again;
	size_t disagreements;
	struct judgement first; /* of the disagreements */
};

/* Adds to `report`. Probes that never pass the node (from outside to outside, from a pod to itself) are left out. */
int judges_ask(struct judges *judges, const struct scenario_probe *probes, size_t n, struct judges_report *report,
	       struct error *err) must_check;

/* From now on does not wait long for what is missing: for clusters that are known to be judged wrong. */
void judges_hurry(struct judges *judges);

const struct scenario *judges_scenario(const struct judges *judges);
struct policy_engine *judges_engine(const struct judges *judges);
struct fabric *judges_fabric(const struct judges *judges);

#endif
