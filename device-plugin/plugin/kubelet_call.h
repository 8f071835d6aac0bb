// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_KUBELET_CALL_H
#define HOLDFAST_PLUGIN_KUBELET_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "common/rpc/grpc.h"

/*
 * A call to kubelet that is tried again as long as kubelet says that there were too many: PodResources and the Pods API take 10 at once
 * and 100 in a second, from all clients together.
 */
struct kubelet_call;

struct kubelet_question {
	struct grpc_client *client; /* must outlive the call, or end it */
	const char *path;           /* of the method; static */
	const ProtobufCMessage *message;
	uint64_t timeout_ms; /* of all tries together */
	/*
	 * Once, from the loop. `answer` is valid until it returns. Else r says why there is none: ENOENT: kubelet says NOT_FOUND; EAGAIN:
	 * any other failure; the call and kubelet's words are in `err`.
	 */
	void (*answered)(void *context, int r, struct slice answer, const struct error *err);
	void *context;
};

int kubelet_call(uv_loop_t *loop, const struct kubelet_question *question, struct kubelet_call **ret, struct error *err) must_check;
/* `answered` will not be called. Accepts NULL. */
void kubelet_call_cancel(struct kubelet_call *call);

#endif
