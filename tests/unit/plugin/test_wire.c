// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/plugin/wire.h"
#include "common/base/array.h"

#define ALL (2 * WIRE_INPUT_MAX)

static void encode(const struct slice fields[static WIRE_FIELD_COUNT], struct buf *out)
{
	struct error err;

	assert_int_equal(wire_request_encode(fields, out, &err), 0);
}

static void sample(struct buf *out)
{
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string("ADD"),
		[WIRE_CONTAINER_ID] = slice_string("c1"),
		[WIRE_IFNAME] = slice_string("eth0"),
		[WIRE_INPUT] = slice_from("{\0}", 3),
	};

	encode(fields, out);
}

static void expect_sample(const struct wire_request *request)
{
	assert_string_equal(wire_request_text(request, WIRE_VERB), "ADD");
	assert_string_equal(wire_request_text(request, WIRE_CONTAINER_ID), "c1");
	assert_string_equal(wire_request_text(request, WIRE_NETNS), "");
	assert_string_equal(wire_request_text(request, WIRE_IFNAME), "eth0");
	assert_true(slice_equals(wire_request_input(request), slice_from("{\0}", 3)));
}

static void test_a_request_arrives_as_it_was_sent(void **state)
{
	_cleanup_(wire_request_free) struct wire_request request;
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL);
	struct error err;

	sample(&bytes);
	wire_request_init(&request);
	assert_int_equal(wire_request_feed(&request, buf_view(&bytes), &err), 1);
	expect_sample(&request);
}

static void test_a_request_may_come_in_any_pieces(void **state)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL);
	struct error err;

	sample(&bytes);
	for (size_t cut = 1; cut < bytes.n; cut++) {
		_cleanup_(wire_request_free) struct wire_request request;
		wire_request_init(&request);
		for (size_t at = 0; at < bytes.n; at += cut) {
			size_t n = bytes.n - at < cut ? bytes.n - at : cut;
			int r = wire_request_feed(&request, slice_from(bytes.p + at, n), &err);
			assert_int_equal(r, at + n == bytes.n);
		}
		expect_sample(&request);
	}
}

static void test_the_longest_input_is_taken(void **state)
{
	_cleanup_(wire_request_free) struct wire_request request;
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL);
	_cleanup_free_ char *input = malloc(WIRE_INPUT_MAX);
	struct error err;

	assert_non_null(input);
	memset(input, ' ', WIRE_INPUT_MAX);
	const struct slice fields[WIRE_FIELD_COUNT] = { [WIRE_INPUT] = slice_from(input, WIRE_INPUT_MAX) };
	encode(fields, &bytes);
	wire_request_init(&request);
	assert_int_equal(wire_request_feed(&request, buf_view(&bytes), &err), 1);
	assert_int_equal(wire_request_input(&request).n, WIRE_INPUT_MAX);
}

static void test_refuses_to_send_a_field_above_its_limit(void **state)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL);
	const struct slice fields[WIRE_FIELD_COUNT] = { [WIRE_VERB] = slice_string("ABCDEFGHIJKLMNOPQ") };
	struct error err;

	assert_int_equal(wire_request_encode(fields, &bytes, &err), -E2BIG);
	assert_string_equal(err.message, "CNI_COMMAND of 17 bytes is above the limit of 16");
}

static void test_refuses_bytes_that_are_no_request(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t n;
		int code;
	} cases[] = {
		{ "another protocol", "GET / HTTP/1.1\r\n\r\n", 18, EPROTO },
		{ "another version", "HFN2\0\0\0\0", 8, EPROTO },
		{ "a length above the limit, before its bytes have come", "HFN1\xff\xff\xff\x7f", 8, E2BIG },
		{ "a NUL in a text", "HFN1\3\0\0\0A\0D", 11, EINVAL },
		{ "bytes behind the end", "HFN1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x", 33, EPROTO },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(wire_request_free) struct wire_request request;
		struct error err = { 0 };
		wire_request_init(&request);
		int r = wire_request_feed(&request, slice_from(cases[i].bytes, cases[i].n), &err);
		if (r != -cases[i].code)
			fail_msg("%s: %d, %s", cases[i].name, r, err.message);
	}
}

