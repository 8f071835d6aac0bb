// SPDX-License-Identifier: Apache-2.0
/* A client's and a server's session, joined by moving bytes from one to the other: no socket, no loop, a clock that we turn. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/array.h"
#include "common/rpc/ttrpc_session.h"
#include "tests/support/few_allocations.h"

#define HELD_MAX 8

static struct world {
	struct ttrpc_session *client, *server;
	uint64_t now_ms;
	size_t piece; /* bytes that travel at once */

	struct ttrpc_call *held[HELD_MAX]; /* by method Hold, in the order in which they came */
	size_t n_held;
	unsigned n_gone, n_handled, n_received;
	bool finish_when_gone;
	char metadata[64];

	unsigned n_answers, n_ends, n_exhausted;
	char answers[256]; /* one after the other */
	size_t answer_n;
	enum rpc_status status;
	char words[1024];
} world;

/* ── The service ── */

static void handle_echo(void *context, struct ttrpc_call *call, struct slice request)
{
	struct slice value;

	world.n_handled++;
	if (ttrpc_call_metadata(call, "who", &value))
		snprintf(world.metadata, sizeof(world.metadata), SLICE_FORMAT, SLICE_ARGS(value));
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
	world.n_gone++;
	if (world.finish_when_gone)
		ttrpc_call_finish(call, RPC_OK, NULL);
}

static void handle_hold(void *context, struct ttrpc_call *call, struct slice request)
{
	world.n_handled++;
	ttrpc_call_on_gone(call, note_gone, NULL);
	if (world.n_held < HELD_MAX)
		world.held[world.n_held++] = call;
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
	world.n_received++;
	if (message)
		assert_true(ttrpc_call_send(call, *message));
	else
		ttrpc_call_answer(call, slice_string("bye"));
}

static void receive_sum(void *context, struct ttrpc_call *call, const struct slice *message)
{
	if (message)
		world.n_received++;
	else
		ttrpc_call_answer(call, slice_string(world.n_received == 2 ? "two" : "not two"));
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
};
static const struct ttrpc_service services_[] = { { "t", methods, ELEMENTS_OF(methods), NULL } };
static const struct ttrpc_services services = { services_, ELEMENTS_OF(services_) };

/* ── The client ── */

static void on_message(void *context, struct slice message)
{
	size_t n = strlen(world.answers);

	world.n_answers++;
	world.answer_n = message.n;
	snprintf(world.answers + n, sizeof(world.answers) - n, SLICE_FORMAT, SLICE_ARGS(message));
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	world.n_ends++;
	world.n_exhausted += status == RPC_RESOURCE_EXHAUSTED;
	world.status = status;
	snprintf(world.words, sizeof(world.words), "%s", words);
}

static const struct ttrpc_receiver receiver = { on_message, on_end, NULL };

static uint64_t now_ms(void *context)
{
	return world.now_ms;
}

