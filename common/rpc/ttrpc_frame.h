// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_TTRPC_FRAME_H
#define HOLDFAST_RPC_TTRPC_FRAME_H

#include "common/base/buf.h"

/*
 * ttrpc's framing (github.com/containerd/ttrpc, PROTOCOL.md), numbers in network byte order:
 *
 *	length of the data (4 bytes)   stream (4)   type (1)   flags (1)   data
 *
 * No I/O. What is announced above the limit, or finds no memory, is skipped as it comes: the connection lives, the frame says what it lost.
 */
#define TTRPC_HEADER_SIZE 10
#define TTRPC_MESSAGE_MAX (4 * 1024 * 1024) /* bytes of a frame's data: messageLengthMax of the Go implementation */

enum ttrpc_frame_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 }; /* others may come, and are to be ignored */

#define TTRPC_REMOTE_CLOSED 0x1 /* the sender of this frame sends no more data on the stream */
#define TTRPC_REMOTE_OPEN 0x2   /* of a request: data follows */
#define TTRPC_NO_DATA 0x4       /* of data: there is no message in it, not even an empty one */

struct ttrpc_frame {
	uint32_t stream;
	uint8_t type, flags;
	uint32_t length;
	struct slice data; /* of `length` bytes, unless lost */
	int lost;          /* 0; EMSGSIZE: length is above the limit; ENOMEM: no memory for it */
};

struct ttrpc_reader {
	uint8_t header[TTRPC_HEADER_SIZE];
	size_t header_n;
	size_t missing; /* of the data, once the header is whole */
	bool skipping;
	struct buf data; /* of a frame that came in pieces; freed with it */
};

#define TTRPC_READER ((struct ttrpc_reader){ .data = BUF_MAX(TTRPC_MESSAGE_MAX) })

void ttrpc_reader_free(struct ttrpc_reader *reader);

/*
 * Takes bytes from the front of `*from`. True: `*ret` is a frame; its data is valid until the next call and no longer than the bytes of
 * `*from`. False: all is taken and no frame is whole. A frame that is lost comes as soon as that is known.
 */
bool ttrpc_reader_next(struct ttrpc_reader *reader, struct slice *from, struct ttrpc_frame *ret) must_check;

/* For a frame that is not lost, `length` bytes of data follow. */
void ttrpc_frame_write_header(const struct ttrpc_frame *frame, uint8_t out[static TTRPC_HEADER_SIZE]);

#endif
