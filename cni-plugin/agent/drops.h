// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_DROPS_H
#define HOLDFAST_AGENT_DROPS_H

#include "cni-plugin/agent/drop_ring.h"
#include "common/base/error.h"

struct agent;

/*
 * The log of what this node drops. The kernel counts every packet and shows a few (network.dropLog); those are read here, explained with
 * the model of that moment, and kept in a ring. Nothing else depends on it: without a reader, packets are judged all the same.
 */

/* How the rules have to log; rate 0 if it is switched off or this kernel cannot. Opens the reader; what is in its way is logged. */
struct ruleset_log drops_open(struct agent *agent);
/* Once the enforcer has read the kernel: what it counted before us is not in drops_count. */
void drops_started(struct agent *agent);
/* Takes the group, if another program had it before, or reading it had failed. */
void drops_retry(struct agent *agent);
/* When the loop has closed its handles. */
void drops_free(struct agent *agent);

/* Since the agent started. */
struct drops_totals {
	uint64_t dropped;    /* by the kernel's counters */
	uint64_t logged;     /* packets that the reader has seen */
	uint64_t suppressed; /* the others: above the limit, or lost on the way */
};
/* Reads the kernel's counters, all of them; an error is about that, and `*ret` is then what was known before. */
int drops_count(struct agent *agent, struct drops_totals *ret, struct error *err) must_check;
/* Since 1970, as in struct drop. */
int64_t drops_now_ms(void);
const struct drop_ring *drops_ring(const struct agent *agent);
/* "" if the reader works; else why it does not. */
const char *drops_problem(const struct agent *agent);

/* ── drop_explain.c ── */
struct nflog_packet;

/* Which connection the packet belongs to. False: it is none that our rules have logged. */
bool drop_recognize(const struct nflog_packet *packet, struct drop *ret);

/* spoof_log.c: reports a packet that a pod sent as somebody else. */
void spoof_log_take(struct agent *agent, const struct nflog_packet *packet);
/* "policy", "quarantine", "spoofed". */
const char *drop_verdict(const struct drop *drop);
const char *drop_direction(const struct drop *drop);
/* Names, policies, reason. -ENOMEM. */
int drop_explain(const struct agent *agent, struct drop *drop, struct error *err) must_check;

#endif
