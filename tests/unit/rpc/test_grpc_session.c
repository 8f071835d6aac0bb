// SPDX-License-Identifier: Apache-2.0
/* A client's and a server's session, joined by moving bytes from one to the other: no socket, no loop. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/rpc/grpc_session.h"

static struct world {
	struct grpc_session *client, *server;
	size_t piece; /* bytes that travel at once */

	struct grpc_call *held; /* by handler "/t/Hold" */
	unsigned n_gone;
	bool finish_when_gone;

	unsigned n_answers, n_ends;
	char answer[64];
	size_t answer_n;
	enum rpc_status status;
	char words[256];
} world;

static void handle_echo(void *context, struct grpc_call *call, struct slice request)
{
	grpc_call_answer(call, request);
}

static void handle_count(void *context, struct grpc_call *call, struct slice request)
{
	grpc_call_send(call, slice_string("one"));
	grpc_call_send(call, slice_string("two"));
	grpc_call_send(call, slice_string("three"));
	grpc_call_finish(call, RPC_OK, NULL);
}

static void handle_refuse(void *context, struct grpc_call *call, struct slice request)
{
	struct error err;

	error_set(&err, EACCES, "pod \"shop/web\" may not have 100%% of it");
	grpc_call_fail(call, &err);
}

static void handle_nothing(void *context, struct grpc_call *call, struct slice request)
{
	grpc_call_finish(call, RPC_OK, NULL);
}

static void note_gone(void *context, struct grpc_call *call)
{
	world.n_gone++;
	if (!world.finish_when_gone)
		return;
	grpc_call_finish(call, RPC_OK, NULL);
	world.held = NULL;
}

static void handle_hold(void *context, struct grpc_call *call, struct slice request)
{
	world.held = call;
	grpc_call_on_gone(call, note_gone, NULL);
}

static const struct grpc_method methods[] = {
	{ "/t/Echo", handle_echo },       { "/t/Count", handle_count }, { "/t/Refuse", handle_refuse },
	{ "/t/Nothing", handle_nothing }, { "/t/Hold", handle_hold },
};
static const struct grpc_service service = { methods, ELEMENTS_OF(methods), NULL };

static void on_message(void *context, struct slice message)
{
	world.n_answers++;
	world.answer_n = message.n;
	snprintf(world.answer, sizeof(world.answer), SLICE_FORMAT, SLICE_ARGS(message));
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	world.n_ends++;
	world.status = status;
	snprintf(world.words, sizeof(world.words), "%s", words);
}

static const struct grpc_receiver receiver = { on_message, on_end, NULL };

static int set_up(void **state)
{
	const struct grpc_session_options client = { 0 }, server = { .service = &service };
	struct error err;

	world = (struct world){ .piece = SIZE_MAX };
	assert_int_equal(grpc_session_new(&client, &world.client, &err), 0);
	assert_int_equal(grpc_session_new(&server, &world.server, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	grpc_session_free(world.client, NULL);
	grpc_session_free(world.server, NULL);
	if (world.held)
		grpc_call_finish(world.held, RPC_OK, NULL);
	return 0;
}

/* True if there was anything to move. */
static bool move(struct grpc_session *from, struct grpc_session *to)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(1024 * 1024);
	struct error err;

	assert_int_equal(grpc_session_output(from, &bytes, &err), 0);
	for (size_t at = 0; at < bytes.n;) {
		size_t n = bytes.n - at < world.piece ? bytes.n - at : world.piece;
		if (grpc_session_feed(to, slice_from(bytes.p + at, n), &err) < 0)
			fail_msg("%s", err.message);
		at += n;
	}
	return bytes.n > 0;
}

static void settle(void)
{
	bool moved = true;

	while (moved) {
		moved = move(world.client, world.server);
		moved |= move(world.server, world.client);
	}
}

static struct grpc_call *begin(const char *path, struct slice message, bool streaming)
{
	const struct grpc_request request = { path, message, streaming, 30000 };
	struct grpc_call *call;
	struct error err;

	world.n_answers = world.n_ends = 0;
	if (grpc_session_call(world.client, &request, &receiver, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call;
}

static void call(const char *path, struct slice message, bool streaming)
{
	begin(path, message, streaming);
	settle();
	assert_int_equal(world.n_ends, 1);
}

static void a_call_is_answered(void **state)
{
	call("/t/Echo", slice_string("hello"), false);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 1);
	assert_string_equal(world.answer, "hello");
}

static void an_empty_message_is_a_message(void **state)
{
	call("/t/Echo", (struct slice){ 0 }, false);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 1);
	assert_int_equal(world.answer_n, 0);
}

static void bytes_may_come_one_by_one(void **state)
{
	world.piece = 1;
	call("/t/Echo", slice_string("hello"), false);
	assert_int_equal(world.status, RPC_OK);
	assert_string_equal(world.answer, "hello");
}

static void a_large_message_passes_flow_control(void **state)
{
	size_t n = GRPC_MESSAGE_MAX;
	_cleanup_free_ uint8_t *bytes = calloc(1, n);

	call("/t/Echo", slice_from(bytes, n), false);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.answer_n, n);
}

static void a_message_above_the_limit_is_refused_by_the_server(void **state)
{
	size_t n = GRPC_MESSAGE_MAX + 1;
	_cleanup_free_ uint8_t *bytes = calloc(1, n);

	call("/t/Echo", slice_from(bytes, n), false);
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(world.words, "above the limit"));
	call("/t/Echo", slice_string("and the connection lives"), false);
	assert_int_equal(world.status, RPC_OK);
}

