// SPDX-License-Identifier: Apache-2.0
/*
 * The first byte says how the rest is cut: whatever the pieces, a request (and an answer) is taken or refused in the same way, and what is
 * taken can be sent again.
 */
#include "cni-plugin/plugin/wire.h"
#include "common/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define ALL_MAX (4 * WIRE_INPUT_MAX)

static int feed(struct wire_request *request, struct slice bytes, size_t cut)
{
	struct error err;
	int r = 0;

	wire_request_init(request);
	while (bytes.n > 0 && r == 0) {
		size_t n = bytes.n < cut ? bytes.n : cut;
		uint8_t *copy = malloc(n); /* of its own, so that the sanitizer sees a read behind the end */
		ABORT_ON(!copy);
		memcpy(copy, bytes.p, n);
		r = wire_request_feed(request, slice_from(copy, n), &err);
		free(copy);
		bytes = slice_from(bytes.p + n, bytes.n - n);
	}
	return r == 1 && bytes.n > 0 ? -1 : r;
}

static void try_request(struct slice bytes, size_t cut)
{
	_cleanup_(wire_request_free) struct wire_request whole, pieces;
	_cleanup_(buf_free) struct buf again = BUF_MAX(ALL_MAX);
	struct slice fields[WIRE_FIELD_COUNT];
	struct error err;

	int r = feed(&whole, bytes, bytes.n + 1);
	int r_pieces = feed(&pieces, bytes, cut);
	ABORT_ON((r == 1) != (r_pieces == 1));
	ABORT_ON((r < 0) != (r_pieces < 0));
	if (r != 1)
		return;
	for (int i = 0; i < WIRE_FIELD_COUNT; i++) {
		fields[i] = buf_view(&whole.fields[i]);
		ABORT_ON(!slice_equals(fields[i], buf_view(&pieces.fields[i])));
	}
	ABORT_ON(wire_request_encode(fields, &again, &err) < 0);
	ABORT_ON(!slice_equals(buf_view(&again), bytes));
}

static void try_answer(struct slice bytes, size_t cut)
{
	struct wire_answer answer = { 0 };
	size_t total = 0;
	int r = 0;

	while (bytes.n > 0 && r == 0) {
		struct slice part = slice_from(bytes.p, bytes.n < cut ? bytes.n : cut), piece;
		struct error err;
		bytes = slice_from(bytes.p + part.n, bytes.n - part.n);
		while (part.n > 0 && r == 0) {
			r = wire_answer_next(&answer, &part, &piece, &err);
			total += piece.n;
		}
	}
	ABORT_ON(total > answer.total);
	ABORT_ON(r == 1 && total != answer.total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	try_request(slice_from(data + 1, size - 1), (size_t)data[0] + 1);
	try_answer(slice_from(data + 1, size - 1), (size_t)data[0] + 1);
	return 0;
}
