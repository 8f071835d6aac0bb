// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_OOM_H
#define HOLDFAST_GUEST_OOM_H

#include "kata-shim/guest/agent.h"

/*
 * GetOOMEvent: answers when the kernel has killed a process of a container because its memory limit was reached. A container is told of
 * once until the next kill, so that there are never more events than containers; and before the end of the process that was killed is.
 */
struct container;
struct oom;

#define OOM_WAITERS_MAX 8

int oom_new(uv_loop_t *loop, struct containers *containers, struct oom **ret, struct error *err) must_check;
void oom_free(struct oom *oom); /* who waits hears CANCELLED; accepts NULL */

/* Its cgroup is there. Without the memory controller there is nothing to watch, and that is no error. */
void oom_watch(struct container *container);
void oom_unwatch(struct container *container);
/* Looks now. */
void oom_check(struct container *container);

void oom_handle_get(void *agent, struct ttrpc_call *call, struct slice request);

#endif
