// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_TTRPC_MESSAGE_H
#define HOLDFAST_RPC_TTRPC_MESSAGE_H

#include "common/base/buf.h"
#include "common/rpc/status.h"

/*
 * What is in a request frame and in a response frame (github.com/containerd/ttrpc, request.proto):
 *
 *	Request  { string service = 1; string method = 2; bytes payload = 3; int64 timeout_nano = 4; repeated KeyValue metadata = 5; }
 *	KeyValue { string key = 1; string value = 2; }
 *	Response { google.rpc.Status status = 1; bytes payload = 2; }        Status { int32 code = 1; string message = 2; … }
 *
 * Read and written in place: a payload of megabytes is not copied, and nothing that a peer sends allocates.
 */
struct ttrpc_request_message {
	struct slice service, method, payload;
	int64_t timeout_ns;    /* 0: none */
	struct slice metadata; /* for ttrpc_metadata_next */
};

struct ttrpc_response_message {
	enum rpc_status status;
	struct slice words, payload;
};

struct ttrpc_metadata {
	struct slice key, value; /* Go's peers look keys up in lower case */
};

/* The slices are parts of `bytes`. EINVAL: no such message. A status that nobody knows is UNKNOWN. */
int ttrpc_request_read(struct slice bytes, struct ttrpc_request_message *ret, struct error *err) must_check;
int ttrpc_response_read(struct slice bytes, struct ttrpc_response_message *ret, struct error *err) must_check;

/* Takes one pair from the front of `*from`, which ttrpc_request_read has checked. False: there is none. */
bool ttrpc_metadata_next(struct slice *from, struct ttrpc_metadata *ret) must_check;

/* Appends. `metadata` of the request is not looked at: the pairs are. */
void ttrpc_request_write(const struct ttrpc_request_message *request, const struct ttrpc_metadata *pairs, size_t n_pairs, struct buf *out);
/* Words that are no UTF-8 are mended, for Go's peers refuse the whole message. */
void ttrpc_response_write(const struct ttrpc_response_message *response, struct buf *out);

#endif
