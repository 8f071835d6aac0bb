// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rpc/ttrpc_pair.h"

#include <errno.h>

#include "common/base/array.h"

static void a_call_is_answered(void **state)
{
	pair_call("Echo", "hello");
	assert_int_equal(pair.status, RPC_OK);
	assert_int_equal(pair.n_answers, 1);
	assert_string_equal(pair.answers, "hello");
}

static void an_empty_message_is_a_message(void **state)
{
	pair_call("Echo", "");
	assert_int_equal(pair.status, RPC_OK);
	assert_int_equal(pair.n_answers, 1);
	pair_call("Nothing", "x");
	assert_int_equal(pair.status, RPC_OK);
	assert_int_equal(pair.n_answers, 1);
}

static void bytes_may_come_one_by_one(void **state)
{
	pair.piece = 1;
	pair_call("Echo", "hello");
	assert_string_equal(pair.answers, "hello");
}

static void answers_may_come_later_and_in_any_order(void **state)
{
	pair_begin("Hold", "a");
	pair_begin("Hold", "b");
	pair_begin("Hold", "c");
	pair_settle();
	assert_int_equal(pair.n_held, 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "a", "b", "c" };
		size_t which = (i + 2) % 3;
		ttrpc_call_answer(TAKE_PTR(pair.held[which]), slice_string(names[which]));
		pair_settle();
		assert_int_equal(pair.n_ends, i + 1);
	}
	assert_string_equal(pair.answers, "cab");
}

static void a_refusal_keeps_its_status_and_every_word(void **state)
{
	pair_call("Refuse", "");
	assert_int_equal(pair.status, RPC_PERMISSION_DENIED);
	assert_string_equal(pair.words, "pod \"shop/web\" may not have 100% of it");
	assert_int_equal(pair.n_answers, 0);
}

static void unknown_services_and_methods_are_unimplemented_in_gos_words(void **state)
{
	pair_call("Other", "");
	assert_int_equal(pair.status, RPC_UNIMPLEMENTED);
	assert_string_equal(pair.words, "method Other");
	pair_begin_request(&(struct ttrpc_request){ .service = "other", .method = "Echo" });
	pair_settle();
	assert_int_equal(pair.status, RPC_UNIMPLEMENTED);
	assert_string_equal(pair.words, "service other");
}

static void metadata_arrives(void **state)
{
	const struct ttrpc_metadata pairs[] = { { slice_string("other"), slice_string("x") }, { slice_string("who"), slice_string("me") } };

	pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Echo", .metadata = pairs, .n_metadata = 2 });
	pair_settle();
	assert_int_equal(pair.status, RPC_OK);
	assert_string_equal(pair.metadata, "me");
}

static void metadata_is_there_while_the_request_is(void **state)
{
	const struct ttrpc_metadata who = { slice_string("who"), slice_string("me") };
	struct slice value;

	pair_begin_request(&(struct ttrpc_request){ .service = "t", .method = "Hold", .metadata = &who, .n_metadata = 1 });
	pair_settle();
	assert_false(ttrpc_call_metadata(pair.held[0], "who", &value));
}

/* ── Time ── */

static void each_side_ends_a_call_when_its_timeout_has_passed(void **state)
{
	pair_begin_held(500);
	pair_settle();
	assert_int_equal(ttrpc_session_deadline_ms(pair.client), 1500);
	assert_int_equal(ttrpc_session_deadline_ms(pair.server), 1500);
	pair.now_ms = 1499;
	ttrpc_session_expire(pair.client);
	ttrpc_session_expire(pair.server);
	assert_int_equal(pair.n_ends + pair.n_gone, 0);
	pair.now_ms = 1500;
	ttrpc_session_expire(pair.client);
	assert_int_equal(pair.n_ends, 1);
	assert_int_equal(pair.status, RPC_DEADLINE_EXCEEDED);
	ttrpc_session_expire(pair.server);
	assert_int_equal(pair.n_gone, 1);
	assert_int_equal(ttrpc_session_deadline_ms(pair.client), UINT64_MAX);
	pair_settle(); /* the server's own answer finds nobody */
	assert_int_equal(pair.n_ends, 1);
	pair_expect_alive();
}

static void a_server_tells_a_client_whose_clock_is_slow(void **state)
{
	pair_begin_held(500);
	pair_settle();
	pair.now_ms = 1500;
	ttrpc_session_expire(pair.server);
	pair_settle();
	assert_int_equal(pair.status, RPC_DEADLINE_EXCEEDED);
	assert_string_equal(pair.words, "the request's timeout has passed");
}

