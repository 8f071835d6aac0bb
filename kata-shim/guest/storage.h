// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_STORAGE_H
#define HOLDFAST_GUEST_STORAGE_H

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"
#include "kata-shim/guest/sub_path.h"

/*
 * Mounts what CreateSandbox and CreateContainer bring along, below GUEST_FILES:
 *
 *	"virtio-fs"   the host's share; its tag is the source
 *	"ephemeral"   a tmpfs of mode=…, size=… and whatever else mount(8) knows of one; fsgid=N: it, and what is made in it, is group N's
 *	"holdfast-sub-path"   a directory of such a tmpfs, for one container (sub_path.h)
 *
 * Where something of this sandbox is mounted already, from the same source, it stays: a pod's containers share it, also after one of them
 * has been removed and made again. It lives as long as the sandbox. On failure what this call has mounted is unmounted.
 * EINVAL: another driver, option or place; or no virtio-fs of that tag. EEXIST: another source is mounted there.
 */
#define GUEST_FILES "/run/kata-containers"
#define STORAGES_MAX 64 /* of a sandbox */

/* `sub_paths` gets those that are such; NULL: there can be none. */
int storages_mount(Agent__Storage *const *storages, size_t n, struct sub_paths *sub_paths, struct error *err) must_check;
/* Where the host's share is mounted; NULL: nowhere. Valid until storages_unmount. */
const char *storages_share(void);
/* All, the last one first. What is in use is detached, and goes with its user. */
void storages_unmount(void);

#endif
