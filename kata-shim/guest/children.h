// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CHILDREN_H
#define HOLDFAST_GUEST_CHILDREN_H

#include <sys/types.h>
#include <uv.h>

#include "common/base/error.h"

/*
 * The one who reaps: every process whose parent is gone becomes the agent's child, so that waitpid(2) is called here and nowhere else
 * (uv_spawn must not be used). Who has started a process, or knows one by its pid, watches it.
 */
struct children;

#define CHILDREN_WATCHED_MAX 4096
/*
 * A container's first process becomes ours when `crun create` ends, and may have ended by then: as many as this are remembered who ended
 * unwatched.
 */
#define CHILDREN_REMEMBERED_MAX 256

/* `status` is waitpid's. Called from the loop, once; the watch is over. */
typedef void child_ended(void *context, pid_t pid, int status);

int children_new(uv_loop_t *loop, struct children **ret, struct error *err) must_check;
/* Closes its handle in the loop, which must run once more. Nobody is told anything. Accepts NULL. */
void children_free(struct children *children);

/* Also of one that has ended already, if it is remembered: it is told then from the loop, not from within. EBUSY: CHILDREN_WATCHED_MAX */
int children_watch(struct children *children, pid_t pid, child_ended *ended, void *context, struct error *err) must_check;
/* Nothing is told of it any more; it is reaped all the same. */
void children_forget(struct children *children, pid_t pid);

#endif
