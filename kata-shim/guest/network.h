// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_NETWORK_H
#define HOLDFAST_GUEST_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/* The guest's network, which is the pod's: as the host says it, in the network namespace of the caller. */
#define NETWORK_ADDRESSES_MAX 64 /* of an interface */
#define NETWORK_ROUTES_MAX 1024
#define NETWORK_NEIGHBORS_MAX 1024

/*
 * The card with the address hw_addr gets its name, MTU and addresses (others of it go, except for a link-local one that the kernel made),
 * and is up. Who has the name already gets another one. IPv6 addresses can be used at once. Once more is well.
 * ENODEV: no such card; EINVAL: a value that makes no sense, with its place.
 */
int network_set_interface(const Agent__Interface *interface, struct error *err) must_check;

/*
 * These are the routes, besides those which the kernel makes of addresses: others that have been set go. Whatever their order, one whose
 * gateway is reached by another comes after it. A source "10.0.0.5/0", as Kata's runtime writes it, is "10.0.0.5".
 */
int network_set_routes(const Agent__Routes *routes, struct error *err) must_check;

/* They stay for good, unless their state says otherwise. */
int network_set_neighbors(const Agent__ARPNeighbors *neighbors, struct error *err) must_check;

int network_loopback_up(struct error *err) must_check;

/* ── Between link.c and route.c ── */

/* Of the link with that name. ENODEV */
int link_index(const char *name, uint32_t *ret, struct error *err) must_check;

#endif
