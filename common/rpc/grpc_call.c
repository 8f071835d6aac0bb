// SPDX-License-Identifier: Apache-2.0
/* One call, on both sides: from bytes to messages, from messages to HEADERS, DATA and trailers. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/rpc/grpc_session.h"

#define WORDS_MAX (3 * ERROR_MESSAGE_MAX) /* every byte may become three */

struct grpc_call *grpc_call_new(struct grpc_session *session)
{
	struct grpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->session = session;
	call->in = GRPC_READER(GRPC_MESSAGE_MAX);
	call->out = BUF_MAX(GRPC_UNSENT_MAX + GRPC_PREFIX_SIZE);
	call->words = BUF_MAX(WORDS_MAX);
	call->bad_type = true;
	call->next = session->calls;
	if (call->next)
		call->next->previous = call;
	session->calls = call;
	session->n_calls++;
	return call;
}

static void call_free(struct grpc_call *call)
{
	grpc_reader_free(&call->in);
	buf_free(&call->out);
	buf_free(&call->words);
	rpc_load_give(call->load);
	free(call);
}

static void unlink_call(struct grpc_call *call)
{
	struct grpc_session *session = call->session;

	if (call->previous)
		call->previous->next = call->next;
	else
		session->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	session->n_calls--;
	call->session = NULL;
}

void grpc_call_detach(struct grpc_call *call)
{
	unlink_call(call);
	if (call->state != GRPC_HANDLING)
		call_free(call);
	else if (call->gone)
		call->gone(call->gone_context, call); /* may finish it, and then it is freed */
}

/* ── Sending ── */

static void submit_trailer(nghttp2_session *h2, struct grpc_call *call)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)call->status);
	const nghttp2_nv trailer[] = { grpc_header("grpc-status", number), grpc_header("grpc-message", buf_text(&call->words)) };
	nghttp2_submit_trailer(h2, call->stream, trailer, call->words.n ? 2 : 1);
}

static ssize_t read_body(nghttp2_session *h2, int32_t stream, uint8_t *to, size_t most, uint32_t *flags, nghttp2_data_source *source,
			 void *context)
{
	struct grpc_call *call = source->ptr;
	bool is_server = call->session->options.service;
	size_t left = call->out.n - call->sent, n = left < most ? left : most;

	if (n > 0)
		memcpy(to, call->out.p + call->sent, n);
	call->sent += n;
	if (call->sent < call->out.n)
		return (ssize_t)n;
	call->sent = 0;
	buf_clear(&call->out);
	if (is_server && call->state != GRPC_FINISHED)
		return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (is_server) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_trailer(h2, call);
	}
	return (ssize_t)n;
}

nghttp2_data_provider grpc_call_body(struct grpc_call *call)
{
	return (nghttp2_data_provider){ .source.ptr = call, .read_callback = read_body };
}

static void begin_answer(struct grpc_call *call)
{
	const nghttp2_nv headers[] = { grpc_header(":status", "200"), grpc_header("content-type", GRPC_CONTENT_TYPE) };
	nghttp2_data_provider body = grpc_call_body(call);

	if (call->began)
		nghttp2_session_resume_data(call->session->h2, call->stream);
	else
		nghttp2_submit_response(call->session->h2, call->stream, headers, ELEMENTS_OF(headers), &body);
	call->began = true;
}

/* Nothing but a status: HEADERS alone ("Trailers-Only"). */
static void answer_status_only(struct grpc_call *call)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)call->status);
	const nghttp2_nv headers[] = { grpc_header(":status", "200"), grpc_header("content-type", GRPC_CONTENT_TYPE),
				       grpc_header("grpc-status", number), grpc_header("grpc-message", buf_text(&call->words)) };
	nghttp2_submit_response(call->session->h2, call->stream, headers, ELEMENTS_OF(headers) - (call->words.n ? 0 : 1), NULL);
	call->began = true;
}

void grpc_call_send(struct grpc_call *call, struct slice message)
{
	if (!call->session || call->out.failed)
		return;
	grpc_message_write(message, &call->out);
	if (call->out.failed)
		nghttp2_submit_rst_stream(call->session->h2, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_ENHANCE_YOUR_CALM);
	else
		begin_answer(call);
	grpc_session_wake(call->session);
}

static void finish(struct grpc_call *call, enum rpc_status status, const char *message)
{
	call->state = GRPC_FINISHED;
	call->status = status;
	buf_clear(&call->words);
	if (message)
		rpc_message_encode(message, &call->words);
	if (call->words.failed)
		buf_clear(&call->words);
	if (call->began)
		begin_answer(call);
	else
		answer_status_only(call);
	grpc_session_wake(call->session);
}

void grpc_call_finish(struct grpc_call *call, enum rpc_status status, const char *message)
{
	assert(call->state == GRPC_HANDLING);
	rpc_load_give(TAKE_PTR(call->load));
	if (call->session)
		finish(call, status, message);
	else
		call_free(call);
}

void grpc_call_answer(struct grpc_call *call, struct slice message)
{
	grpc_call_send(call, message);
	grpc_call_finish(call, RPC_OK, NULL);
}

void grpc_call_fail(struct grpc_call *call, const struct error *err)
{
	grpc_call_finish(call, rpc_status_of(err), err->message);
}

void grpc_call_on_gone(struct grpc_call *call, void (*gone)(void *context, struct grpc_call *call), void *context)
{
	call->gone = gone;
	call->gone_context = context;
}

