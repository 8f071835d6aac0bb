// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/rpc/ttrpc_frame.h"
#include "tests/support/few_allocations.h"

static const struct {
	uint32_t stream;
	uint8_t type, flags;
	const char *data;
} frames[] = {
	{ 1, TTRPC_REQUEST, 0, "the request" },
	{ 0xfffffffd, TTRPC_REQUEST, TTRPC_REMOTE_OPEN, "" },
	{ 1, TTRPC_RESPONSE, 0, "the response is longer than the others" },
	{ 3, TTRPC_DATA, TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA, "" },
	{ 4, 200, 0xff, "?" },
};

static void write_frame(uint32_t stream, uint8_t type, uint8_t flags, uint32_t length, struct slice data, struct buf *out)
{
	uint8_t header[TTRPC_HEADER_SIZE];

	ttrpc_frame_write_header(&(struct ttrpc_frame){ .stream = stream, .type = type, .flags = flags, .length = length }, header);
	buf_append(out, header, sizeof(header));
	buf_slice(out, data);
}

static void write_all(struct buf *out)
{
	for (size_t i = 0; i < ELEMENTS_OF(frames); i++) {
		struct slice data = slice_string(frames[i].data);
		write_frame(frames[i].stream, frames[i].type, frames[i].flags, (uint32_t)data.n, data, out);
	}
}

static void expect_frame(size_t i, const struct ttrpc_frame *frame)
{
	assert_true(i < ELEMENTS_OF(frames));
	assert_int_equal(frame->lost, 0);
	assert_int_equal(frame->stream, frames[i].stream);
	assert_int_equal(frame->type, frames[i].type);
	assert_int_equal(frame->flags, frames[i].flags);
	assert_int_equal(frame->length, strlen(frames[i].data));
	assert_true(slice_equals_string(frame->data, frames[i].data));
}

/* Each piece in memory of its own, so that a sanitizer sees who reads beyond it or later. */
static void feed_piece(struct ttrpc_reader *reader, struct slice bytes, size_t *n_got)
{
	_cleanup_free_ uint8_t *copy = malloc(bytes.n);
	struct ttrpc_frame frame;

	memcpy(copy, bytes.p, bytes.n);
	struct slice from = slice_from(copy, bytes.n);
	while (ttrpc_reader_next(reader, &from, &frame))
		expect_frame((*n_got)++, &frame);
	assert_int_equal(from.n, 0);
}

static void frames_come_out_as_they_went_in_wherever_they_are_cut(void **state)
{
	_cleanup_(buf_free) struct buf wire = BUF_MAX(1024);

	write_all(&wire);
	for (size_t first = 1; first < wire.n; first++) {
		for (size_t second = first + 1; second <= wire.n; second++) {
			struct ttrpc_reader reader = TTRPC_READER;
			size_t got = 0;

			feed_piece(&reader, slice_from(wire.p, first), &got);
			feed_piece(&reader, slice_from(wire.p + first, second - first), &got);
			if (second < wire.n)
				feed_piece(&reader, slice_from(wire.p + second, wire.n - second), &got);
			assert_int_equal(got, ELEMENTS_OF(frames));
			assert_null(reader.data.p); /* nothing is kept */
			ttrpc_reader_free(&reader);
		}
	}
}

static void frames_may_come_byte_by_byte(void **state)
{
	_cleanup_(buf_free) struct buf wire = BUF_MAX(1024);
	struct ttrpc_reader reader = TTRPC_READER;
	size_t got = 0;

	write_all(&wire);
	for (size_t i = 0; i < wire.n; i++)
		feed_piece(&reader, slice_from(wire.p + i, 1), &got);
	assert_int_equal(got, ELEMENTS_OF(frames));
	ttrpc_reader_free(&reader);
}

/* What the Go implementation (v1.2.9) wrote. */
static void a_header_is_that_of_the_go_implementation(void **state)
{
	static const uint8_t theirs[] = { 0, 0, 0, 0, 0, 0, 0, 9, 3, 5 };
	uint8_t ours[TTRPC_HEADER_SIZE];

	ttrpc_frame_write_header(&(struct ttrpc_frame){ .stream = 9, .type = TTRPC_DATA, .flags = TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA },
				 ours);
	assert_memory_equal(ours, theirs, sizeof(ours));
}

static void a_whole_frame_is_not_copied(void **state)
{
	_cleanup_(buf_free) struct buf wire = BUF_MAX(1024);
	struct ttrpc_reader reader = TTRPC_READER;
	struct ttrpc_frame frame;

	write_all(&wire);
	struct slice from = buf_view(&wire);
	assert_true(ttrpc_reader_next(&reader, &from, &frame));
	assert_ptr_equal(frame.data.p, wire.p + TTRPC_HEADER_SIZE);
}

