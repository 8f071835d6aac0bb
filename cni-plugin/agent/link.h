// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_LINK_H
#define HOLDFAST_AGENT_LINK_H

#include <net/if.h>
#include <stdbool.h>

#include "common/base/error.h"
#include "common/kube/objects.h"

/* The host's end of a pod's interface, asked of the kernel (rtnetlink) and not believed from a plugin's result. */
struct link_host {
	unsigned index;
	char name[IF_NAMESIZE];
	bool bridge_port; /* its packets pass the host's rules only by way of br_netfilter */
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

/* The host sends packets for the address out of a bridge; for a pod of which no more is known. False also if the kernel cannot say. */
bool link_is_behind_bridge(const struct kube_address *address);

#endif
