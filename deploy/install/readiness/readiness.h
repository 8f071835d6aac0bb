// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_READINESS_H
#define HOLDFAST_READINESS_READINESS_H

#include <uv.h>

#include "common/kube/source.h"
#include "deploy/install/readiness/part.h"
#include "deploy/install/readiness/trial.h"

/*
 * Tests the parts of this node again and again (part.c says how often) and tells the API server, on the loop:
 *
 *	self-tests ─► decide ─► labels holdfast/network, vm, tpm = ready     (merge patch of the node)
 *	                        condition HoldfastReady                      (server-side apply of its status)
 *	                        events at the node, when a part changes
 *
 * What is there is said again every five minutes, also if somebody has changed it. An API server that is away is tried again; the tests go on.
 */
struct readiness_follower;

struct readiness_options {
	struct kube_source_options api; /* publish_refresh_ms and node are ours */
	const char *node;
	bool wanted[PARTS];
	struct trial_options trial;
	const char *kept; /* path; NULL: KEPT_DEFAULT_PATH */
};

/* The name of this node in Kubernetes: the environment's NODE_NAME, else the host name. EINVAL: there is none. */
#define READINESS_NODE_SIZE 254
int readiness_node_name(char ret[static READINESS_NODE_SIZE], struct error *err) must_check;

/* The options' texts must outlive it. What kube_source_start gives. */
int readiness_start(uv_loop_t *loop, const struct readiness_options *options, struct readiness_follower **ret, struct error *err) must_check;

/* At once, whatever was to be next: something has changed on which the part depends. */
void readiness_test(struct readiness_follower *follower, enum part part);

/* An event at the node, a warning, in the words of `reason` ("VersionRefused") and `message`. */
void readiness_tell(struct readiness_follower *follower, const char *reason, const char *message);

/* Each wanted part has been tested, and the API server knows what came of it. */
bool readiness_is_told(const struct readiness_follower *follower);
/* All of them have passed. */
bool readiness_is_good(const struct readiness_follower *follower);
/* The results so far: PARTS of them. */
const struct part_result *readiness_results(const struct readiness_follower *follower);
/* Why the API server does not know; "" if it does, or has not been asked yet. */
const char *readiness_problem(const struct readiness_follower *follower);

/* Takes labels and condition away, tests nothing any more; told when readiness_is_told says so. For an uninstaller. */
void readiness_withdraw(struct readiness_follower *follower);

/* What the API server knows stays. `closed` (may be NULL) is called from the loop when nothing of it is left. Accepts NULL. */
void readiness_stop(struct readiness_follower *follower, void (*closed)(void *context), void *context);

#endif
