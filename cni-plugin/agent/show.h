// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_SHOW_H
#define HOLDFAST_AGENT_SHOW_H

#include "cni-plugin/agent/agent.h"
#include "common/kube/report.h"

/*
 * What the command line shows of the agent. `arguments` is "KEY=VALUE;…" (cni_args_get). Returns the exit code of the command or a negative
 * errno.
 */
#define SHOW_FAILED 2

int show_status(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;
int show_dump(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;
int show_graph(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;
/* 0: allowed, 1: denied. */
int show_explain(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;

/*
 * What was dropped lately. SINCE=<duration>: only what was dropped in that time. FOLLOW=<serial>: only what is newer, behind a line
 * "<newest serial> <suppressed packets>", for the next call.
 */
int show_drops(struct agent *agent, const char *arguments, struct buf *out, struct error *err) must_check;

/* Whether OUTPUT=json is among the arguments. */
bool show_wants_json(const char *arguments);

/* Where the objects come from. */
struct kube_report show_report(const struct agent *agent);

/* How many of this node's pods are judged, quarantined, adopted; and how many may send as whom. Those that are leaving are counted apart.
 */
struct pod_counts {
	size_t here, judged, quarantined, adopted, leaving;
	size_t senders[SENDERS_STATES];
};
struct pod_counts show_count_pods(const struct agent *agent);

#endif
