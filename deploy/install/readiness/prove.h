// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_PROVE_H
#define HOLDFAST_READINESS_PROVE_H

#include "common/base/error.h"

/*
 * Whether a version that is on the node, and not yet the current one, does what the current one does: each of its programs starts, and where
 * a VM has booted since the node was started (kept.h), one boots with this version's shim, guest, QEMU and settings. All of it where the
 * version is the current one for these processes alone (enter.h), so no pod meets it before. Blocks until it is known.
 */
struct prove_options {
	const char *root;   /* where the node's files stand: "" or "/host" */
	const char *prefix; /* /opt/holdfast below that, as host_find gives it */
};

/*
 * ENOEXEC: it does not, and the message says what. ENOTSUP: it cannot be tried, as this process may not enter the root, or that is not a
 * node's but a directory.
 */
int prove_version(const struct prove_options *options, const char *id, struct error *err) must_check;

#endif
