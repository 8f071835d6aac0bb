// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_GRPC_H
#define HOLDFAST_RPC_GRPC_H

#include <uv.h>

#include "common/base/cleanup.h"
#include "common/rpc/status.h"

/*
 * gRPC over HTTP/2 on unix sockets: what the kubelet's plugin interfaces and the SPIFFE Workload API need. A call has exactly one request
 * and any number of answers. Everything runs in the thread of the loop; messages are serialised by the caller (protobuf-c). The program
 * must ignore SIGPIPE: libuv writes with write(2).
 */
#define GRPC_MESSAGE_MAX (4 * 1024 * 1024) /* bytes; as grpc-go's default for what it receives */
#define GRPC_CALLS_MAX 64                  /* at a time on one connection; a further one is refused (REFUSED_STREAM) */
#define GRPC_RECEIVING_MAX                                                                                                                 \
	(2 * GRPC_MESSAGE_MAX)  /* of requests on one connection that are not handled yet; the call that asks for more fails */
#define GRPC_HEADERS_MAX 8192   /* bytes of names and values of one call */
#define GRPC_CONNECTIONS_MAX 16 /* of one server; further ones are closed */
#define GRPC_HANDLED_MAX (GRPC_CONNECTIONS_MAX * GRPC_CALLS_MAX) /* by one server, gone or not; of one connection GRPC_CALLS_MAX */
#define GRPC_UNSENT_MAX (2 * GRPC_MESSAGE_MAX)                   /* answers that the peer of one call has not taken */

/* ── The server ── */

struct grpc_call;

struct grpc_method {
	const char *path; /* "/v1beta1.DevicePlugin/Allocate" */
	/*
	 * `request` is valid until this returns. Must end in exactly one grpc_call_finish (or _answer, _fail), at once or later, whether or
	 * not the peer is still there.
	 */
	void (*handle)(void *context, struct grpc_call *call, struct slice request);
};

struct grpc_service {
	const struct grpc_method *methods; /* must outlive the server */
	size_t n_methods;
	void *context;
};

/* One more answer. A peer that does not take its answers (GRPC_UNSENT_MAX) loses the call, which is then gone. */
void grpc_call_send(struct grpc_call *call, struct slice message);
/* Ends the call; it is not the caller's any more. `message` may be NULL. */
void grpc_call_finish(struct grpc_call *call, enum rpc_status status, const char *message);
void grpc_call_answer(struct grpc_call *call, struct slice message); /* send, and finish with OK */
void grpc_call_fail(struct grpc_call *call, const struct error *err);
/* `gone` is called once if the peer gives the call up before it is finished. It still has to be finished, for example there. */
void grpc_call_on_gone(struct grpc_call *call, void (*gone)(void *context, struct grpc_call *call), void *context);

struct grpc_server;

/*
 * Listens on a unix socket of mode 0600 and lets in the peers of user `uid` only (SO_PEERCRED). A socket file that is there is replaced.
 * ENAMETOOLONG; errors of bind(2) with the path.
 */
int grpc_server_start(uv_loop_t *loop, const char *path, uid_t uid, const struct grpc_service *service, struct grpc_server **ret,
		      struct error *err) must_check;
/* Removes the socket and drops every connection: calls that are being handled are gone. Freed from the loop, which must run. Accepts NULL.
 */
void grpc_server_stop(struct grpc_server *server);

/* ── The client ── */

struct grpc_client;
struct grpc_client_call;

struct grpc_receiver {
	void (*message)(void *context, struct slice message); /* each answer; valid until this returns */
	/* Once, as the last; after it the call is freed. `words` is the peer's message, or says what happened; never NULL. */
	void (*end)(void *context, enum rpc_status status, const char *words);
	void *context;
};

struct grpc_request {
	const char *path;
	struct slice message;
	bool streaming;      /* any number of answers; else OK means exactly one (otherwise INTERNAL) */
	uint64_t timeout_ms; /* 0: none; DEADLINE_EXCEEDED */
};

/* Connects with the first call, and again with the next one after a connection was lost. */
int grpc_client_new(uv_loop_t *loop, const char *path, struct grpc_client **ret, struct error *err) must_check;
/* Every call ends with CANCELLED, from within. Freed from the loop, which must run. Accepts NULL. */
void grpc_client_close(struct grpc_client *client);

/* What cannot even be begun is an error (ENOMEM, EBUSY: GRPC_CALLS_MAX); all else is said by `receiver->end`, never from within this call.
 */
int grpc_client_call(struct grpc_client *client, const struct grpc_request *request, const struct grpc_receiver *receiver,
		     struct grpc_client_call **ret, struct error *err) must_check;
/* The receiver hears nothing more. */
void grpc_client_cancel(struct grpc_client_call *call);

#endif
