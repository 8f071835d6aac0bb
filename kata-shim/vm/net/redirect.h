// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_REDIRECT_H
#define HOLDFAST_VM_REDIRECT_H

#include "kata-shim/vm/net/netlink.h"
#include "kata-shim/vm/net/network.h"

/*
 * All that arrives on `from` leaves by the link of index `to`, before the namespace's own stack sees it. EEXIST: somebody's filters are
 * there already.
 */
int redirect_add(struct netlink *netlink, const struct network_link *from, unsigned to, struct error *err) must_check;

/* If it is redirected by us, no longer; also what is left of half a redirection. Filters of others stay. */
int redirect_remove(struct netlink *netlink, const struct network_link *from, struct error *err) must_check;

#endif