static int set_up(void **state)
{
	const struct ttrpc_session_options client = { .now_ms = now_ms }, server = { .services = &services, .now_ms = now_ms };
	struct error err;

	world = (struct world){ .piece = SIZE_MAX, .now_ms = 1000 };
	assert_int_equal(ttrpc_session_new(&client, &world.client, &err), 0);
	assert_int_equal(ttrpc_session_new(&server, &world.server, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	allocations_allowed = SIZE_MAX;
	ttrpc_session_free(world.client, NULL);
	ttrpc_session_free(world.server, NULL);
	for (size_t i = 0; i < world.n_held; i++) {
		if (world.held[i])
			ttrpc_call_finish(world.held[i], RPC_OK, NULL);
	}
	return 0;
}

/* True if there was anything to move. */
static bool move(struct ttrpc_session *from, struct ttrpc_session *to)
{
	struct slice bytes;
	struct error err;

	assert_int_equal(ttrpc_session_output(from, &bytes, &err), 0);
	bool any = bytes.n > 0;
	while (bytes.n > 0) {
		struct slice piece = slice_from(bytes.p, bytes.n < world.piece ? bytes.n : world.piece), left = piece;
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

static void settle(void)
{
	bool moved = true;

	while (moved) {
		moved = move(world.client, world.server);
		moved |= move(world.server, world.client);
	}
}

static struct ttrpc_client_call *begin_request(const struct ttrpc_request *request)
{
	struct ttrpc_client_call *call;
	struct error err;

	world.n_answers = world.n_ends = 0;
	world.answers[0] = 0;
	if (ttrpc_session_call(world.client, request, &receiver, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call;
}

static struct ttrpc_client_call *begin(const char *method, const char *message)
{
	return begin_request(&(struct ttrpc_request){ .service = "t", .method = method, .message = slice_string(message) });
}

static struct ttrpc_client_call *begin_stream(const char *method, bool open)
{
	return begin_request(&(struct ttrpc_request){ .service = "t", .method = method, .streaming = true, .open = open });
}

static void call(const char *method, const char *message)
{
	begin(method, message);
	settle();
	assert_int_equal(world.n_ends, 1);
}

static void expect_alive(void)
{
	call("Echo", "and the connection lives");
	assert_int_equal(world.status, RPC_OK);
}

/* ── Calls ── */

static void a_call_is_answered(void **state)
{
	call("Echo", "hello");
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 1);
	assert_string_equal(world.answers, "hello");
}

static void an_empty_message_is_a_message(void **state)
{
	call("Echo", "");
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 1);
	call("Nothing", "x");
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 1);
}

static void bytes_may_come_one_by_one(void **state)
{
	world.piece = 1;
	call("Echo", "hello");
	assert_string_equal(world.answers, "hello");
}

static void answers_may_come_later_and_in_any_order(void **state)
{
	begin("Hold", "a");
	begin("Hold", "b");
	begin("Hold", "c");
	settle();
	assert_int_equal(world.n_held, 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "a", "b", "c" };
		size_t which = (i + 2) % 3;
		ttrpc_call_answer(TAKE_PTR(world.held[which]), slice_string(names[which]));
		settle();
		assert_int_equal(world.n_ends, i + 1);
	}
	assert_string_equal(world.answers, "cab");
}

static void a_refusal_keeps_its_status_and_every_word(void **state)
{
	call("Refuse", "");
	assert_int_equal(world.status, RPC_PERMISSION_DENIED);
	assert_string_equal(world.words, "pod \"shop/web\" may not have 100% of it");
	assert_int_equal(world.n_answers, 0);
}

static void unknown_services_and_methods_are_unimplemented_in_gos_words(void **state)
{
	call("Other", "");
	assert_int_equal(world.status, RPC_UNIMPLEMENTED);
	assert_string_equal(world.words, "method Other");
	begin_request(&(struct ttrpc_request){ .service = "other", .method = "Echo" });
	settle();
	assert_int_equal(world.status, RPC_UNIMPLEMENTED);
	assert_string_equal(world.words, "service other");
}

static void metadata_arrives(void **state)
{
	const struct ttrpc_metadata pairs[] = { { slice_string("other"), slice_string("x") }, { slice_string("who"), slice_string("me") } };

	begin_request(&(struct ttrpc_request){ .service = "t", .method = "Echo", .metadata = pairs, .n_metadata = 2 });
	settle();
	assert_int_equal(world.status, RPC_OK);
	assert_string_equal(world.metadata, "me");
}

/* ── Time ── */

static struct ttrpc_client_call *begin_with_timeout(uint64_t timeout_ms)
{
	return begin_request(&(struct ttrpc_request){ .service = "t", .method = "Hold", .timeout_ms = timeout_ms });
}

static void each_side_ends_a_call_when_its_timeout_has_passed(void **state)
{
	begin_with_timeout(500);
	settle();
	assert_int_equal(ttrpc_session_deadline_ms(world.client), 1500);
	assert_int_equal(ttrpc_session_deadline_ms(world.server), 1500);
	world.now_ms = 1499;
	ttrpc_session_expire(world.client);
	ttrpc_session_expire(world.server);
	assert_int_equal(world.n_ends + world.n_gone, 0);
	world.now_ms = 1500;
	ttrpc_session_expire(world.client);
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_DEADLINE_EXCEEDED);
	ttrpc_session_expire(world.server);
	assert_int_equal(world.n_gone, 1);
	assert_int_equal(ttrpc_session_deadline_ms(world.client), UINT64_MAX);
	settle(); /* the server's own answer finds nobody */
	assert_int_equal(world.n_ends, 1);
	expect_alive();
}

static void a_server_tells_a_client_whose_clock_is_slow(void **state)
{
	begin_with_timeout(500);
	settle();
	world.now_ms = 1500;
	ttrpc_session_expire(world.server);
	settle();
	assert_int_equal(world.status, RPC_DEADLINE_EXCEEDED);
	assert_string_equal(world.words, "the request's timeout has passed");
}

static void a_handler_may_know_how_much_time_is_left(void **state)
{
	begin_with_timeout(500);
	begin_with_timeout(0);
	settle();
	assert_int_equal(ttrpc_call_left_ms(world.held[0]), 500);
	assert_int_equal(ttrpc_call_left_ms(world.held[1]), 0);
	world.now_ms = 1450;
	assert_int_equal(ttrpc_call_left_ms(world.held[0]), 50);
	world.now_ms = 1600;
	assert_int_equal(ttrpc_call_left_ms(world.held[0]), 1);
	ttrpc_session_expire(world.server);
	assert_int_equal(ttrpc_call_left_ms(world.held[0]), 1);
}

static void only_those_whose_time_has_passed_end(void **state)
{
	begin_with_timeout(300);
	begin_with_timeout(0);
	begin_with_timeout(100);
	begin_with_timeout(200);
	assert_int_equal(ttrpc_session_deadline_ms(world.client), 1100);
	world.now_ms = 1250;
	ttrpc_session_expire(world.client);
	assert_int_equal(world.n_ends, 2);
	assert_int_equal(ttrpc_session_deadline_ms(world.client), 1300);
	world.now_ms = 5000;
	ttrpc_session_expire(world.client);
	assert_int_equal(world.n_ends, 3);
	assert_int_equal(ttrpc_session_deadline_ms(world.client), UINT64_MAX);
}

static void a_handler_may_finish_when_it_hears_that_the_call_is_gone(void **state)
{
	world.finish_when_gone = true;
	begin_with_timeout(500);
	settle();
	world.now_ms = 1500;
	ttrpc_session_expire(world.server);
	assert_int_equal(world.n_gone, 1);
	world.n_held = 0;
	settle();
	assert_int_equal(world.status, RPC_DEADLINE_EXCEEDED);
}

static void what_a_handler_says_after_its_call_is_gone_is_not_sent(void **state)
{
	begin_with_timeout(500);
	settle();
	world.now_ms = 1500;
	ttrpc_session_expire(world.server);
	settle();
	assert_int_equal(world.n_ends, 1);
	ttrpc_call_answer(TAKE_PTR(world.held[0]), slice_string("late"));
	assert_false(move(world.server, world.client));
}

/* ── Ends ── */

static void a_cancelled_call_is_silent_for_its_caller(void **state)
{
	struct ttrpc_client_call *mine = begin("Hold", "");

	settle();
	ttrpc_client_cancel(mine);
	ttrpc_call_answer(TAKE_PTR(world.held[0]), slice_string("to nobody"));
	settle();
	assert_int_equal(world.n_ends + world.n_answers, 0);
	expect_alive();
}

static void a_lost_connection_ends_every_call_with_the_reason(void **state)
{
	struct error why;

	begin("Hold", "");
	begin("Hold", "");
	settle();
	error_set(&why, EPIPE, "the connection was lost: broken pipe");
	world.n_ends = 0;
	ttrpc_session_free(TAKE_PTR(world.client), &why);
	assert_int_equal(world.n_ends, 2);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_string_equal(world.words, "the connection was lost: broken pipe");
	ttrpc_session_free(TAKE_PTR(world.server), NULL);
	assert_int_equal(world.n_gone, 2);
}

static void an_idle_session_keeps_no_buffers(void **state)
{
	for (int i = 0; i < 100; i++)
		begin("Echo", "hello");
	settle();
	assert_null(world.client->streams);
	assert_null(world.server->streams);
	assert_null(world.client->out.p);
	assert_null(world.server->out.p);
	assert_null(world.client->sending.p);
	assert_null(world.server->sending.p);
	assert_null(world.server->in.data.p);
}

/* ── Streams ── */

static void a_stream_of_answers_comes_in_order_and_ends(void **state)
{
	begin_stream("Count", false);
	settle();
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 3); /* the last is empty, and a message */
	assert_string_equal(world.answers, "one two ");
}

