// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SOAK_FLOW_H
#define HOLDFAST_TESTS_SOAK_FLOW_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/soak/pod.h"

/*
 * Datagrams from one pod to another, each millisecond, in a thread. A flow that should pass is answered and waits for what it has sent, so
 * that a single loss is seen; one that should not pass is never answered, since an answer would open the other direction.
 */
enum flow_hope { FLOW_PASSES, FLOW_BLOCKED };

struct flow {
	int from, to;
	enum flow_hope hope;
	_Atomic bool stop;
	_Atomic unsigned long sent;
	unsigned long arrived, answered; /* read them after flow_end */
	pthread_t thread;
};

/* No two flows to one pod have the same port. The test fails if it cannot begin. The flow stays where it is. */
void flow_begin(const struct pod *from, const struct pod *to, uint16_t port, enum flow_hope hope, struct flow *ret);
void flow_end(struct flow *flow);

/* Not one packet was lost, or not one passed; otherwise the test fails. */
void flow_assert(const struct flow *flow, const char *during);

/* One datagram, now: does it arrive? */
bool flow_passes(const struct pod *from, const struct pod *to, uint16_t port);

#endif
