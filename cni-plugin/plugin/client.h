// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_CLIENT_H
#define HOLDFAST_PLUGIN_CLIENT_H

#include <stdint.h>

#include "cni-plugin/plugin/wire.h"

/*
 * Asks the agent once, blocking, for at most timeout_ms altogether. The answer's output is appended to `output`, and is complete when
 * this returns 0. ENOENT, ECONNREFUSED: nobody listens; ETIMEDOUT; ECONNRESET: the agent ended before it had answered; EBUSY: it did not read the
 * request, and the message is its reason; EPROTO; ENOBUFS.
 */
int client_ask(const char *socket_path, const struct slice fields[static WIRE_FIELD_COUNT], unsigned timeout_ms, struct buf *output,
	       uint32_t *ret_exit_code, struct error *err) must_check;

#endif
