// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_AWAY_H
#define HOLDFAST_KUBECTL_AWAY_H

#include "deploy/kubectl/kubectl.h"

/*
 * Nodes of ours of which Kubernetes has lost sight when a rollout begins. No pod ends there and none starts, so that nobody can wait for
 * them: they get what is new when they come back. One that is lost later is none of them, since it may be the rollout that has broken it.
 */
struct away {
	char **names;
	size_t n;
};

int away_find(const struct kubectl *kubectl, struct away *ret, struct error *err) must_check;

void away_clear(struct away *away);

/* How many of them still are. */
int away_count(const struct kubectl *kubectl, const struct away *away, int64_t *ret, struct error *err) must_check;

#endif
