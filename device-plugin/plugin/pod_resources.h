// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_POD_RESOURCES_H
#define HOLDFAST_PLUGIN_POD_RESOURCES_H

#include "common/proto/podresources.pb-c.h"
#include "device-plugin/plugin/kubelet_call.h"

/*
 * kubelet's PodResources, `<kubelet>/pod-resources/kubelet.sock`: which pods have which devices. It has plain init containers never in it.
 * Everybody who asks at the same time gets the same list, one that was begun after he asked: 60 pods that start are two calls, not 60.
 */
struct pod_resources {
	uv_loop_t *loop;
	struct grpc_client *client;
	uint64_t timeout_ms;
	struct kubelet_call *call; /* under way; NULL: none */
	unsigned round;            /* whose answer it is, or the next one will be */
	struct pod_resources_wait *waiting;
};

#define POD_RESOURCES_SOCKET "pod-resources/kubelet.sock"

struct pod_resources_wait {
	/* Once, from the loop. `list` is valid until it returns; NULL: there is none, and `err` says why. */
	void (*listed)(struct pod_resources_wait *wait, const Podresources__ListResponse *list, const struct error *err);

	struct pod_resources *resources; /* NULL: it does not wait */
	struct pod_resources_wait *next;
	unsigned round;
};

int pod_resources_open(struct pod_resources *resources, uv_loop_t *loop, const char *kubelet_directory, uint64_t timeout_ms,
		       struct error *err) must_check;
/* Nobody must wait. It must stay where it is until the loop has run once. */
void pod_resources_close(struct pod_resources *resources);

/* `wait` belongs to the caller, and must stay where it is until `listed` or pod_resources_cancel. */
int pod_resources_list(struct pod_resources *resources, struct pod_resources_wait *wait, struct error *err) must_check;
/* Whether it waits or not. */
void pod_resources_cancel(struct pod_resources_wait *wait);

#endif
