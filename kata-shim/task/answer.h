// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_ANSWER_H
#define HOLDFAST_TASK_ANSWER_H

#include "common/rpc/ttrpc.h"
#include "common/proto/message.h"

struct process;

/* Each ends the call. */
void answer(struct ttrpc_call *call, const ProtobufCMessage *message);
void answer_empty(struct ttrpc_call *call);
void answer_pid(struct ttrpc_call *call, uint32_t pid);
void answer_wait(struct ttrpc_call *call, const struct process *process);
void answer_deleted(struct ttrpc_call *call, const struct process *process);
void answer_state(struct ttrpc_call *call, const struct process *process);
void answer_pids(struct ttrpc_call *call, const struct process *process);
void answer_connect(struct ttrpc_call *call, uint32_t task_pid);
/* `value` is of the type `type_url`. */
void answer_stats(struct ttrpc_call *call, const char *type_url, struct slice value);

/*
 * The edge: an error of ours as containerd understands it (errdefs). NOT_FOUND is for what it takes as done: CRI goes on then. So neither
 * a file that is missing when a container is made, nor what we cannot do, may be said with the codes of the protocol.
 */
void answer_error(struct ttrpc_call *call, const struct error *err);
void answer_error_of_create(struct ttrpc_call *call, const struct error *err);

#endif
