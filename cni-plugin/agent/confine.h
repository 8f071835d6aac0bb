// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_CONFINE_H
#define HOLDFAST_AGENT_CONFINE_H

#include "common/sandbox/sandbox.h"

/*
 * Gives up all that the agent has no use for: what stays is CAP_NET_ADMIN, in which nf_tables, conntrack, nflog, rtnetlink and the sysctls
 * of the network are contained. Before anything is opened or read, and for good.
 */
int confine_enter(enum sandbox_filter filter, struct error *err) must_check;

#endif
