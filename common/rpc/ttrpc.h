// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_TTRPC_H
#define HOLDFAST_RPC_TTRPC_H

#include <uv.h>

#include "common/rpc/status.h"
#include "common/rpc/ttrpc_frame.h"
#include "common/rpc/ttrpc_message.h"

/*
 * ttrpc: what containerd speaks with its shims, and a shim with Kata's agent. Calls on a connection are independent: answers come in any
 * order. Everything runs in the thread of the loop; messages are serialised by the caller (protobuf-c). Nothing is allocated for an idle
 * connection but itself. The program must ignore SIGPIPE: libuv writes with write(2).
 *
 * A call has one request and one answer, or streams: either side may send any number of messages. ttrpc has no flow control and no way to
 * say that a call is given up: a server hears of that only by the request's timeout and by the end of the connection.
 */
#define TTRPC_CALLS_MAX 1024      /* at a time on one connection; a further one fails with RESOURCE_EXHAUSTED */
#define TTRPC_CONNECTIONS_MAX 128 /* of one server; further ones are closed. containerd makes one for each container of a pod */
#define TTRPC_HANDLED_MAX 4096    /* by one server, whether or not their peers still wait; further ones: RESOURCE_EXHAUSTED */
#define TTRPC_UNSENT_MAX                                                                                                                   \
	(4 * TTRPC_MESSAGE_MAX) /* on one connection; what would pass it fails with RESOURCE_EXHAUSTED, and the connection lives */

/* ── The server ── */

struct ttrpc_call;

struct ttrpc_method {
	const char *name; /* "Wait" */
	/*
	 * `request` is valid until this returns. Must end in exactly one ttrpc_call_finish (or _answer, _fail), at once or later, whether
	 * or not the peer is still there.
	 */
	void (*handle)(void *context, struct ttrpc_call *call, struct slice request);
	bool streams; /* any number of answers (ttrpc_call_send); else one */
	/*
	 * The caller streams: each of its messages, valid until this returns; then NULL, once. A message that came with the request is that
	 * of `handle`, which else has an empty one. NULL: the method takes the request only.
	 */
	void (*receive)(void *context, struct ttrpc_call *call, const struct slice *message);
};

struct ttrpc_service {
	const char *name; /* "containerd.task.v3.Task" */
	const struct ttrpc_method *methods;
	size_t n_methods;
	void *context;
};

struct ttrpc_services {
	const struct ttrpc_service *services; /* must outlive the server, as all that it points to */
	size_t n;
};

/* The value of the first pair with this key; only from within `handle`. */
bool ttrpc_call_metadata(const struct ttrpc_call *call, const char *key, struct slice *ret) must_check;
/* What is left of its timeout, at least 1, for calls that this one needs; 0: it has none. */
uint64_t ttrpc_call_left_ms(const struct ttrpc_call *call);
/*
 * One more answer of a method that streams. False: the call is over for the peer, who is gone or does not take its answers; it still has to
 * be finished, and `gone` is not called.
 */
bool ttrpc_call_send(struct ttrpc_call *call, struct slice message) must_check;
/* Ends the call; it is not the caller's any more. `words` may be NULL; above 1.5 KiB they are cut. */
void ttrpc_call_finish(struct ttrpc_call *call, enum rpc_status status, const char *words);
void ttrpc_call_answer(struct ttrpc_call *call, struct slice message); /* the last answer; OK */
void ttrpc_call_fail(struct ttrpc_call *call, const struct error *err);
/*
 * `gone` is called once if the call is over for the peer before it is finished: its connection is lost, or the timeout of its request has
 * passed, which the server has told it then. It still has to be finished, for example there.
 */
void ttrpc_call_on_gone(struct ttrpc_call *call, void (*gone)(void *context, struct ttrpc_call *call), void *context);

struct ttrpc_server;

/*
 * Listens on a unix socket of mode 0600 and lets in the peers of user `uid` only (SO_PEERCRED). A socket file that is there is replaced.
 * ENAMETOOLONG; errors of bind(2) with the path.
 */
int ttrpc_server_start(uv_loop_t *loop, const char *path, uid_t uid, const struct ttrpc_services *services, struct ttrpc_server **ret,
		       struct error *err) must_check;
/* One without a socket of its own, which serves the connections that it is given. */
int ttrpc_server_new(uv_loop_t *loop, const struct ttrpc_services *services, struct ttrpc_server **ret, struct error *err) must_check;
/*
 * Serves the peer of a connected stream of whatever family, or of a character device: `fd` is the server's from now on, also if this fails.
 * EBUSY: TTRPC_CONNECTIONS_MAX. `lost` may be NULL; it is called once, when the connection is no more, unless the server was stopped.
 */
int ttrpc_server_add(struct ttrpc_server *server, int fd, void (*lost)(void *context, const struct error *why), void *context,
		     struct error *err) must_check;
/*
 * Removes the socket and drops every connection, after the answers that are given already: calls that are being handled are gone, and no
 * further one is handled. Freed from the loop, which must run. Accepts NULL.
 */
void ttrpc_server_stop(struct ttrpc_server *server);

/* ── The client ── */

struct ttrpc_client;
struct ttrpc_client_call;

struct ttrpc_receiver {
	void (*message)(void *context, struct slice message); /* each answer; valid until this returns */
	/* Once, as the last; the call is freed. `words` is the peer's message, cut to 1 KiB, or says what happened; never NULL. */
	void (*end)(void *context, enum rpc_status status, const char *words);
	void *context;
};

struct ttrpc_request {
	const char *service, *method;
	struct slice message;
	uint64_t timeout_ms; /* 0: none; DEADLINE_EXCEEDED, and the server is told of it with the request */
	const struct ttrpc_metadata *metadata;
	size_t n_metadata;
	bool streaming; /* any number of answers; else OK means exactly one */
	bool open;      /* more messages follow: ttrpc_client_send, then ttrpc_client_end_sending */
};

/* Connects with the first call, and again with the next one after a connection was lost. ENAMETOOLONG */
int ttrpc_client_new(uv_loop_t *loop, const char *path, struct ttrpc_client **ret, struct error *err) must_check;
/*
 * On a connected stream socket, of whatever family, which is the client's from now on, also if this fails. Once it is lost, calls cannot be
 * begun (EPIPE, with the reason).
 */
int ttrpc_client_open(uv_loop_t *loop, int fd, struct ttrpc_client **ret, struct error *err) must_check;
/* Every call ends with CANCELLED, from the loop, which must run: the client is freed there. Accepts NULL. */
void ttrpc_client_close(struct ttrpc_client *client);

/*
 * What cannot even be begun is an error (ENOMEM; EBUSY: TTRPC_CALLS_MAX; ENOBUFS: a message above TTRPC_MESSAGE_MAX, TTRPC_UNSENT_MAX); all
 * else is said by `receiver->end`, never from within this call.
 */
int ttrpc_client_call(struct ttrpc_client *client, const struct ttrpc_request *request, const struct ttrpc_receiver *receiver,
		      struct ttrpc_client_call **ret, struct error *err) must_check;
/* The receiver hears nothing more. The server may go on: ttrpc cannot tell it. */
void ttrpc_client_cancel(struct ttrpc_client_call *call);

/* Of a call that is open. ENOBUFS as above, ENOMEM: this message is not sent, the call goes on. */
int ttrpc_client_send(struct ttrpc_client_call *call, struct slice message, struct error *err) must_check;
void ttrpc_client_end_sending(struct ttrpc_client_call *call);

#endif
