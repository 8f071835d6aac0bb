// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc_message.h"

#include <errno.h>

void grpc_reader_free(struct grpc_reader *reader)
{
	buf_free(&reader->message);
}

static struct slice take(struct slice *from, size_t most)
{
	struct slice taken = slice_from(from->p, from->n < most ? from->n : most);

	from->p += taken.n;
	from->n -= taken.n;
	return taken;
}

static int begin(struct grpc_reader *reader, struct error *err)
{
	const uint8_t *p = reader->prefix;
	uint32_t length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];

	if (p[0] != 0)
		return error_set(err, EPROTO, "the peer sent a compressed message, which was not agreed on");
	if (length > reader->message.maximum)
		return error_set(err, ENOBUFS, "a message of %u bytes is above the limit of %zu", length, reader->message.maximum);
	buf_clear(&reader->message);
	reader->missing = length;
	return 0;
}

int grpc_reader_next(struct grpc_reader *reader, struct slice *from, struct slice *ret, struct error *err)
{
	if (reader->prefix_n < GRPC_PREFIX_SIZE) {
		struct slice bytes = take(from, GRPC_PREFIX_SIZE - reader->prefix_n);

		if (bytes.n > 0)
			memcpy(reader->prefix + reader->prefix_n, bytes.p, bytes.n);
		reader->prefix_n += bytes.n;
		if (reader->prefix_n < GRPC_PREFIX_SIZE)
			return 0;
		int r = begin(reader, err);
		if (r < 0)
			return r;
	}
	struct slice bytes = take(from, reader->missing);
	buf_slice(&reader->message, bytes);
	reader->missing -= bytes.n;
	int r = buf_check(&reader->message, "message", err);
	if (r < 0 || reader->missing > 0)
		return r;
	reader->prefix_n = 0;
	*ret = buf_view(&reader->message);
	return 1;
}

bool grpc_reader_is_inside(const struct grpc_reader *reader)
{
	return reader->prefix_n > 0;
}

void grpc_message_write(struct slice message, struct buf *out)
{
	const uint8_t prefix[GRPC_PREFIX_SIZE] = { 0, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16), (uint8_t)(message.n >> 8),
						   (uint8_t)message.n };

	buf_append(out, prefix, sizeof(prefix));
	buf_slice(out, message);
}
