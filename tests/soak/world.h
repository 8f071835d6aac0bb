// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_WORLD_H
#define HOLDFAST_TESTS_WORLD_H

#include <stdatomic.h>

#include "tests/net/fabric.h"

/*
 * Who is there when a pod starts. Outside, a foe that no policy allows and a friend that they do; and the own node, which always may. All
 * three send datagrams to every slot's addresses all the time, whether a pod is there or not; the foe tries to open connections as well.
 * Both families.
 */
#define WORLD_SLOTS 8
#define WORLD_FOE4 "203.0.113.9"
#define WORLD_FOE6 "2001:db8:2::9"
#define WORLD_FRIEND4 "198.51.100.7"
#define WORLD_FRIEND6 "2001:db8:1::7"
#define WORLD_NODE4 "192.0.2.1"
#define WORLD_NODE6 "2001:db8::1"
#define WORLD_PORT 7000

/* Slot i's: 10.1.0.(i+2), fd00:1::(i+2). */
int world_address(unsigned slot, bool ipv6, struct kube_address *ret, struct error *err) must_check;

/* What they heard from pods. A pod's datagram is four bytes: which start it is. */
struct world_heard {
	_Atomic unsigned long foe;
	_Atomic unsigned last_of_foe; /* which start it was */
	_Atomic unsigned friend[WORLD_SLOTS];
};

struct world;

/* In a process of its own, until world_stop. */
int world_start(struct fabric *fabric, struct world **ret, struct error *err) must_check;
void world_stop(struct world *world);
DEFINE_CLEANUP(struct world *, world_stop);
const struct world_heard *world_heard(const struct world *world);

/* What a pod does with its first instructions, in the network namespace in which it runs. */
struct first_report {
	unsigned forbidden;                    /* packets from who must not reach it */
	unsigned from_friend[2], from_node[2]; /* IPv4, IPv6 */
};

/*
 * Listens to all that arrives, and sends to foe and friend; returns when it has heard of everybody who may reach it, or after some seconds.
 * No memory, no locks: for a child of a process with threads.
 */
void first_instructions(unsigned start, bool quarantined, struct first_report *ret);

#endif
