// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_GRPC_SESSION_H
#define HOLDFAST_RPC_GRPC_SESSION_H

#include <nghttp2/nghttp2.h>

#include "common/rpc/grpc.h"
#include "common/rpc/load.h"
#include "common/rpc/grpc_message.h"

/*
 * One HTTP/2 connection with gRPC calls on it, either side of it, without I/O: feed bytes, take output. For grpc_server.c,
 * grpc_client.c, tests and the fuzzer.
 */
struct grpc_session;

/* `service` NULL: the client's side. `wake` is called when there is output that no feed has brought about; not from within feed. */
struct grpc_session_options {
	const struct grpc_service *service; /* must outlive the session */
	struct rpc_load *load;              /* of all sessions of the server; may be NULL */
	void (*wake)(void *context);
	void *context;
};

int grpc_session_new(const struct grpc_session_options *options, struct grpc_session **ret, struct error *err) must_check;
/* Calls that are not over end: the client's with UNAVAILABLE and `why` (or CANCELLED, if NULL), the server's are gone. Accepts NULL. */
void grpc_session_free(struct grpc_session *session, const struct error *why);

/*
 * -EPROTO: no HTTP/2, or a peer that breaks it or makes us queue GRPC_FRAMES_MAX frames that it does not take: send the output (it says so
 * to the peer), then close.
 */
#define GRPC_FRAMES_MAX 1024
int grpc_session_feed(struct grpc_session *session, struct slice bytes, struct error *err) must_check;
/* Appends what is to be sent, about GRPC_OUTPUT_CHUNK bytes at most: call it again when that is sent. */
#define GRPC_OUTPUT_CHUNK (64 * 1024)
int grpc_session_output(struct grpc_session *session, struct buf *out, struct error *err) must_check;
/* Neither side has anything more to say. */
bool grpc_session_is_done(const struct grpc_session *session);

/* The client's side of a call; it is freed when receiver->end returns. */
int grpc_session_call(struct grpc_session *session, const struct grpc_request *request, const struct grpc_receiver *receiver,
		      struct grpc_call **ret, struct error *err) must_check;
/* The receiver hears nothing more; the session frees the call when it may. */
void grpc_session_cancel(struct grpc_call *call);

/* ── Between grpc_session.c and grpc_call.c ── */

/*
 *	server:  RECEIVING ──whole request──► HANDLING ──grpc_call_finish──► FINISHED
 *	client:  RECEIVING ─────────────────────────────────────────────────► FINISHED
 *
 * A call belongs to two: to the session until its stream is closed, and to the handler while it is HANDLING.
 */
enum grpc_call_state { GRPC_RECEIVING, GRPC_HANDLING, GRPC_FINISHED };

struct grpc_call {
	struct grpc_session *session; /* NULL: the stream is closed */
	struct grpc_call *previous, *next;
	int32_t stream;
	enum grpc_call_state state;
	size_t header_bytes;
	struct grpc_reader in;
	struct buf out; /* prefixed messages */
	size_t sent;    /* of out */

	/* server */
	struct rpc_load *load; /* where it counts; NULL: it does not */
	char path[128];
	bool whole;           /* the peer has ended its request */
	bool bad_type, began; /* the response headers are submitted */
	size_t n_requests;
	void (*gone)(void *context, struct grpc_call *call);
	void *gone_context;
	enum rpc_status status; /* both sides */
	struct buf words;       /* server: encoded; client: decoded */

	/* client */
	struct grpc_receiver receiver;
	bool streaming, has_status, refused; /* refused: by us; status and words are set */
	unsigned http_status;
	size_t n_answers;
};

struct grpc_session {
	nghttp2_session *h2;
	struct grpc_session_options options;
	struct rpc_load *load; /* the server's side */
	struct grpc_call *calls;
	size_t n_calls;
	bool feeding;
};

struct grpc_call *grpc_call_new(struct grpc_session *session) must_check;
/* The stream is closed: frees the call, or leaves it to its handler. */
void grpc_call_detach(struct grpc_call *call);
void grpc_session_wake(struct grpc_session *session);

/* Server: DATA came, the request is whole. */
void grpc_call_receive(struct grpc_call *call, struct slice bytes);
void grpc_call_dispatch(struct grpc_call *call);
/* Client: answers came, the stream was closed with this HTTP/2 error. */
void grpc_call_receive_answers(struct grpc_call *call, struct slice bytes);
void grpc_call_conclude(struct grpc_call *call, uint32_t h2_error);
void grpc_call_end(struct grpc_call *call, enum rpc_status status, const char *words);

#define GRPC_CONTENT_TYPE "application/grpc"

static inline nghttp2_nv grpc_header(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE };
}

/* What DATA frames are made from; for nghttp2_submit_request and _response. */
nghttp2_data_provider grpc_call_body(struct grpc_call *call);

#endif
