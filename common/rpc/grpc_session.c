// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 is nghttp2's; this file is what gRPC makes of its frames:
 *
 *	HEADERS (:path)  ─► call            DATA ─► message ─► handler       HEADERS, DATA…, HEADERS (grpc-status)  ◄─ answers
 *
 * nghttp2 must not be asked for output from within its callbacks, and handlers run inside them. So a handler's answer is only
 * queued, and whoever feeds takes the output afterwards; an answer at another time wakes the owner.
 *
 * Header compression is used without a dynamic table in either direction: a kubelet has a connection for each resource, and the
 * tables would be most of what a connection costs.
 */
#include "common/rpc/grpc_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"

#define TIMEOUT_MAX 99999999 /* ms: at most 8 digits (gRPC over HTTP/2, "TimeoutValue") */

static struct grpc_call *call_of(nghttp2_session *h2, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(h2, stream);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
	struct grpc_session *session = context;

	if (!session->options.service || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct grpc_call *call = grpc_call_new(session);
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	call->stream = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(h2, call->stream, call);
	return 0;
}

static void take_request_header(struct grpc_call *call, struct slice name, struct slice value)
{
	struct slice rest;

	if (slice_equals_string(name, ":path"))
		snprintf(call->path, sizeof(call->path), SLICE_FORMAT, SLICE_ARGS(value));
	else if (slice_equals_string(name, "content-type"))
		call->bad_type = !slice_skip_prefix(value, GRPC_CONTENT_TYPE, &rest);
}

static void take_answer_header(struct grpc_call *call, struct slice name, struct slice value)
{
	if (slice_equals_string(name, ":status")) {
		call->http_status = (unsigned)strtoul((const char *)value.p, NULL, 10); /* nghttp2 has checked that it is three digits */
	} else if (slice_equals_string(name, "grpc-status")) {
		call->status = rpc_status_parse(value);
		call->has_status = true;
	} else if (slice_equals_string(name, "grpc-message")) {
		buf_clear(&call->words);
		rpc_message_decode(value, &call->words);
	}
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n, const uint8_t *value,
		     size_t value_n, uint8_t flags, void *context)
{
	const struct grpc_session *session = context;
	struct grpc_call *call = call_of(h2, frame->hd.stream_id);

	if (!call)
		return 0;
	call->header_bytes += name_n + value_n;
	if (call->header_bytes > GRPC_HEADERS_MAX)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (session->options.service)
		take_request_header(call, slice_from(name, name_n), slice_from(value, value_n));
	else
		take_answer_header(call, slice_from(name, name_n), slice_from(value, value_n));
	return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t n, void *context)
{
	const struct grpc_session *session = context;
	struct grpc_call *call = call_of(h2, stream);

	if (!call)
		return 0;
	if (session->options.service)
		grpc_call_receive(call, slice_from(bytes, n));
	else
		grpc_call_receive_answers(call, slice_from(bytes, n));
	return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
	const struct grpc_session *session = context;
	bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct grpc_call *call = ends && session->options.service ? call_of(h2, frame->hd.stream_id) : NULL;

	if (call)
		grpc_call_dispatch(call);
	return 0;
}

/* An answer that did not wait for the end of its request: whatever follows of that is not wanted (RFC 9113, 8.1). */
static int on_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
	const struct grpc_session *session = context;
	struct grpc_call *call =
		frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM ? call_of(h2, frame->hd.stream_id) : NULL;

	if (call && session->options.service && !call->whole)
		nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream, uint32_t h2_error, void *context)
{
	const struct grpc_session *session = context;
	struct grpc_call *call = call_of(h2, stream);

	if (!call)
		return 0;
	nghttp2_session_set_stream_user_data(h2, stream, NULL);
	if (!session->options.service)
		grpc_call_conclude(call, h2_error);
	grpc_call_detach(call);
	return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *callbacks;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	return callbacks;
}

static int make_h2(struct grpc_session *session)
{
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *option = NULL;
	int r = NGHTTP2_ERR_NOMEM;

	if (callbacks && nghttp2_option_new(&option) == 0) {
		nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
		r = session->options.service ? nghttp2_session_server_new2(&session->h2, callbacks, session, option)
					     : nghttp2_session_client_new2(&session->h2, callbacks, session, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return r;
}

static int send_settings(struct grpc_session *session)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0 },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_CALLS_MAX },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};

	/* A server may not send ENABLE_PUSH (RFC 9113, 6.5.2). */
	return nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, settings,
				       ELEMENTS_OF(settings) - (session->options.service ? 1 : 0));
}

static void session_delete(struct grpc_session *session)
{
	if (session->h2)
		nghttp2_session_del(session->h2);
	rpc_load_unref(session->load);
	free(session);
}

