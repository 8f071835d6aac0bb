// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CHECK_PROBE_LINK_H
#define HOLDFAST_CHECK_PROBE_LINK_H

#include <stdbool.h>

#include "common/base/error.h"

/*
 * A network namespace that nobody else knows of, and a veth between it and the node (agent/probe.h). Both are the kernel's to remove when
 * this process has closed its descriptors, however it ends.
 */
struct probe_link {
	int home, there; /* the namespaces; there is -1: none yet */
	bool made, has_ipv6;
};
#define PROBE_LINK_NONE ((struct probe_link){ .home = -1, .there = -1 })

/* The process has one thread. EEXIST: another self-test runs. */
int probe_link_make(struct probe_link *link, struct error *err) must_check;
void probe_link_remove(struct probe_link *link);

/* Opens a descriptor in there. `opens` returns it, or -1 and errno. */
int probe_link_open_there(const struct probe_link *link, int (*opens)(int family), int family, int *ret, struct error *err) must_check;

#endif
