// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SYSCTL_H
#define HOLDFAST_GUEST_SYSCTL_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/proto/oci.pb-c.h"

/*
 * Sets a pod's sysctls, of those that belong to a namespace: net.* is the guest's own, as its network is the pod's; fs.mqueue.*,
 * kernel.msg*, kernel.sem and kernel.shm* are of the sandbox's namespace GUEST_NS_IPC. Names have dots or slashes, as sysctl(8) takes them.
 * EINVAL: another one, or a value that the kernel refuses. ENOENT: the guest's kernel does not have it.
 */
int sysctl_set_all(Oci__StringEntry *const *entries, size_t n, struct error *err) must_check;

/* "net.ipv4.ip_forward" → "net/ipv4/ip_forward". EINVAL: not one of the above. */
#define SYSCTL_PATH_MAX 256
int sysctl_path(const char *name, char ret[static SYSCTL_PATH_MAX], bool *ret_ipc, struct error *err) must_check;

#endif