/* Feeds an answer in pieces of `cut` bytes; returns the last result. */
static int read_answer(const struct buf *bytes, size_t cut, struct wire_answer *answer, struct buf *output, struct error *err)
{
	int r = 0;

	for (size_t at = 0; at < bytes->n && r == 0; at += cut) {
		struct slice left = slice_from(bytes->p + at, bytes->n - at < cut ? bytes->n - at : cut), piece;
		while (left.n > 0 && r == 0) {
			r = wire_answer_next(answer, &left, &piece, err);
			if (r >= 0)
				buf_slice(output, piece);
		}
	}
	return r;
}

static void test_an_answer_arrives_as_it_was_sent_in_any_pieces(void **state)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL);
	struct error err;

	wire_answer_begin(&bytes, 7);
	wire_answer_output(&bytes, slice_string("first "));
	wire_answer_output(&bytes, slice_string("second"));
	wire_answer_end(&bytes);
	for (size_t cut = 1; cut <= bytes.n; cut++) {
		_cleanup_(buf_free) struct buf output = BUF_MAX(100);
		struct wire_answer answer = { 0 };
		assert_int_equal(read_answer(&bytes, cut, &answer, &output, &err), 1);
		assert_int_equal(answer.exit_code, 7);
		assert_string_equal(buf_text(&output), "first second");
	}
}

static void test_a_long_output_is_cut_into_pieces_and_whole_again(void **state)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL), output = BUF_MAX(ALL);
	static char text[3 * WIRE_CHUNK_MAX + 5];
	struct wire_answer answer = { 0 };
	struct error err;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 31);
	wire_answer_begin(&bytes, 0);
	wire_answer_output(&bytes, slice_from(text, sizeof(text)));
	wire_answer_end(&bytes);
	assert_int_equal(read_answer(&bytes, 1000, &answer, &output, &err), 1);
	assert_true(slice_equals(buf_view(&output), slice_from(text, sizeof(text))));
}

static void test_an_answer_that_was_cut_off_is_not_complete(void **state)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL), output = BUF_MAX(ALL);
	struct wire_answer answer = { 0 };
	struct error err;

	wire_answer_begin(&bytes, 0);
	wire_answer_output(&bytes, slice_string("{}"));
	assert_int_equal(read_answer(&bytes, bytes.n, &answer, &output, &err), 0);
}

static void test_refuses_an_answer_that_is_none(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t n;
	} cases[] = {
		{ "another protocol", "SSH-2.0-x", 9 },
		{ "a piece above the limit", "HFN1\0\0\0\0\1\0\1\0", 12 },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(buf_free) struct buf bytes = BUF_MAX(ALL), output = BUF_MAX(ALL);
		struct wire_answer answer = { 0 };
		struct error err;
		buf_append(&bytes, cases[i].bytes, cases[i].n);
		if (read_answer(&bytes, bytes.n, &answer, &output, &err) != -EPROTO)
			fail_msg("%s was taken", cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_arrives_as_it_was_sent),
		cmocka_unit_test(test_a_request_may_come_in_any_pieces),
		cmocka_unit_test(test_the_longest_input_is_taken),
		cmocka_unit_test(test_refuses_to_send_a_field_above_its_limit),
		cmocka_unit_test(test_refuses_bytes_that_are_no_request),
		cmocka_unit_test(test_an_answer_arrives_as_it_was_sent_in_any_pieces),
		cmocka_unit_test(test_a_long_output_is_cut_into_pieces_and_whole_again),
		cmocka_unit_test(test_an_answer_that_was_cut_off_is_not_complete),
		cmocka_unit_test(test_refuses_an_answer_that_is_none),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
