// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_STORAGE_H
#define HOLDFAST_GUEST_STORAGE_H

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/*
 * Mounts what CreateSandbox and CreateContainer bring along: "virtio-fs" (the tag is the source), "ephemeral" (a tmpfs) and "bind". What
 * is mounted at the place already, from the same source, stays: a pod's containers share it, also after one of them has been removed and
 * made again. It lives as long as the sandbox. On failure what this call has mounted is unmounted.
 * EINVAL: another driver, option or place. ENXIO: no virtio-fs of that tag.
 */
#define STORAGES_MAX 64 /* of a sandbox */

int storages_mount(Agent__Storage *const *storages, size_t n, struct error *err) must_check;
/* All, the last one first. What cannot be unmounted is detached. */
void storages_unmount(void);

#endif