int grpc_session_new(const struct grpc_session_options *options, struct grpc_session **ret, struct error *err)
{
	struct grpc_session *session = calloc(1, sizeof(*session));

	if (!session)
		return error_nomem(err);
	session->options = *options;
	session->load = options->service ? rpc_load_new(GRPC_CALLS_MAX, options->load) : NULL;
	if ((options->service && !session->load) || make_h2(session) != 0 || send_settings(session) != 0) {
		session_delete(session);
		return error_nomem(err);
	}
	*ret = session;
	return 0;
}

void grpc_session_free(struct grpc_session *session, const struct error *why)
{
	if (!session)
		return;
	session->feeding = true; /* what handlers say now wakes nobody */
	while (session->calls) {
		struct grpc_call *call = session->calls;

		if (!session->options.service)
			grpc_call_end(call, why ? RPC_UNAVAILABLE : RPC_CANCELLED, why ? why->message : "the client was closed");
		grpc_call_detach(call);
	}
	session_delete(session);
}

int grpc_session_feed(struct grpc_session *session, struct slice bytes, struct error *err)
{
	session->feeding = true;
	ssize_t n = nghttp2_session_mem_recv(session->h2, bytes.p, bytes.n);
	session->feeding = false;
	if (n == NGHTTP2_ERR_NOMEM)
		return error_nomem(err);
	if (n < 0)
		return error_set(err, EPROTO, "the peer does not speak HTTP/2 as agreed: %s", nghttp2_strerror((int)n));
	return nghttp2_session_get_outbound_queue_size(session->h2) > GRPC_FRAMES_MAX
		       ? error_set(err, EPROTO, "the peer asks for more and does not take its answers")
		       : 0;
}

int grpc_session_output(struct grpc_session *session, struct buf *out, struct error *err)
{
	while (out->n < GRPC_OUTPUT_CHUNK) {
		const uint8_t *bytes;

		session->feeding = true; /* closing a stream may end in a handler */
		ssize_t n = nghttp2_session_mem_send(session->h2, &bytes);
		session->feeding = false;
		if (n < 0)
			return n == NGHTTP2_ERR_NOMEM ? error_nomem(err) : error_set(err, EPROTO, "%s", nghttp2_strerror((int)n));
		if (n == 0)
			break;
		buf_append(out, bytes, (size_t)n);
	}
	return buf_check(out, "HTTP/2 output", err);
}

bool grpc_session_is_done(const struct grpc_session *session)
{
	return !nghttp2_session_want_read(session->h2) && !nghttp2_session_want_write(session->h2);
}

void grpc_session_wake(struct grpc_session *session)
{
	if (!session->feeding && session->options.wake)
		session->options.wake(session->options.context);
}

static int submit(struct grpc_call *call, const struct grpc_request *request)
{
	char timeout[32];

	snprintf(timeout, sizeof(timeout), "%llum",
		 (unsigned long long)(request->timeout_ms > TIMEOUT_MAX ? TIMEOUT_MAX : request->timeout_ms));
	const nghttp2_nv headers[] = {
		grpc_header(":method", "POST"),        grpc_header(":scheme", "http"),
		grpc_header(":path", request->path),   grpc_header(":authority", "localhost"),
		grpc_header("te", "trailers"),         grpc_header("content-type", GRPC_CONTENT_TYPE),
		grpc_header("user-agent", "holdfast"), grpc_header("grpc-timeout", timeout),
	};
	nghttp2_data_provider body = grpc_call_body(call);
	call->stream =
		nghttp2_submit_request(call->session->h2, NULL, headers, ELEMENTS_OF(headers) - (request->timeout_ms ? 0 : 1), &body, call);
	return call->stream;
}

int grpc_session_call(struct grpc_session *session, const struct grpc_request *request, const struct grpc_receiver *receiver,
		      struct grpc_call **ret, struct error *err)
{
	if (session->n_calls >= GRPC_CALLS_MAX)
		return error_set(err, EBUSY, "%d calls are under way on this connection already", GRPC_CALLS_MAX);
	struct grpc_call *call = grpc_call_new(session);
	if (!call)
		return error_nomem(err);
	grpc_message_write(request->message, &call->out);
	call->streaming = request->streaming;
	int r = buf_check(&call->out, "request", err);
	if (r == 0 && submit(call, request) < 0)
		r = error_set(err, call->stream == NGHTTP2_ERR_NOMEM ? ENOMEM : EPIPE, "%s", nghttp2_strerror(call->stream));
	if (r < 0) {
		grpc_call_detach(call);
		return r;
	}
	call->receiver = *receiver;
	*ret = call;
	grpc_session_wake(session);
	return 0;
}

void grpc_session_cancel(struct grpc_call *call)
{
	call->receiver = (struct grpc_receiver){ 0 };
	if (call->refused || nghttp2_submit_rst_stream(call->session->h2, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL) != 0)
		return;
	grpc_session_wake(call->session);
}
