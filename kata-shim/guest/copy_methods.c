// SPDX-License-Identifier: Apache-2.0
#include "common/base/array.h"
#include "kata-shim/guest/agent.h"
#include "kata-shim/guest/copy.h"

static void handle_copy(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__CopyFileRequest *message = NULL;
	const struct agent *agent = context;
	struct error err;

	int r = message_read(&agent__copy_file_request__descriptor, request, &message, &err);
	if (r == 0)
		r = copies_take(agent->copies, message, &err);
	agent_answer_empty(call, r, &err);
}

static void handle_remove(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__RemoveFileRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__remove_file_request__descriptor, request, &message, &err);
	if (r == 0)
		r = copies_remove(message->path, &err);
	agent_answer_empty(call, r, &err);
}

static const struct ttrpc_method copy_rows[] = { { "CopyFile", handle_copy } };
const struct method_rows copy_methods = { copy_rows, ELEMENTS_OF(copy_rows) };

static const struct ttrpc_method guest_rows[] = { { "RemoveFile", handle_remove } };
const struct method_rows guest_copy_methods = { guest_rows, ELEMENTS_OF(guest_rows) };
