// SPDX-License-Identifier: Apache-2.0
#include "common/proto/message.h"

#include <errno.h>

int message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, ProtobufCMessage **ret, struct error *err)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, bytes.n, bytes.p);

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
