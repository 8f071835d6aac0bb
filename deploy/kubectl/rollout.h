// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_ROLLOUT_H
#define HOLDFAST_KUBECTL_ROLLOUT_H

#include <stdbool.h>

#include "deploy/kubectl/kubectl.h"

/* How far the DaemonSet has come, which changes one node after another. */
#define ROLLOUT_DAEMONSET "holdfast"

struct rollout {
	int64_t generation, observed;        /* of what it should be; its controller has seen */
	int64_t wanted, updated, available; /* nodes: that should have it; that have its newest pod; whose pod is ready */
};

int rollout_read(const struct kubectl *kubectl, struct rollout *ret, struct error *err) must_check;

bool rollout_is_done(const struct rollout *rollout);

/*
 * Until it is done. ETIMEDOUT: no further node has come so far within patience_ms. An API server that does not answer is asked again.
 * `on_node` is called when a further node has the newest pod.
 */
int rollout_wait(const struct kubectl *kubectl, uint64_t patience_ms, void (*on_node)(const struct rollout *rollout),
		 struct rollout *ret, struct error *err) must_check;

#endif
