// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kata_shim/scripted_agent.h"

#include "tests/unit/common/cmocka_all.h"

#include <sys/socket.h>

#include "common/base/array.h"

static struct scripted_agent *scripted_now;

#define ROW(method)                                                                                                                        \
	static void handle_##method(void *context, struct ttrpc_call *call, struct slice request)                                          \
	{                                                                                                                                  \
		scripted_now->handle(scripted_now->context, #method, call, request);                                                       \
	}

#define METHODS(do)                                                                                                                        \
	do                                                                                                                                 \
	(CreateSandbox) do(CreateContainer) do(StartContainer) do(StatsContainer) do(ExecProcess) do(SignalProcess) do(WaitProcess) do(    \
		ReadStdout) do(ReadStderr) do(WriteStdin) do(CloseStdin) do(GetOOMEvent) do(RemoveContainer)

METHODS(ROW)
ROW(Check)
ROW(Connect)
ROW(Disconnect)

#define ENTRY(method) { #method, handle_##method },

static const struct ttrpc_method agent_rows[] = { METHODS(ENTRY) };
static const struct ttrpc_method health_rows[] = { ENTRY(Check) };
static const struct ttrpc_method guest_rows[] = { ENTRY(Connect) ENTRY(Disconnect) };
static const struct ttrpc_service offered[] = {
	{ "grpc.AgentService", agent_rows, ELEMENTS_OF(agent_rows), NULL },
	{ "grpc.Health", health_rows, ELEMENTS_OF(health_rows), NULL },
	{ "holdfast.Guest", guest_rows, ELEMENTS_OF(guest_rows), NULL },
};
static const struct ttrpc_services services = { offered, ELEMENTS_OF(offered) };

void scripted_agent_start(struct scripted_agent *scripted, uv_loop_t *loop,
			  void (*handle)(void *context, const char *method, struct ttrpc_call *call, struct slice request), void *context)
{
	int pair[2];
	struct error err;

	*scripted = (struct scripted_agent){ .loop = loop, .handle = handle, .context = context };
	scripted_now = scripted;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	if (ttrpc_server_new(loop, &services, &scripted->server, &err) < 0 ||
	    ttrpc_server_add(scripted->server, pair[0], NULL, NULL, &err) < 0 || agent_open(loop, pair[1], &scripted->agent, &err) < 0)
		fail_msg("%s", err.message);
}

void scripted_agent_stop(struct scripted_agent *scripted)
{
	agent_close(TAKE_PTR(scripted->agent));
	ttrpc_server_stop(TAKE_PTR(scripted->server));
}

void scripted_answer(struct ttrpc_call *call, const ProtobufCMessage *message)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(TTRPC_MESSAGE_MAX);

	message_write(message, &bytes);
	ttrpc_call_answer(call, buf_view(&bytes));
}
