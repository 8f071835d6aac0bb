// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SUB_PATH_H
#define HOLDFAST_GUEST_SUB_PATH_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/*
 * Storages of driver "holdfast-sub-path": a directory of a tmpfs that is mounted already, bound at the storage's place until the container
 * is made, which then has a mount of its own. Source: where the tmpfs is. Options: "path=a/b", below it; "mode=0755", "uid=0", "gid=0": of
 * each directory on the way that is not there yet, as the host has them.
 *
 * What is in the tmpfs is the containers', so no link on the way is followed: it would lead one of them to files of the guest.
 */
#define SUB_PATH_DRIVER "holdfast-sub-path"

struct sub_paths {
	char **places;
	size_t n, capacity;
};

/* EINVAL: options that are missing or make no sense, "..". ENOTDIR: a link or a file is on the way. */
int sub_path_mount(struct sub_paths *sub_paths, const Agent__Storage *storage, struct error *err) must_check;
/* Unmounts them and removes their places. */
void sub_paths_clear(struct sub_paths *sub_paths);

#endif
