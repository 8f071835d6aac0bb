// SPDX-License-Identifier: Apache-2.0
/*
 * Frames, requests and responses from a peer that may say anything: the first byte chooses our side ('c': client, else server) and how the
 * rest is cut. Time goes on with each piece.
 */
#include "common/base/array.h"
#include "common/rpc/ttrpc_session.h"
#include "tests/fuzz/fuzz.h"

#define CALLS 4

static uint64_t now;

static uint64_t now_ms(void *context)
{
	return now;
}

static void handle_echo(void *context, struct ttrpc_call *call, struct slice request)
{
	struct slice value;

	if (ttrpc_call_metadata(call, "k", &value))
		ttrpc_call_answer(call, value);
	else
		ttrpc_call_answer(call, request);
}

static void finish(void *context, struct ttrpc_call *call)
{
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void handle_hold(void *context, struct ttrpc_call *call, struct slice request)
{
	ttrpc_call_on_gone(call, finish, NULL);
	if (request.n == 1)
		ttrpc_call_finish(call, RPC_ABORTED, "\xff");
}

static void receive(void *context, struct ttrpc_call *call, const struct slice *message)
{
	if (!message)
		ttrpc_call_answer(call, slice_string("bye"));
	else if (message->n == 2 || !ttrpc_call_send(call, *message))
		ttrpc_call_finish(call, RPC_OK, NULL);
}

static const struct ttrpc_method methods[] = {
	{ "E", handle_echo },
	{ "H", handle_hold },
	{ "S", handle_hold, .streams = true, .receive = receive },
};
static const struct ttrpc_service service = { "t", methods, ELEMENTS_OF(methods), NULL };
static const struct ttrpc_services services = { &service, 1 };

static void on_message(void *context, struct slice message)
{
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	ABORT_ON((unsigned)status >= RPC_STATUS_COUNT || !words);
	++*(unsigned *)context;
}

static void begin_calls(struct ttrpc_session *session, unsigned *ends)
{
	const struct ttrpc_receiver receiver = { on_message, on_end, ends };
	struct ttrpc_client_call *unused;
	struct error err;

	for (unsigned i = 0; i < CALLS; i++) {
		const struct ttrpc_request request = {
			.service = "t", .method = "E", .timeout_ms = i < 2 ? 0 : 20, .streaming = i & 1, .open = i == 3
		};
		if (ttrpc_session_call(session, &request, &receiver, &unused, &err) < 0)
			++*ends;
	}
}

static void feed_all(struct ttrpc_session *session, struct slice bytes, size_t piece)
{
	for (size_t at = 0; at < bytes.n; at += piece) {
		struct slice part = slice_from(bytes.p + at, bytes.n - at < piece ? bytes.n - at : piece), out;
		struct error err;

		while (part.n > 0) {
			ttrpc_session_feed(session, &part);
			ABORT_ON(part.n > 0 && session->out.n < TTRPC_UNSENT_PAUSE);
			if (ttrpc_session_output(session, &out, &err) < 0)
				return;
			ttrpc_session_sent(session);
		}
		now++;
		if (ttrpc_session_deadline_ms(session) <= now)
			ttrpc_session_expire(session);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_client = size > 0 && data[0] == 'c';
	const struct ttrpc_session_options options = { .services = is_client ? NULL : &services, .now_ms = now_ms };
	struct ttrpc_session *session;
	unsigned ends = 0;
	struct error err;

	now = 1000;
	if (size < 1 || ttrpc_session_new(&options, &session, &err) < 0)
		return 0;
	if (is_client)
		begin_calls(session, &ends);
	feed_all(session, slice_from(data + 1, size - 1), data[0] % 64 + 1);
	ttrpc_session_free(session, NULL);
	ABORT_ON(is_client && ends != CALLS); /* every call ends exactly once */
	return 0;
}