static void a_handler_may_know_how_much_time_is_left(void **state)
{
	pair_begin_held(500);
	pair_begin_held(0);
	pair_settle();
	assert_int_equal(ttrpc_call_left_ms(pair.held[0]), 500);
	assert_int_equal(ttrpc_call_left_ms(pair.held[1]), 0);
	pair.now_ms = 1450;
	assert_int_equal(ttrpc_call_left_ms(pair.held[0]), 50);
	pair.now_ms = 1600;
	assert_int_equal(ttrpc_call_left_ms(pair.held[0]), 1);
	ttrpc_session_expire(pair.server);
	assert_int_equal(ttrpc_call_left_ms(pair.held[0]), 1);
}

static void only_those_whose_time_has_passed_end(void **state)
{
	pair_begin_held(300);
	pair_begin_held(0);
	pair_begin_held(100);
	pair_begin_held(200);
	assert_int_equal(ttrpc_session_deadline_ms(pair.client), 1100);
	pair.now_ms = 1250;
	ttrpc_session_expire(pair.client);
	assert_int_equal(pair.n_ends, 2);
	assert_int_equal(ttrpc_session_deadline_ms(pair.client), 1300);
	pair.now_ms = 5000;
	ttrpc_session_expire(pair.client);
	assert_int_equal(pair.n_ends, 3);
	assert_int_equal(ttrpc_session_deadline_ms(pair.client), UINT64_MAX);
}

static void a_handler_may_finish_when_it_hears_that_the_call_is_gone(void **state)
{
	pair.finish_when_gone = true;
	pair_begin_held(500);
	pair_settle();
	pair.now_ms = 1500;
	ttrpc_session_expire(pair.server);
	assert_int_equal(pair.n_gone, 1);
	pair.n_held = 0;
	pair_settle();
	assert_int_equal(pair.status, RPC_DEADLINE_EXCEEDED);
}

static void what_a_handler_says_after_its_call_is_gone_is_not_sent(void **state)
{
	pair_begin_held(500);
	pair_settle();
	pair.now_ms = 1500;
	ttrpc_session_expire(pair.server);
	pair_settle();
	assert_int_equal(pair.n_ends, 1);
	ttrpc_call_answer(TAKE_PTR(pair.held[0]), slice_string("late"));
	assert_false(pair_move(pair.server, pair.client));
}

/* ── Ends ── */

static void a_cancelled_call_is_silent_for_its_caller(void **state)
{
	struct ttrpc_client_call *mine = pair_begin("Hold", "");

	pair_settle();
	ttrpc_client_cancel(mine);
	ttrpc_call_answer(TAKE_PTR(pair.held[0]), slice_string("to nobody"));
	pair_settle();
	assert_int_equal(pair.n_ends + pair.n_answers, 0);
	pair_expect_alive();
}

static void a_lost_connection_ends_every_call_with_the_reason(void **state)
{
	struct error why;

	pair_begin("Hold", "");
	pair_begin("Hold", "");
	pair_settle();
	error_set(&why, EPIPE, "the connection was lost: broken pipe");
	pair.n_ends = 0;
	ttrpc_session_free(TAKE_PTR(pair.client), &why);
	assert_int_equal(pair.n_ends, 2);
	assert_int_equal(pair.status, RPC_UNAVAILABLE);
	assert_string_equal(pair.words, "the connection was lost: broken pipe");
	ttrpc_session_free(TAKE_PTR(pair.server), NULL);
	assert_int_equal(pair.n_gone, 2);
}

static void an_idle_session_keeps_no_buffers(void **state)
{
	for (int i = 0; i < 100; i++)
		pair_begin("Echo", "hello");
	pair_settle();
	assert_null(pair.client->streams);
	assert_null(pair.server->streams);
	assert_null(pair.client->out.p);
	assert_null(pair.server->out.p);
	assert_null(pair.client->sending.p);
	assert_null(pair.server->sending.p);
	assert_null(pair.server->in.data.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(a_call_is_answered),
		PAIR_TEST(an_empty_message_is_a_message),
		PAIR_TEST(bytes_may_come_one_by_one),
		PAIR_TEST(answers_may_come_later_and_in_any_order),
		PAIR_TEST(a_refusal_keeps_its_status_and_every_word),
		PAIR_TEST(unknown_services_and_methods_are_unimplemented_in_gos_words),
		PAIR_TEST(metadata_arrives),
		PAIR_TEST(metadata_is_there_while_the_request_is),
		PAIR_TEST(each_side_ends_a_call_when_its_timeout_has_passed),
		PAIR_TEST(a_server_tells_a_client_whose_clock_is_slow),
		PAIR_TEST(a_handler_may_know_how_much_time_is_left),
		PAIR_TEST(only_those_whose_time_has_passed_end),
		PAIR_TEST(a_handler_may_finish_when_it_hears_that_the_call_is_gone),
		PAIR_TEST(what_a_handler_says_after_its_call_is_gone_is_not_sent),
		PAIR_TEST(a_cancelled_call_is_silent_for_its_caller),
		PAIR_TEST(a_lost_connection_ends_every_call_with_the_reason),
		PAIR_TEST(an_idle_session_keeps_no_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
