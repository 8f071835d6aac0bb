// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 frames, HPACK and gRPC messages from a peer that may say anything: the first byte chooses our side ('c': client, else server) and
 * how the rest is cut.
 */
#include "common/base/array.h"
#include "common/rpc/grpc_session.h"
#include "tests/fuzz/fuzz.h"

static void handle_echo(void *context, struct grpc_call *call, struct slice request)
{
	grpc_call_answer(call, request);
}

static void finish(void *context, struct grpc_call *call)
{
	grpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void handle_hold(void *context, struct grpc_call *call, struct slice request)
{
	grpc_call_on_gone(call, finish, NULL);
	grpc_call_send(call, request);
}

static const struct grpc_method methods[] = { { "/t/Echo", handle_echo }, { "/t/Hold", handle_hold } };
static const struct grpc_service service = { methods, ELEMENTS_OF(methods), NULL };

static void on_message(void *context, struct slice message)
{
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	ABORT_ON((unsigned)status >= RPC_STATUS_COUNT || !words);
	++*(unsigned *)context;
}

static void call(struct grpc_session *session, bool streaming, unsigned *ends)
{
	const struct grpc_request request = { "/t/Echo", slice_string("hello"), streaming, 1000 };
	const struct grpc_receiver receiver = { on_message, on_end, ends };
	struct grpc_call *unused;
	struct error err;

	if (grpc_session_call(session, &request, &receiver, &unused, &err) < 0)
		++*ends;
}

static void feed_all(struct grpc_session *session, struct slice bytes, size_t piece)
{
	struct error err;

	for (size_t at = 0; at < bytes.n; at += piece) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(1024 * 1024);
		int r = grpc_session_feed(session, slice_from(bytes.p + at, bytes.n - at < piece ? bytes.n - at : piece), &err);

		if (grpc_session_output(session, &out, &err) < 0 || r < 0)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_client = size > 0 && data[0] == 'c';
	const struct grpc_session_options options = { .service = is_client ? NULL : &service };
	struct grpc_session *session;
	unsigned ends = 0;
	struct error err;

	if (size < 1 || grpc_session_new(&options, &session, &err) < 0)
		return 0;
	if (is_client) {
		call(session, false, &ends);
		call(session, true, &ends);
	}
	feed_all(session, slice_from(data + 1, size - 1), data[0] % 64 + 1);
	grpc_session_free(session, NULL);
	ABORT_ON(is_client && ends != 2); /* every call ends exactly once */
	return 0;
}
