// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/answer.h"

#include <errno.h>
#include <unistd.h>

#include "kata-shim/task/tasks.h"

#define ANSWER_MAX (64 * 1024)

void answer(struct ttrpc_call *call, const ProtobufCMessage *message)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ANSWER_MAX);
	struct error err;

	message_write(message, &bytes);
	if (buf_check(&bytes, "answer", &err) < 0)
		ttrpc_call_fail(call, &err);
	else
		ttrpc_call_answer(call, buf_view(&bytes));
}

void answer_empty(struct ttrpc_call *call)
{
	ttrpc_call_answer(call, slice_from(NULL, 0));
}

void answer_pid(struct ttrpc_call *call, uint32_t pid)
{
	Task__PidResponse message = TASK__PID_RESPONSE__INIT;

	message.pid = pid;
	answer(call, &message.base);
}

/* NULL: it has not ended. */
static Task__Timestamp *exit_time(const struct process *process, Task__Timestamp *room)
{
	if (process->state != PROCESS_STOPPED && process->state != PROCESS_DELETING)
		return NULL;
	*room = (Task__Timestamp)TASK__TIMESTAMP__INIT;
	room->seconds = process->exited_at.tv_sec;
	room->nanos = (int32_t)process->exited_at.tv_nsec;
	return room;
}

void answer_wait(struct ttrpc_call *call, const struct process *process)
{
	Task__WaitResponse message = TASK__WAIT_RESPONSE__INIT;
	Task__Timestamp at;

	message.exit_status = process->exit_status;
	message.exited_at = exit_time(process, &at);
	answer(call, &message.base);
}

void answer_deleted(struct ttrpc_call *call, const struct process *process)
{
	Task__DeleteResponse message = TASK__DELETE_RESPONSE__INIT;
	Task__Timestamp at;

	message.pid = process->pid;
	message.exit_status = process->exit_status;
	message.exited_at = exit_time(process, &at);
	answer(call, &message.base);
}

/* containerd's runc shim says the process's own name in `id` and nothing in `exec_id`; Kata's says both. Nobody reads them. */
void answer_state(struct ttrpc_call *call, const struct process *process)
{
	Task__StateResponse message = TASK__STATE_RESPONSE__INIT;
	Task__Timestamp at;

	message.id = process->container->id;
	message.exec_id = process->exec;
	message.bundle = process->container->bundle;
	message.pid = process->pid;
	message.status = process_status(process);
	message.stdin = process->in;
	message.stdout = process->out;
	message.stderr = process->err;
	message.terminal = process->terminal;
	message.exit_status = process->exit_status;
	message.exited_at = exit_time(process, &at);
	answer(call, &message.base);
}

/* After a restart containerd gives up what has none, so it is said of everything that has not ended. */
void answer_pids(struct ttrpc_call *call, const struct process *process)
{
	Task__PidsResponse message = TASK__PIDS_RESPONSE__INIT;
	Task__ProcessInfo info = TASK__PROCESS_INFO__INIT;
	Task__ProcessInfo *list = &info;

	info.pid = process->pid;
	message.processes = &list;
	message.n_processes = process->state != PROCESS_STOPPED && process->state != PROCESS_DELETING;
	answer(call, &message.base);
}

void answer_connect(struct ttrpc_call *call, uint32_t task_pid)
{
	Task__ConnectResponse message = TASK__CONNECT_RESPONSE__INIT;

	message.shim_pid = (uint32_t)getpid();
	message.task_pid = task_pid;
	answer(call, &message.base);
}

void answer_stats(struct ttrpc_call *call, const char *type_url, struct slice value)
{
	Task__StatsResponse message = TASK__STATS_RESPONSE__INIT;
	Task__Any any = TASK__ANY__INIT;

	any.type_url = (char *)type_url;
	any.value = (ProtobufCBinaryData){ value.n, (uint8_t *)value.p };
	message.stats = &any;
	answer(call, &message.base);
}

static enum rpc_status status_of(const struct error *err)
{
	if (err->code == ESRCH)
		return RPC_NOT_FOUND;
	return err->code == EBUSY ? RPC_FAILED_PRECONDITION : rpc_status_of(err);
}

void answer_error(struct ttrpc_call *call, const struct error *err)
{
	ttrpc_call_finish(call, status_of(err), err->message);
}

void answer_error_of_create(struct ttrpc_call *call, const struct error *err)
{
	const enum rpc_status status = status_of(err);

	ttrpc_call_finish(call, status == RPC_NOT_FOUND || status == RPC_UNIMPLEMENTED ? RPC_FAILED_PRECONDITION : status, err->message);
}
