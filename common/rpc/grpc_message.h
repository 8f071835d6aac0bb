// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_GRPC_MESSAGE_H
#define HOLDFAST_RPC_GRPC_MESSAGE_H

#include "common/base/buf.h"

/*
 * gRPC's own framing inside HTTP/2 DATA ("Length-Prefixed-Message"):
 *
 *	compressed (1 byte: 0)   length (4 bytes, network byte order)   message
 *
 * Compression is never announced by us, so a compressed message is an error. No I/O; a length is compared with the maximum before one
 * byte of the message is stored.
 */
#define GRPC_PREFIX_SIZE 5

struct grpc_reader {
	struct buf message;
	uint8_t prefix[GRPC_PREFIX_SIZE];
	size_t prefix_n;
	size_t missing; /* of the message, once the prefix is whole */
};

#define GRPC_READER(message_max) ((struct grpc_reader){ .message = BUF_MAX(message_max) })

void grpc_reader_free(struct grpc_reader *reader);

/*
 * Takes bytes from the front of `*from`. 1: `*ret` is a message, valid until the next call; 0: all is taken and no message is whole.
 * -ENOBUFS: a message above the maximum; -EPROTO: a compressed one; -ENOMEM. After an error the reader must not be used.
 */
int grpc_reader_next(struct grpc_reader *reader, struct slice *from, struct slice *ret, struct error *err) must_check;

/* A message has begun and is not whole. */
bool grpc_reader_is_inside(const struct grpc_reader *reader);

void grpc_message_write(struct slice message, struct buf *out);

#endif
