// SPDX-License-Identifier: Apache-2.0
/*
 * gRPC's client says in words what came of a call; a person needs the cause and the cure. So the way to the socket is tried before
 * the call, where errno still tells a daemon that is away from one that does not let us in.
 */
#include "device-plugin/control/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "common/base/cleanup.h"
#include "common/rpc/unix_socket.h"
#include "device-plugin/control/control.pb-c.h"

struct asking {
	uv_loop_t loop;
	const struct ask *ask;
	const char *socket;
	struct grpc_client *client;
	struct ask_answer *answer;
	enum rpc_status status;
	char words[ERROR_MESSAGE_MAX];
	bool unreadable;
};

void ask_answer_clear(struct ask_answer *answer)
{
	buf_free(&answer->text);
}

static int try_socket(const char *socket, struct error *err)
{
	int code = -unix_socket_try(socket);

	switch (code) {
	case 0:
		return 0;
	case ENOENT:
	case ECONNREFUSED:
		return error_set(
			err, code,
			"no daemon answers on %s: is `holdfast-tpm serve` running on this node? kubectl -n holdfast-system get pods -o wide",
			socket);
	case EACCES:
	case EPERM:
		return error_set(err, EACCES, "%s is root's: run this as root", socket);
	case EAGAIN:
		return error_set(err, EBUSY, "the daemon on %s has more to answer than it can: try again, and look at its log", socket);
	default:
		return error_errno(err, code, "cannot reach the daemon on %s", socket);
	}
}

static int explain_status(const struct asking *asking, struct error *err)
{
	switch (asking->status) {
	case RPC_OK:
		return asking->unreadable ? error_set(err, EPROTO, "what listens on %s is not the daemon: its answer is not to be read",
						      asking->socket)
					  : 0;
	case RPC_INTERNAL:
		return error_set(err, EPROTO, "what listens on %s is not the daemon: %s", asking->socket, asking->words);
	case RPC_UNIMPLEMENTED:
		return error_set(err, ENOSYS, "%s: it is not of the same version as this program; restart the daemon, so that both are",
				 asking->words);
	case RPC_DEADLINE_EXCEEDED:
		return error_set(err, ETIMEDOUT, "the daemon has not answered on %s within %" PRIu64 " s: try again, and look at its log",
				 asking->socket, asking->ask->timeout_ms / 1000);
	case RPC_UNAVAILABLE:
		return error_set(err, ECONNRESET, "the daemon ended before it had answered on %s, or does not let this user in: %s",
				 asking->socket, asking->words);
	default:
		return error_set(err, EPROTO, "the daemon did not take the request: %s (%s)", asking->words,
				 rpc_status_name(asking->status));
	}
}

static void take_answer(void *context, struct slice bytes)
{
	struct asking *asking = context;
	Holdfast__Tpm__V1__AskAnswer *answer = holdfast__tpm__v1__ask_answer__unpack(NULL, bytes.n, bytes.p);

	if (!answer) {
		asking->unreadable = true;
		return;
	}
	buf_append(&asking->answer->text, answer->text.data, answer->text.len);
	asking->answer->exit_code = answer->exit_code;
	snprintf(asking->answer->error, sizeof(asking->answer->error), "%s", answer->error);
	holdfast__tpm__v1__ask_answer__free_unpacked(answer, NULL);
}

static void take_end(void *context, enum rpc_status status, const char *words)
{
	struct asking *asking = context;

	asking->status = status;
	snprintf(asking->words, sizeof(asking->words), "%s", words);
	grpc_client_close(asking->client);
}

static int pack(const struct control_request *request, struct buf *out, struct error *err)
{
	Holdfast__Tpm__V1__AskRequest message = HOLDFAST__TPM__V1__ASK_REQUEST__INIT;

	message.command = (char *)request->command;
	message.arguments = (char **)request->arguments;
	message.n_arguments = request->n_arguments;
	message.json = request->json;
	uint8_t *to = buf_reserve(out, holdfast__tpm__v1__ask_request__get_packed_size(&message));
	if (to)
		buf_commit(out, holdfast__tpm__v1__ask_request__pack(&message, to));
	return buf_check(out, "request", err);
}

static int call(struct asking *asking, struct error *err)
{
	_cleanup_(buf_free) struct buf message = BUF_MAX(GRPC_MESSAGE_MAX);
	const struct grpc_receiver receiver = { take_answer, take_end, asking };
	struct grpc_client_call *ignored;

	int r = pack(&asking->ask->request, &message, err);
	if (r == 0)
		r = grpc_client_new(&asking->loop, asking->socket, &asking->client, err);
	if (r < 0)
		return r;
	const struct grpc_request request = { CONTROL_PATH, buf_view(&message), true, asking->ask->timeout_ms };
	r = grpc_client_call(asking->client, &request, &receiver, &ignored, err);
	if (r < 0)
		grpc_client_close(asking->client);
	return r;
}

/* The loop ends by itself when the client is closed and nothing of it is left. */
static int call_and_wait(struct asking *asking, struct error *err)
{
	int r = uv_loop_init(&asking->loop);

	if (r < 0)
		return error_set(err, -r, "cannot make an event loop: %s", uv_strerror(r));
	r = call(asking, err);
	uv_run(&asking->loop, UV_RUN_DEFAULT);
	uv_loop_close(&asking->loop);
	if (r == 0)
		r = explain_status(asking, err);
	return r < 0 ? r : buf_check(&asking->answer->text, "answer", err);
}

int ask_daemon(const struct ask *ask, struct ask_answer *ret, struct error *err)
{
	struct asking asking = { .ask = ask, .socket = ask->socket ? ask->socket : CONTROL_DEFAULT_SOCKET, .answer = ret };

	int r = try_socket(asking.socket, err);
	if (r < 0)
		return r;
	void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* libuv writes with write(2) */
	r = call_and_wait(&asking, err);
	signal(SIGPIPE, before);
	return r;
}
