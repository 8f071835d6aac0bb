// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_TAP_H
#define HOLDFAST_VM_TAP_H

#include "kata-shim/vm/net/namespace.h"
#include "kata-shim/vm/net/netlink.h"
#include "kata-shim/vm/net/network.h"

/*
 * Makes a tap of this name in the pod's namespace, still down, and without IPv6 of its own: the guest is to hear nothing of the pod's
 * kernel. It goes with its descriptor. EBUSY: there is one.
 */
int tap_make(const struct namespace *namespace, const char *name, int *ret, struct error *err) must_check;

/* As large a frame as `link` takes, and its index. */
int tap_configure(struct netlink *netlink, const char *name, const struct network_link *link, unsigned *ret_index,
		  struct error *err) must_check;
int tap_up(struct netlink *netlink, const char *name, unsigned index, struct error *err) must_check;

#endif
