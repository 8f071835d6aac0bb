// SPDX-License-Identifier: Apache-2.0
/*
 * Header blocks (HPACK) from a peer that may say anything, in frames that are right, so that every byte gets there. The first byte chooses
 * our side ('c': client, else server) and where a block is cut into HEADERS and CONTINUATION. The same block comes on several streams,
 * since what one leaves in the table of the connection is the next one's.
 */
#include "common/base/array.h"
#include "common/rpc/grpc_session.h"
#include "tests/fuzz/fuzz.h"

#define STREAMS 4
#define FRAME_MAX 16384 /* bytes; what we announce */

static void handle_echo(void *context, struct grpc_call *call, struct slice request)
{
	grpc_call_answer(call, request);
}

static const struct grpc_method methods[] = { { "/t/Echo", handle_echo } };
static const struct grpc_service service = { methods, ELEMENTS_OF(methods), NULL };

static void on_message(void *context, struct slice message)
{
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	ABORT_ON((unsigned)status >= RPC_STATUS_COUNT || !words);
	++*(unsigned *)context;
}

static void frame(struct buf *out, uint8_t type, uint8_t flags, uint32_t stream, struct slice payload)
{
	const uint8_t head[9] = {
		(uint8_t)(payload.n >> 16), (uint8_t)(payload.n >> 8), (uint8_t)payload.n, type, flags, 0, 0, 0, (uint8_t)stream
	};

	buf_append(out, head, sizeof(head));
	buf_slice(out, payload);
}

static void header_block(struct buf *out, uint32_t stream, struct slice block, size_t cut)
{
	struct slice first = slice_from(block.p, cut < block.n ? cut : block.n), rest = slice_from(block.p + first.n, block.n - first.n);

	frame(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | (rest.n ? 0 : NGHTTP2_FLAG_END_HEADERS), stream, first);
	if (rest.n)
		frame(out, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, stream, rest);
}

static void write_peer(struct buf *out, bool is_client, struct slice block, size_t cut)
{
	if (!is_client)
		buf_string(out, NGHTTP2_CLIENT_MAGIC);
	frame(out, NGHTTP2_SETTINGS, 0, 0, (struct slice){ 0 });
	for (uint32_t i = 0; i < STREAMS; i++)
		header_block(out, 2 * i + 1, block, cut);
}

static void start_calls(struct grpc_session *session, unsigned *ends)
{
	const struct grpc_request request = { "/t/Echo", slice_string("hello"), false, 1000 };
	const struct grpc_receiver receiver = { on_message, on_end, ends };
	struct grpc_call *unused;
	struct error err;

	for (unsigned i = 0; i < STREAMS; i++)
		ABORT_ON(grpc_session_call(session, &request, &receiver, &unused, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_free) struct buf in = BUF_MAX(1024 * 1024), out = BUF_MAX(1024 * 1024);
	bool is_client = size > 0 && data[0] == 'c';
	const struct grpc_session_options options = { .service = is_client ? NULL : &service };
	struct grpc_session *session;
	unsigned ends = 0;
	struct error err;

	if (size < 1 || size > FRAME_MAX || grpc_session_new(&options, &session, &err) < 0)
		return 0;
	if (is_client)
		start_calls(session, &ends);
	int r = grpc_session_output(session, &out, &err);
	write_peer(&in, is_client, slice_from(data + 1, size - 1), data[0] % 64 + 1);
	if (r == 0)
		r = grpc_session_feed(session, buf_view(&in), &err);
	if (grpc_session_output(session, &out, &err) < 0 || r < 0)
		ABORT_ON(!*err.message);
	grpc_session_free(session, NULL);
	ABORT_ON(is_client && ends != STREAMS); /* every call ends exactly once */
	return 0;
}