static void a_stream_of_answers_may_end_badly(void **state)
{
	begin_request(&(struct ttrpc_request){ .service = "t", .method = "Count", .message = slice_string("!"), .streaming = true });
	settle();
	assert_int_equal(world.n_answers, 3);
	assert_int_equal(world.status, RPC_ABORTED);
	assert_string_equal(world.words, "enough");
}

static void a_stream_of_requests_has_one_answer(void **state)
{
	struct ttrpc_client_call *mine = begin_request(&(struct ttrpc_request){ .service = "t", .method = "Sum", .open = true });
	struct error err;

	settle();
	assert_int_equal(ttrpc_client_send(mine, slice_string("a"), &err), 0);
	assert_int_equal(ttrpc_client_send(mine, (struct slice){ 0 }, &err), 0);
	settle();
	assert_int_equal(world.n_ends, 0);
	ttrpc_client_end_sending(mine);
	settle();
	assert_int_equal(world.status, RPC_OK);
	assert_string_equal(world.answers, "two");
	world.n_held = 0;
}

static void both_sides_may_stream_at_once(void **state)
{
	struct ttrpc_client_call *mine = begin_stream("Chat", true);
	struct error err;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(ttrpc_client_send(mine, slice_string("hi "), &err), 0);
		settle();
		assert_int_equal(world.n_answers, i + 1);
	}
	ttrpc_client_end_sending(mine);
	settle();
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_OK);
	assert_string_equal(world.answers, "hi hi hi bye");
	world.n_held = 0;
}

