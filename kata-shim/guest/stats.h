// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_STATS_H
#define HOLDFAST_GUEST_STATS_H

#include "kata-shim/guest/agent.h"

/* StatsContainer: what a container uses, from its cgroup, and what the pod's network carried, which is the guest's. */

#define STATS_ENTRIES_MAX 128 /* lines of memory.stat */
#define STATS_NETWORKS_MAX 16

void stats_handle(void *agent, struct ttrpc_call *call, struct slice request);

/* For tests. Lines of /proc/net/dev, without "lo"; names point into `text`, which is changed. */
size_t stats_parse_networks(char *text, Agent__NetworkStats ret[static STATS_NETWORKS_MAX]);
/* Lines "key value"; keys point into `text`, which is changed. */
size_t stats_parse_entries(char *text, Agent__NumberEntry ret[static STATS_ENTRIES_MAX]);

#endif
