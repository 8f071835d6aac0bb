// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SHARE_PROBE_H
#define HOLDFAST_GUEST_SHARE_PROBE_H

#include "kata-shim/guest/agent.h"

/*
 * Asks the sandbox's share for an answer, and says whether it has given the last one: what was begun by an earlier call is over. Never
 * waits. True without a share, and when no process can be started, which says nothing of the share.
 */
bool share_answers(struct agent *agent);

#endif
