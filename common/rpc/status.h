// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_STATUS_H
#define HOLDFAST_RPC_STATUS_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/* The status of a call, as gRPC and ttrpc send it (google/rpc/code.proto). */
enum rpc_status {
	RPC_OK = 0,
	RPC_CANCELLED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_ALREADY_EXISTS = 6,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_ABORTED = 10,
	RPC_OUT_OF_RANGE = 11,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
	RPC_DATA_LOSS = 15,
	RPC_UNAUTHENTICATED = 16,
};
#define RPC_STATUS_COUNT 17

/* "DEADLINE_EXCEEDED". */
const char *rpc_status_name(enum rpc_status status);

/* The edge: what an error of ours is to a peer. Anything without a better name is UNKNOWN. */
enum rpc_status rpc_status_of(const struct error *err);

/* A status number as a peer sent it, in decimal; what is none of the above, or no number, is UNKNOWN. */
enum rpc_status rpc_status_parse(struct slice text);

/* Header `grpc-message`: bytes outside 0x20..0x7e, and '%', become %XX (gRPC over HTTP/2, "Percent-Encoded"). */
void rpc_message_encode(const char *message, struct buf *out);
/* A '%' that no two hexadecimal digits follow stays as it is, as the specification asks for. NUL ends the message. */
void rpc_message_decode(struct slice text, struct buf *out);

#endif
