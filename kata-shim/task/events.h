// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_EVENTS_H
#define HOLDFAST_TASK_EVENTS_H

#include "kata-shim/task/publisher.h"
#include "kata-shim/task/tasks.h"

/* What has just happened to a process, as containerd's events (runtime/events.go, api/events/task.proto). */
void event_create(struct publisher *publisher, const struct process *process, const Task__CreateRequest *request);
void event_exec_added(struct publisher *publisher, const struct process *process);
void event_start(struct publisher *publisher, const struct process *process); /* of an exec: exec-started */
void event_exit(struct publisher *publisher, const struct process *process);
void event_delete(struct publisher *publisher, const struct process *process);
void event_paused(struct publisher *publisher, const struct process *process);
void event_resumed(struct publisher *publisher, const struct process *process);
void event_oom(struct publisher *publisher, const struct process *process);

#endif
