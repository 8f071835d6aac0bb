// SPDX-License-Identifier: Apache-2.0
/* What a peer may do wrong, what it may make grow, and what happens without memory. */
#include "tests/unit/rpc/ttrpc_pair.h"

#include <errno.h>
#include <stdlib.h>

/* ── What a peer may do wrong ── */

static void feed_frame(uint32_t stream, uint8_t type, uint8_t flags, struct slice data, uint32_t length)
{
	const struct ttrpc_frame frame = { .stream = stream, .type = type, .flags = flags, .length = length };
	uint8_t header[TTRPC_HEADER_SIZE];
	struct slice bytes = slice_from(header, sizeof(header));

	ttrpc_frame_write_header(&frame, header);
	ttrpc_session_feed(pair.server, &bytes);
	ttrpc_session_feed(pair.server, &data);
}

/* The server's answer, on this stream. */
static void expect_status(uint32_t stream, enum rpc_status status, const char *words)
{
	struct ttrpc_reader reader = TTRPC_READER;
	struct ttrpc_response_message response;
	struct ttrpc_frame frame;
	struct slice bytes;
	struct error err;

	assert_int_equal(ttrpc_session_output(pair.server, &bytes, &err), 0);
	assert_true(ttrpc_reader_next(&reader, &bytes, &frame));
	assert_int_equal(frame.type, TTRPC_RESPONSE);
	assert_int_equal(frame.stream, stream);
	assert_int_equal(ttrpc_response_read(frame.data, &response, &err), 0);
	assert_int_equal(response.status, status);
	assert_true(slice_equals_string(response.words, words));
	assert_int_equal(bytes.n, 0);
	ttrpc_session_sent(pair.server);
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
	assert_int_equal(pair.n_gone, 1);
	feed_request(3, TTRPC_REMOTE_CLOSED, "HoldStream");
	feed_frame(3, TTRPC_DATA, 0, slice_string("x"), 1);
	expect_status(3, RPC_INVALID_ARGUMENT, "data handling error: the call takes no data, or no more");
	assert_int_equal(pair.n_gone, 2);
}

static void data_after_the_last_ends_the_call(void **state)
{
	feed_request(1, TTRPC_REMOTE_OPEN, "Listen");
	feed_frame(1, TTRPC_DATA, TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA, (struct slice){ (const uint8_t *)"", 0 }, 0);
	assert_int_equal(pair.n_received, 1);
	feed_frame(1, TTRPC_DATA, 0, slice_string("x"), 1);
	expect_status(1, RPC_INVALID_ARGUMENT, "data handling error: the call takes no data, or no more");
	assert_int_equal(pair.n_received, 1);
	assert_int_equal(pair.n_gone, 1);
}

static void the_last_data_may_have_a_message(void **state)
{
	feed_request(1, TTRPC_REMOTE_OPEN, "Sum");
	feed_frame(1, TTRPC_DATA, 0, slice_string("x"), 1);
	feed_frame(1, TTRPC_DATA, TTRPC_REMOTE_CLOSED, slice_string("x"), 1);
	assert_int_equal(pair.n_received, 2);
	expect_status(1, RPC_OK, "");
	pair.n_held = 0;
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
	assert_int_equal(pair.n_gone, 0);
	feed_frame(1, TTRPC_DATA, 0, all, TTRPC_MESSAGE_MAX + 1);
	expect_status(1, RPC_RESOURCE_EXHAUSTED, "message length 4194305 exceed maximum message size of 4194304");
	assert_int_equal(pair.n_gone, 1);
}

static void a_timeout_that_had_passed_is_not_handled(void **state)
{
	const struct ttrpc_request_message request = { .service = slice_string("t"), .method = slice_string("Echo"), .timeout_ns = -1 };
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(256);

	ttrpc_request_write(&request, NULL, 0, &bytes);
	feed_frame(1, TTRPC_REQUEST, 0, buf_view(&bytes), (uint32_t)bytes.n);
	expect_status(1, RPC_DEADLINE_EXCEEDED, "the request's timeout had passed before it was sent");
	assert_int_equal(pair.n_handled, 0);
}

/* ── Limits ── */

