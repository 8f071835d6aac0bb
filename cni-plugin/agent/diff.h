// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_DIFF_H
#define HOLDFAST_AGENT_DIFF_H

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/live.h"
#include "cni-plugin/policy/survey.h"
#include "common/kube/manifest.h"

/*
 * `holdfast-net diff`: what would change if these policies were applied, in the model and for the connections that are open now. Nothing is
 * changed. The policies are compared at once; the connections are read beside everything else.
 */
#define DIFFS_MAX 4           /* at a time */
#define DIFF_ROWS_TEXT_MAX 50 /* shown; the rest is a number */
#define DIFF_ROWS_JSON_MAX 1000

struct diff {
	struct diff *next;
	struct agent *agent;
	struct server_call *call;
	struct live *live;
	bool json;
	struct manifest manifest; /* the policies that are applied */
	struct policy_change *changes;
	size_t n_changes;
	struct policy_view before, after;
	struct buf out;
	struct buf connections; /* those that would be cut, as they are printed */
	size_t n_rows, n_cut, n_looked_at;
	bool changed;
};

/* Answers the call, at once or when the connections are read. */
void diff_start(struct agent *agent, struct server_call *call);
/* Answers those that wait. */
void diff_stop(struct agent *agent);

/* diff_read.c: the call's input and arguments → manifest, changes and views. */
int diff_read(struct diff *diff, struct slice yaml, const char *arguments, struct error *err) must_check;

/* diff_print.c */
void diff_print_head(struct diff *diff);
void diff_print_changes(struct diff *diff, const struct survey *survey, const struct survey_changes *changes);
void diff_print_connection(struct diff *diff, const struct conntrack_entry *entry, const struct policy_decision *after);
void diff_print_end(struct diff *diff, const struct error *problem);

#endif