static void several_answers_come_in_order(void **state)
{
	call("/t/Count", (struct slice){ 0 }, true);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 3);
	assert_string_equal(world.answer, "three");
}

static void a_second_answer_to_a_call_that_wants_one_is_an_error(void **state)
{
	call("/t/Count", (struct slice){ 0 }, false);
	assert_int_equal(world.status, RPC_INTERNAL);
}

static void ok_without_an_answer_is_an_error(void **state)
{
	call("/t/Nothing", (struct slice){ 0 }, false);
	assert_int_equal(world.status, RPC_INTERNAL);
	call("/t/Nothing", (struct slice){ 0 }, true);
	assert_int_equal(world.status, RPC_OK);
}

static void a_refusal_keeps_its_status_and_every_word(void **state)
{
	call("/t/Refuse", (struct slice){ 0 }, false);
	assert_int_equal(world.status, RPC_PERMISSION_DENIED);
	assert_string_equal(world.words, "pod \"shop/web\" may not have 100% of it");
	assert_int_equal(world.n_answers, 0);
}

static void an_unknown_method_is_unimplemented(void **state)
{
	call("/t/Other", (struct slice){ 0 }, false);
	assert_int_equal(world.status, RPC_UNIMPLEMENTED);
	assert_string_equal(world.words, "there is no method \"/t/Other\"");
}

static void an_answer_may_come_later(void **state)
{
	begin("/t/Hold", (struct slice){ 0 }, true);
	settle();
	assert_int_equal(world.n_ends, 0);
	grpc_call_send(world.held, slice_string("now"));
	settle();
	assert_string_equal(world.answer, "now");
	grpc_call_finish(TAKE_PTR(world.held), RPC_OK, NULL);
	settle();
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_OK);
}

static void a_cancelled_call_is_gone_for_its_handler_and_silent_for_its_caller(void **state)
{
	struct grpc_call *mine = begin("/t/Hold", (struct slice){ 0 }, true);

	settle();
	grpc_session_cancel(mine);
	settle();
	assert_int_equal(world.n_gone, 1);
	assert_int_equal(world.n_ends, 0);
	grpc_call_send(world.held, slice_string("to nobody"));
	grpc_call_finish(TAKE_PTR(world.held), RPC_OK, NULL);
	assert_int_equal(world.n_answers, 0);
}

static void a_handler_may_finish_when_it_hears_that_the_call_is_gone(void **state)
{
	world.finish_when_gone = true;
	grpc_session_cancel(begin("/t/Hold", (struct slice){ 0 }, true));
	settle();
	assert_int_equal(world.n_gone, 0); /* cancelled before it was sent: the server never heard of it */
	struct grpc_call *mine = begin("/t/Hold", (struct slice){ 0 }, true);
	settle();
	grpc_session_cancel(mine);
	settle();
	assert_int_equal(world.n_gone, 1);
	assert_null(world.held);
}

static void a_lost_connection_ends_every_call_with_the_reason(void **state)
{
	struct error why;

	begin("/t/Hold", (struct slice){ 0 }, true);
	settle();
	error_set(&why, EPIPE, "the connection was lost: broken pipe");
	grpc_session_free(TAKE_PTR(world.client), &why);
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_string_equal(world.words, "the connection was lost: broken pipe");
	grpc_session_free(TAKE_PTR(world.server), NULL);
	assert_int_equal(world.n_gone, 1);
}

static void a_peer_that_takes_no_answers_loses_its_call(void **state)
{
	static uint8_t large[1024 * 1024];

	begin("/t/Hold", (struct slice){ 0 }, true);
	move(world.client, world.server);
	for (int i = 0; i < 10; i++)
		grpc_call_send(world.held, slice_from(large, sizeof(large)));
	settle();
	assert_int_equal(world.n_gone, 1);
	assert_int_equal(world.n_ends, 1);
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
}

static void too_many_calls_are_refused_at_the_caller(void **state)
{
	const struct grpc_request request = { "/t/Hold", { 0 }, true, 0 };
	struct grpc_call *unused;
	struct error err;

	world.finish_when_gone = true;
	for (int i = 0; i < GRPC_CALLS_MAX; i++)
		assert_int_equal(grpc_session_call(world.client, &request, &receiver, &unused, &err), 0);
	assert_int_equal(grpc_session_call(world.client, &request, &receiver, &unused, &err), -EBUSY);
}

static void what_is_not_http2_is_refused(void **state)
{
	struct error err;

	assert_int_equal(grpc_session_feed(world.server, slice_string("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), &err), -EPROTO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_answered),
		TEST(an_empty_message_is_a_message),
		TEST(bytes_may_come_one_by_one),
		TEST(a_large_message_passes_flow_control),
		TEST(a_message_above_the_limit_is_refused_by_the_server),
		TEST(several_answers_come_in_order),
		TEST(a_second_answer_to_a_call_that_wants_one_is_an_error),
		TEST(ok_without_an_answer_is_an_error),
		TEST(a_refusal_keeps_its_status_and_every_word),
		TEST(an_unknown_method_is_unimplemented),
		TEST(an_answer_may_come_later),
		TEST(a_cancelled_call_is_gone_for_its_handler_and_silent_for_its_caller),
		TEST(a_handler_may_finish_when_it_hears_that_the_call_is_gone),
		TEST(a_lost_connection_ends_every_call_with_the_reason),
		TEST(a_peer_that_takes_no_answers_loses_its_call),
		TEST(too_many_calls_are_refused_at_the_caller),
		TEST(what_is_not_http2_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
