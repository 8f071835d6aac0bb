// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_ROLLOUT_H
#define HOLDFAST_KUBECTL_ROLLOUT_H

#include <stdbool.h>

#include "common/json/json.h"
#include "deploy/kubectl/away.h"
#include "deploy/kubectl/kubectl.h"

/* How far the DaemonSet has come, which changes one node after another. */
#define ROLLOUT_DAEMONSET "holdfast"

struct rollout {
	int64_t generation, observed;        /* of what it should be; its controller has seen */
	int64_t wanted, updated, available; /* nodes: that should have it; that have its newest pod; whose pod is ready */
	int64_t away;                       /* of those that should, for which nobody waits */
	int64_t max_unavailable;            /* 0: it is no number */
};

/* `away`: nodes for which nobody waits; NULL: there are none. */
int rollout_read(const struct kubectl *kubectl, const struct away *away, struct rollout *ret, struct error *err) must_check;

bool rollout_is_done(const struct rollout *rollout);

/*
 * Until it is done; prints how many nodes are. ETIMEDOUT: no further node has come so far within patience_ms. An API server that does not
 * answer is asked again.
 */
int rollout_wait(const struct kubectl *kubectl, const struct away *away, uint64_t patience_ms, struct rollout *ret, struct error *err) must_check;

/* On standard error, a line for each node whose pod is not ready, and why. `cure`: for a node that cannot be reached. */
void rollout_print_reasons(const struct kubectl *kubectl, const char *cure);

/* What the commands that roll out are told: which manifests, and how long one node may take. */
struct rollout_request {
	const char *option, *manifests; /* -k or -f, and its value */
	uint64_t patience_ms;           /* up to an hour */
};

#define ROLLOUT_PATIENCE_MS (5 * 60 * 1000)
#define ROLLOUT_SHORT_OPTIONS "k:f:"
#define ROLLOUT_OPTIONS                                                                                                                    \
	{ "kustomize", required_argument, NULL, 'k' }, { "filename", required_argument, NULL, 'f' },                                       \
	{                                                                                                                                  \
		"patience", required_argument, NULL, 'p'                                                                                   \
	}
#define ROLLOUT_OPTIONS_HELP "  --patience DURATION      how long one node may take; default 5m\n"

/* 1: it was one of them, and is taken; 0: it is the command's own. */
int rollout_take(struct rollout_request *request, int option, const char *value, struct error *err) must_check;

/* One call of kubectl, whose output is printed. `words` ends in NULL. */
int rollout_run_kubectl(const struct kubectl *kubectl, const char *const *words, struct error *err) must_check;

/* The DaemonSet as it is; the caller's: json_free. */
int rollout_read_tree(const struct kubectl *kubectl, cJSON **ret, struct error *err) must_check;

#endif
