// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_DECIDE_H
#define HOLDFAST_READINESS_DECIDE_H

#include "common/base/buf.h"
#include "deploy/install/readiness/part.h"

/* From what the self-tests said to what the API server is told of the node. Pure. */

#define DECIDE_CONDITION "HoldfastReady"
#define DECIDE_MESSAGE_MAX 2560

struct readiness {
	bool wanted[PARTS]; /* which parts this node is to have */
	struct part_result results[PARTS];
};

struct verdict {
	const char *status; /* "True": every part that is wanted has passed; "False": one has failed; "Unknown": one is not tested yet */
	char reason[32];    /* "SelfTestsPassed", "VMNotReady", "PartsNotReady", "SelfTestsRunning" */
	char message[DECIDE_MESSAGE_MAX]; /* a part of a sentence for each part, with cause and cure */
};

void decide_verdict(const struct readiness *readiness, struct verdict *ret);

/* The node as a merge patch: a label for each part that has passed, null for every other. */
void decide_labels(const struct readiness *readiness, struct buf *out);

/* The node's status for a server-side apply. Times in seconds since 1970; `since`: of the verdict's status. */
void decide_condition(const char *node, const struct verdict *verdict, int64_t since, int64_t heartbeat, struct buf *out);
/* As the two above, and nothing of ours is there any more. */
void decide_no_labels(struct buf *out);
void decide_no_condition(const char *node, struct buf *out);

struct decided_event {
	bool good_news;
	char reason[32]; /* "VMReady", "VMNotReady" */
	char message[sizeof(((struct part_result *)NULL)->cause) + sizeof(((struct part_result *)NULL)->cure) + 64];
};

/* Whether a person shall hear of it: a part fails, fails for another reason, or passes after it had failed or was never tested. */
bool decide_event(enum part part, const struct part_result *before, const struct part_result *after, struct decided_event *ret);

#endif
