// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/json/stream.h"

#define PIECE_MAX 100

static const char *const kind_names[] = { [JSON_PIECE_DOCUMENT] = "document", [JSON_PIECE_ITEM] = "item", [JSON_PIECE_MEMBER] = "member" };

static int print_piece(void *context, const struct json_piece *piece, struct error *err)
{
	buf_printf(context, "%s " SLICE_FORMAT ":" SLICE_FORMAT "\n", kind_names[piece->kind], SLICE_ARGS(piece->key),
		   SLICE_ARGS(piece->text));
	return 0;
}

/* Feeds in chunks of `step` bytes, then finishes. */
static int feed(enum json_stream_mode mode, const char *text, size_t step, struct buf *out, struct error *err)
{
	_cleanup_(json_stream_freep) struct json_stream *stream = json_stream_new(mode, PIECE_MAX);
	struct slice left = slice_string(text);

	assert_non_null(stream);
	while (left.n > 0) {
		size_t n = left.n < step ? left.n : step;
		int r = json_stream_feed(stream, slice_from(left.p, n), print_piece, out, err);
		if (r < 0)
			return r;
		left = slice_from(left.p + n, left.n - n);
	}
	return json_stream_finish(stream, err);
}

static const struct {
	const char *name;
	enum json_stream_mode mode;
	const char *text, *pieces;
} good[] = {
	{ "a list", JSON_STREAM_LIST,
	  "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{\"b\":[{}]}]}\n",
	  "member kind:\"PodList\"\nmember metadata:{\"resourceVersion\":\"7\"}\nitem :{\"a\":1}\nitem :{\"b\":[{}]}\n" },
	{ "items first", JSON_STREAM_LIST, "{\"items\":[{}],\"metadata\":{}}", "item :{}\nmember metadata:{}\n" },
	{ "no items", JSON_STREAM_LIST, "{\"items\":[]}", "" },
	{ "null items", JSON_STREAM_LIST, "{\"items\":null,\"n\":1}", "member n:1\n" },
	{ "an empty object", JSON_STREAM_LIST, " { } ", "" },
	{ "a Status", JSON_STREAM_LIST, "{\"kind\":\"Status\",\"code\":410,\"ok\":false,\"message\":\"too \\\"old\\\"\"}",
	  "member kind:\"Status\"\nmember code:410\nmember ok:false\nmember message:\"too \\\"old\\\"\"\n" },
	{ "white space everywhere", JSON_STREAM_LIST, "\n{ \"items\" :\t[ { } , {\"a\": 1 } ] , \"x\" : -1.5e3 }\r\n",
	  "item :{ }\nitem :{\"a\": 1 }\nmember x:-1.5e3\n" },
	{ "nested items stay inside", JSON_STREAM_LIST, "{\"x\":{\"items\":[{}]},\"items\":[{\"items\":[{}]}]}",
	  "member x:{\"items\":[{}]}\nitem :{\"items\":[{}]}\n" },
	{ "brackets and quotes in strings", JSON_STREAM_LIST, "{\"items\":[{\"a\":\"}]\\\"{\\\\\"},{\"b\":\"[\"}]}",
	  "item :{\"a\":\"}]\\\"{\\\\\"}\nitem :{\"b\":\"[\"}\n" },
	{ "a watch", JSON_STREAM_DOCUMENTS, "{\"type\":\"ADDED\",\"object\":{}}\n{\"type\":\"BOOKMARK\"}\n",
	  "document :{\"type\":\"ADDED\",\"object\":{}}\ndocument :{\"type\":\"BOOKMARK\"}\n" },
	{ "a watch without line ends", JSON_STREAM_DOCUMENTS, "{}{\"a\":{}}", "document :{}\ndocument :{\"a\":{}}\n" },
	{ "an empty watch", JSON_STREAM_DOCUMENTS, " \n", "" },
};

static void test_pieces_are_the_same_in_chunks_of_every_size(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(good); i++) {
		for (size_t step = 1; step <= strlen(good[i].text); step++) {
			_cleanup_(buf_free) struct buf out = BUF_MAX(10000);
			struct error err = {};
			int r = feed(good[i].mode, good[i].text, step, &out, &err);
			if (r < 0 || strcmp(buf_text(&out), good[i].pieces) != 0)
				fail_msg("%s in chunks of %zu: %s\n%s", good[i].name, step, err.message, buf_text(&out));
		}
	}
}

