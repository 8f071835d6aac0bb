// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SOAK_NODE_H
#define HOLDFAST_TESTS_SOAK_NODE_H

#include <sys/types.h>

#include "common/base/buf.h"
#include "tests/net/fabric.h"
#include "tests/soak/api.h"
#include "tests/support/footprint.h"

/*
 * A node that lives long: the real agent, at home on FABRIC_NODE of a fabric, follows an API server there; the real CNI executable starts
 * and ends pods. /run and /var/lib are the node's own.
 */
struct node {
	struct fabric *fabric;
	struct api *api;
	pid_t agent;       /* 0: not running */
	unsigned wait_ms;  /* network.podWait */
	uint16_t tls_port; /* of the API server; 0: the agent asks it without TLS */
};

#define NODE_NAME "soak"

/* Once per process, since it changes the process's mounts. */
int node_new(size_t n_pods, unsigned wait_ms, struct node **ret, struct error *err) must_check;
void node_free(struct node *node);
DEFINE_CLEANUP(struct node *, node_free);

/* The agents that start from now on speak TLS with the API server. */
int node_use_tls(struct node *node, struct error *err) must_check;

/* Returns at once; node_wait_ready when the agent says that it is ready. */
int node_agent_start(struct node *node, struct error *err) must_check;
int node_wait_ready(struct node *node, struct error *err) must_check;
int node_agent_end(struct node *node, int signal, struct error *err) must_check;

/* Every object that the API server has is in the agent's store, as many of each kind, and the rules for them are in the kernel. */
int node_settle(struct node *node, struct error *err) must_check;

/* A number from the agent's status: node_number(node, "kernel", "transactions", …). */
int node_number(struct node *node, const char *section, const char *key, double *ret, struct error *err) must_check;

/* A pod's interface, as a runtime and the plugins before ours know it. */
struct node_call {
	const char *container, *netns, *ifname, *pod, *uid; /* pod: "namespace/name" */
	const char *addresses[2];                           /* with prefix: "10.1.0.2/24"; NULL: none */
};

/* Starts the CNI executable; its exit status comes with node_call_end, which keeps what it printed if it failed. */
int node_call_begin(const char *verb, const struct node_call *call, pid_t *ret_pid, struct error *err) must_check;
int node_call_end(const char *verb, pid_t pid, struct error *err) must_check;
int node_call(const char *verb, const struct node_call *call, struct error *err) must_check;

/* Where the programs are: HOLDFAST_BUILD. */
const char *node_build_directory(void);

/* For children and threads: the fabric ties its thread to one CPU, and they inherit it. */
void node_use_all_cpus(void);

/* What a node has of pods; after they have all gone, it must be what it was. */
struct census {
	size_t chains, sets, elements, counters; /* in the kernel */
	size_t files;                            /* under /run/holdfast; the snapshot, elsewhere, is the node's and not a pod's */
	struct footprint agent;
};

int node_census(struct node *node, struct census *ret, struct error *err) must_check;

#endif
