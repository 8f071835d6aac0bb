// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/events.h"

#include "kata-shim/task/events.pb-c.h"

static Task__Timestamp timestamp(const struct timespec *at)
{
	Task__Timestamp ret = TASK__TIMESTAMP__INIT;

	ret.seconds = at->tv_sec;
	ret.nanos = (int32_t)at->tv_nsec;
	return ret;
}

void event_create(struct publisher *publisher, const struct process *process, const Task__CreateRequest *request)
{
	Events__TaskIO io = EVENTS__TASK_IO__INIT;
	Events__TaskCreate event = EVENTS__TASK_CREATE__INIT;

	io.stdin = process->in;
	io.stdout = process->out;
	io.stderr = process->err;
	io.terminal = process->terminal;
	event.container_id = process->container->id;
	event.bundle = process->container->bundle;
	event.rootfs = request->rootfs;
	event.n_rootfs = request->n_rootfs;
	event.io = &io;
	event.pid = process->pid;
	publisher_send(publisher, "/tasks/create", "containerd.events.TaskCreate", &event.base);
}

void event_exec_added(struct publisher *publisher, const struct process *process)
{
	Events__TaskExecAdded event = EVENTS__TASK_EXEC_ADDED__INIT;

	event.container_id = process->container->id;
	event.exec_id = process->exec;
	publisher_send(publisher, "/tasks/exec-added", "containerd.events.TaskExecAdded", &event.base);
}

static void exec_started(struct publisher *publisher, const struct process *process)
{
	Events__TaskExecStarted event = EVENTS__TASK_EXEC_STARTED__INIT;

	event.container_id = process->container->id;
	event.exec_id = process->exec;
	event.pid = process->pid;
	publisher_send(publisher, "/tasks/exec-started", "containerd.events.TaskExecStarted", &event.base);
}

void event_start(struct publisher *publisher, const struct process *process)
{
	Events__TaskStart event = EVENTS__TASK_START__INIT;

	if (!process_is_first(process)) {
		exec_started(publisher, process);
		return;
	}
	event.container_id = process->container->id;
	event.pid = process->pid;
	publisher_send(publisher, "/tasks/start", "containerd.events.TaskStart", &event.base);
}

void event_exit(struct publisher *publisher, const struct process *process)
{
	Task__Timestamp at = timestamp(&process->exited_at);
	Events__TaskExit event = EVENTS__TASK_EXIT__INIT;

	event.container_id = process->container->id;
	event.id = process_is_first(process) ? process->container->id : process->exec;
	event.pid = process->pid;
	event.exit_status = process->exit_status;
	event.exited_at = &at;
	publisher_send(publisher, "/tasks/exit", "containerd.events.TaskExit", &event.base);
}

void event_delete(struct publisher *publisher, const struct process *process)
{
	Task__Timestamp at = timestamp(&process->exited_at);
	Events__TaskDelete event = EVENTS__TASK_DELETE__INIT;

	event.container_id = process->container->id;
	event.pid = process->pid;
	event.exit_status = process->exit_status;
	event.exited_at = &at;
	publisher_send(publisher, "/tasks/delete", "containerd.events.TaskDelete", &event.base);
}

static void container_event(struct publisher *publisher, const struct process *process, const char *topic, const char *type)
{
	Events__TaskContainer event = EVENTS__TASK_CONTAINER__INIT;

	event.container_id = process->container->id;
	publisher_send(publisher, topic, type, &event.base);
}

void event_paused(struct publisher *publisher, const struct process *process)
{
	container_event(publisher, process, "/tasks/paused", "containerd.events.TaskPaused");
}

void event_resumed(struct publisher *publisher, const struct process *process)
{
	container_event(publisher, process, "/tasks/resumed", "containerd.events.TaskResumed");
}

void event_oom(struct publisher *publisher, const struct process *process)
{
	container_event(publisher, process, "/tasks/oom", "containerd.events.TaskOOM");
}
