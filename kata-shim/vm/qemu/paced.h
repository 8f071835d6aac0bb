// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_PACED_H
#define HOLDFAST_VM_QEMU_PACED_H

#include <uv.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * Reads a stream whose writer may flood us: at most 16 reads of 4 KiB are made in 50 ms, and for the rest the writer
 * waits.
 */
struct paced;

struct paced_listener {
	void (*bytes)(void *context, struct slice bytes);
	void (*ended)(void *context); /* the writer has closed it, or it is broken. Once */
};

/* `fd`, a pipe or a socket, is the stream's, also if this fails. */
int paced_open(uv_loop_t *loop, int fd, const struct paced_listener *listener, void *context, struct paced **ret,
	       struct error *err) must_check;

/* Takes what has been written already, up to 256 KiB, at once. */
void paced_drain(struct paced *paced);

/* Writes what fits into the socket's buffer; returns how much that was. */
size_t paced_write(struct paced *paced, struct slice bytes);

/* No callback comes any more. NULL is allowed. */
void paced_close(struct paced *paced);

#endif
