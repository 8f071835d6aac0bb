// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_AGENT_METHODS_H
#define HOLDFAST_VM_AGENT_METHODS_H

#include "kata-shim/vm/agent/agent.h"

/* What the client knows of each method. */
struct agent_method_row {
	const char *service, *name;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *answer; /* NULL: not read */
	size_t answer_max;                        /* bytes */
	uint64_t timeout_ms;                      /* 0: it answers when there is something */
};

const struct agent_method_row *agent_method_row(enum agent_method method);

#endif
