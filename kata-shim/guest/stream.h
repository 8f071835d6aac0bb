// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_STREAM_H
#define HOLDFAST_GUEST_STREAM_H

#include "kata-shim/guest/agent.h"

/*
 * The agent's end of a process's stdin, stdout or stderr: a pipe, or a terminal's master; or one direction of a connection. Calls wait on
 * it until there is something, one at a time. Nothing is read ahead: what nobody asks for stays in the pipe, and the process waits when
 * that is full.
 */
struct stream;

#define STREAM_READ_MAX (32 * 1024) /* bytes of one answer */

/* `fd` is the stream's, also if this fails. */
int stream_new(uv_loop_t *loop, int fd, struct stream **ret, struct error *err) must_check;
/* Who waits hears that it is the end. Accepts NULL. */
void stream_free(struct stream *stream);

/*
 * These end the call, now or later; NULL is a stream that has ended.
 * stream_read: at most `n` bytes; none is the end, for now and for ever. EBUSY: another call waits here.
 * stream_write: answers when all of it is written. EPIPE: nobody reads any more, or it has been closed. EBUSY as above.
 */
void stream_read(struct stream *stream, struct ttrpc_call *call, uint32_t n);
void stream_write(struct stream *stream, struct ttrpc_call *call, struct slice bytes);

/* No more writes; the other end sees it when what waits has been written. */
void stream_close(struct stream *stream);
/* What is in the pipe now can still be read, then it has ended, whoever holds the other end. */
void stream_cut(struct stream *stream);
bool stream_has_ended(const struct stream *stream);

/* Of a terminal. */
int stream_resize(const struct stream *stream, uint16_t rows, uint16_t columns, struct error *err) must_check;

#endif
