// SPDX-License-Identifier: Apache-2.0
/* A call, at the client: it is the session's until it ends, and freed then. What comes for a call that is not there any more is ignored. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/rpc/ttrpc_session.h"

#define NS_PER_MS 1000000
#define WORDS_MAX 1024
#define LAST_ID (UINT32_MAX - 2)

struct ttrpc_client_call {
	struct ttrpc_stream stream; /* the first */
	struct ttrpc_receiver receiver;
	bool streaming, open;
};

static struct ttrpc_client_call *find_call(const struct ttrpc_session *session, uint32_t id)
{
	return (struct ttrpc_client_call *)ttrpc_stream_find(session, id);
}

static void end(struct ttrpc_client_call *call, enum rpc_status status, const char *words)
{
	struct ttrpc_receiver receiver = call->receiver;

	ttrpc_stream_remove(&call->stream);
	free(call);
	if (receiver.end)
		receiver.end(receiver.context, status, words);
}

/* ── Sending ── */

bool ttrpc_session_is_used_up(const struct ttrpc_session *session)
{
	return session->last_id >= LAST_ID;
}

static uint8_t flags_of(const struct ttrpc_request *request)
{
	if (request->open)
		return TTRPC_REMOTE_OPEN;
	return request->streaming ? TTRPC_REMOTE_CLOSED : 0;
}

static int write_request(struct ttrpc_session *session, uint32_t id, const struct ttrpc_request *request, struct error *err)
{
	const struct ttrpc_frame frame = { .stream = id, .type = TTRPC_REQUEST, .flags = flags_of(request) };
	const struct ttrpc_request_message message = {
		.service = slice_string(request->service),
		.method = slice_string(request->method),
		.payload = request->message,
		.timeout_ns =
			(int64_t)((request->timeout_ms > INT64_MAX / NS_PER_MS ? INT64_MAX / NS_PER_MS : request->timeout_ms) * NS_PER_MS),
	};
	int r = ttrpc_session_check_size(session, request->message.n, err);

	if (r < 0)
		return r;
	size_t at = ttrpc_session_begin_frame(session);
	ttrpc_request_write(&message, request->metadata, request->n_metadata, &session->out);
	return ttrpc_session_end_frame(session, at, frame, err);
}

int ttrpc_session_call(struct ttrpc_session *session, const struct ttrpc_request *request, const struct ttrpc_receiver *receiver,
		       struct ttrpc_client_call **ret, struct error *err)
{
	uint32_t id = session->last_id ? session->last_id + 2 : 1;

	if (ttrpc_session_is_used_up(session))
		return error_set(err, EPIPE, "this connection has had all the calls that one can have");
	if (session->n_streams >= TTRPC_CALLS_MAX)
		return error_set(err, EBUSY, "%d calls are under way on this connection already", TTRPC_CALLS_MAX);
	_cleanup_free_ struct ttrpc_client_call *call = calloc(1, sizeof(*call));
	if (!call || !ttrpc_session_has_room(session))
		return error_nomem(err);
	int r = write_request(session, id, request, err);
	if (r < 0)
		return error_wrap(err, "call of %s/%s", request->service, request->method);
	*call = (struct ttrpc_client_call){ .receiver = *receiver, .streaming = request->streaming, .open = request->open };
	ttrpc_stream_add(&call->stream, session, id, request->timeout_ms);
	session->last_id = id;
	*ret = TAKE_PTR(call);
	ttrpc_session_wake(session);
	return 0;
}

int ttrpc_client_send(struct ttrpc_client_call *call, struct slice message, struct error *err)
{
	assert(call->open);
	int r = ttrpc_session_send_data(call->stream.session, call->stream.id, 0, message, err);

	if (r == 0)
		ttrpc_session_wake(call->stream.session);
	return r;
}

void ttrpc_client_end_sending(struct ttrpc_client_call *call)
{
	if (!call->open)
		return;
	call->open = false;
	ttrpc_session_close_stream(call->stream.session, call->stream.id);
	ttrpc_session_wake(call->stream.session);
}

void ttrpc_client_cancel(struct ttrpc_client_call *call)
{
	ttrpc_client_end_sending(call);
	ttrpc_stream_remove(&call->stream);
	free(call);
}

/* It ends on our side alone. A server that streams with us hears that no more comes: it cannot be told more. */
static void give_up(struct ttrpc_client_call *call, enum rpc_status status, const char *words)
{
	ttrpc_client_end_sending(call);
	end(call, status, words);
}

/* ── Answers ── */

static void deliver(const struct ttrpc_client_call *call, struct slice message)
{
	if (call->receiver.message)
		call->receiver.message(call->receiver.context, message);
}

static void end_with_words(struct ttrpc_client_call *call, enum rpc_status status, struct slice words)
{
	char text[WORDS_MAX];
	int n = snprintf(text, sizeof(text), SLICE_FORMAT, SLICE_ARGS(words));

	if (n >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	end(call, status, text);
}

/* A stream's last answer may be empty, and is then only its end. The receiver may have cancelled the call. */
static void take_response(struct ttrpc_session *session, struct ttrpc_client_call *call, const struct ttrpc_frame *frame)
{
	struct ttrpc_response_message response;
	struct error err;

	if (ttrpc_response_read(frame->data, &response, &err) < 0) {
		give_up(call, RPC_INTERNAL, err.message);
		return;
	}
	if (response.status != RPC_OK) {
		end_with_words(call, response.status, response.words);
		return;
	}
	if (!call->streaming || response.payload.n > 0)
		deliver(call, response.payload);
	call = find_call(session, frame->stream);
	if (call)
		end(call, RPC_OK, "");
}

static void take_data(struct ttrpc_session *session, struct ttrpc_client_call *call, const struct ttrpc_frame *frame)
{
	if (!call->streaming) {
		give_up(call, RPC_INTERNAL, "the peer streams answers to a call that has one");
		return;
	}
	if (!(frame->flags & TTRPC_NO_DATA))
		deliver(call, frame->data);
	call = find_call(session, frame->stream);
	if (call && frame->flags & TTRPC_REMOTE_CLOSED)
		end(call, RPC_OK, "");
}

static void take(struct ttrpc_session *session, const struct ttrpc_frame *frame)
{
	struct ttrpc_client_call *call = find_call(session, frame->stream);
	struct error err;

	if (!call)
		return;
	if (frame->lost == EMSGSIZE) {
		error_set(&err, ENOBUFS, "message length %u exceed maximum message size of %d", frame->length, TTRPC_MESSAGE_MAX);
		give_up(call, rpc_status_of(&err), err.message);
	} else if (frame->lost) {
		give_up(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
	} else if (frame->type == TTRPC_RESPONSE) {
		take_response(session, call, frame);
	} else if (frame->type == TTRPC_DATA) {
		take_data(session, call, frame);
	}
}

/* ── Its end without the peer ── */

static void expire(struct ttrpc_stream *stream)
{
	give_up((struct ttrpc_client_call *)stream, RPC_DEADLINE_EXCEEDED, "the peer did not answer in time");
}

static void drop(struct ttrpc_stream *stream, const struct error *why)
{
	end((struct ttrpc_client_call *)stream, why ? RPC_UNAVAILABLE : RPC_CANCELLED, why ? why->message : "the client was closed");
}

const struct ttrpc_side ttrpc_client_side = { take, expire, drop };