static const struct {
	const char *name;
	enum json_stream_mode mode;
	const char *text;
	int code;
	const char *message;
} bad[] = {
	{ "a list that is none", JSON_STREAM_LIST, "[]", EINVAL, "'[' stands where '{' is expected in the stream" },
	{ "an HTML page", JSON_STREAM_LIST, "<html>", EINVAL, "'<' stands where '{' is expected in the stream" },
	{ "a bare key", JSON_STREAM_LIST, "{a:1}", EINVAL, "'a' stands where a key or '}' is expected in the stream" },
	{ "no colon", JSON_STREAM_LIST, "{\"a\" 1}", EINVAL, "'1' stands where ':' is expected in the stream" },
	{ "no value", JSON_STREAM_LIST, "{\"a\":}", EINVAL, "'}' stands where a value is expected in the stream" },
	{ "no comma", JSON_STREAM_LIST, "{\"a\":1 \"b\":2}", EINVAL, "'\"' stands where ',' or '}' is expected in the stream" },
	{ "a trailing comma", JSON_STREAM_LIST, "{\"a\":1,}", EINVAL, "'}' stands where a key is expected in the stream" },
	{ "a comma behind the last item", JSON_STREAM_LIST, "{\"items\":[{},]}", EINVAL,
	  "']' stands where an object is expected in the stream" },
	{ "items that are an object", JSON_STREAM_LIST, "{\"items\":{}}", EINVAL,
	  "'{' stands where the array \"items\" is expected in the stream" },
	{ "items that are nothing", JSON_STREAM_LIST, "{\"items\":nil}", EINVAL, "\"items\" is no array" },
	{ "an item that is a number", JSON_STREAM_LIST, "{\"items\":[1]}", EINVAL,
	  "'1' stands where an object or ']' is expected in the stream" },
	{ "items twice", JSON_STREAM_LIST, "{\"items\":[],\"items\":[]}", EINVAL, "the list has \"items\" twice" },
	{ "an escaped key", JSON_STREAM_LIST, "{\"\\u0061\":1}", EINVAL,
	  "'\\' stands where a plain key of a list is expected in the stream" },
	{ "a key that never ends", JSON_STREAM_LIST, "{\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\":1}", E2BIG,
	  "a key of the list is longer than 64 bytes" },
	{ "text behind the list", JSON_STREAM_LIST, "{} {}", EINVAL, "'{' stands where the end of the list is expected in the stream" },
	{ "an item above the limit", JSON_STREAM_LIST,
	  "{\"items\":[{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123\"}]}", E2BIG,
	  "an object of the stream is larger than the limit of 100 bytes" },
	{ "a watch of numbers", JSON_STREAM_DOCUMENTS, "1", EINVAL, "'1' stands where '{' is expected in the stream" },
	{ "a list that is cut", JSON_STREAM_LIST, "{\"items\":[{\"a\":1},{", EINVAL, "the stream ends in the middle of the list" },
	{ "a list that never began", JSON_STREAM_LIST, " ", EINVAL, "the stream ends in the middle of the list" },
	{ "a watch that is cut", JSON_STREAM_DOCUMENTS, "{\"a\":1}{\"b\":", EINVAL, "the stream ends in the middle of an object" },
};

static void test_what_is_no_stream_is_refused_with_a_reason_in_chunks_of_every_size(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
		for (size_t step = 1; step <= strlen(bad[i].text); step++) {
			_cleanup_(buf_free) struct buf out = BUF_MAX(10000);
			struct error err = {};
			int r = feed(bad[i].mode, bad[i].text, step, &out, &err);
			if (r != -bad[i].code || strcmp(err.message, bad[i].message) != 0)
				fail_msg("%s in chunks of %zu: %d %s", bad[i].name, step, r, err.message);
		}
	}
}

static void test_a_piece_of_exactly_the_limit_passes(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1000), out = BUF_MAX(1000);
	struct error err = {};

	buf_string(&text, "{\"a\":\"");
	while (text.n < PIECE_MAX - 2)
		buf_byte(&text, 'x');
	buf_string(&text, "\"}");
	assert_int_equal(text.n, PIECE_MAX);
	for (size_t step = 1; step <= PIECE_MAX; step++)
		assert_int_equal(feed(JSON_STREAM_DOCUMENTS, buf_text(&text), step, &out, &err), 0);
}

static int refuse_piece(void *context, const struct json_piece *piece, struct error *err)
{
	return error_set(err, ENOTSUP, "not today");
}

static void test_an_error_of_the_owner_ends_the_feed_and_sticks(void **state)
{
	_cleanup_(json_stream_freep) struct json_stream *stream = json_stream_new(JSON_STREAM_DOCUMENTS, PIECE_MAX);
	_cleanup_(buf_free) struct buf out = BUF_MAX(1000);
	struct error err = {};

	assert_int_equal(json_stream_feed(stream, slice_string("{}{}"), refuse_piece, NULL, &err), -ENOTSUP);
	assert_string_equal(err.message, "not today");
	assert_int_equal(json_stream_feed(stream, slice_string("{}"), print_piece, &out, &err), -EINVAL);
	assert_int_equal(json_stream_finish(stream, &err), -EINVAL);
	assert_int_equal(out.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_the_same_in_chunks_of_every_size),
		cmocka_unit_test(test_what_is_no_stream_is_refused_with_a_reason_in_chunks_of_every_size),
		cmocka_unit_test(test_a_piece_of_exactly_the_limit_passes),
		cmocka_unit_test(test_an_error_of_the_owner_ends_the_feed_and_sticks),
	};

	return cmocka_run_group_tests_name("json_stream", tests, NULL, NULL);
}
