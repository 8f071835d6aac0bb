// SPDX-License-Identifier: Apache-2.0
/*
 * By hand and not by protobuf-c, which copies every field and makes 40 bytes of heap out of each 2 of metadata. A field is: its number and
 * kind as a varint, then a varint (kind 0), 8 bytes (1), a length and as many bytes (2), or 4 bytes (5). Groups (3, 4) are refused.
 */
#include "common/rpc/ttrpc_message.h"

#include <errno.h>

#include "common/base/utf8.h"

#define VARINT_MAX 10 /* bytes */
#define METADATA 5

enum kind { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct field {
	uint64_t number;
	enum kind kind;
	uint64_t value; /* of a varint */
	struct slice bytes;
};

/* ── Reading ── */

static bool take_varint(struct slice *from, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < from->n && i < VARINT_MAX; i++) {
		uint8_t byte = from->p[i];

		if (i == VARINT_MAX - 1 && byte > 1)
			return false;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*from = slice_from(from->p + i + 1, from->n - i - 1);
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool take_bytes(struct slice *from, uint64_t n, struct slice *ret)
{
	if (n > from->n)
		return false;
	*ret = slice_from(from->p, (size_t)n);
	*from = slice_from(from->p + n, from->n - (size_t)n);
	return true;
}

/* False: what is left is no field. */
static bool take_field(struct slice *from, struct field *ret)
{
	uint64_t tag, n;

	if (!take_varint(from, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return false;
	*ret = (struct field){ .number = tag >> 3, .kind = tag & 7 };
	switch (tag & 7) {
	case VARINT:
		return take_varint(from, &ret->value);
	case FIXED64:
		return take_bytes(from, 8, &ret->bytes);
	case BYTES:
		return take_varint(from, &n) && take_bytes(from, n, &ret->bytes);
	case FIXED32:
		return take_bytes(from, 4, &ret->bytes);
	}
	return false;
}

static bool read_pair(struct slice bytes, struct ttrpc_metadata *ret)
{
	struct field field;

	*ret = (struct ttrpc_metadata){ 0 };
	while (bytes.n > 0) {
		if (!take_field(&bytes, &field))
			return false;
		if (field.kind == BYTES && field.number == 1)
			ret->key = field.bytes;
		else if (field.kind == BYTES && field.number == 2)
			ret->value = field.bytes;
	}
	return true;
}

static bool read_request(struct slice bytes, struct ttrpc_request_message *ret)
{
	struct ttrpc_metadata unused;
	struct field field;

	*ret = (struct ttrpc_request_message){ .metadata = bytes };
	while (bytes.n > 0) {
		if (!take_field(&bytes, &field))
			return false;
		if (field.kind == BYTES && field.number == 1)
			ret->service = field.bytes;
		else if (field.kind == BYTES && field.number == 2)
			ret->method = field.bytes;
		else if (field.kind == BYTES && field.number == 3)
			ret->payload = field.bytes;
		else if (field.kind == VARINT && field.number == 4)
			ret->timeout_ns = (int64_t)field.value;
		else if (field.kind == BYTES && field.number == METADATA && !read_pair(field.bytes, &unused))
			return false;
	}
	return true;
}

int ttrpc_request_read(struct slice bytes, struct ttrpc_request_message *ret, struct error *err)
{
	return read_request(bytes, ret) ? 0 : error_set(err, EINVAL, "%zu bytes are no ttrpc.Request of protobuf", bytes.n);
}

bool ttrpc_metadata_next(struct slice *from, struct ttrpc_metadata *ret)
{
	struct field field;

	while (from->n > 0 && take_field(from, &field)) {
		if (field.kind == BYTES && field.number == METADATA)
			return read_pair(field.bytes, ret);
	}
	return false;
}

/* May come more than once, and is then put together. */
static bool read_status(struct slice bytes, struct ttrpc_response_message *ret)
{
	struct field field;

	while (bytes.n > 0) {
		if (!take_field(&bytes, &field))
			return false;
		if (field.kind == VARINT && field.number == 1)
			ret->status = field.value < RPC_STATUS_COUNT ? (enum rpc_status)field.value : RPC_UNKNOWN;
		else if (field.kind == BYTES && field.number == 2)
			ret->words = field.bytes;
	}
	return true;
}

static bool read_response(struct slice bytes, struct ttrpc_response_message *ret)
{
	struct field field;

	*ret = (struct ttrpc_response_message){ .status = RPC_OK };
	while (bytes.n > 0) {
		if (!take_field(&bytes, &field))
			return false;
		if (field.kind == BYTES && field.number == 1 && !read_status(field.bytes, ret))
			return false;
		if (field.kind == BYTES && field.number == 2)
			ret->payload = field.bytes;
	}
	return true;
}

int ttrpc_response_read(struct slice bytes, struct ttrpc_response_message *ret, struct error *err)
{
	return read_response(bytes, ret) ? 0 : error_set(err, EINVAL, "%zu bytes are no ttrpc.Response of protobuf", bytes.n);
}

/* ── Writing. What is 0 or empty is left out, as proto3 does. ── */

static size_t varint_size(uint64_t value)
{
	size_t n = 1;

	while (value >>= 7)
		n++;
	return n;
}

static void write_varint(uint64_t value, struct buf *out)
{
	for (; value >= 0x80; value >>= 7)
		buf_byte(out, (uint8_t)(value | 0x80));
	buf_byte(out, (uint8_t)value);
}

static void write_head(unsigned number, size_t n, struct buf *out)
{
	write_varint(number << 3 | BYTES, out);
	write_varint(n, out);
}

static void write_number(unsigned number, uint64_t value, struct buf *out)
{
	if (value == 0)
		return;
	write_varint(number << 3 | VARINT, out);
	write_varint(value, out);
}

static void write_bytes(unsigned number, struct slice bytes, struct buf *out)
{
	if (bytes.n == 0)
		return;
	write_head(number, bytes.n, out);
	buf_slice(out, bytes);
}

/* Of a field with a number below 16. */
static size_t bytes_size(size_t n)
{
	return n == 0 ? 0 : 1 + varint_size(n) + n;
}

void ttrpc_request_write(const struct ttrpc_request_message *request, const struct ttrpc_metadata *pairs, size_t n_pairs, struct buf *out)
{
	write_bytes(1, request->service, out);
	write_bytes(2, request->method, out);
	write_bytes(3, request->payload, out);
	write_number(4, (uint64_t)request->timeout_ns, out);
	for (size_t i = 0; i < n_pairs; i++) {
		write_head(METADATA, bytes_size(pairs[i].key.n) + bytes_size(pairs[i].value.n), out);
		write_bytes(1, pairs[i].key, out);
		write_bytes(2, pairs[i].value, out);
	}
}

static void mend(struct slice text, struct buf *out)
{
	while (text.n > 0) {
		size_t length = utf8_length(text.p, text.n), step = length ? length : 1;

		if (length > 0)
			buf_append(out, text.p, length);
		else
			buf_string(out, "\xef\xbf\xbd"); /* U+FFFD */
		text = slice_from(text.p + step, text.n - step);
	}
}

static void write_status(const struct ttrpc_response_message *response, struct buf *out)
{
	_cleanup_(buf_free) struct buf words = BUF_MAX(3 * ERROR_MESSAGE_MAX);

	mend(response->words, &words);
	write_head(1, 1 + varint_size(response->status) + bytes_size(words.n), out);
	write_number(1, response->status, out);
	write_bytes(2, buf_view(&words), out);
}

void ttrpc_response_write(const struct ttrpc_response_message *response, struct buf *out)
{
	if (response->status != RPC_OK)
		write_status(response, out);
	write_bytes(2, response->payload, out);
}
