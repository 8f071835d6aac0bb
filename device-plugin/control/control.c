// SPDX-License-Identifier: Apache-2.0
/*
 * One method for all commands: a new command is a row in a table, not a change of the protocol. What a command says is cut into pieces,
 * so that an answer may be larger than a message of the other side.
 *
 *	Ask(command, arguments, json) ──► row ──► show ──────────────────► text… exit code
 *	                                    └───► start … control_answer ──► text… exit code, or error
 *
 * A status of gRPC other than OK is about the asking: no such command, no such request. A command that fails is an answer.
 */
#include "device-plugin/control/control.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "device-plugin/control/control.pb-c.h"

#define PIECE_SIZE (64 * 1024)
#define EXIT_OF_FAILURE 1

struct control {
	struct control_service service;
	struct grpc_server *server;
};

static void send_answer(struct grpc_call *call, Holdfast__Tpm__V1__AskAnswer *answer)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(2 * PIECE_SIZE);
	size_t n = holdfast__tpm__v1__ask_answer__get_packed_size(answer);
	uint8_t *to = buf_reserve(&bytes, n);

	if (!to)
		return;
	buf_commit(&bytes, holdfast__tpm__v1__ask_answer__pack(answer, to));
	grpc_call_send(call, buf_view(&bytes));
}

static void send_text(struct grpc_call *call, struct slice text)
{
	while (text.n > 0) {
		Holdfast__Tpm__V1__AskAnswer answer = HOLDFAST__TPM__V1__ASK_ANSWER__INIT;
		size_t n = text.n < PIECE_SIZE ? text.n : PIECE_SIZE;

		answer.text = (ProtobufCBinaryData){ n, (uint8_t *)text.p };
		send_answer(call, &answer);
		text = slice_from(text.p + n, text.n - n);
	}
}

void control_answer(struct grpc_call *call, int r, const struct buf *out, const struct error *err)
{
	Holdfast__Tpm__V1__AskAnswer last = HOLDFAST__TPM__V1__ASK_ANSWER__INIT;
	struct error lost;

	if (r >= 0 && buf_check(out, "answer", &lost) < 0) {
		r = -lost.code;
		err = &lost;
	}
	if (r >= 0)
		send_text(call, buf_view(out));
	else
		last.error = (char *)err->message;
	last.exit_code = r < 0 ? EXIT_OF_FAILURE : (uint32_t)r;
	send_answer(call, &last);
	grpc_call_finish(call, RPC_OK, NULL);
}

static void run(const struct control *control, const struct control_command *command, const struct control_request *request,
		struct grpc_call *call)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CONTROL_OUTPUT_MAX);
	struct error err;

	if (command->start)
		command->start(control->service.context, request, call);
	else
		control_answer(call, command->show(control->service.context, request, &out, &err), &out, &err);
}

static const struct control_command *find(const struct control_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_commands; i++) {
		if (strcmp(service->commands[i].name, name) == 0)
			return &service->commands[i];
	}
	return NULL;
}

static void take(const struct control *control, const Holdfast__Tpm__V1__AskRequest *message, struct grpc_call *call)
{
	const struct control_request request = { message->command, message->arguments, message->n_arguments, message->json };
	const struct control_command *command = find(&control->service, message->command);
	struct error err = { 0 };

	if (!command)
		error_set(&err, ENOSYS, "the daemon, of version %s, has no command \"%s\"", control->service.version,
			  SHOW(slice_string(message->command)));
	else if (request.n_arguments > CONTROL_ARGUMENTS_MAX)
		error_set(&err, EINVAL, "%zu arguments are more than %d", request.n_arguments, CONTROL_ARGUMENTS_MAX);
	if (err.code)
		grpc_call_fail(call, &err);
	else
		run(control, command, &request, call);
}

static void handle_ask(void *context, struct grpc_call *call, struct slice bytes)
{
	Holdfast__Tpm__V1__AskRequest *message = holdfast__tpm__v1__ask_request__unpack(NULL, bytes.n, bytes.p);

	if (!message) {
		grpc_call_finish(call, RPC_INVALID_ARGUMENT, "the request is no AskRequest");
		return;
	}
	take(context, message, call);
	holdfast__tpm__v1__ask_request__free_unpacked(message, NULL);
}

int control_start(uv_loop_t *loop, const char *path, uid_t uid, const struct control_service *service, struct control **ret,
		  struct error *err)
{
	static const struct grpc_method methods[] = { { CONTROL_PATH, handle_ask } };
	_cleanup_free_ struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return error_nomem(err);
	control->service = *service;
	const struct grpc_service grpc = { methods, ELEMENTS_OF(methods), control };
	int r = grpc_server_start(loop, path, uid, &grpc, &control->server, err);
	if (r == 0)
		*ret = TAKE_PTR(control);
	return r;
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	grpc_server_stop(control->server);
	free(control);
}
