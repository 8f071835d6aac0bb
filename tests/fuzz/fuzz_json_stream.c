// SPDX-License-Identifier: Apache-2.0
/*
 * The pieces must not depend on the chunks. The input's first byte chooses the mode and the limit, its second the size of the chunks;
 * the rest is fed whole and in chunks, and both must give the same pieces and the same answer.
 */
#include "common/base/buf.h"
#include "common/json/stream.h"
#include "tests/fuzz/fuzz.h"

#define TRACE_MAX (8 * 1024 * 1024)

static int trace_piece(void *context, const struct json_piece *piece, struct error *err)
{
	struct buf *trace = context;

	ABORT_ON(piece->text.n == 0);
	ABORT_ON(piece->kind != JSON_PIECE_MEMBER && piece->text.p[0] != '{');
	buf_printf(trace, "%d ", piece->kind);
	buf_slice(trace, piece->key);
	buf_byte(trace, ' ');
	buf_slice(trace, piece->text);
	buf_byte(trace, '\n');
	return 0;
}

static int run(uint8_t how, size_t step, struct slice text, struct buf *trace)
{
	_cleanup_(json_stream_freep) struct json_stream *stream =
		json_stream_new(how & 1 ? JSON_STREAM_LIST : JSON_STREAM_DOCUMENTS, how & 2 ? 64 : JSON_STREAM_PIECE_MAX);
	struct error err;

	ABORT_ON(!stream);
	while (text.n > 0) {
		size_t n = text.n < step ? text.n : step;
		int r = json_stream_feed(stream, slice_from(text.p, n), trace_piece, trace, &err);
		if (r < 0) {
			ABORT_ON(json_stream_finish(stream, &err) == 0);
			return r;
		}
		text = slice_from(text.p + n, text.n - n);
	}
	return json_stream_finish(stream, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_free) struct buf whole = BUF_MAX(TRACE_MAX);
	_cleanup_(buf_free) struct buf chunked = BUF_MAX(TRACE_MAX);

	if (size < 3)
		return 0;
	struct slice text = slice_from(data + 2, size - 2);
	int r_whole = run(data[0], text.n, text, &whole);
	int r_chunked = run(data[0], 1 + data[1] % 32, text, &chunked);
	ABORT_ON(r_whole != r_chunked);
	ABORT_ON(!slice_equals(buf_view(&whole), buf_view(&chunked)));
	return 0;
}