static void a_caller_that_gives_up_a_stream_says_that_no_more_comes(void **state)
{
	struct ttrpc_client_call *mine = begin_stream("Chat", true);

	settle();
	ttrpc_client_cancel(mine);
	settle();
	assert_int_equal(world.n_received, 1); /* NULL */
	assert_int_equal(world.n_ends, 0);
	world.n_held = 0;
}

static void a_call_to_a_method_that_takes_a_stream_may_have_none(void **state)
{
	call("Sum", "");
	assert_string_equal(world.answers, "not two");
	world.n_held = 0;
}

static void answers_that_stream_to_a_call_which_has_one_are_an_error(void **state)
{
	call("Count", "");
	assert_int_equal(world.status, RPC_INTERNAL);
	expect_alive();
}

/* ── What a peer may do wrong ── */

static void feed_frame(uint32_t stream, uint8_t type, uint8_t flags, struct slice data, uint32_t length)
{
	const struct ttrpc_frame frame = { .stream = stream, .type = type, .flags = flags, .length = length };
	uint8_t header[TTRPC_HEADER_SIZE];
	struct slice bytes = slice_from(header, sizeof(header));

	ttrpc_frame_write_header(&frame, header);
	ttrpc_session_feed(world.server, &bytes);
	ttrpc_session_feed(world.server, &data);
}

/* The server's answer, on this stream. */
static void expect_status(uint32_t stream, enum rpc_status status, const char *words)
{
	struct ttrpc_reader reader = TTRPC_READER;
	struct ttrpc_response_message response;
	struct ttrpc_frame frame;
	struct slice bytes;
	struct error err;

	assert_int_equal(ttrpc_session_output(world.server, &bytes, &err), 0);
	assert_true(ttrpc_reader_next(&reader, &bytes, &frame));
	assert_int_equal(frame.type, TTRPC_RESPONSE);
	assert_int_equal(frame.stream, stream);
	assert_int_equal(ttrpc_response_read(frame.data, &response, &err), 0);
	assert_int_equal(response.status, status);
	assert_true(slice_equals_string(response.words, words));
	assert_int_equal(bytes.n, 0);
	ttrpc_session_sent(world.server);
}

static void feed_request(uint32_t stream, uint8_t flags, const char *method)
{
	const struct ttrpc_request_message request = { .service = slice_string("t"), .method = slice_string(method) };
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(256);

	ttrpc_request_write(&request, NULL, 0, &bytes);
	feed_frame(stream, TTRPC_REQUEST, flags, buf_view(&bytes), (uint32_t)bytes.n);
}

static void what_breaks_the_protocol_is_answered_in_gos_words(void **state)
{
	feed_request(2, 0, "Echo");
	expect_status(2, RPC_INVALID_ARGUMENT, "StreamID must be odd for client initiated streams");
	feed_request(7, 0, "Echo");
	expect_status(7, RPC_OK, "");
	feed_request(7, 0, "Echo");
	expect_status(7, RPC_INVALID_ARGUMENT, "StreamID cannot be re-used and must increment");
	feed_request(5, 0, "Echo");
	expect_status(5, RPC_INVALID_ARGUMENT, "StreamID cannot be re-used and must increment");
	feed_frame(9, TTRPC_DATA, 0, slice_string("x"), 1);
	expect_status(9, RPC_INVALID_ARGUMENT, "StreamID is no longer active");
	feed_frame(9, TTRPC_REQUEST, 0, slice_string("\x0a"), 1);
	expect_status(9, RPC_INVALID_ARGUMENT, "unmarshal request error: 1 bytes are no ttrpc.Request of protobuf");
	feed_frame(11, TTRPC_RESPONSE, 0, slice_string("x"), 1); /* ignored, as what a later version may add */
	feed_frame(11, 77, 0, slice_string("x"), 1);
	feed_request(11, 0, "Echo");
	expect_status(11, RPC_OK, "");
}

