// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SCRIPTED_AGENT_H
#define HOLDFAST_TESTS_SCRIPTED_AGENT_H

#include "common/proto/message.h"
#include "kata-shim/vm/agent/agent.h"

/* The other end of a real connection: a ttrpc server that says what a test wants, on the same loop. */
struct scripted_agent {
	uv_loop_t *loop;
	struct ttrpc_server *server;
	struct agent *agent; /* the client, who believes it */
	/* Answers the call, at once or later. `method` is "Health/Check" or the bare name of a method of the agent's. */
	void (*handle)(void *context, const char *method, struct ttrpc_call *call, struct slice request);
	void *context;
};

/* One at a time. */
void scripted_agent_start(struct scripted_agent *scripted, uv_loop_t *loop,
			  void (*handle)(void *context, const char *method, struct ttrpc_call *call, struct slice request), void *context);
void scripted_agent_stop(struct scripted_agent *scripted);
void scripted_answer(struct ttrpc_call *call, const ProtobufCMessage *message);

#endif
