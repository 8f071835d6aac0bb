// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_PUBLISHER_H
#define HOLDFAST_TASK_PUBLISHER_H

#include <uv.h>

#include "common/proto/message.h"

/*
 * Tells containerd what has happened, in the order in which it did: one event is on its way at a time, and is sent again until containerd
 * has taken it, also over a restart of containerd. What waits is bounded; when that is full the oldest is lost, and logged.
 */
#define PUBLISHER_EVENTS_MAX 512
#define PUBLISHER_BYTES_MAX (512 * 1024)
#define PUBLISHER_REFUSALS_MAX 5 /* so often may containerd refuse one event before it is given up for the next */

struct publisher;

/* `path`: of containerd's ttrpc socket. NULL or "": nobody is told anything. ENAMETOOLONG, ENOMEM. */
int publisher_new(uv_loop_t *loop, const char *path, const char *namespace, struct publisher **ret, struct error *err) must_check;

/* `type` is the event's name, "containerd.events.TaskExit"; `topic` its topic, "/tasks/exit". What cannot be kept is lost, and logged. */
void publisher_send(struct publisher *publisher, const char *topic, const char *type, const ProtobufCMessage *event);

/*
 * Ends when all is sent, or after `timeout_ms`: `done` is called from the loop, and the publisher is freed from there. Nothing can be sent
 * any more.
 */
void publisher_finish(struct publisher *publisher, uint64_t timeout_ms, void (*done)(void *context), void *context);

#endif
