// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CHECK_CHECKS_H
#define HOLDFAST_CHECK_CHECKS_H

#include "common/checkup/checkup.h"

/* checkup->options of holdfast-net. Directories; NULL: the usual ones. */
struct check_options {
	const char *cni_configuration, *cni_executables;
};

extern const struct checkup_row checks[];
extern const size_t n_checks;

/* ── kernel.c: tried out in a network namespace of its own ── */
/* The cure if the kernel does not take the rules that policies become, and `err` says why; NULL: it does. */
const char *check_rules(struct error *err);
void check_nftables(struct checkup *checkup);
void check_drop_log(struct checkup *checkup);
void check_spoofing(struct checkup *checkup);
void check_conntrack_reader(struct checkup *checkup);

/* ── sysctls.c ── */
void check_forwarding(struct checkup *checkup);
void check_reverse_path(struct checkup *checkup);
void check_conntrack_size(struct checkup *checkup);
void check_tcp_pickup(struct checkup *checkup);
void check_address_wait(struct checkup *checkup);

/* ── chain.c: the CNI configuration, and what depends on the main plugin in it ── */
void check_cni_chain(struct checkup *checkup);
void check_cni_executable(struct checkup *checkup);
void check_bridge(struct checkup *checkup);

/* ── neighbours.c: who else handles the pods' packets ── */
void check_other_engines(struct checkup *checkup);
void check_kube_proxy(struct checkup *checkup);

/* ── agent.c: what the agent will find, and whether it is there ── */
void check_configuration(struct checkup *checkup);
void check_directories(struct checkup *checkup);
void check_agent(struct checkup *checkup);

#endif
