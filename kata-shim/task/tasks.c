// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/show.h"
#include "kata-shim/bundle/spec.h"
#include "kata-shim/task/answer.h"

/* ── Finding ── */

static struct container *find_container(const struct tasks *tasks, const char *id)
{
	for (struct container *container = tasks->containers; container; container = container->next) {
		if (strcmp(container->id, id) == 0)
			return container;
	}
	return NULL;
}

static struct process *find_exec(const struct container *container, const char *exec)
{
	for (struct process *process = container->execs; process; process = process->next) {
		if (strcmp(process->exec, exec) == 0)
			return process;
	}
	return NULL;
}

int tasks_find_any(const struct tasks *tasks, const char *id, const char *exec, struct process **ret, struct error *err)
{
	struct container *container = find_container(tasks, id);

	if (!container)
		return error_set(err, ENOENT, "container \"%s\" is not in this sandbox", SHOW(slice_string(id)));
	struct process *process = *exec ? find_exec(container, exec) : &container->first;
	if (!process)
		return error_set(err, ENOENT, "container \"%s\" has no process \"%s\"", container->id, SHOW(slice_string(exec)));
	*ret = process;
	return 0;
}

int tasks_find(const struct tasks *tasks, const char *id, const char *exec, struct process **ret, struct error *err)
{
	struct process *process;
	int r = tasks_find_any(tasks, id, exec, &process, err);

	if (r < 0)
		return r;
	if (process->state == PROCESS_CREATING) {
		error_set(err, ENOENT, "it is being created");
		return process_wrap(process, err);
	}
	*ret = process;
	return 0;
}

int process_wrap(const struct process *process, struct error *err)
{
	if (process_is_first(process))
		return error_wrap(err, "container \"%s\"", process->container->id);
	return error_wrap(err, "process \"%s\" of container \"%s\"", process->exec, process->container->id);
}

/* ── Adding and removing ── */

static void process_clear(struct process *process)
{
	free(process->exec);
	free(process->in);
	free(process->out);
	free(process->err);
}

static void container_free(struct container *container)
{
	if (!container)
		return;
	process_clear(&container->first);
	free(container->id);
	free(container->bundle);
	free(container);
}
DEFINE_CLEANUP(struct container *, container_free);

static void exec_free(struct process *process)
{
	if (!process)
		return;
	process_clear(process);
	free(process);
}
DEFINE_CLEANUP(struct process *, exec_free);

struct process *process_ref(struct process *process)
{
	process->references++;
	return process;
}

void process_unref(struct process *process)
{
	struct container *container = process->container;

	if (--process->references > 0)
		return;
	if (process_is_first(process)) {
		container_free(container);
		return;
	}
	exec_free(process);
	process_unref(&container->first);
}

static int process_init(struct process *process, const char *exec, const struct process_stdio *stdio, struct error *err)
{
	process->references = 1;
	process->exec = strdup(exec);
	process->in = strdup(stdio->in);
	process->out = strdup(stdio->out);
	process->err = strdup(stdio->err);
	process->terminal = stdio->terminal;
	return process->exec && process->in && process->out && process->err ? 0 : error_nomem(err);
}

int tasks_add(struct tasks *tasks, const char *id, const char *bundle, const struct process_stdio *stdio, struct process **ret,
	      struct error *err)
{
	int r = spec_check_id("container", id, err);

	if (r < 0)
		return r;
	if (find_container(tasks, id))
		return error_set(err, EEXIST, "container \"%s\" is in this sandbox already", id);
	if (tasks->n >= TASKS_MAX)
		return error_set(err, ENOSPC, "container \"%s\" is one too many: a VM has at most %d", id, TASKS_MAX);
	_cleanup_(container_freep) struct container *container = calloc(1, sizeof(*container));
	if (!container)
		return error_nomem(err);
	container->first.container = container;
	container->id = strdup(id);
	container->bundle = strdup(bundle);
	if (!container->id || !container->bundle)
		return error_nomem(err);
	r = process_init(&container->first, "", stdio, err);
	if (r < 0)
		return r;
	container->next = tasks->containers;
	tasks->containers = container;
	tasks->n++;
	*ret = &TAKE_PTR(container)->first;
	return 0;
}

