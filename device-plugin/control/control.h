// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_CONTROL_H
#define HOLDFAST_TPM_CONTROL_H

#include "common/rpc/grpc.h"

/* The daemon's end of control.proto: from a call on the socket to the row of its command, and back. ask.h is the other end. */
#define CONTROL_DEFAULT_SOCKET "/run/holdfast/tpm.sock"
#define CONTROL_PATH "/holdfast.tpm.v1.Control/Ask"

#define CONTROL_ARGUMENTS_MAX 256            /* of one request */
#define CONTROL_OUTPUT_MAX (4 * 1024 * 1024) /* bytes of one answer */

struct control_request {
	const char *command;
	char *const *arguments;
	size_t n_arguments;
	bool json;
};

struct control_command {
	const char *name;
	/* The exit code of the command, its output in `out`; or a negative errno. */
	int (*show)(void *context, const struct control_request *request, struct buf *out, struct error *err);
	/* Instead of `show`, for what takes a while: ends in exactly one control_answer. `request` is valid until this returns. */
	void (*start)(void *context, const struct control_request *request, struct grpc_call *call);
};

struct control_service {
	const struct control_command *commands; /* must outlive the server */
	size_t n_commands;
	const char *version; /* of the daemon, for a command line of another one */
	void *context;
};

/* As `show` returns: the exit code and the output, or a negative errno and why. `call` is not the caller's any more. */
void control_answer(struct grpc_call *call, int r, const struct buf *out, const struct error *err);

struct control;

/* Listens on a unix socket of mode 0600 for processes of user `uid`. A socket file that is there is replaced. Errors of grpc_server_start.
 */
int control_start(uv_loop_t *loop, const char *path, uid_t uid, const struct control_service *service, struct control **ret,
		  struct error *err) must_check;
/* Nothing is taken from now on; whoever has a call from `start` still has to answer it. The rest is freed from the loop, which must run.
 * Accepts NULL. */
void control_stop(struct control *control);

#endif
