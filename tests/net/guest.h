// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_GUEST_H
#define HOLDFAST_TESTS_GUEST_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "kata-shim/vm/net/messages.h"
#include "kata-shim/vm/net/net.h"

/*
 * A guest without a VM: a network namespace is its kernel, taps in there are its network cards, and a process carries frames, with their
 * virtio headers, between these and the taps of the pod, as QEMU does. So a guest has a whole network stack, and starts in milliseconds.
 *
 *	pod's namespace                        guest's namespace
 *	eth0 ⇄ vethvm0 ═ descriptor ═ process ═ descriptor ═ eth0, with the pod's MAC address
 */
struct guest;

/*
 * The cards have the names, MAC addresses and MTUs of the links, and are down. Its process has copies of the taps' descriptors: net_close
 * is the caller's.
 */
int guest_new(const struct net *net, struct guest **ret, struct error *err) must_check;
void guest_free(struct guest *guest); /* no tap is left when it returns, unless the caller has its descriptor */
DEFINE_CLEANUP(struct guest *, guest_free);

int guest_netns(const struct guest *guest); /* a descriptor of the guest's */

/* What an agent does with the messages: addresses, then up, routes, neighbours. */
int guest_configure(struct guest *guest, const struct net_messages *messages, struct error *err) must_check;

/* Has all frames carried that wait on either side. `ret_carried`: whether there was one since it was last asked. */
int guest_settle(struct guest *guest, bool *ret_carried, struct error *err) must_check;

#endif