static void data_that_a_call_does_not_take_ends_it(void **state)
{
	feed_request(1, 0, "Hold");
	feed_frame(1, TTRPC_DATA, 0, slice_string("x"), 1);
	expect_status(1, RPC_INVALID_ARGUMENT, "data handling error: the call takes no data, or no more");
	assert_int_equal(world.n_gone, 1);
	feed_request(3, TTRPC_REMOTE_CLOSED, "HoldStream");
	feed_frame(3, TTRPC_DATA, 0, slice_string("x"), 1);
	expect_status(3, RPC_INVALID_ARGUMENT, "data handling error: the call takes no data, or no more");
	assert_int_equal(world.n_gone, 2);
}

static void the_last_data_may_have_a_message(void **state)
{
	feed_request(1, TTRPC_REMOTE_OPEN, "Sum");
	feed_frame(1, TTRPC_DATA, 0, slice_string("x"), 1);
	feed_frame(1, TTRPC_DATA, TTRPC_REMOTE_CLOSED, slice_string("x"), 1);
	assert_int_equal(world.n_received, 2);
	expect_status(1, RPC_OK, "");
	world.n_held = 0;
}

static void a_request_above_the_limit_is_refused_by_itself(void **state)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, TTRPC_MESSAGE_MAX + 1);
	struct slice all = slice_from(bytes, TTRPC_MESSAGE_MAX + 1);

	feed_request(1, 0, "Hold");
	feed_frame(3, TTRPC_REQUEST, 0, all, TTRPC_MESSAGE_MAX + 1);
	expect_status(3, RPC_RESOURCE_EXHAUSTED, "message length 4194305 exceed maximum message size of 4194304");
	feed_request(5, 0, "Echo");
	expect_status(5, RPC_OK, "");
	assert_int_equal(world.n_gone, 0);
	feed_frame(1, TTRPC_DATA, 0, all, TTRPC_MESSAGE_MAX + 1);
	expect_status(1, RPC_RESOURCE_EXHAUSTED, "message length 4194305 exceed maximum message size of 4194304");
	assert_int_equal(world.n_gone, 1);
}

static void a_timeout_that_had_passed_is_not_handled(void **state)
{
	const struct ttrpc_request_message request = { .service = slice_string("t"), .method = slice_string("Echo"), .timeout_ns = -1 };
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(256);

	ttrpc_request_write(&request, NULL, 0, &bytes);
	feed_frame(1, TTRPC_REQUEST, 0, buf_view(&bytes), (uint32_t)bytes.n);
	expect_status(1, RPC_DEADLINE_EXCEEDED, "the request's timeout had passed before it was sent");
	assert_int_equal(world.n_handled, 0);
}

/* ── Limits ── */

static void a_request_that_is_too_large_is_not_sent(void **state)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, TTRPC_MESSAGE_MAX + 1);
	struct ttrpc_client_call *mine;
	struct error err;

	for (size_t n = TTRPC_MESSAGE_MAX - 3; n <= TTRPC_MESSAGE_MAX + 1; n++) {
		const struct ttrpc_request request = { .service = "t", .method = "Echo", .message = slice_from(bytes, n) };
		assert_int_equal(ttrpc_session_call(world.client, &request, &receiver, &mine, &err), -ENOBUFS);
		assert_int_equal(rpc_status_of(&err), RPC_RESOURCE_EXHAUSTED);
	}
	assert_false(move(world.client, world.server));
	expect_alive();
}

static void an_answer_that_is_too_large_is_that_to_its_caller(void **state)
{
	call("Large", "");
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
	assert_string_equal(world.words, "message length 4194309 exceed maximum message size of 4194304");
	expect_alive();
}

