// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_LINK_H
#define HOLDFAST_AGENT_LINK_H

#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>

#include "common/base/error.h"
#include "common/kube/objects.h"

#define LINK_LOCALS_MAX 4 /* a pod has one; more are no mistake */

/* A pod's interface, by its end on the host, asked of the kernel (rtnetlink) and not believed from a plugin's result. */
struct link_host {
	unsigned index;
	char name[IF_NAMESIZE];
	bool bridge_port; /* its packets pass the host's rules only by way of br_netfilter */
	uint8_t mac[ETHER_ADDR_LEN];                      /* the pod's end's */
	struct kube_address link_locals[LINK_LOCALS_MAX]; /* likewise; IPv6 */
	size_t n_link_locals;
};

/*
 * Looks at `ifname` inside the network namespace, follows it to its peer here and checks that the peer points back. EOPNOTSUPP: the pod has
 * no veth here (macvlan, ipvlan, SR-IOV, host-device, Open vSwitch), so that nothing on the host would see its packets; the message
 * says which. EBADF: no network namespace at that path.
 */
int link_find_host(const char *netns, const char *ifname, struct link_host *ret, struct error *err) must_check;

/* Whether there is a network namespace at the path, and an interface of this index and name on the host. */
bool link_netns_exists(const char *netns);
bool link_host_exists(unsigned index, const char *name);

/*
 * The same for a pod of which only the address is known. The route to it names the veth, and the interface at its other end must have the
 * address; so a pod on a bridge is not found (ENOENT).
 */
int link_find_by_address(const struct kube_address *address, struct link_host *ret, struct error *err) must_check;

/* The host sends packets for the address out of a bridge; for a pod of which no more is known. False also if the kernel cannot say. */
bool link_is_behind_bridge(const struct kube_address *address);

#endif
