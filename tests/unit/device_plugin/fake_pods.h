// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_FAKE_PODS_H
#define HOLDFAST_TESTS_FAKE_PODS_H

#include "common/rpc/grpc.h"

/*
 * What kubelet knows of pods, as it tells it: PodResources and the Kubelet Pods API on their sockets in kubelet's directory, which may
 * contradict each other. Fails the test by itself when it cannot go on.
 */
struct fake_pod {
	const char *namespace, *name, *uid;
	const char *resource, *device;                 /* of its container "main" */
	const char *service_account, *secrets, *phase; /* NULL: not set */
	const char *labels[8];                         /* key, value, …, NULL */
};

enum fake_manner {
	FAKE_ANSWERS,
	FAKE_HANGS,
	FAKE_TALKS_NONSENSE, /* no protobuf */
	FAKE_MIXES_UP,       /* whoever is asked for, the first pod is told of */
	FAKE_IS_BUSY,        /* RESOURCE_EXHAUSTED, n_busy times and then it answers */
};

struct fake_service {
	struct grpc_server *server;
	enum fake_manner manner;
	unsigned n_busy;
	unsigned n_calls;
	struct grpc_call *hanging[128];
	size_t n_hanging;
	const struct fake_pod *pods; /* the caller's */
	size_t n_pods;
};

void fake_pod_resources_start(struct fake_service *service, uv_loop_t *loop, const char *kubelet);
void fake_pods_api_start(struct fake_service *service, uv_loop_t *loop, const char *kubelet);
void fake_service_stop(struct fake_service *service);
/* Those that hang on PodResources are answered with the pods that there are now. */
void fake_pod_resources_wake(struct fake_service *service);

#endif