static void calls_of_a_connection_are_limited_at_both_ends(void **state)
{
	struct ttrpc_client_call *mine;
	struct error err;

	world.finish_when_gone = true;
	for (int i = 0; i < TTRPC_CALLS_MAX; i++)
		begin("Hold", "");
	assert_int_equal(
		ttrpc_session_call(world.client, &(struct ttrpc_request){ .service = "t", .method = "Hold" }, &receiver, &mine, &err),
		-EBUSY);
	settle();
	assert_int_equal(world.n_handled, TTRPC_CALLS_MAX);
	feed_request(100001, 0, "Hold");
	expect_status(100001, RPC_RESOURCE_EXHAUSTED,
		      "too many calls are being handled (at most 1024 of one connection), those included that timed out");
	assert_int_equal(world.n_handled, TTRPC_CALLS_MAX);
	world.n_held = 0;
}

/* Each call times out as soon as it is handled; its handler goes on. */
static void calls_that_timed_out_count_until_their_handlers_are_done(void **state)
{
	struct rpc_load *load = rpc_load_new(4, NULL);
	const struct ttrpc_session_options server = { .services = &services, .load = load, .now_ms = now_ms };
	struct error err;

	ttrpc_session_free(world.server, NULL);
	assert_int_equal(ttrpc_session_new(&server, &world.server, &err), 0);
	rpc_load_unref(load);
	for (size_t i = 0; i < 4; i++) {
		begin_with_timeout(1);
		settle();
		world.now_ms++;
		ttrpc_session_expire(world.client);
		ttrpc_session_expire(world.server);
	}
	assert_int_equal(world.n_gone, 4);
	call("Echo", "");
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
	ttrpc_call_finish(TAKE_PTR(world.held[0]), RPC_OK, NULL);
	expect_alive();
}

static void a_peer_that_takes_no_answers_is_not_listened_to(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024);
	struct slice bytes, waiting;
	struct error err;

	while (text.n < 1000)
		buf_string(&text, "x");
	for (int i = 0; i < 1000; i++)
		begin("Echo", buf_text(&text));
	assert_int_equal(ttrpc_session_output(world.client, &bytes, &err), 0);
	waiting = bytes;
	ttrpc_session_feed(world.server, &waiting);
	assert_in_range(world.server->out.n, TTRPC_UNSENT_PAUSE, TTRPC_UNSENT_PAUSE + 2000);
	assert_in_range(waiting.n, bytes.n / 2, bytes.n - 1);
	while (waiting.n > 0) {
		move(world.server, world.client);
		ttrpc_session_feed(world.server, &waiting);
	}
	ttrpc_session_sent(world.client);
	settle();
	assert_int_equal(world.n_handled, 1000);
}

static void an_answer_that_finds_no_room_is_an_error_to_its_caller_alone(void **state)
{
	static uint8_t large[TTRPC_MESSAGE_MAX - 1000];

	for (int i = 0; i < 6; i++)
		begin("Hold", "");
	world.n_ends = 0;
	move(world.client, world.server);
	for (int i = 0; i < 6; i++)
		ttrpc_call_answer(TAKE_PTR(world.held[i]), slice_from(large, sizeof(large)));
	settle();
	assert_int_equal(world.n_ends, 6);
	assert_int_equal(world.n_exhausted, 2);
	expect_alive();
}

static void a_stream_that_finds_no_room_is_over(void **state)
{
	static uint8_t large[1024 * 1024];
	unsigned n = 0;

	begin_stream("HoldStream", false);
	move(world.client, world.server);
	while (ttrpc_call_send(world.held[0], slice_from(large, sizeof(large))))
		n++;
	assert_in_range(n, 15, 16);
	assert_false(ttrpc_call_send(world.held[0], slice_string("more")));
	settle();
	assert_int_equal(world.n_answers, n);
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
	assert_int_equal(world.n_gone, 0);
}

static void a_client_has_no_numbers_left_once(void **state)
{
	struct ttrpc_client_call *mine;
	struct error err;

	world.client->last_id = UINT32_MAX - 4;
	expect_alive();
	assert_true(ttrpc_session_is_used_up(world.client));
	assert_int_equal(
		ttrpc_session_call(world.client, &(struct ttrpc_request){ .service = "t", .method = "Echo" }, &receiver, &mine, &err),
		-EPIPE);
}

/* ── Memory ── */

