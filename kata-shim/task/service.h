// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_SERVICE_H
#define HOLDFAST_TASK_SERVICE_H

#include "common/rpc/ttrpc.h"
#include "kata-shim/task/publisher.h"

struct vm_settings;

/*
 * containerd.task.v2.Task and containerd.task.v3.Task for one pod in a VM (kata-shim/vm/sandbox). The sandbox's container comes first and
 * its Create starts the VM; its Delete is the VM's end. Once the VM is lost every process has ended with 137, and all stays until
 * containerd deletes it.
 */
struct service_options {
	const char *sandbox; /* its id */
	const struct vm_settings *settings;
	struct publisher *publisher;
	void (*shutdown)(void *context); /* containerd has asked for it, and nothing is left */
	void *context;
	int (*confine)(struct error *err); /* gives up what is not needed any more, once QEMU runs; NULL: nothing */
	uint64_t began_ns;                 /* of `start`, as uv_hrtime counts; 0: not known */
};

struct service;

/* What the options point to outlives the service. */
int service_new(uv_loop_t *loop, const struct service_options *options, struct service **ret, struct error *err) must_check;

/* For ttrpc_server_start. */
const struct ttrpc_services *service_list(const struct service *service);

/* No container is there, nor one that is being created. */
bool service_is_empty(const struct service *service);

/* The VM goes, if there is one; nothing is created any more. `done` is called from the loop or at once, and the service can be freed then.
 */
void service_stop(struct service *service, void (*done)(void *context), void *context);
void service_free(struct service *service);

#endif
