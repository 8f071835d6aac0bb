// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/rpc/grpc_message.h"
#include "common/rpc/status.h"

static void messages_come_out_as_they_went_in_however_they_are_cut(void **state)
{
	static const char *const messages[] = { "first", "", "the third one is longer than the others" };
	_cleanup_(buf_free) struct buf wire = BUF_MAX(1024);

	for (size_t i = 0; i < ELEMENTS_OF(messages); i++)
		grpc_message_write(slice_string(messages[i]), &wire);
	for (size_t piece = 1; piece <= wire.n; piece++) {
		_cleanup_(grpc_reader_free) struct grpc_reader reader = GRPC_READER(64);
		size_t got = 0;

		for (size_t at = 0; at < wire.n; at += piece) {
			struct slice from = slice_from(wire.p + at, wire.n - at < piece ? wire.n - at : piece), message;
			struct error err;
			int r;

			while ((r = grpc_reader_next(&reader, &from, &message, &err)) > 0) {
				assert_true(got < ELEMENTS_OF(messages));
				assert_true(slice_equals_string(message, messages[got++]));
			}
			assert_int_equal(r, 0);
			assert_int_equal(from.n, 0);
		}
		assert_int_equal(got, ELEMENTS_OF(messages));
		assert_false(grpc_reader_is_inside(&reader));
	}
}

static void refused(const char *prefix, int code)
{
	_cleanup_(grpc_reader_free) struct grpc_reader reader = GRPC_READER(64);
	struct slice from = slice_from(prefix, GRPC_PREFIX_SIZE), message;
	struct error err;

	assert_int_equal(grpc_reader_next(&reader, &from, &message, &err), -code);
}

static void a_length_above_the_limit_is_refused_before_its_first_byte(void **state)
{
	refused("\0\0\0\0\101", ENOBUFS); /* 65 */
	refused("\0\377\377\377\377", ENOBUFS);
}

static void a_compressed_message_is_refused(void **state)
{
	refused("\1\0\0\0\1", EPROTO);
}

static void a_message_of_a_status_survives_the_wire(void **state)
{
	static const char text[] = "100 % of \"disk\" is full:\n\tr\303\251essayez";
	_cleanup_(buf_free) struct buf wire = BUF_MAX(256), back = BUF_MAX(256);

	rpc_message_encode(text, &wire);
	for (size_t i = 0; i < wire.n; i++)
		assert_in_range(wire.p[i], 0x20, 0x7e);
	rpc_message_decode(buf_view(&wire), &back);
	assert_string_equal(buf_text(&back), text);
}

static void a_bad_escape_stays_as_it_is(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(256);

	rpc_message_decode(slice_string("5%, %zz, %4"), &out);
	assert_string_equal(buf_text(&out), "5%, %zz, %4");
}

static void a_status_that_nobody_knows_is_unknown(void **state)
{
	assert_int_equal(rpc_status_parse(slice_string("14")), RPC_UNAVAILABLE);
	assert_int_equal(rpc_status_parse(slice_string("17")), RPC_UNKNOWN);
	assert_int_equal(rpc_status_parse(slice_string("-1")), RPC_UNKNOWN);
	assert_int_equal(rpc_status_parse(slice_string("")), RPC_UNKNOWN);
	assert_string_equal(rpc_status_name((enum rpc_status)99), "UNKNOWN");
	assert_string_equal(rpc_status_name(RPC_DEADLINE_EXCEEDED), "DEADLINE_EXCEEDED");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_out_as_they_went_in_however_they_are_cut),
		cmocka_unit_test(a_length_above_the_limit_is_refused_before_its_first_byte),
		cmocka_unit_test(a_compressed_message_is_refused),
		cmocka_unit_test(a_message_of_a_status_survives_the_wire),
		cmocka_unit_test(a_bad_escape_stays_as_it_is),
		cmocka_unit_test(a_status_that_nobody_knows_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
