// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/base/utf8.h"
#include "common/rpc/ttrpc_message.h"

/* What the Go implementation (v1.2.9) wrote. */
static const uint8_t go_request[] = "\x0a\x12holdfast.test.Peer\x12\x04"
				    "Echo\x1a\x07\x0a\x05hello\x20\xf6\xad\x91\xd0\x12\x2a\x24\x0a\x1a"
				    "containerd-namespace-ttrpc\x12\x06k8s.io";
static const uint8_t go_response[] = "\x12\x07\x0a\x05hello";
static const uint8_t go_refusal[] = "\x0a\x10\x08\x05\x12\x0cno such task";

#define TIMEOUT_NS 4999894774
#define LITERAL(array) slice_from(array, sizeof(array) - 1)

static void a_request_of_the_go_implementation_is_read(void **state)
{
	struct ttrpc_request_message request;
	struct ttrpc_metadata pair;
	struct error err;

	assert_int_equal(ttrpc_request_read(LITERAL(go_request), &request, &err), 0);
	assert_true(slice_equals_string(request.service, "holdfast.test.Peer"));
	assert_true(slice_equals_string(request.method, "Echo"));
	assert_true(slice_equals_string(request.payload, "\x0a\x05hello"));
	assert_int_equal(request.timeout_ns, TIMEOUT_NS);
	assert_true(ttrpc_metadata_next(&request.metadata, &pair));
	assert_true(slice_equals_string(pair.key, "containerd-namespace-ttrpc"));
	assert_true(slice_equals_string(pair.value, "k8s.io"));
	assert_false(ttrpc_metadata_next(&request.metadata, &pair));
}

static void a_request_is_written_as_the_go_implementation_does(void **state)
{
	const struct ttrpc_request_message request = {
		slice_string("holdfast.test.Peer"), slice_string("Echo"), slice_string("\x0a\x05hello"), TIMEOUT_NS, { 0 }
	};
	const struct ttrpc_metadata pair = { slice_string("containerd-namespace-ttrpc"), slice_string("k8s.io") };
	_cleanup_(buf_free) struct buf out = BUF_MAX(256);

	ttrpc_request_write(&request, &pair, 1, &out);
	assert_true(slice_equals(buf_view(&out), LITERAL(go_request)));
}

static void responses_of_the_go_implementation_are_read(void **state)
{
	struct ttrpc_response_message response;
	struct error err;

	assert_int_equal(ttrpc_response_read(LITERAL(go_response), &response, &err), 0);
	assert_int_equal(response.status, RPC_OK);
	assert_true(slice_equals_string(response.payload, "\x0a\x05hello"));
	assert_int_equal(ttrpc_response_read(LITERAL(go_refusal), &response, &err), 0);
	assert_int_equal(response.status, RPC_NOT_FOUND);
	assert_true(slice_equals_string(response.words, "no such task"));
	assert_int_equal(ttrpc_response_read((struct slice){ 0 }, &response, &err), 0);
	assert_int_equal(response.status, RPC_OK);
	assert_int_equal(response.payload.n, 0);
}

static void responses_are_written_as_the_go_implementation_does(void **state)
{
	_cleanup_(buf_free) struct buf ok = BUF_MAX(256), refusal = BUF_MAX(256);

	ttrpc_response_write(&(struct ttrpc_response_message){ .payload = slice_string("\x0a\x05hello") }, &ok);
	assert_true(slice_equals(buf_view(&ok), LITERAL(go_response)));
	ttrpc_response_write(&(struct ttrpc_response_message){ RPC_NOT_FOUND, slice_string("no such task"), { 0 } }, &refusal);
	assert_true(slice_equals(buf_view(&refusal), LITERAL(go_refusal)));
}

static void every_cut_of_a_message_is_refused_or_ends_between_fields(void **state)
{
	struct ttrpc_request_message request;
	struct error err;
	unsigned good = 0;

	for (size_t n = 0; n < sizeof(go_request) - 1; n++) {
		_cleanup_free_ uint8_t *bytes = malloc(n + !n);
		memcpy(bytes, go_request, n);
		good += ttrpc_request_read(slice_from(bytes, n), &request, &err) == 0;
	}
	assert_int_equal(good, 5); /* before each field */
}

