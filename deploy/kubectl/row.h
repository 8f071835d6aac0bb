// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_ROW_H
#define HOLDFAST_KUBECTL_ROW_H

#include "deploy/kubectl/cluster.h"

/* A line of `kubectl holdfast status`: what is known of one node, from what was asked of it. Pure. */

enum row_column { ROW_NETWORK, ROW_VM, ROW_TPM, ROW_COLUMNS };

struct problem {
	const char *part; /* "network", "node" … */
	char wrong[ERROR_MESSAGE_MAX];
	char cure[ERROR_MESSAGE_MAX]; /* a command, or "" */
};

#define ROW_PROBLEMS_MAX 8

struct row {
	const char *node;
	const char *pod; /* or NULL */
	const char *states[ROW_COLUMNS];
	char version[64]; /* "", or both where the parts differ */
	struct problem problems[ROW_PROBLEMS_MAX];
	size_t n_problems;
};

/* The child that was asked for a part's status, or NULL: it was not asked. */
struct answers {
	const struct child *of[PARTS];
};

void row_decide(const struct kubectl *kubectl, const struct node *node, const struct answers *answers, struct row *ret);

#endif
