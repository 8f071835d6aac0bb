// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_ASK_H
#define HOLDFAST_TPM_ASK_H

#include "common/base/buf.h"
#include "device-plugin/control/control.h"

/* The command line's end of control.proto. Blocks until the daemon has answered, on a loop of its own. */

struct ask {
	const char *socket; /* NULL: CONTROL_DEFAULT_SOCKET */
	struct control_request request;
	uint64_t timeout_ms;
};

struct ask_answer {
	struct buf text; /* output of the command */
	unsigned exit_code;
	char error[ERROR_MESSAGE_MAX]; /* why it failed; "" if it did not */
};

#define ASK_ANSWER_EMPTY ((struct ask_answer){ .text = BUF_MAX(CONTROL_OUTPUT_MAX) })

void ask_answer_clear(struct ask_answer *answer);

/*
 * 0: the daemon has answered, be it that the command failed. Errors say what to do. ENOENT, ECONNREFUSED: no daemon runs (ask_is_away);
 * EACCES: the socket is another user's; ETIMEDOUT; ENOSYS: the daemon is of another version and does not know the command;
 * EBUSY, EPROTO, ECONNRESET. `ret` is ASK_ANSWER_EMPTY before.
 */
int ask_daemon(const struct ask *ask, struct ask_answer *ret, struct error *err) must_check;

/* What ask_daemon returned means that no daemon runs on this node. */
static inline bool ask_is_away(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

#endif
