// SPDX-License-Identifier: Apache-2.0
/*
 * A call, at the server:
 *
 *	request ─► handle ─► (data ─► receive)… ─► ttrpc_call_finish ─► response, or the last data
 *
 * It belongs to its handler until that has finished it, and to the session as long as the peer waits for it. What the Go implementation
 *says to a peer that breaks the protocol, it says in the same words here, since people look for them.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/rpc/ttrpc_session.h"

#define NS_PER_MS 1000000

struct ttrpc_call {
	struct ttrpc_stream stream; /* the first */
	const struct ttrpc_method *method;
	void *context;
	struct slice metadata; /* while it is handled */
	bool open;             /* the peer may send more */
	struct rpc_load *load;
	void (*gone)(void *context, struct ttrpc_call *call);
	void *gone_context;
};

static struct ttrpc_call *find_call(const struct ttrpc_session *session, uint32_t id)
{
	return (struct ttrpc_call *)ttrpc_stream_find(session, id);
}

/* The peer does not wait for it any more. The handler may finish it now, and then it is freed. */
static void abandon(struct ttrpc_call *call)
{
	ttrpc_stream_remove(&call->stream);
	if (call->gone)
		call->gone(call->gone_context, call);
}

/* ── Answers ── */

static int respond(struct ttrpc_session *session, uint32_t id, const struct ttrpc_response_message *response, struct error *err)
{
	size_t at = ttrpc_session_begin_frame(session);

	ttrpc_response_write(response, &session->out);
	return ttrpc_session_end_frame(session, at, (struct ttrpc_frame){ .stream = id, .type = TTRPC_RESPONSE }, err);
}

/* An answer that gets lost is a call that never ends. */
static void respond_status(struct ttrpc_session *session, uint32_t id, enum rpc_status status, const char *words)
{
	const struct ttrpc_response_message response = { .status = status, .words = slice_string(words) };
	struct error ignored;

	if (respond(session, id, &response, &ignored) < 0)
		session->broken = true;
}

static void respond_error(struct ttrpc_session *session, uint32_t id, const struct error *err)
{
	respond_status(session, id, rpc_status_of(err), err->message);
}

/* What the peer sent cannot be: that is the answer, also to a call which has this number. */
static void refuse(struct ttrpc_session *session, uint32_t id, enum rpc_status status, const char *words)
{
	struct ttrpc_call *call = find_call(session, id);

	respond_status(session, id, status, words);
	if (call)
		abandon(call);
}

bool ttrpc_call_send(struct ttrpc_call *call, struct slice message)
{
	struct ttrpc_session *session = call->stream.session;
	struct error err;

	assert(call->method->streams);
	if (!session)
		return false;
	int r = ttrpc_session_send_data(session, call->stream.id, 0, message, &err);
	if (r < 0) {
		respond_error(session, call->stream.id, &err);
		ttrpc_stream_remove(&call->stream);
	}
	ttrpc_session_wake(session);
	return r == 0;
}

static void end(struct ttrpc_call *call)
{
	struct ttrpc_session *session = call->stream.session;

	ttrpc_stream_remove(&call->stream);
	rpc_load_give(call->load);
	free(call);
	if (session)
		ttrpc_session_wake(session);
}

/* A stream ends with data, a call with its one answer, which may be empty. */
static int answer(struct ttrpc_call *call, struct slice message, struct error *err)
{
	const struct ttrpc_response_message response = { .payload = message };
	struct ttrpc_session *session = call->stream.session;

	if (call->method->streams)
		return ttrpc_session_send_data(session, call->stream.id, TTRPC_REMOTE_CLOSED, message, err);
	int r = ttrpc_session_check_size(session, message.n, err);
	return r < 0 ? r : respond(session, call->stream.id, &response, err);
}

void ttrpc_call_answer(struct ttrpc_call *call, struct slice message)
{
	struct error err;

	if (call->stream.session && answer(call, message, &err) < 0)
		respond_error(call->stream.session, call->stream.id, &err);
	end(call);
}

