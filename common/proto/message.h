// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PROTO_MESSAGE_H
#define HOLDFAST_PROTO_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/buf.h"

/*
 * protobuf-c with our errors and buffers.
 *
 *	_cleanup_(message_freep) Pods__ListResponse *list = NULL;
 *	int r = message_read(&pods__list_response__descriptor, bytes, &list, err);
 *
 * Read messages take up to 20 times the memory of their bytes: the caller limits `bytes` by what it expects.
 */
#define message_read(descriptor, bytes, ret, err) message_unpack(descriptor, bytes, (ProtobufCMessage **)(ret), err)

/* EINVAL: no such message, naming its type. ENOMEM. What we do not know of it is skipped. */
int message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, ProtobufCMessage **ret, struct error *err) must_check;

/* For _cleanup_ of a pointer to any message that was read. */
void message_freep(void *pointer);

/* Appends the message: `message_write(&list.base, &out)`. An error sticks to the buffer. */
void message_write(const ProtobufCMessage *message, struct buf *out);

#endif
