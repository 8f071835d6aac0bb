// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_RANDOM_CLUSTER_H
#define HOLDFAST_TESTS_RANDOM_CLUSTER_H

#include "tests/support/scenario.h"

/*
 * Random clusters, small and crowded, so that policies, pods and probes meet often. The same seed and options give the same cluster
 * on every machine.
 *
 * Pod i has 10.1.0.(i+2) and fd00:1::(i+2). Addresses outside of the cluster are those of random_outside.
 */
struct random {
	uint64_t state;
};

uint32_t random_below(struct random *random, uint32_t n); /* 0..n-1; n > 0 */
bool random_chance(struct random *random, uint32_t percent);

struct random_options {
	unsigned pods, policies, probes; /* how many at most (at least one of each) */
	/*
	 * Also what real packets cannot show on one node: pods of other nodes, ended and host-network pods, two pods with one address,
	 * quarantined endpoints, namespaces without an object, SCTP. Without it every pod is a living endpoint of this node.
	 */
	bool oddities;
};

#define RANDOM_NAMESPACES 3 /* x, y, z */
#define RANDOM_OUTSIDE 4
extern const char *const random_outside[RANDOM_OUTSIDE];

/* Ports that probes use; named ports are among them. */
#define RANDOM_PORTS 6
extern const uint16_t random_ports[RANDOM_PORTS];

/* `*ret` is the caller's (scenario_clear). Aborts if out of memory or if the text it makes cannot be read. */
void random_cluster(struct random *random, const struct random_options *options, struct scenario *ret);

/* One object or endpoint more, as YAML: for sequences of events. The name may be one that is already there. */
void random_pod(struct random *random, const struct random_options *options, struct buf *yaml);
void random_namespace(struct random *random, struct buf *yaml);
void random_policy(struct random *random, const struct random_options *options, struct buf *yaml);
void random_endpoint(struct random *random, const struct random_options *options, struct buf *yaml);
/* One element of a list of probes. */
void random_probe(struct random *random, const struct random_options *options, struct buf *yaml);

#endif
