// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rpc/ttrpc_pair.h"

static void a_stream_of_answers_comes_in_order_and_ends(void **state)
{
	pair_begin_stream("Count", false);
	pair_settle();
	assert_int_equal(pair.n_ends, 1);
	assert_int_equal(pair.status, RPC_OK);
	assert_int_equal(pair.n_answers, 3); /* the last is empty, and a message */
	assert_string_equal(pair.answers, "one two ");
}

static void a_stream_of_answers_may_end_badly(void **state)
{
	pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Count", .message = slice_string("!"), .streaming = true });
	pair_settle();
	assert_int_equal(pair.n_answers, 3);
	assert_int_equal(pair.status, RPC_ABORTED);
	assert_string_equal(pair.words, "enough");
}

static void a_stream_of_requests_has_one_answer(void **state)
{
	struct ttrpc_client_call *mine = pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Sum", .open = true });
	struct error err;

	pair_settle();
	assert_int_equal(ttrpc_client_send(mine, slice_string("a"), &err), 0);
	assert_int_equal(ttrpc_client_send(mine, (struct slice){ 0 }, &err), 0);
	pair_settle();
	assert_int_equal(pair.n_ends, 0);
	ttrpc_client_end_sending(mine);
	pair_settle();
	assert_int_equal(pair.status, RPC_OK);
	assert_string_equal(pair.answers, "two");
	pair.n_held = 0;
}

static void both_sides_may_stream_at_once(void **state)
{
	struct ttrpc_client_call *mine = pair_begin_stream("Chat", true);
	struct error err;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(ttrpc_client_send(mine, slice_string("hi "), &err), 0);
		pair_settle();
		assert_int_equal(pair.n_answers, i + 1);
	}
	ttrpc_client_end_sending(mine);
	pair_settle();
	assert_int_equal(pair.n_ends, 1);
	assert_int_equal(pair.status, RPC_OK);
	assert_string_equal(pair.answers, "hi hi hi bye");
	pair.n_held = 0;
}

static void a_caller_that_gives_up_a_stream_says_that_no_more_comes(void **state)
{
	struct ttrpc_client_call *mine = pair_begin_stream("Chat", true);

	pair_settle();
	ttrpc_client_cancel(mine);
	pair_settle();
	assert_int_equal(pair.n_received, 1); /* NULL */
	assert_int_equal(pair.n_ends, 0);
	pair.n_held = 0;
}

static void a_stream_whose_time_is_up_says_that_no_more_comes(void **state)
{
	pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Listen", .timeout_ms = 500, .open = true });
	pair_settle();
	pair.now_ms = 1500;
	ttrpc_session_expire(pair.client);
	assert_int_equal(pair.status, RPC_DEADLINE_EXCEEDED);
	pair_settle();
	assert_int_equal(pair.n_received, 1); /* NULL */
}

static void a_call_to_a_method_that_takes_a_stream_may_have_none(void **state)
{
	pair_call("Sum", "");
	assert_string_equal(pair.answers, "not two");
	pair.n_held = 0;
}

static void answers_that_stream_to_a_call_which_has_one_are_an_error(void **state)
{
	pair_call("Count", "");
	assert_int_equal(pair.status, RPC_INTERNAL);
	pair_expect_alive();
}

static void a_server_whose_answers_are_not_wanted_hears_that_no_more_comes(void **state)
{
	struct ttrpc_client_call *mine = pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Chat", .open = true });
	struct error err;

	assert_int_equal(ttrpc_client_send(mine, slice_string("hi"), &err), 0);
	pair_settle();
	assert_int_equal(pair.status, RPC_INTERNAL);
	assert_int_equal(pair.n_received, 2); /* "hi", NULL */
	pair.n_held = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(a_stream_of_answers_comes_in_order_and_ends),
		PAIR_TEST(a_stream_of_answers_may_end_badly),
		PAIR_TEST(a_stream_of_requests_has_one_answer),
		PAIR_TEST(both_sides_may_stream_at_once),
		PAIR_TEST(a_caller_that_gives_up_a_stream_says_that_no_more_comes),
		PAIR_TEST(a_stream_whose_time_is_up_says_that_no_more_comes),
		PAIR_TEST(a_call_to_a_method_that_takes_a_stream_may_have_none),
		PAIR_TEST(answers_that_stream_to_a_call_which_has_one_are_an_error),
		PAIR_TEST(a_server_whose_answers_are_not_wanted_hears_that_no_more_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