void ttrpc_call_finish(struct ttrpc_call *call, enum rpc_status status, const char *words)
{
	if (call->stream.session && status == RPC_OK && call->method->streams)
		ttrpc_session_close_stream(call->stream.session, call->stream.id);
	else if (call->stream.session)
		respond_status(call->stream.session, call->stream.id, status, words);
	end(call);
}

void ttrpc_call_fail(struct ttrpc_call *call, const struct error *err)
{
	ttrpc_call_finish(call, rpc_status_of(err), err->message);
}

void ttrpc_call_on_gone(struct ttrpc_call *call, void (*gone)(void *context, struct ttrpc_call *call), void *context)
{
	call->gone = gone;
	call->gone_context = context;
}

bool ttrpc_call_metadata(const struct ttrpc_call *call, const char *key, struct slice *ret)
{
	struct slice from = call->metadata;
	struct ttrpc_metadata pair;

	while (ttrpc_metadata_next(&from, &pair)) {
		if (slice_equals_string(pair.key, key)) {
			*ret = pair.value;
			return true;
		}
	}
	return false;
}

uint64_t ttrpc_call_left_ms(const struct ttrpc_call *call)
{
	const struct ttrpc_session *session = call->stream.session;
	uint64_t now = session ? session->options.now_ms(session->options.context) : UINT64_MAX;

	if (call->stream.deadline_ms == UINT64_MAX)
		return 0;
	return call->stream.deadline_ms > now ? call->stream.deadline_ms - now : 1;
}

/* ── Requests ── */

static const struct ttrpc_service *find_service(const struct ttrpc_services *services, struct slice name)
{
	for (size_t i = 0; i < services->n; i++) {
		if (slice_equals_string(name, services->services[i].name))
			return &services->services[i];
	}
	return NULL;
}

static const struct ttrpc_method *find_method(const struct ttrpc_service *service, struct slice name)
{
	for (size_t i = 0; i < service->n_methods; i++) {
		if (slice_equals_string(name, service->methods[i].name))
			return &service->methods[i];
	}
	return NULL;
}

static int check_load(struct ttrpc_session *session, struct error *err)
{
	if (!ttrpc_session_has_room(session))
		return error_nomem(err);
	if (!rpc_load_take(session->load))
		return error_set(err, ENOBUFS,
				 "too many calls are being handled (at most %d of one connection), those included that timed out",
				 TTRPC_CALLS_MAX);
	return 0;
}

/* Rounded up: never before its time. */
static uint64_t timeout_ms(int64_t ns)
{
	return ns <= 0 ? 0 : ((uint64_t)ns + NS_PER_MS - 1) / NS_PER_MS;
}

static int begin(struct ttrpc_session *session, const struct ttrpc_frame *frame, const struct ttrpc_request_message *request,
		 struct ttrpc_call **ret, struct error *err)
{
	int r = check_load(session, err);

	if (r < 0)
		return r;
	struct ttrpc_call *call = calloc(1, sizeof(*call));
	if (!call) {
		rpc_load_give(session->load);
		return error_nomem(err);
	}
	call->load = session->load;
	call->metadata = request->metadata;
	call->open = frame->flags & TTRPC_REMOTE_OPEN;
	ttrpc_stream_add(&call->stream, session, frame->stream, timeout_ms(request->timeout_ns));
	*ret = call;
	return 0;
}

/* Handlers may finish the call, so after each it is looked for. */
static void end_of_data(struct ttrpc_session *session, uint32_t id)
{
	struct ttrpc_call *call = find_call(session, id);

	if (!call)
		return;
	call->open = false;
	if (call->method->receive)
		call->method->receive(call->context, call, NULL);
}

