// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/guest/agent.h"
#include "kata-shim/guest/details.h"

static void handle_create(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__CreateSandboxRequest *message = NULL;
	struct agent *agent = context;
	struct error err;

	int r = message_read(&agent__create_sandbox_request__descriptor, request, &message, &err);
	if (r == 0)
		r = sandbox_make(&agent->sandbox, message, &err);
	agent_answer_empty(call, r, &err);
}

/* The loop ends, and with it everything: main.c. What has been written is the host's before it hears of the end. */
static void handle_destroy(void *context, struct ttrpc_call *call, struct slice request)
{
	struct agent *agent = context;

	sync();
	agent_answer_empty(call, 0, NULL);
	uv_stop(agent->loop);
}

static void handle_details(void *context, struct ttrpc_call *call, struct slice request)
{
	static char *storages[] = { (char *)"virtio-fs", (char *)"ephemeral" };
	_cleanup_(message_freep) Agent__GuestDetailsRequest *message = NULL;
	const struct agent *agent = context;
	Agent__AgentDetails details = AGENT__AGENT_DETAILS__INIT;
	Agent__GuestDetailsResponse answer = AGENT__GUEST_DETAILS_RESPONSE__INIT;
	struct error err;

	if (message_read(&agent__guest_details_request__descriptor, request, &message, &err) < 0) {
		ttrpc_call_fail(call, &err);
		return;
	}
	details.version = (char *)HOLDFAST_VERSION;
	details.init_daemon = agent->init;
	details.storage_handlers = storages;
	details.n_storage_handlers = ELEMENTS_OF(storages);
	details.supports_seccomp = details_seccomp();
	answer.agent_details = &details;
	answer.mem_block_size_bytes = message->mem_block_size ? details_memory_block_size() : 0;
	answer.support_mem_hotplug_probe = message->mem_hotplug_probe && details_memory_probe();
	agent_answer(call, &answer.base);
}

static void handle_online(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__OnlineCPUMemRequest *message = NULL;
	const struct agent *agent = context;
	struct error err;

	int r = message_read(&agent__online_cpumem_request__descriptor, request, &message, &err);
	if (r == 0 && !agent->init)
		r = error_set(&err, EPERM, "OnlineCPUMem: this agent has no machine of its own");
	if (r == 0)
		r = details_bring_online(message->nb_cpus, !message->cpu_only, &err);
	agent_answer_empty(call, r, &err);
}

static void handle_time(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__SetGuestDateTimeRequest *message = NULL;
	struct agent *agent = context;
	struct error err;

	int r = message_read(&agent__set_guest_date_time_request__descriptor, request, &message, &err);
	if (r == 0 && !agent->init)
		r = error_set(&err, EPERM, "SetGuestDateTime: this agent has no machine of its own");
	if (r == 0)
		r = guest_clock_follow(&agent->clock, message->sec, message->usec, &err);
	agent_answer_empty(call, r, &err);
}

static const struct ttrpc_method rows[] = {
	{ "CreateSandbox", handle_create },
	{ "DestroySandbox", handle_destroy },
	{ "GetGuestDetails", handle_details },
	{ "OnlineCPUMem", handle_online },
	{ "SetGuestDateTime", handle_time },
};
const struct method_rows sandbox_methods = { rows, ELEMENTS_OF(rows) };
