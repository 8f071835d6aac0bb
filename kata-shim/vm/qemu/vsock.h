// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_VSOCK_H
#define HOLDFAST_VM_QEMU_VSOCK_H

#include <uv.h>

#include "common/base/error.h"

/*
 * Connects to a port of a guest, again and again until it listens: nobody says when that is. Ends with `connected`, whose descriptor is the
 * receiver's, or with vsock_close.
 */
struct vsock;

int vsock_open(uv_loop_t *loop, uint32_t cid, uint32_t port, void (*connected)(void *context, int fd), void *context, struct vsock **ret,
	       struct error *err) must_check;

/* NULL is allowed, and from the callback. */
void vsock_close(struct vsock *vsock);

#endif
