// SPDX-License-Identifier: Apache-2.0
/* What a running VM is asked to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/cleanup.h"
#include "kata-shim/vm/qemu/vmm_internal.h"

int vmm_ask_balloon(struct vmm *vmm, uint32_t memory_mib, qmp_answer *answer, void *context, struct error *err)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "{\"value\":%" PRIu64 "}", (uint64_t)memory_mib << 20);
	return qmp_client_execute(vmm->qmp, "balloon", arguments, VMM_COMMAND_MS, answer, context, err);
}

struct request {
	vmm_done *done;
	void *context;
};

static void on_answer(void *context, const struct json_view *value, const struct error *err)
{
	_cleanup_free_ struct request *request = context;

	request->done(request->context, err);
}

static struct request *request_new(struct vmm *vmm, vmm_done *done, void *context)
{
	struct request *request = malloc(sizeof(*request));
	struct error err;

	if (request) {
		*request = (struct request){ done, context };
		return request;
	}
	error_nomem(&err);
	done(context, &err);
	return NULL;
}

static void ask(struct vmm *vmm, const char *command, vmm_done *done, void *context)
{
	struct request *request = request_new(vmm, done, context);
	struct error err;
	int r;

	if (!request)
		return;
	if (vmm->state != RUNNING)
		r = error_set(&err, EPIPE, "QEMU does not run: \"%s\" cannot be asked for", command);
	else
		r = qmp_client_execute(vmm->qmp, command, NULL, VMM_COMMAND_MS, on_answer, request, &err);
	if (r < 0)
		on_answer(request, NULL, &err);
}

void vmm_pause(struct vmm *vmm, vmm_done *done, void *context)
{
	vmm->pausing = true;
	ask(vmm, "stop", done, context);
}

void vmm_resume(struct vmm *vmm, vmm_done *done, void *context)
{
	ask(vmm, "cont", done, context);
}

static int check_resize(const struct vmm *vmm, uint32_t memory_mib, struct error *err)
{
	if (vmm->state != RUNNING)
		return error_set(err, EPIPE, "QEMU does not run: its memory cannot be changed");
	if (memory_mib > vmm->size.memory_maximum_mib)
		return error_set(err, ERANGE,
				 "the VM would need %" PRIu32 " MiB, and this one can have %" PRIu32
				 ": a higher sandbox.vm.memory.maximum counts for VMs that start then",
				 memory_mib, vmm->size.memory_maximum_mib);
	return 0;
}

void vmm_resize(struct vmm *vmm, uint32_t memory_mib, vmm_done *done, void *context)
{
	struct request *request = request_new(vmm, done, context);
	struct error err;

	if (!request)
		return;
	int r = check_resize(vmm, memory_mib, &err);
	if (r == 0)
		r = vmm_ask_balloon(vmm, memory_mib, on_answer, request, &err);
	if (r < 0)
		on_answer(request, NULL, &err);
}
