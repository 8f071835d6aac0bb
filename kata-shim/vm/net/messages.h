// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_NET_MESSAGES_H
#define HOLDFAST_VM_NET_MESSAGES_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"
#include "kata-shim/vm/net/network.h"

/*
 * The network as the guest's agent is told of it, in the order of Kata's runtime: UpdateInterface for each interface, UpdateRoutes once,
 * AddARPNeighbors once if there are any; all before CreateSandbox. One block of memory.
 *
 * What Kata's messages cannot carry, and what becomes of it:
 *	metric of a route      of several routes to one destination the guest gets the one with the lowest metric: the one that is used
 *	peer of an address     the address alone (/32, /128), and the route to the peer
 *	noprefixroute          the address alone, so that the guest's kernel makes no route that the pod does not have
 *	scope, lifetimes, labels of addresses; protocol, preference (RFC 4191) of routes: left out
 * Routes are in the order in which they can be added: those without a gateway first. Route.flags has RTNH_F_ONLINK where the gateway needs
 * it. Route.source is "10.0.0.5/0": the form of which Kata's agent makes a preferred source (RTA_PREFSRC); without "/0" it would be
 * the address of packets that the route is for. Interface.type is "veth", device_path "" (the agent finds the card by its MAC address).
 */
struct net_messages {
	Agent__Interface **interfaces;
	size_t n_interfaces;
	Agent__Routes routes;
	Agent__ARPNeighbors neighbours;
};

/* ENOMEM. What the network holds is copied. */
int net_messages_new(const struct network *network, struct net_messages **ret, struct error *err) must_check;
void net_messages_free(struct net_messages *messages);
DEFINE_CLEANUP(struct net_messages *, net_messages_free);

#endif
