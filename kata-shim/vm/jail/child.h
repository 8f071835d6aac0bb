// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_CHILD_H
#define HOLDFAST_VM_JAIL_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

/* What must be done in other namespaces is done by a child, and its error arrives here as if it had been a function. */

/* All signals are blocked in it. 0 to 255 end the child well; it may also execute a program. */
typedef int child_function(void *context, struct error *err);

struct child {
	pid_t pid;
	int pidfd;
};

/*
 * `flags`: CLONE_NEW…. `cgroup`: the directory of a version 2 cgroup to be born in, or -1. Returns when the function has executed a program
 * or returned; with its error, if it did that, and then the child is reaped.
 */
int child_start(uint64_t flags, int cgroup, child_function *function, void *context, struct child *ret, struct error *err) must_check;

/* The same, until its end, for a function that executes nothing; returns what that did. Makes no SIGCHLD. */
int child_run(uint64_t flags, child_function *function, void *context, struct error *err) must_check;

/* One that only is, in its new namespaces, until child_end or until we end. */
int child_hold(uint64_t flags, struct child *ret, struct error *err) must_check;
void child_end(struct child *child);

/* For the child: SIGKILL when the thread that started it ends, also if that has been already. `parent` is the parent's child_open_self. */
int child_die_with(int parent, struct error *err) must_check;
int child_open_self(int *ret_pidfd, struct error *err) must_check;

#endif
