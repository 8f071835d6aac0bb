// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_QMP_CLIENT_H
#define HOLDFAST_VM_QEMU_QMP_CLIENT_H

#include <uv.h>

#include "kata-shim/vm/qemu/qmp.h"

/* The conversation with QEMU (qmp.h) on a connected socket. Everything runs in the loop's thread, and no call waits. */
struct qmp_client;

struct qmp_client_listener {
	void (*ready)(void *context);
	void (*event)(void *context, const char *name, const struct json_view *data);
	/* The conversation is over; commands have been failed before. Once. EPIPE: QEMU has closed it; EPROTO: it said nonsense. */
	void (*over)(void *context, const struct error *why);
};

/* `fd` is the client's, also if this fails. `listener` must outlive it. */
int qmp_client_open(uv_loop_t *loop, int fd, const struct qmp_client_listener *listener, void *context, struct qmp_client **ret,
		    struct error *err) must_check;

/* As qmp_execute, but with the time from now on. */
int qmp_client_execute(struct qmp_client *client, const char *command, const char *arguments, uint64_t timeout_ms, qmp_answer *answer,
		       void *context, struct error *err) must_check;

/* No callback comes any more, but commands that wait fail with ECANCELED before this returns. NULL is allowed, and from any callback. */
void qmp_client_close(struct qmp_client *client);

#endif