static void what_is_no_protobuf_is_refused(void **state)
{
	static const struct {
		const char *what;
		struct slice bytes;
	} cases[] = {
#define CASE(what, bytes)                                                                                                                  \
	{                                                                                                                                  \
		what,                                                                                                                      \
		{                                                                                                                          \
			(const uint8_t *)(bytes), sizeof(bytes) - 1                                                                        \
		}                                                                                                                          \
	}
		CASE("a length beyond the end", "\x0a\x05hell"),
		CASE("a length of 64 bits", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01h"),
		CASE("a varint of 65 bits", "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
		CASE("a varint without end", "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		CASE("field 0", "\x02\x00"),
		CASE("a group", "\x33\x34"),
		CASE("a kind that there is not", "\x36\x00"),
		CASE("metadata that is no message", "\x2a\x01\x0a"),
	};
	struct ttrpc_request_message request;
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		if (ttrpc_request_read(cases[i].bytes, &request, &err) != -EINVAL)
			fail_msg("%s", cases[i].what);
		assert_non_null(strstr(err.message, "ttrpc.Request"));
	}
}

static void what_a_newer_peer_adds_is_skipped(void **state)
{
	static const uint8_t bytes[] = "\x30\x01\x12\x04"
				       "Echo"
				       "\x39"
				       "12345678"
				       "\x45"
				       "1234"
				       "\x4a\x03"
				       "abc"
				       "\xf8\xff\xff\xff\x0f\x01";
	struct ttrpc_request_message request;
	struct error err;

	assert_int_equal(ttrpc_request_read(LITERAL(bytes), &request, &err), 0);
	assert_true(slice_equals_string(request.method, "Echo"));
}

static void a_status_that_nobody_knows_is_unknown(void **state)
{
	struct ttrpc_response_message response;
	struct error err;

	assert_int_equal(ttrpc_response_read(slice_string("\x0a\x02\x08\x11"), &response, &err), 0);
	assert_int_equal(response.status, RPC_UNKNOWN);
	/* -1: ten bytes */
	assert_int_equal(ttrpc_response_read(slice_string("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), &response, &err), 0);
	assert_int_equal(response.status, RPC_UNKNOWN);
}

static void words_that_are_no_utf8_are_mended(void **state)
{
	struct ttrpc_response_message response = { RPC_INTERNAL, slice_string("the path \xff\xc3 is \xe2\x82\xac"), { 0 } };
	_cleanup_(buf_free) struct buf out = BUF_MAX(256);
	struct error err;

	ttrpc_response_write(&response, &out);
	assert_int_equal(ttrpc_response_read(buf_view(&out), &response, &err), 0);
	assert_true(slice_equals_string(response.words, "the path \xef\xbf\xbd\xef\xbf\xbd is \xe2\x82\xac"));
}

static void words_that_are_very_long_are_cut_between_characters(void **state)
{
	struct ttrpc_response_message response = { RPC_INTERNAL, { 0 }, { 0 } };
	_cleanup_(buf_free) struct buf words = BUF_MAX(4096), out = BUF_MAX(4096);
	struct error err;

	for (int i = 0; i < 700; i++)
		buf_string(&words, "\xe2\x82\xac");
	response.words = buf_view(&words);
	ttrpc_response_write(&response, &out);
	assert_int_equal(ttrpc_response_read(buf_view(&out), &response, &err), 0);
	assert_in_range(response.words.n, 1500, 1536);
	for (size_t at = 0; at < response.words.n; at += 3)
		assert_int_equal(utf8_length(response.words.p + at, response.words.n - at), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_of_the_go_implementation_is_read),
		cmocka_unit_test(a_request_is_written_as_the_go_implementation_does),
		cmocka_unit_test(responses_of_the_go_implementation_are_read),
		cmocka_unit_test(responses_are_written_as_the_go_implementation_does),
		cmocka_unit_test(every_cut_of_a_message_is_refused_or_ends_between_fields),
		cmocka_unit_test(what_is_no_protobuf_is_refused),
		cmocka_unit_test(what_a_newer_peer_adds_is_skipped),
		cmocka_unit_test(a_status_that_nobody_knows_is_unknown),
		cmocka_unit_test(words_that_are_no_utf8_are_mended),
		cmocka_unit_test(words_that_are_very_long_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
