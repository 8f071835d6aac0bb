// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SHARE_PROBE_H
#define HOLDFAST_GUEST_SHARE_PROBE_H

#include "kata-shim/guest/agent.h"

/*
 * Asks the sandbox's share for an answer, and says whether it has given the last one: what was begun by an earlier call is over. Never
 * waits. True without a share, and when no process can be started, which says nothing of the share.
 */
bool share_answers(struct agent *agent);

/*
 * What dead processes have left under way in the share's file systems is over when `ended` is called, by children_watch: the server answers in
 * order, so it is asked, and asked again for what an answer has set going. False: nobody is asked, and `ended` is not called. Never waits.
 */
bool share_settle(struct agent *agent, child_ended *ended, void *context, pid_t *ret);
/* The same, and waits. */
void share_settle_now(void);

#endif
