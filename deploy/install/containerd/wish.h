// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_WISH_H
#define HOLDFAST_INSTALL_CONTAINERD_WISH_H

#include "deploy/install/containerd/plan.h"
#include "kata-shim/cli/settings.h"

#define CONTAINERD_SHIMS_DEFAULT "/opt/holdfast/bin"

/* What pods may say to the shim whatever the rules are: the two that are built in, and Holdfast's own. */
#define CONTAINERD_ANNOTATIONS_ALWAYS 2
#define CONTAINERD_ANNOTATIONS_MAX (CONTAINERD_ANNOTATIONS_ALWAYS + RULES_MAX * RULE_ANNOTATIONS_MAX)

/* A wish and what its texts belong to. */
struct containerd_wished {
	struct containerd_wish wish;
	const char *annotations[CONTAINERD_ANNOTATIONS_MAX + 1];
	struct settings settings;
};

/*
 * From the node's holdfast.yaml `settings` (below `root`; it may be missing if it is the default one): containerd must tell the shim the
 * annotations that sandbox.rules look at. `ret` must stay where it is, and is to be cleared also after an error.
 */
int containerd_wish_load(const char *root, const char *settings, const char *shims, bool default_runtime, struct containerd_wished *ret,
			 struct error *err) must_check;
void containerd_wished_clear(struct containerd_wished *wished);

#endif