static void without_memory_a_call_fails_by_itself_or_the_session_says_so(void **state)
{
	for (size_t allowed = 0; allowed < 12; allowed++) {
		struct ttrpc_client_call *mine;
		struct slice bytes;
		struct error err;

		tear_down(NULL);
		set_up(NULL);
		assert_int_equal(ttrpc_session_call(world.client, &(struct ttrpc_request){ .service = "t", .method = "Echo" }, &receiver,
						    &mine, &err),
				 0);
		world.piece = 3;
		assert_int_equal(ttrpc_session_output(world.client, &bytes, &err), 0);
		allocations_allowed = allowed;
		for (size_t i = 0; i < bytes.n; i++) {
			struct slice byte = slice_from(bytes.p + i, 1);
			ttrpc_session_feed(world.server, &byte);
		}
		allocations_allowed = SIZE_MAX;
		ttrpc_session_sent(world.client);
		if (ttrpc_session_output(world.server, &bytes, &err) < 0)
			continue; /* it must be closed */
		ttrpc_session_feed(world.client, &bytes);
		ttrpc_session_sent(world.server);
		assert_int_equal(world.n_ends, 1);
		assert_true(world.status == RPC_OK || world.status == RPC_RESOURCE_EXHAUSTED);
		if (world.n_handled)
			assert_int_equal(world.status, RPC_OK);
		expect_alive();
	}
}

static void without_memory_a_call_is_not_begun(void **state)
{
	const struct ttrpc_request request = { .service = "t", .method = "Echo", .message = slice_string("x") };
	struct ttrpc_client_call *mine;
	struct error err;
	size_t allowed = 0;

	for (; allowed < 10; allowed++) {
		allocations_allowed = allowed;
		int r = ttrpc_session_call(world.client, &request, &receiver, &mine, &err);
		allocations_allowed = SIZE_MAX;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(world.client->n_streams, 0);
		assert_int_equal(world.client->out.n, 0);
	}
	assert_int_equal(allowed, 3);
	settle();
	assert_int_equal(world.status, RPC_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_answered),
		TEST(an_empty_message_is_a_message),
		TEST(bytes_may_come_one_by_one),
		TEST(answers_may_come_later_and_in_any_order),
		TEST(a_refusal_keeps_its_status_and_every_word),
		TEST(unknown_services_and_methods_are_unimplemented_in_gos_words),
		TEST(metadata_arrives),
		TEST(each_side_ends_a_call_when_its_timeout_has_passed),
		TEST(a_server_tells_a_client_whose_clock_is_slow),
		TEST(a_handler_may_know_how_much_time_is_left),
		TEST(only_those_whose_time_has_passed_end),
		TEST(a_handler_may_finish_when_it_hears_that_the_call_is_gone),
		TEST(what_a_handler_says_after_its_call_is_gone_is_not_sent),
		TEST(a_cancelled_call_is_silent_for_its_caller),
		TEST(a_lost_connection_ends_every_call_with_the_reason),
		TEST(an_idle_session_keeps_no_buffers),
		TEST(a_stream_of_answers_comes_in_order_and_ends),
		TEST(a_stream_of_answers_may_end_badly),
		TEST(a_stream_of_requests_has_one_answer),
		TEST(both_sides_may_stream_at_once),
		TEST(a_caller_that_gives_up_a_stream_says_that_no_more_comes),
		TEST(a_call_to_a_method_that_takes_a_stream_may_have_none),
		TEST(answers_that_stream_to_a_call_which_has_one_are_an_error),
		TEST(what_breaks_the_protocol_is_answered_in_gos_words),
		TEST(data_that_a_call_does_not_take_ends_it),
		TEST(the_last_data_may_have_a_message),
		TEST(a_request_above_the_limit_is_refused_by_itself),
		TEST(a_timeout_that_had_passed_is_not_handled),
		TEST(a_request_that_is_too_large_is_not_sent),
		TEST(an_answer_that_is_too_large_is_that_to_its_caller),
		TEST(calls_of_a_connection_are_limited_at_both_ends),
		TEST(calls_that_timed_out_count_until_their_handlers_are_done),
		TEST(a_peer_that_takes_no_answers_is_not_listened_to),
		TEST(an_answer_that_finds_no_room_is_an_error_to_its_caller_alone),
		TEST(a_stream_that_finds_no_room_is_over),
		TEST(a_client_has_no_numbers_left_once),
		TEST(without_memory_a_call_fails_by_itself_or_the_session_says_so),
		TEST(without_memory_a_call_is_not_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
