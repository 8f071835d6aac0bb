// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_SHARE_SHARE_H
#define HOLDFAST_VM_SHARE_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "kata-shim/vm/jail/ids.h"

/*
 * What a VM sees of the host's files: a directory whose entries are mounts, each idmapped, so that the pod's ids 0..65535 are the files'
 * ids on disk and the processes' ids on the host are the pod's own range. Needs Linux 5.19.
 *
 * On the host the directory has empty directories and files only. The mounts are made in the mount namespace of virtiofsd, and nowhere
 * else: nobody else sees them, and they are gone when virtiofsd is and the share is freed, however either of them ended.
 *
 * All calls block for some milliseconds.
 */
struct share;

/*
 * `directory` is <state>/<pod>/share, which virtiofsd_spawn has made. `user_namespace`: ids_user_namespace. `mount_namespace`:
 * jail_process of virtiofsd. Both stay the caller's, and must stay open.
 */
int share_new(const char *directory, const struct ids *ids, int user_namespace, int mount_namespace, struct share **ret,
	      struct error *err) must_check;
void share_free(struct share *share); /* unmounts nothing */
DEFINE_CLEANUP(struct share *, share_free);

/* A mount as containerd says it (containerd.types.Mount). */
struct share_mount {
	const char *type, *source, *target;
	const char *const *options;
	size_t n_options;
};

/*
 * The root of a container at <container>/rootfs: one mount, of type overlay or bind; or none: the directory `bundle_rootfs` itself. Refused
 * with the reason: other types and options that cannot be kept (EOPNOTSUPP); layers on a file system without idmapped mounts (EOPNOTSUPP,
 * names path and file system).
 */
int share_rootfs(struct share *share, const char *container, const struct share_mount *mounts, size_t n, const char *bundle_rootfs,
		 struct error *err) must_check;

enum {
	SHARE_READ_ONLY = 1 << 0,
	SHARE_RECURSIVE = 1 << 1, /* with what is mounted below the source now */
};

/*
 * `source`, a directory or regular file of the host, at `name`: no '/', up to 255 bytes. Sockets, devices and fifos: refused (EOPNOTSUPP).
 * Symbolic links in `source` are followed once. A name that is taken: EEXIST.
 */
int share_bind(struct share *share, const char *name, const char *source, unsigned flags, struct error *err) must_check;

/*
 * Takes away what is at `name`: of share_bind, or the container of share_rootfs. What is not there is no error. 1: the VM still holds
 * files of it, so the file system stays in use until it lets go of them or ends.
 */
int share_remove(struct share *share, const char *name, struct error *err) must_check;

/* Removes the directory with its empty entries, whoever made them, once virtiofsd has ended. Not there: no error. */
int share_clean_up(const char *directory, struct error *err) must_check;

#endif