static void a_request_that_is_too_large_is_not_sent(void **state)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, TTRPC_MESSAGE_MAX + 1);
	struct ttrpc_client_call *mine;
	struct error err;

	for (size_t n = TTRPC_MESSAGE_MAX - 3; n <= TTRPC_MESSAGE_MAX + 1; n++) {
		const struct ttrpc_request request = { .service = "t", .method = "Echo", .message = slice_from(bytes, n) };
		assert_int_equal(ttrpc_session_call(pair.client, &request, &pair_receiver, &mine, &err), -ENOBUFS);
		assert_int_equal(rpc_status_of(&err), RPC_RESOURCE_EXHAUSTED);
	}
	assert_false(pair_move(pair.client, pair.server));
	pair_expect_alive();
}

static void an_answer_that_is_too_large_is_that_to_its_caller(void **state)
{
	pair_call("Large", "");
	assert_int_equal(pair.status, RPC_RESOURCE_EXHAUSTED);
	assert_string_equal(pair.words, "message length 4194309 exceed maximum message size of 4194304");
	pair_expect_alive();
}

static void calls_of_a_connection_are_limited_at_both_ends(void **state)
{
	struct ttrpc_client_call *mine;
	struct error err;

	pair.finish_when_gone = true;
	for (int i = 0; i < TTRPC_CALLS_MAX; i++)
		pair_begin("Hold", "");
	assert_int_equal(
		ttrpc_session_call(pair.client, &(struct ttrpc_request){ .service = "t", .method = "Hold" }, &pair_receiver, &mine, &err),
		-EBUSY);
	pair_settle();
	assert_int_equal(pair.n_handled, TTRPC_CALLS_MAX);
	feed_request(100001, 0, "Hold");
	expect_status(100001, RPC_RESOURCE_EXHAUSTED,
		      "too many calls are being handled (at most 1024 of one connection), those included that timed out");
	assert_int_equal(pair.n_handled, TTRPC_CALLS_MAX);
	pair.n_held = 0;
}

/* Each call times out as soon as it is handled; its handler goes on. */
static void calls_that_timed_out_count_until_their_handlers_are_done(void **state)
{
	struct rpc_load *load = rpc_load_new(4, NULL);
	const struct ttrpc_session_options server = { .services = &pair_services, .load = load, .now_ms = pair_now_ms };
	struct error err;

	ttrpc_session_free(pair.server, NULL);
	assert_int_equal(ttrpc_session_new(&server, &pair.server, &err), 0);
	rpc_load_unref(load);
	for (size_t i = 0; i < 4; i++) {
		pair_begin_held(1);
		pair_settle();
		pair.now_ms++;
		ttrpc_session_expire(pair.client);
		ttrpc_session_expire(pair.server);
	}
	assert_int_equal(pair.n_gone, 4);
	pair_call("Echo", "");
	assert_int_equal(pair.status, RPC_RESOURCE_EXHAUSTED);
	ttrpc_call_finish(TAKE_PTR(pair.held[0]), RPC_OK, NULL);
	pair_expect_alive();
}

static void a_peer_that_takes_no_answers_is_not_listened_to(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024);
	struct slice bytes, waiting;
	struct error err;

	while (text.n < 1000)
		buf_string(&text, "x");
	for (int i = 0; i < 1000; i++)
		pair_begin("Echo", buf_text(&text));
	assert_int_equal(ttrpc_session_output(pair.client, &bytes, &err), 0);
	waiting = bytes;
	ttrpc_session_feed(pair.server, &waiting);
	assert_in_range(pair.server->out.n, TTRPC_UNSENT_PAUSE, TTRPC_UNSENT_PAUSE + 2000);
	assert_in_range(waiting.n, bytes.n / 2, bytes.n - 1);
	while (waiting.n > 0) {
		pair_move(pair.server, pair.client);
		ttrpc_session_feed(pair.server, &waiting);
	}
	ttrpc_session_sent(pair.client);
	pair_settle();
	assert_int_equal(pair.n_handled, 1000);
}

static void an_answer_that_finds_no_room_is_an_error_to_its_caller_alone(void **state)
{
	static uint8_t large[TTRPC_MESSAGE_MAX - 1000];

	for (int i = 0; i < 6; i++)
		pair_begin("Hold", "");
	pair.n_ends = 0;
	pair_move(pair.client, pair.server);
	for (int i = 0; i < 6; i++)
		ttrpc_call_answer(TAKE_PTR(pair.held[i]), slice_from(large, sizeof(large)));
	pair_settle();
	assert_int_equal(pair.n_ends, 6);
	assert_int_equal(pair.n_exhausted, 2);
	pair_expect_alive();
}

