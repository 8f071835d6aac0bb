// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_RTNL_H
#define HOLDFAST_TESTS_RTNL_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/objects.h"

/* Addresses, routes and the conntrack table of one network namespace: that in which it was opened. */
struct rtnl;

int rtnl_open(struct rtnl **ret, struct error *err) must_check;
void rtnl_close(struct rtnl *rtnl);
DEFINE_CLEANUP(struct rtnl *, rtnl_close);

/* A host address (/32, /128); IPv6 is usable after rtnl_address_wait. Adding what is there and removing what is not are no errors. */
int rtnl_address_add(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err) must_check;
int rtnl_address_remove(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err) must_check;
int rtnl_address_wait(struct rtnl *rtnl, const struct kube_address *address, struct error *err) must_check;

/* A route to one address on the link of `ifindex`. Replaces another route to it. */
int rtnl_route_add(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err) must_check;
int rtnl_route_remove(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err) must_check;

/* Waits until the link carries packets: a veth's carrier is noticed a while after both its ends are up. ETIMEDOUT after 10 s. */
int rtnl_link_wait(struct rtnl *rtnl, unsigned ifindex, struct error *err) must_check;

/* Forgets who has the address: it may be someone else's from now on. */
int rtnl_neighbor_forget(struct rtnl *rtnl, unsigned ifindex, const struct kube_address *address, struct error *err) must_check;

/* Empties the connection tracking table. */
int rtnl_conntrack_flush(struct rtnl *rtnl, struct error *err) must_check;

#endif