static void handle(struct ttrpc_session *session, const struct ttrpc_frame *frame, const struct ttrpc_service *service,
		   const struct ttrpc_method *method, const struct ttrpc_request_message *request)
{
	struct ttrpc_call *call;
	struct error err;

	if (begin(session, frame, request, &call, &err) < 0) {
		respond_error(session, frame->stream, &err);
		return;
	}
	call->method = method;
	call->context = service->context;
	method->handle(service->context, call, request->payload);
	call = find_call(session, frame->stream);
	if (!call)
		return;
	call->metadata = (struct slice){ 0 };
	if (!call->open)
		end_of_data(session, frame->stream);
}

static void refuse_unknown(struct ttrpc_session *session, uint32_t id, const char *what, struct slice name)
{
	struct error err;

	error_set(&err, ENOSYS, "%s " SLICE_FORMAT, what, SLICE_ARGS(name));
	respond_error(session, id, &err);
}

static void dispatch(struct ttrpc_session *session, const struct ttrpc_frame *frame, const struct ttrpc_request_message *request)
{
	const struct ttrpc_service *service = find_service(session->options.services, request->service);
	const struct ttrpc_method *method = service ? find_method(service, request->method) : NULL;

	if (!service)
		refuse_unknown(session, frame->stream, "service", request->service);
	else if (!method)
		refuse_unknown(session, frame->stream, "method", request->method);
	else if (request->timeout_ns < 0)
		respond_status(session, frame->stream, RPC_DEADLINE_EXCEEDED, "the request's timeout had passed before it was sent");
	else
		handle(session, frame, service, method, request);
}

static void take_request(struct ttrpc_session *session, const struct ttrpc_frame *frame)
{
	struct ttrpc_request_message request;
	struct error err;

	if (frame->stream <= session->last_id) {
		refuse(session, frame->stream, RPC_INVALID_ARGUMENT, "StreamID cannot be re-used and must increment");
		return;
	}
	session->last_id = frame->stream;
	if (ttrpc_request_read(frame->data, &request, &err) < 0) {
		error_wrap(&err, "unmarshal request error");
		respond_error(session, frame->stream, &err);
	} else {
		dispatch(session, frame, &request);
	}
}

static void take_data(struct ttrpc_session *session, const struct ttrpc_frame *frame)
{
	struct ttrpc_call *call = find_call(session, frame->stream);

	if (!call) {
		refuse(session, frame->stream, RPC_INVALID_ARGUMENT, "StreamID is no longer active");
		return;
	}
	bool has_message = !(frame->flags & TTRPC_NO_DATA);
	if (!call->open || (has_message && !call->method->receive)) {
		refuse(session, frame->stream, RPC_INVALID_ARGUMENT, "data handling error: the call takes no data, or no more");
		return;
	}
	if (has_message)
		call->method->receive(call->context, call, &frame->data);
	if (frame->flags & TTRPC_REMOTE_CLOSED)
		end_of_data(session, frame->stream);
}

static void take(struct ttrpc_session *session, const struct ttrpc_frame *frame)
{
	struct error err;

	if (frame->lost == EMSGSIZE) {
		error_set(&err, ENOBUFS, "message length %u exceed maximum message size of %d", frame->length, TTRPC_MESSAGE_MAX);
		refuse(session, frame->stream, rpc_status_of(&err), err.message);
	} else if (frame->lost) {
		refuse(session, frame->stream, RPC_RESOURCE_EXHAUSTED, "out of memory");
	} else if (frame->stream % 2 == 0) {
		refuse(session, frame->stream, RPC_INVALID_ARGUMENT, "StreamID must be odd for client initiated streams");
	} else if (frame->type == TTRPC_REQUEST) {
		take_request(session, frame);
	} else if (frame->type == TTRPC_DATA) {
		take_data(session, frame);
	}
}

/* ── Its end without the handler ── */

static void expire(struct ttrpc_stream *stream)
{
	respond_status(stream->session, stream->id, RPC_DEADLINE_EXCEEDED, "the request's timeout has passed");
	abandon((struct ttrpc_call *)stream);
}

static void drop(struct ttrpc_stream *stream, const struct error *why)
{
	abandon((struct ttrpc_call *)stream);
}

const struct ttrpc_side ttrpc_server_side = { take, expire, drop };