static void a_stream_that_finds_no_room_is_over(void **state)
{
	static uint8_t large[1024 * 1024];
	unsigned n = 0;

	pair_begin_stream("HoldStream", false);
	pair_move(pair.client, pair.server);
	while (ttrpc_call_send(pair.held[0], slice_from(large, sizeof(large))))
		n++;
	assert_in_range(n, 15, 16);
	assert_false(ttrpc_call_send(pair.held[0], slice_string("more")));
	pair_settle();
	assert_int_equal(pair.n_answers, n);
	assert_int_equal(pair.n_ends, 1);
	assert_int_equal(pair.status, RPC_RESOURCE_EXHAUSTED);
	assert_int_equal(pair.n_gone, 0);
}

static void a_client_has_no_numbers_left_once(void **state)
{
	struct ttrpc_client_call *mine;
	struct error err;

	pair.client->last_id = UINT32_MAX - 4;
	pair_expect_alive();
	assert_true(ttrpc_session_is_used_up(pair.client));
	assert_int_equal(
		ttrpc_session_call(pair.client, &(struct ttrpc_request){ .service = "t", .method = "Echo" }, &pair_receiver, &mine, &err),
		-EPIPE);
}

/* ── Memory ── */

static void without_memory_a_call_fails_by_itself_or_the_session_says_so(void **state)
{
	for (size_t allowed = 0; allowed < 12; allowed++) {
		struct ttrpc_client_call *mine;
		struct slice bytes;
		struct error err;

		pair_tear_down(NULL);
		pair_set_up(NULL);
		assert_int_equal(ttrpc_session_call(pair.client, &(struct ttrpc_request){ .service = "t", .method = "Echo" },
						    &pair_receiver, &mine, &err),
				 0);
		pair.piece = 3;
		assert_int_equal(ttrpc_session_output(pair.client, &bytes, &err), 0);
		allocations_allowed = allowed;
		for (size_t i = 0; i < bytes.n; i++) {
			struct slice byte = slice_from(bytes.p + i, 1);
			ttrpc_session_feed(pair.server, &byte);
		}
		allocations_allowed = SIZE_MAX;
		ttrpc_session_sent(pair.client);
		if (ttrpc_session_output(pair.server, &bytes, &err) < 0)
			continue; /* it must be closed */
		ttrpc_session_feed(pair.client, &bytes);
		ttrpc_session_sent(pair.server);
		assert_int_equal(pair.n_ends, 1);
		assert_true(pair.status == RPC_OK || pair.status == RPC_RESOURCE_EXHAUSTED);
		if (pair.n_handled)
			assert_int_equal(pair.status, RPC_OK);
		pair_expect_alive();
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
		int r = ttrpc_session_call(pair.client, &request, &pair_receiver, &mine, &err);
		allocations_allowed = SIZE_MAX;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(pair.client->n_streams, 0);
		assert_int_equal(pair.client->out.n, 0);
	}
	assert_int_equal(allowed, 3);
	pair_settle();
	assert_int_equal(pair.status, RPC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(what_breaks_the_protocol_is_answered_in_gos_words),
		PAIR_TEST(data_that_a_call_does_not_take_ends_it),
		PAIR_TEST(data_after_the_last_ends_the_call),
		PAIR_TEST(the_last_data_may_have_a_message),
		PAIR_TEST(a_request_above_the_limit_is_refused_by_itself),
		PAIR_TEST(a_timeout_that_had_passed_is_not_handled),
		PAIR_TEST(a_request_that_is_too_large_is_not_sent),
		PAIR_TEST(an_answer_that_is_too_large_is_that_to_its_caller),
		PAIR_TEST(calls_of_a_connection_are_limited_at_both_ends),
		PAIR_TEST(calls_that_timed_out_count_until_their_handlers_are_done),
		PAIR_TEST(a_peer_that_takes_no_answers_is_not_listened_to),
		PAIR_TEST(an_answer_that_finds_no_room_is_an_error_to_its_caller_alone),
		PAIR_TEST(a_stream_that_finds_no_room_is_over),
		PAIR_TEST(a_client_has_no_numbers_left_once),
		PAIR_TEST(without_memory_a_call_fails_by_itself_or_the_session_says_so),
		PAIR_TEST(without_memory_a_call_is_not_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
