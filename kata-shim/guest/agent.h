// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_AGENT_H
#define HOLDFAST_GUEST_AGENT_H

#include "common/proto/agent.pb-c.h"
#include "common/proto/message.h"
#include "common/rpc/ttrpc.h"
#include "kata-shim/guest/children.h"
#include "kata-shim/guest/clock.h"
#include "kata-shim/guest/sandbox.h"

/*
 * The agent in a VM's guest: process 1, one loop, no threads. It serves grpc.Health, grpc.AgentService (common/proto/agent.proto) and
 * holdfast.Guest. Every method's context is the agent.
 */
struct containers;

struct agent {
	uv_loop_t *loop;
	bool init; /* process 1 of a machine of its own; else a test's, in namespaces of its own */
	struct children *children;
	struct sandbox sandbox;
	struct guest_clock clock;
	struct containers *containers; /* container.h */
	struct copies *copies;         /* copy.h */
	struct forwards *forwards;     /* forward.h */
	struct ttrpc_server *server;
	pid_t share_probe; /* asks the share (share_probe.h); 0: nobody does */
};

/*
 * The rows of grpc.AgentService, each from the file that serves them. services.c joins them. Messages of requests are read with
 *
 *	static void handle_start(void *context, struct ttrpc_call *call, struct slice request)
 *	{
 *		_cleanup_(message_freep) Agent__StartContainerRequest *message = NULL;
 *		struct error err;
 *		int r = message_read(&agent__start_container_request__descriptor, request, &message, &err);
 *		if (r == 0)
 *			r = container_start(context, message->container_id, &err);
 *		agent_answer_empty(call, r, &err);
 *	}
 */
struct method_rows {
	const struct ttrpc_method *rows;
	size_t n;
};

extern const struct method_rows sandbox_methods, network_methods, copy_methods;
extern const struct method_rows guest_copy_methods, forward_methods; /* of holdfast.Guest */
/* Create-, Start-, Update-, Stats-, Remove-, Pause- and ResumeContainer, GetOOMEvent; Exec-, Signal- and WaitProcess, and streams. */
extern const struct method_rows container_methods, process_methods, stream_methods;

/* Ends the call: with `err` if r < 0. Messages are at most TTRPC_MESSAGE_MAX. */
void agent_answer(struct ttrpc_call *call, const ProtobufCMessage *message);
void agent_answer_empty(struct ttrpc_call *call, int r, const struct error *err);

/* A container's or a process's id, as it becomes part of paths: 2 to 128 of [A-Za-z0-9_.-], beginning with a letter or a digit. EINVAL */
int agent_check_id(const char *what, const char *id, struct error *err) must_check;

#endif