static size_t count_execs(const struct container *container)
{
	size_t n = 0;

	for (const struct process *process = container->execs; process; process = process->next)
		n++;
	return n;
}

int tasks_add_exec(struct container *container, const char *exec, const struct process_stdio *stdio, struct process **ret, struct error *err)
{
	int r = spec_check_id("process", exec, err);

	if (r < 0)
		return r;
	if (find_exec(container, exec))
		return error_set(err, EEXIST, "container \"%s\" has a process \"%s\" already", container->id, exec);
	if (count_execs(container) >= EXECS_MAX)
		return error_set(err, ENOSPC, "container \"%s\" has %d processes that were executed in it, and can have no more",
				 container->id, EXECS_MAX);
	_cleanup_(exec_freep) struct process *process = calloc(1, sizeof(*process));
	if (!process)
		return error_nomem(err);
	process->container = container;
	r = process_init(process, exec, stdio, err);
	if (r < 0)
		return r;
	process_ref(&container->first);
	process->next = container->execs;
	container->execs = process;
	*ret = TAKE_PTR(process);
	return 0;
}

static void remove_exec(struct process *process)
{
	struct process **at = &process->container->execs;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	process->removed = true;
	process_unref(process);
}

void tasks_remove(struct tasks *tasks, struct process *process)
{
	struct container *container = process->container;
	struct container **at = &tasks->containers;

	if (process->removed)
		return;
	if (!process_is_first(process)) {
		remove_exec(process);
		return;
	}
	while (container->execs)
		remove_exec(container->execs);
	while (*at != container)
		at = &(*at)->next;
	*at = container->next;
	tasks->n--;
	process->removed = true;
	process_unref(process);
}

/* ── Ending ── */

static void waiter_free(struct waiter *waiter)
{
	*waiter->at = waiter->next;
	if (waiter->next)
		waiter->next->at = waiter->at;
	free(waiter);
}

static void on_gone(void *context, struct ttrpc_call *call)
{
	waiter_free(context);
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

void process_wait(struct process *process, struct ttrpc_call *call)
{
	if (process->state == PROCESS_STOPPED || process->state == PROCESS_DELETING) {
		answer_wait(call, process);
		return;
	}
	struct waiter *waiter = malloc(sizeof(*waiter));
	if (!waiter) {
		ttrpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	*waiter = (struct waiter){ process->waiters, &process->waiters, call };
	if (waiter->next)
		waiter->next->at = &waiter->next;
	process->waiters = waiter;
	ttrpc_call_on_gone(call, on_gone, waiter);
}

bool process_ended(struct process *process, uint32_t status, const struct timespec *at)
{
	if (!process_exit(&process->state))
		return false;
	process->exit_status = status;
	process->exited_at = *at;
	while (process->waiters) {
		struct ttrpc_call *call = process->waiters->call;
		waiter_free(process->waiters);
		answer_wait(call, process);
	}
	return true;
}

Task__Status process_status(const struct process *process)
{
	static const Task__Status statuses[PROCESS_STATES] = {
		[PROCESS_CREATING] = TASK__STATUS__UNKNOWN,	[PROCESS_CREATED] = TASK__STATUS__CREATED,
		[PROCESS_STARTING] = TASK__STATUS__CREATED,	[PROCESS_RUNNING] = TASK__STATUS__RUNNING,
		[PROCESS_PAUSING] = TASK__STATUS__PAUSING,	[PROCESS_PAUSED] = TASK__STATUS__PAUSED,
		[PROCESS_RESUMING] = TASK__STATUS__PAUSED,	[PROCESS_STOPPED] = TASK__STATUS__STOPPED,
		[PROCESS_DELETING] = TASK__STATUS__STOPPED,
	};
	const enum process_state first = process->container->first.state;

	if (process->state == PROCESS_RUNNING && (first == PROCESS_PAUSING || first == PROCESS_PAUSED || first == PROCESS_RESUMING))
		return statuses[first];
	return statuses[process->state];
}
