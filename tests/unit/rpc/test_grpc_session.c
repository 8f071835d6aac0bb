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

	unsigned n_answers, n_ends, n_exhausted;
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
	world.n_exhausted += status == RPC_RESOURCE_EXHAUSTED;
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

/* Each call is given up as soon as it is handled; its handler goes on, as one does that waits for a TPM. */
static void calls_that_are_given_up_count_until_their_handlers_are_done(void **state)
{
	struct grpc_call *kept[GRPC_CALLS_MAX];

	for (size_t i = 0; i < ELEMENTS_OF(kept); i++) {
		struct grpc_call *mine = begin("/t/Hold", (struct slice){ 0 }, true);
		settle();
		kept[i] = TAKE_PTR(world.held);
		assert_non_null(kept[i]);
		grpc_session_cancel(mine);
		settle();
	}
	call("/t/Hold", (struct slice){ 0 }, true);
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
	assert_null(world.held);
	grpc_call_finish(kept[0], RPC_OK, NULL);
	call("/t/Echo", slice_string("there is room again"), false);
	assert_int_equal(world.status, RPC_OK);
	grpc_session_free(TAKE_PTR(world.server), NULL);
	for (size_t i = 1; i < ELEMENTS_OF(kept); i++)
		grpc_call_finish(kept[i], RPC_OK, NULL);
}

static void a_new_connection_does_not_make_room_for_calls_that_were_given_up(void **state)
{
	struct rpc_load *load = rpc_load_new(1, NULL);
	const struct grpc_session_options client = { 0 }, server = { .service = &service, .load = load };
	struct error err;

	grpc_session_free(TAKE_PTR(world.server), NULL);
	assert_int_equal(grpc_session_new(&server, &world.server, &err), 0);
	begin("/t/Hold", (struct slice){ 0 }, true);
	settle();
	struct grpc_call *kept = TAKE_PTR(world.held);
	assert_non_null(kept);
	grpc_session_free(TAKE_PTR(world.client), NULL);
	grpc_session_free(TAKE_PTR(world.server), NULL);
	assert_int_equal(grpc_session_new(&client, &world.client, &err), 0);
	assert_int_equal(grpc_session_new(&server, &world.server, &err), 0);
	rpc_load_unref(load);
	call("/t/Hold", (struct slice){ 0 }, true);
	assert_int_equal(world.status, RPC_RESOURCE_EXHAUSTED);
	grpc_call_finish(kept, RPC_OK, NULL);
	call("/t/Echo", slice_string("there is room again"), false);
	assert_int_equal(world.status, RPC_OK);
}

/* HEADERS of one call, three fields from HPACK's static table: POST, http, "/". */
static void headers_frame(uint32_t stream, uint8_t flags, struct buf *out)
{
	const uint8_t frame[] = { 0,
				  0,
				  3,
				  NGHTTP2_HEADERS,
				  flags,
				  (uint8_t)(stream >> 24),
				  (uint8_t)(stream >> 16),
				  (uint8_t)(stream >> 8),
				  (uint8_t)stream,
				  0x83,
				  0x86,
				  0x84 };

	buf_append(out, frame, sizeof(frame));
}

/* It never confirms our SETTINGS either, so that every call above the limit is refused by a frame, and not taken as the end. */
static void a_peer_that_only_writes_is_cut_off(void **state)
{
	struct error err;
	int r = 0;

	assert_int_equal(grpc_session_feed(world.server, slice_string(NGHTTP2_CLIENT_MAGIC), &err), 0);
	for (uint32_t stream = 1; stream < 20000 && r == 0; stream += 2) {
		_cleanup_(buf_free) struct buf bytes = BUF_MAX(256);

		if (stream == 1) {
			const uint8_t settings[] = { 0, 0, 0, NGHTTP2_SETTINGS, 0, 0, 0, 0, 0 };
			buf_append(&bytes, settings, sizeof(settings));
		}
		headers_frame(stream, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, &bytes);
		r = grpc_session_feed(world.server, buf_view(&bytes), &err);
	}
	assert_int_equal(r, -EPROTO);
	assert_non_null(strstr(err.message, "does not take its answers"));
}

static void a_flood_of_resets_is_cut_off(void **state)
{
	struct error err;
	int r;

	assert_int_equal(grpc_session_feed(world.server, slice_string(NGHTTP2_CLIENT_MAGIC), &err), 0);
	const uint8_t settings[] = { 0, 0, 0, NGHTTP2_SETTINGS, 0, 0, 0, 0, 0 };
	r = grpc_session_feed(world.server, slice_from(settings, sizeof(settings)), &err);
	for (uint32_t stream = 1; stream < 20000 && r == 0 && !grpc_session_is_done(world.server); stream += 2) {
		_cleanup_(buf_free) struct buf bytes = BUF_MAX(256), out = BUF_MAX(1024 * 1024);
		const uint8_t reset[] = { 0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, (uint8_t)(stream >> 8), (uint8_t)stream,
					  0, 0, 0, NGHTTP2_CANCEL };

		headers_frame(stream, NGHTTP2_FLAG_END_HEADERS, &bytes);
		buf_append(&bytes, reset, sizeof(reset));
		r = grpc_session_feed(world.server, buf_view(&bytes), &err);
		if (r == 0)
			r = grpc_session_output(world.server, &out, &err);
	}
	assert_true(r < 0 || grpc_session_is_done(world.server));
}

static void requests_of_a_connection_have_a_limit_together(void **state)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, GRPC_MESSAGE_MAX);
	const struct grpc_request request = { "/t/Echo", slice_from(bytes, GRPC_MESSAGE_MAX), false, 0 };
	struct grpc_call *unused;
	struct error err;

	for (int i = 0; i < 4; i++)
		assert_int_equal(grpc_session_call(world.client, &request, &receiver, &unused, &err), 0);
	settle();
	assert_int_equal(world.n_ends, 4);
	assert_in_range(world.n_exhausted, 1, 2);
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
		TEST(calls_that_are_given_up_count_until_their_handlers_are_done),
		TEST(a_new_connection_does_not_make_room_for_calls_that_were_given_up),
		TEST(a_peer_that_only_writes_is_cut_off),
		TEST(a_flood_of_resets_is_cut_off),
		TEST(requests_of_a_connection_have_a_limit_together),
		TEST(what_is_not_http2_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
