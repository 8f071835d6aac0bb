// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_NET_H
#define HOLDFAST_VM_NET_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "kata-shim/vm/net/loopback.h"
#include "kata-shim/vm/net/network.h"

/*
 * The network of a pod's VM: for each link that a CNI made in the pod's network namespace, a tap whose frames and those of the link are
 * redirected to each other. So the guest's network card is the pod's link, with its MAC address and all addresses; what the CNI, and the
 * network policy at the link's other end, see of the pod is what they see of any other.
 *
 *	host's namespace │ pod's namespace                                          │ QEMU
 *	  vethX ─────────┼── eth0 ⇄ tc redirect, before the kernel's own stack ⇄ tap ┼── descriptor ── guest's eth0
 */
struct net {
	struct network network;
	int taps[NETWORK_LINKS_MAX]; /* network.links[i]'s: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, one queue; -1 after net_close */
	int namespace;               /* the pod's; -1: it has none, or after net_close */
	struct loopback loopback;    /* after net_listen, until net_free */
};

/*
 * Joins taps to all links of the network namespace at `path` ("" or NULL: the pod has none, and gets none). Blocks for a few milliseconds.
 * Not if another thread may ask for its own namespace meanwhile; the calling thread is in the pod's for the time of open(2) only.
 *
 * QEMU gets the descriptors, with the MAC address network.links[i].mac, and needs no right of its own. A tap lives as long as a descriptor
 * of it: the caller closes its own with net_close when QEMU runs, so that nothing is left when QEMU ends, however it ends. From then on the
 * link drops what arrives (never does the pod's own kernel answer), until it is joined again, left, or its namespace is removed.
 *
 * EOPNOTSUPP: there is something that a guest cannot have; the message says which and what to do. EBUSY: another VM is joined here. After a
 * failure the namespace is as it was.
 */
int net_join(const char *path, struct net **ret, struct error *err) must_check;

/*
 * Between net_join and net_close: who connects to the pod's loopback from within its namespace, as containerd does for kubectl
 * port-forward, is net->loopback's to accept. Without a network there is none. An error: this kernel cannot; all else is as before.
 */
int net_listen(struct net *net, struct error *err) must_check;

/* Closes the descriptors, but the loopback's; what is known of the network stays. */
void net_close(struct net *net);
void net_free(struct net *net); /* closes all */
DEFINE_CLEANUP(struct net *, net_free);

/*
 * Undoes the redirection of all links in the namespace, whoever joined them and whatever became of him; with the taps gone, the namespace
 * is as its CNI made it. A namespace that is gone is as good. Idempotent. Need not be called if the namespace is removed anyway.
 */
int net_leave(const char *path, struct error *err) must_check;

#endif
