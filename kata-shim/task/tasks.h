// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_TASKS_H
#define HOLDFAST_TASK_TASKS_H

#include <stdint.h>
#include <time.h>

#include "common/rpc/ttrpc.h"
#include "kata-shim/task/state.h"
#include "kata-shim/task/task.pb-c.h"

/*
 * The containers of a pod and their processes, as containerd knows them. What is in here answers State, Pids, Wait and Connect without the
 * VM, so that they do when it hangs.
 */
#define TASKS_MAX 128 /* containers; as many connections as the server takes */
#define EXECS_MAX 256 /* of one container, until containerd deletes them */

#define KILLED_STATUS 137 /* 128 + SIGKILL: of whatever ends with the VM */

struct waiter {
	struct waiter *next, **at;
	struct ttrpc_call *call;
};

/* Lives until it is removed and nothing is under way for it: whoever keeps a pointer over the loop takes a reference. */
struct process {
	struct container *container;
	struct process *next; /* of the container's execs */
	unsigned references;
	bool removed;
	enum process_state state;
	uint32_t pid; /* the VM's, in the host; 0 before it is created */
	uint32_t exit_status;
	struct timespec exited_at;
	char *exec; /* "": the container's first */
	char *in, *out, *err;
	bool terminal;
	struct waiter *waiters;
	struct ttrpc_call *deleter; /* that wants it deleted as soon as it is created */
};

struct container {
	struct process first; /* the first member: it is freed with it */
	struct container *next;
	char *id, *bundle;
	struct process *execs;
	uint64_t oom_kills; /* as the guest has told */
};

struct tasks {
	struct container *containers;
	size_t n;
};

/* What they need of a request. */
struct process_stdio {
	const char *in, *out, *err;
	bool terminal;
};

/* ENOENT, naming the container or the process. */
int tasks_find_any(const struct tasks *tasks, const char *id, const char *exec, struct process **ret, struct error *err) must_check;
/* The same for one that is still being created: containerd has been told of no such thing. */
int tasks_find(const struct tasks *tasks, const char *id, const char *exec, struct process **ret, struct error *err) must_check;

/* EINVAL, EEXIST, ENOSPC, ENOMEM. They are `creating`. */
int tasks_add(struct tasks *tasks, const char *id, const char *bundle, const struct process_stdio *stdio, struct process **ret,
	      struct error *err) must_check;
int tasks_add_exec(struct container *container, const char *exec, const struct process_stdio *stdio, struct process **ret,
		   struct error *err) must_check;

/* Of a container with all its execs, which must have no waiters any more. Again: nothing. */
void tasks_remove(struct tasks *tasks, struct process *process);

struct process *process_ref(struct process *process);
void process_unref(struct process *process);

static inline bool process_is_first(const struct process *process)
{
	return &process->container->first == process;
}

/* Puts the process in front of the message: `container "c1": …`. Returns as error_wrap. */
int process_wrap(const struct process *process, struct error *err);

/* It has ended: every waiter is answered. False: that was known. */
bool process_ended(struct process *process, uint32_t status, const struct timespec *at);

/* The call is answered with its exit, now or when that comes. */
void process_wait(struct process *process, struct ttrpc_call *call);

/* As containerd is told of it; a container that is paused pauses all of its processes. */
Task__Status process_status(const struct process *process);

#endif
