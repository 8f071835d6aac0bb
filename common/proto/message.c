// SPDX-License-Identifier: Apache-2.0
#include "common/proto/message.h"

#include <errno.h>
#include <stdlib.h>

/* It answers NULL to bad bytes and to a lack of memory alike; so we see the latter. */
static void *allocate(void *lacked, size_t n)
{
	void *p = malloc(n);

	if (!p)
		*(bool *)lacked = true;
	return p;
}

static void release(void *lacked, void *p)
{
	free(p);
}

int message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, ProtobufCMessage **ret, struct error *err)
{
	bool lacked = false;
	ProtobufCAllocator allocator = { .alloc = allocate, .free = release, .allocator_data = &lacked };
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, bytes.n, bytes.p);

	if (!message && lacked)
		return error_nomem(err);
	if (!message)
		return error_set(err, EINVAL, "%zu bytes are no %s of protobuf", bytes.n, descriptor->name);
	*ret = message;
	return 0;
}

void message_freep(void *pointer)
{
	protobuf_c_message_free_unpacked(*(ProtobufCMessage **)pointer, NULL);
}

void message_write(const ProtobufCMessage *message, struct buf *out)
{
	size_t n = protobuf_c_message_get_packed_size(message);
	uint8_t *at = buf_reserve(out, n);

	if (!at)
		return;
	protobuf_c_message_pack(message, at);
	buf_commit(out, n);
}
