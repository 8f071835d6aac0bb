// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_ALLOW_H
#define HOLDFAST_SEAL_ALLOW_H

#include "common/kube/objects.h"
#include "device-plugin/seal/envelope.h"

/* A pod as those know it who do not have to believe it: the kubelet, the API server, our own shim. */
struct allow_pod {
	const char *namespace, *name, *service_account;
	const struct kube_labels *labels;
	const char *backend;     /* of the sandbox record: "runc", "kata", "vm"; NULL: there is none that can be believed */
	const char *backend_why; /* why backend is NULL; may be NULL */
};

/* 0, or EACCES with one sentence for the pod's events: which secret, which pod, which rule is missing, what to do. */
int allow_check(const struct envelope *envelope, const struct allow_pod *pod, struct error *err) must_check;

#endif