/* ── The server's receiving ── */

static size_t receiving_bytes(const struct grpc_session *session)
{
	size_t n = 0;

	for (const struct grpc_call *call = session->calls; call; call = call->next)
		n += call->in.message.n;
	return n;
}

void grpc_call_receive(struct grpc_call *call, struct slice bytes)
{
	struct slice message;
	struct error err;

	while (call->state == GRPC_RECEIVING && bytes.n > 0) {
		/* The request stays in the reader until the peer has ended it. */
		if (call->n_requests > 0) {
			finish(call, RPC_UNIMPLEMENTED, "more than one request message");
			return;
		}
		int r = grpc_reader_next(&call->in, &bytes, &message, &err);
		if (r < 0)
			finish(call, rpc_status_of(&err), err.message);
		else if (receiving_bytes(call->session) > GRPC_RECEIVING_MAX)
			finish(call, RPC_RESOURCE_EXHAUSTED, "the requests of this connection are too large together");
		else if (r > 0)
			call->n_requests++;
	}
	if (call->state != GRPC_RECEIVING)
		grpc_reader_free(&call->in);
}

static void handle(struct grpc_call *call, const struct grpc_method *method)
{
	if (!rpc_load_take(call->session->load)) {
		grpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "too many calls are being handled, those included that were given up");
		return;
	}
	call->load = call->session->load;
	method->handle(call->session->options.service->context, call, buf_view(&call->in.message));
	grpc_reader_free(&call->in);
}

static const struct grpc_method *find_method(const struct grpc_call *call)
{
	const struct grpc_service *service = call->session->options.service;

	for (size_t i = 0; i < service->n_methods; i++) {
		if (strcmp(service->methods[i].path, call->path) == 0)
			return &service->methods[i];
	}
	return NULL;
}

void grpc_call_dispatch(struct grpc_call *call)
{
	const struct grpc_method *method = find_method(call);
	struct error err;

	call->whole = true;
	if (call->state != GRPC_RECEIVING)
		return;
	call->state = GRPC_HANDLING;
	if (call->bad_type) {
		grpc_call_finish(call, RPC_INVALID_ARGUMENT, "the content type is not application/grpc");
	} else if (!method) {
		error_set(&err, ENOSYS, "there is no method \"%s\"", call->path);
		grpc_call_fail(call, &err);
	} else if (call->n_requests != 1) {
		grpc_call_finish(call, RPC_INVALID_ARGUMENT, "the request ended before its message was whole");
	} else {
		handle(call, method);
	}
}

/* ── The client's receiving ── */

void grpc_call_end(struct grpc_call *call, enum rpc_status status, const char *words)
{
	struct grpc_receiver receiver = call->receiver;

	call->receiver = (struct grpc_receiver){ 0 };
	if (receiver.end)
		receiver.end(receiver.context, status, words);
}

/* What the peer sends is not to be had: the call ends by itself once the stream is reset. */
static void refuse_answers(struct grpc_call *call, enum rpc_status status, const char *words)
{
	call->refused = true;
	call->status = status;
	buf_clear(&call->words);
	buf_string(&call->words, words);
	nghttp2_submit_rst_stream(call->session->h2, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
}

void grpc_call_receive_answers(struct grpc_call *call, struct slice bytes)
{
	struct slice message;
	struct error err;
	int r = 1;

	while (r > 0 && !call->refused) {
		r = grpc_reader_next(&call->in, &bytes, &message, &err);
		if (r < 0)
			refuse_answers(call, rpc_status_of(&err), err.message);
		if (r <= 0)
			break;
		call->n_answers++;
		if (!call->streaming && call->n_answers > 1)
			refuse_answers(call, RPC_INTERNAL, "the peer gave more than one answer");
		else if (call->receiver.message)
			call->receiver.message(call->receiver.context, message);
	}
}

static enum rpc_status status_of_h2(uint32_t h2_error)
{
	switch (h2_error) {
	case NGHTTP2_REFUSED_STREAM:
		return RPC_UNAVAILABLE;
	case NGHTTP2_CANCEL:
		return RPC_CANCELLED;
	case NGHTTP2_ENHANCE_YOUR_CALM:
		return RPC_RESOURCE_EXHAUSTED;
	default:
		return RPC_INTERNAL;
	}
}

void grpc_call_conclude(struct grpc_call *call, uint32_t h2_error)
{
	char words[128];

	if (call->refused || (call->has_status && call->status != RPC_OK)) {
		grpc_call_end(call, call->status, buf_text(&call->words));
	} else if (call->has_status && (grpc_reader_is_inside(&call->in) || (!call->streaming && call->n_answers != 1))) {
		grpc_call_end(call, RPC_INTERNAL, "the peer ended the call with OK and without a whole answer");
	} else if (call->has_status) {
		grpc_call_end(call, RPC_OK, buf_text(&call->words));
	} else if (h2_error != NGHTTP2_NO_ERROR) {
		snprintf(words, sizeof(words), "the peer reset the call: %s", nghttp2_http2_strerror(h2_error));
		grpc_call_end(call, status_of_h2(h2_error), words);
	} else {
		snprintf(words, sizeof(words), "the peer ended the call without a gRPC status (HTTP status %u)", call->http_status);
		grpc_call_end(call, RPC_UNKNOWN, words);
	}
}
