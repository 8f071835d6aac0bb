// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_TTRPC_SESSION_H
#define HOLDFAST_RPC_TTRPC_SESSION_H

#include "common/rpc/load.h"
#include "common/rpc/ttrpc.h"

/*
 * One ttrpc connection with calls on it, either side of it, without I/O and without a clock: feed bytes, send output, let time pass. For
 * ttrpc_connection.c, tests and the fuzzer.
 */
struct ttrpc_session;

struct ttrpc_session_options {
	const struct ttrpc_services *services; /* NULL: the client's side */
	struct rpc_load *load;                 /* of all sessions of the server; may be NULL */
	uint64_t (*now_ms)(void *context);     /* never goes back */
	void (*wake)(void *context); /* there is output, or an earlier deadline, that no feed has brought about; not from within one */
	void *context;
};

int ttrpc_session_new(const struct ttrpc_session_options *options, struct ttrpc_session **ret, struct error *err) must_check;
/* Calls that are not over end: the client's with UNAVAILABLE and `why` (or CANCELLED, if NULL), the server's are gone. Accepts NULL. */
void ttrpc_session_free(struct ttrpc_session *session, const struct error *why);

/*
 * Takes bytes from the front of `*bytes`: all, unless a server's output has grown to TTRPC_UNSENT_PAUSE meanwhile: then the rest is for
 * when that is sent. There is nothing in ttrpc that breaks a connection.
 */
#define TTRPC_UNSENT_PAUSE (256 * 1024)
void ttrpc_session_feed(struct ttrpc_session *session, struct slice *bytes);
/* Nothing more is taken, also of what is being fed just now. */
void ttrpc_session_stop(struct ttrpc_session *session);
/* All that is to be sent, empty if nothing is; valid until ttrpc_session_sent. -ENOMEM: an end is lost, the connection must be closed. */
int ttrpc_session_output(struct ttrpc_session *session, struct slice *ret, struct error *err) must_check;
void ttrpc_session_sent(struct ttrpc_session *session);

/* Not after this time something passes its deadline; UINT64_MAX: nothing will. Then call ttrpc_session_expire. */
uint64_t ttrpc_session_deadline_ms(const struct ttrpc_session *session);
void ttrpc_session_expire(struct ttrpc_session *session);

/* The client's side of a call; ttrpc_client_cancel, _send and _end_sending take it. */
int ttrpc_session_call(struct ttrpc_session *session, const struct ttrpc_request *request, const struct ttrpc_receiver *receiver,
		       struct ttrpc_client_call **ret, struct error *err) must_check;
/* The numbers of its streams are used up: it takes no more calls. */
bool ttrpc_session_is_used_up(const struct ttrpc_session *session);

/* ── Between ttrpc_session.c and its two sides, ttrpc_server_call.c and ttrpc_client_call.c ── */

/* What a call of either side begins with. */
struct ttrpc_stream {
	struct ttrpc_session *session; /* NULL: it is not in one any more */
	uint64_t deadline_ms;          /* UINT64_MAX: none */
	uint32_t id;
};

struct ttrpc_side {
	void (*take)(struct ttrpc_session *session, const struct ttrpc_frame *frame);
	void (*expire)(struct ttrpc_stream *stream);                        /* must remove it */
	void (*drop)(struct ttrpc_stream *stream, const struct error *why); /* the connection is lost: must remove it */
};

extern const struct ttrpc_side ttrpc_server_side, ttrpc_client_side;

struct ttrpc_session {
	struct ttrpc_session_options options;
	const struct ttrpc_side *side;
	struct rpc_load *load; /* the server's side */
	struct ttrpc_reader in;
	struct buf out, sending;
	struct ttrpc_stream **streams; /* in the order of their numbers */
	size_t n_streams, capacity;
	uint32_t last_id;
	uint64_t deadline_ms;          /* not after the first of theirs */
	bool feeding, stopped, broken; /* broken: how a call ended could not be queued */
};

/* Room for one more stream. */
bool ttrpc_session_has_room(struct ttrpc_session *session) must_check;
/* `id` is above all others; there is room. timeout_ms 0: no deadline */
void ttrpc_stream_add(struct ttrpc_stream *stream, struct ttrpc_session *session, uint32_t id, uint64_t timeout_ms);
void ttrpc_stream_remove(struct ttrpc_stream *stream);
struct ttrpc_stream *ttrpc_stream_find(const struct ttrpc_session *session, uint32_t id);

/* -ENOBUFS: n bytes are too large for a message, or the peer takes nothing. */
int ttrpc_session_check_size(const struct ttrpc_session *session, size_t n, struct error *err) must_check;
/* What a frame holds is appended to session->out between these two. After an error (ENOBUFS, ENOMEM) nothing of it is there. */
size_t ttrpc_session_begin_frame(struct ttrpc_session *session) must_check;
int ttrpc_session_end_frame(struct ttrpc_session *session, size_t at, struct ttrpc_frame frame, struct error *err) must_check;
int ttrpc_session_send_data(struct ttrpc_session *session, uint32_t id, uint8_t flags, struct slice data, struct error *err) must_check;
/* The last data frame of our side, without a message. Without memory for it the session is broken: the peer would wait for ever. */
void ttrpc_session_close_stream(struct ttrpc_session *session, uint32_t id);
void ttrpc_session_wake(struct ttrpc_session *session);

#endif
