// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_BRIDGE_H
#define HOLDFAST_INSTALL_BRIDGE_H

#include "common/base/error.h"

/*
 * Where the main CNI plugin puts pods on a bridge, packets between them pass the rules only by way of the kernel module br_netfilter, with
 * net.bridge.bridge-nf-call-iptables and -ip6tables at 1. The agent sets them too, but its container cannot write to /proc/sys.
 *
 * `root` as for host/host.h; `lists` is the directory of CNI's lists, on the node. The settings are a network namespace's: ours must be the
 * node's. Below a root where no system runs there is nothing to be set.
 */

enum bridge_state {
	BRIDGE_NONE, /* pods are on none, as far as the list tells that containerd takes */
	BRIDGE_ON,
	BRIDGE_OFF, /* `err` says what is missing */
};

/* Changes nothing. */
int bridge_look(const char *root, const char *lists, enum bridge_state *ret, struct error *err) must_check;

/* Loads the module and sets what is not 1. 1: something was changed; 0: all is well already. */
int bridge_put(const char *root, const char *lists, struct error *err) must_check;

/* Sets to 0 what bridge_put has set since the node started. The module stays: with 0 it does nothing. */
int bridge_restore(const char *root, struct error *err) must_check;

#endif
