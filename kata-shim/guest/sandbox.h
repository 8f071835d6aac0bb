// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SANDBOX_H
#define HOLDFAST_GUEST_SANDBOX_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/* Where things are in the guest. All of it is made by CreateSandbox and is gone after DestroySandbox. */
#define GUEST_SHARED "/run/kata-containers/shared/containers" /* files that come from the host, by virtio-fs or CopyFile */
#define GUEST_SANDBOX "/run/kata-containers/sandbox"
#define GUEST_SHM GUEST_SANDBOX "/shm"
#define GUEST_RESOLV_CONF GUEST_SANDBOX "/resolv.conf" /* /etc/resolv.conf of the image leads to it */
#define GUEST_STATE "/run/holdfast"                    /* the agent's own: containers' bundles are in …/containers/<id> */
/* The namespaces that the pod's containers share, as files for config.json's `path`. Its network is the guest's. */
#define GUEST_NS_IPC GUEST_STATE "/ns/ipc"
#define GUEST_NS_UTS GUEST_STATE "/ns/uts"

#define SANDBOX_HOSTNAME_MAX 64
#define SANDBOX_DNS_MAX 64 /* lines, of 1 KiB each */

/* The pod's sandbox. */
struct sandbox {
	bool made;
	bool shared_pids; /* sandbox_pidns: containers share the first one's processes */
	char id[129];
	char hostname[SANDBOX_HOSTNAME_MAX + 1];
};

/*
 * Namespaces, resolv.conf, storages, loopback; what the caller's kernel modules and network are is left alone. Without an id it is
 * "sandbox", without a hostname the host's name stays. EEXIST: there is one; EINVAL: a value that makes no sense. On failure nothing is
 * left.
 */
int sandbox_make(struct sandbox *sandbox, const Agent__CreateSandboxRequest *request, struct error *err) must_check;
/* When its containers are gone. Of one that is not made: nothing. */
void sandbox_unmake(struct sandbox *sandbox);

#endif
