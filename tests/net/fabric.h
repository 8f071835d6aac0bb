// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_FABRIC_H
#define HOLDFAST_TESTS_FABRIC_H

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/objects.h"

/*
 * A node as the kernel sees it: a network namespace that forwards, pods in namespaces of their own behind veths, and the rest of
 * the world behind one more. All namespaces live as long as the descriptors in here, so a crash leaves nothing.
 *
 *	          ┌────────────── FABRIC_NODE ───────────────┐
 *	outside ──┤ eth                     v2 … v(n) (routed)├── pods, each with eth0
 *	          │                   or  cni0  (bridged)     │
 *	          └───────────────────────────────────────────┘
 *
 * Routed is what ptp does: a route per pod address to its veth. Bridged is what bridge does: pods reach each other on the link, and the
 * bridge shows their packets to the inet hooks (bridge-nf-call-iptables).
 */
struct fabric;

/* VMS: every other pod is a VM (tests/net/guest.h), and its place is the guest; the rest are pods as ever. */
enum fabric_kind { FABRIC_ROUTED, FABRIC_BRIDGED, FABRIC_ROUTED_VMS, FABRIC_BRIDGED_VMS };

/* Places. Pods follow: FABRIC_POD(0) … */
enum { FABRIC_NODE, FABRIC_OUTSIDE, FABRIC_FENCE_A, FABRIC_FENCE_B, FABRIC_FIRST_POD };
#define FABRIC_POD(i) (FABRIC_FIRST_POD + (int)(i))
#define FABRIC_PODS_MAX 16

/* Also ties the calling thread to one CPU: packets then arrive in the order in which they were sent (see fabric_fence). Needs root. */
int fabric_new(enum fabric_kind kind, size_t n_pods, struct fabric **ret, struct error *err) must_check;
/* The n network namespaces at these paths, made by others, are places 0 to n - 1. Its fence can only wait a while; addresses are theirs. */
int fabric_adopt(const char *const *paths, size_t n, struct fabric **ret, struct error *err) must_check;

void fabric_free(struct fabric *fabric);
DEFINE_CLEANUP(struct fabric *, fabric_free);

/* Moves the calling thread into that place's network namespace. fabric_leave: back to where it was at fabric_new. */
int fabric_enter(struct fabric *fabric, int place, struct error *err) must_check;
void fabric_leave(struct fabric *fabric);

/* The place has this address from now on (and no other has it); or no longer. It answers to it after _wait: several wait together. */
int fabric_address_add(struct fabric *fabric, int place, const struct kube_address *address, struct error *err) must_check;
int fabric_address_wait(struct fabric *fabric, int place, const struct kube_address *address, struct error *err) must_check;
int fabric_address_remove(struct fabric *fabric, int place, const struct kube_address *address, struct error *err) must_check;

/* The pod's veth goes, with all that is on it, and a new one comes, as when one pod's sandbox ends and another's begins. Not of a VM. */
int fabric_rewire(struct fabric *fabric, int place, struct error *err) must_check;

/*
 * Returns when every packet that was sent before has been delivered or dropped. On one CPU the packets of all veths wait in one
 * queue, first in, first out; so once a packet of ours has made its way through the node and back, those before it have as well. A packet that
 * waits for a neighbour's address takes more steps, hence several rounds.
 */
int fabric_fence(struct fabric *fabric, struct error *err) must_check;

/* Forgets all tracked connections on the node. */
int fabric_forget_connections(struct fabric *fabric, struct error *err) must_check;

#endif
