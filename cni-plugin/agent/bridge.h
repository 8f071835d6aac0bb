// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_BRIDGE_H
#define HOLDFAST_AGENT_BRIDGE_H

#include "common/base/error.h"

/*
 * Packets between two ports of one bridge pass the inet hooks only if bridge-nf-call-iptables and -ip6tables are 1 (facts/nftables.md 15).
 * Sets them where they are not. 1: had to change something; 0: all is well; ENOSYS: it cannot be done, and why.
 */
int bridge_prepare(struct error *err) must_check;

#endif
