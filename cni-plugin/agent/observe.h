// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_OBSERVE_H
#define HOLDFAST_AGENT_OBSERVE_H

#include "cni-plugin/agent/agent.h"

/*
 * Who did talk to whom in the last hour: the tracked connections are looked at once in network.observeInterval. A TCP connection that was
 * closed is tracked for two more minutes, so none is missed at the default of a minute, unless it was reset (ten seconds); a datagram
 * that nobody answered is tracked for 30 s. What the own node itself opens (kubelet's probes) is left out.
 */
#define OBSERVE_PAIRS_MAX 4096 /* the one that was not seen for longest makes room */
#define OBSERVE_MEMORY_MS (60 * 60 * 1000)

/* Workloads; a namespace "" is the world outside the cluster, with name "". */
struct observed_pair {
	const char *from_namespace, *from, *to_namespace, *to;
	uint8_t protocol;
	uint16_t port;
};

int observe_start(struct agent *agent, struct error *err) must_check;
void observe_stop(struct agent *agent);
/* In the order in which they were seen, the latest last. */
void observe_each(const struct agent *agent, void (*visit)(void *context, const struct observed_pair *pair), void *context);

#endif
