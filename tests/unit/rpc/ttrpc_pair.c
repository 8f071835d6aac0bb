// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rpc/ttrpc_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"

struct pair pair;

/* ── The service ── */

static void handle_echo(void *context, struct ttrpc_call *call, struct slice request)
{
	struct slice value;

	pair.n_handled++;
	if (ttrpc_call_metadata(call, "who", &value))
		snprintf(pair.metadata, sizeof(pair.metadata), SLICE_FORMAT, SLICE_ARGS(value));
	ttrpc_call_answer(call, request);
}

static void handle_refuse(void *context, struct ttrpc_call *call, struct slice request)
{
	struct error err;

	error_set(&err, EACCES, "pod \"shop/web\" may not have 100%% of it");
	ttrpc_call_fail(call, &err);
}

static void handle_nothing(void *context, struct ttrpc_call *call, struct slice request)
{
	ttrpc_call_finish(call, RPC_OK, NULL);
}

static void note_gone(void *context, struct ttrpc_call *call)
{
	pair.n_gone++;
	if (pair.finish_when_gone)
		ttrpc_call_finish(call, RPC_OK, NULL);
}

static void handle_hold(void *context, struct ttrpc_call *call, struct slice request)
{
	pair.n_handled++;
	ttrpc_call_on_gone(call, note_gone, NULL);
	if (pair.n_held < HELD_MAX)
		pair.held[pair.n_held++] = call;
}

static void handle_large(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, TTRPC_MESSAGE_MAX);

	ttrpc_call_answer(call, slice_from(bytes, TTRPC_MESSAGE_MAX)); /* and 5 bytes around it: too large */
}

static void handle_count(void *context, struct ttrpc_call *call, struct slice request)
{
	assert_true(ttrpc_call_send(call, slice_string("one ")));
	assert_true(ttrpc_call_send(call, slice_string("two ")));
	assert_true(ttrpc_call_send(call, (struct slice){ 0 }));
	if (request.n > 0)
		ttrpc_call_finish(call, RPC_ABORTED, "enough");
	else
		ttrpc_call_finish(call, RPC_OK, NULL);
}

static void handle_chat(void *context, struct ttrpc_call *call, struct slice request)
{
	handle_hold(context, call, request);
}

static void receive_chat(void *context, struct ttrpc_call *call, const struct slice *message)
{
	pair.n_received++;
	if (message)
		assert_true(ttrpc_call_send(call, *message));
	else
		ttrpc_call_answer(call, slice_string("bye"));
}

static void receive_sum(void *context, struct ttrpc_call *call, const struct slice *message)
{
	if (message)
		pair.n_received++;
	else
		ttrpc_call_answer(call, slice_string(pair.n_received == 2 ? "two" : "not two"));
}

static void receive_only(void *context, struct ttrpc_call *call, const struct slice *message)
{
	pair.n_received++;
}

static const struct ttrpc_method methods[] = {
	{ "Echo", handle_echo },
	{ "Refuse", handle_refuse },
	{ "Nothing", handle_nothing },
	{ "Hold", handle_hold },
	{ "Large", handle_large },
	{ "Count", handle_count, .streams = true },
	{ "HoldStream", handle_hold, .streams = true },
	{ "Chat", handle_chat, .streams = true, .receive = receive_chat },
	{ "Sum", handle_hold, .receive = receive_sum },
	{ "Listen", handle_hold, .receive = receive_only },
};
static const struct ttrpc_service services_[] = { { "t", methods, ELEMENTS_OF(methods), NULL } };
const struct ttrpc_services pair_services = { services_, ELEMENTS_OF(services_) };

/* ── The client ── */

static void on_message(void *context, struct slice message)
{
	size_t n = strlen(pair.answers);

	pair.n_answers++;
	pair.answer_n = message.n;
	snprintf(pair.answers + n, sizeof(pair.answers) - n, SLICE_FORMAT, SLICE_ARGS(message));
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	pair.n_ends++;
	pair.n_exhausted += status == RPC_RESOURCE_EXHAUSTED;
	pair.status = status;
	snprintf(pair.words, sizeof(pair.words), "%s", words);
}

const struct ttrpc_receiver pair_receiver = { on_message, on_end, NULL };

uint64_t pair_now_ms(void *context)
{
	return pair.now_ms;
}

int pair_set_up(void **state)
{
	const struct ttrpc_session_options client = { .now_ms = pair_now_ms },
					   server = { .services = &pair_services, .now_ms = pair_now_ms };
	struct error err;

	pair = (struct pair){ .piece = SIZE_MAX, .now_ms = 1000 };
	assert_int_equal(ttrpc_session_new(&client, &pair.client, &err), 0);
	assert_int_equal(ttrpc_session_new(&server, &pair.server, &err), 0);
	return 0;
}

int pair_tear_down(void **state)
{
	allocations_allowed = SIZE_MAX;
	ttrpc_session_free(pair.client, NULL);
	ttrpc_session_free(pair.server, NULL);
	for (size_t i = 0; i < pair.n_held; i++) {
		if (pair.held[i])
			ttrpc_call_finish(pair.held[i], RPC_OK, NULL);
	}
	return 0;
}

/* True if there was anything to move. */
bool pair_move(struct ttrpc_session *from, struct ttrpc_session *to)
{
	struct slice bytes;
	struct error err;

	assert_int_equal(ttrpc_session_output(from, &bytes, &err), 0);
	bool any = bytes.n > 0;
	while (bytes.n > 0) {
		struct slice piece = slice_from(bytes.p, bytes.n < pair.piece ? bytes.n : pair.piece), left = piece;
		ttrpc_session_feed(to, &left);
		bytes = slice_from(bytes.p + (piece.n - left.n), bytes.n - (piece.n - left.n));
		if (left.n > 0) { /* it waits until its own output is taken */
			struct slice answers;
			assert_int_equal(ttrpc_session_output(to, &answers, &err), 0);
			assert_true(answers.n > 0);
			ttrpc_session_feed(from, &answers);
			ttrpc_session_sent(to);
		}
	}
	ttrpc_session_sent(from);
	return any;
}

void pair_settle(void)
{
	bool moved = true;

	while (moved) {
		moved = pair_move(pair.client, pair.server);
		moved |= pair_move(pair.server, pair.client);
	}
}

struct ttrpc_client_call *pair_begin_request(const struct ttrpc_request *request)
{
	struct ttrpc_client_call *call;
	struct error err;

	pair.n_answers = pair.n_ends = 0;
	pair.answers[0] = 0;
	if (ttrpc_session_call(pair.client, request, &pair_receiver, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call;
}

struct ttrpc_client_call *pair_begin(const char *method, const char *message)
{
	return pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = method, .message = slice_string(message) });
}

struct ttrpc_client_call *pair_begin_stream(const char *method, bool open)
{
	return pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = method, .streaming = true, .open = open });
}

struct ttrpc_client_call *pair_begin_held(uint64_t timeout_ms)
{
	return pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Hold", .timeout_ms = timeout_ms });
}

void pair_call(const char *method, const char *message)
{
	pair_begin(method, message);
	pair_settle();
	assert_int_equal(pair.n_ends, 1);
}

void pair_expect_alive(void)
{
	pair_call("Echo", "and the connection lives");
	assert_int_equal(pair.status, RPC_OK);
}