static void four_mebibytes_are_a_frame(void **state)
{
	_cleanup_(buf_free) struct buf wire = BUF_MAX(2 * TTRPC_MESSAGE_MAX);
	_cleanup_free_ uint8_t *bytes = calloc(1, TTRPC_MESSAGE_MAX);
	struct ttrpc_reader reader = TTRPC_READER;
	struct ttrpc_frame frame;

	bytes[TTRPC_MESSAGE_MAX - 1] = 7;
	write_frame(1, TTRPC_REQUEST, 0, TTRPC_MESSAGE_MAX, slice_from(bytes, TTRPC_MESSAGE_MAX), &wire);
	struct slice rest = buf_view(&wire), piece = slice_from(rest.p, 1000);
	while (!ttrpc_reader_next(&reader, &piece, &frame)) {
		rest = slice_from(rest.p + 1000, rest.n - 1000);
		piece = slice_from(rest.p, rest.n < 1000 ? rest.n : 1000);
	}
	assert_int_equal(frame.lost, 0);
	assert_int_equal(frame.data.n, TTRPC_MESSAGE_MAX);
	assert_int_equal(frame.data.p[TTRPC_MESSAGE_MAX - 1], 7);
	ttrpc_reader_free(&reader);
}

static void one_byte_more_is_told_at_once_skipped_and_what_follows_is_read(void **state)
{
	_cleanup_(buf_free) struct buf wire = BUF_MAX(2 * TTRPC_MESSAGE_MAX);
	_cleanup_free_ uint8_t *bytes = calloc(1, TTRPC_MESSAGE_MAX + 1);

	write_frame(1, TTRPC_REQUEST, 0, TTRPC_MESSAGE_MAX + 1, slice_from(bytes, TTRPC_MESSAGE_MAX + 1), &wire);
	write_frame(3, TTRPC_REQUEST, 0, 5, slice_string("hello"), &wire);
	for (size_t piece = 9; piece < 100000; piece = piece * 3 + 1) {
		struct ttrpc_reader reader = TTRPC_READER;
		struct ttrpc_frame frame;
		size_t got = 0;

		for (size_t at = 0; at < wire.n; at += piece) {
			struct slice from = slice_from(wire.p + at, wire.n - at < piece ? wire.n - at : piece);
			while (ttrpc_reader_next(&reader, &from, &frame)) {
				assert_true(got > 0 || at < TTRPC_HEADER_SIZE);
				assert_int_equal(frame.lost, got == 0 ? EMSGSIZE : 0);
				assert_int_equal(frame.stream, got++ == 0 ? 1 : 3);
			}
			assert_null(reader.data.n > 5 ? reader.data.p : NULL);
		}
		assert_int_equal(got, 2);
		assert_true(slice_equals_string(frame.data, "hello"));
		ttrpc_reader_free(&reader);
	}
}

static void without_memory_a_frame_is_lost_and_what_follows_is_read(void **state)
{
	_cleanup_(buf_free) struct buf wire = BUF_MAX(16 * 1024);
	uint8_t bytes[2000] = { 0 };

	write_frame(1, TTRPC_REQUEST, 0, sizeof(bytes), slice_from(bytes, sizeof(bytes)), &wire);
	write_frame(3, TTRPC_REQUEST, 0, 5, slice_string("hello"), &wire);
	for (size_t allowed = 0; allowed < 4; allowed++) {
		struct ttrpc_reader reader = TTRPC_READER;
		struct ttrpc_frame frame;
		size_t got = 0;

		allocations_allowed = allowed;
		for (size_t at = 0; at < wire.n; at += 100) {
			struct slice from = slice_from(wire.p + at, wire.n - at < 100 ? wire.n - at : 100);
			while (ttrpc_reader_next(&reader, &from, &frame)) {
				allocations_allowed = SIZE_MAX;
				assert_int_equal(frame.lost, got == 0 ? ENOMEM : 0);
				assert_int_equal(frame.stream, got++ == 0 ? 1 : 3);
			}
		}
		assert_int_equal(got, 2);
		ttrpc_reader_free(&reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_as_they_went_in_wherever_they_are_cut),
		cmocka_unit_test(frames_may_come_byte_by_byte),
		cmocka_unit_test(a_header_is_that_of_the_go_implementation),
		cmocka_unit_test(a_whole_frame_is_not_copied),
		cmocka_unit_test(four_mebibytes_are_a_frame),
		cmocka_unit_test(one_byte_more_is_told_at_once_skipped_and_what_follows_is_read),
		cmocka_unit_test(without_memory_a_frame_is_lost_and_what_follows_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
