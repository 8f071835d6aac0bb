// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SANDBOX_H
#define HOLDFAST_GUEST_SANDBOX_H

#include <stdbool.h>

/* Where things are in the guest. All of it is made by CreateSandbox and is gone after DestroySandbox. */
#define GUEST_SHARED "/run/kata-containers/shared/containers" /* files that come from the host, by virtio-fs or CopyFile */
#define GUEST_SANDBOX "/run/kata-containers/sandbox"
#define GUEST_SHM GUEST_SANDBOX "/shm"
#define GUEST_RESOLV_CONF GUEST_SANDBOX "/resolv.conf" /* /etc/resolv.conf of the image leads to it */
#define GUEST_STATE "/run/holdfast"                    /* the agent's own: containers' bundles are in …/containers/<id> */
/* The namespaces that the pod's containers share, as files for config.json's `path`. Its network is the guest's. */
#define GUEST_NS_IPC GUEST_STATE "/ns/ipc"
#define GUEST_NS_UTS GUEST_STATE "/ns/uts"

/* The pod's sandbox. */
struct sandbox {
	bool made;
	bool shared_pids; /* sandbox_pidns: containers share the first one's processes */
	char id[129];
	char hostname[65];
};

#endif
