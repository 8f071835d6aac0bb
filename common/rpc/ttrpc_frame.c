// SPDX-License-Identifier: Apache-2.0
/*
 * Most frames are small and come whole: those are not copied. The buffer of one that comes in pieces grows with what has come, not to what
 * is announced, and is freed with the frame, so that an idle connection has none.
 */
#include "common/rpc/ttrpc_frame.h"

#include <errno.h>

void ttrpc_reader_free(struct ttrpc_reader *reader)
{
	buf_free(&reader->data);
}

static struct slice take(struct slice *from, size_t most)
{
	struct slice taken = slice_from(from->p, from->n < most ? from->n : most);

	*from = slice_from(from->p + taken.n, from->n - taken.n);
	return taken;
}

static uint32_t read_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_u32(uint32_t value, uint8_t *p)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static struct ttrpc_frame parse_header(const struct ttrpc_reader *reader)
{
	const uint8_t *p = reader->header;

	return (struct ttrpc_frame){ .length = read_u32(p), .stream = read_u32(p + 4), .type = p[8], .flags = p[9] };
}

void ttrpc_frame_write_header(const struct ttrpc_frame *frame, uint8_t out[static TTRPC_HEADER_SIZE])
{
	write_u32(frame->length, out);
	write_u32(frame->stream, out + 4);
	out[8] = frame->type;
	out[9] = frame->flags;
}

/* False: the header is not whole yet. */
static bool take_header(struct ttrpc_reader *reader, struct slice *from)
{
	struct slice bytes = take(from, TTRPC_HEADER_SIZE - reader->header_n);

	if (bytes.n > 0)
		memcpy(reader->header + reader->header_n, bytes.p, bytes.n);
	reader->header_n += bytes.n;
	return reader->header_n == TTRPC_HEADER_SIZE;
}

static bool skip(struct ttrpc_reader *reader, struct slice *from)
{
	reader->missing -= take(from, reader->missing).n;
	if (reader->missing > 0)
		return false;
	reader->skipping = false;
	reader->header_n = 0;
	return true;
}

static bool lose(struct ttrpc_reader *reader, int why, struct ttrpc_frame *ret)
{
	*ret = parse_header(reader);
	ret->lost = why;
	reader->skipping = true;
	buf_free(&reader->data);
	return true;
}

static bool take_data(struct ttrpc_reader *reader, struct slice *from, struct ttrpc_frame *ret)
{
	struct slice bytes = take(from, reader->missing);
	bool whole_at_once = reader->data.n == 0 && bytes.n == reader->missing;

	if (!whole_at_once)
		buf_slice(&reader->data, bytes);
	reader->missing -= bytes.n;
	if (reader->data.failed)
		return lose(reader, ENOMEM, ret);
	if (reader->missing > 0)
		return false;
	*ret = parse_header(reader);
	ret->data = whole_at_once ? bytes : buf_view(&reader->data);
	reader->header_n = 0;
	return true;
}

bool ttrpc_reader_next(struct ttrpc_reader *reader, struct slice *from, struct ttrpc_frame *ret)
{
	if (reader->skipping && !skip(reader, from))
		return false;
	if (reader->header_n == 0)
		buf_free(&reader->data); /* of the frame before */
	if (reader->header_n < TTRPC_HEADER_SIZE) {
		if (!take_header(reader, from))
			return false;
		reader->missing = read_u32(reader->header);
	}
	if (reader->missing > TTRPC_MESSAGE_MAX)
		return lose(reader, EMSGSIZE, ret);
	return take_data(reader, from, ret);
}
