// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_DELIVER_VOLUMES_H
#define HOLDFAST_DELIVER_VOLUMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * What pods read: one volume for each device, in memory that is never swapped out. A volume looks as kubelet's volumes of Secrets do
 * (kubernetes: pkg/volume/util/atomic_writer.go), so that whoever reads or watches those can read and watch these:
 *
 *	<directory>/                                 root's alone
 *	  <device>/kubernetes.io~secret/<secret>/    what is mounted into the container
 *	    password -> ..data/password
 *	    ..data   -> ..2026_11_25_18_00_00.123456789
 *	    ..2026_11_25_18_00_00.123456789/password
 *
 * Blocking, but on memory only. From one thread.
 */
struct volumes;

#define VOLUMES_MAX 1024
#define VOLUMES_BYTES_MAX (64 * 1024 * 1024) /* of all files, each rounded up to whole pages */
#define VOLUMES_FILES_MAX 1024               /* of one volume */

struct volume_file {
	const char *name; /* "password"; in a volume of several secrets "db/password" */
	struct slice content;
	uint32_t mode; /* at most 0666: a program that runs could not be overwritten */
	uint32_t uid, gid;
};

/*
 * `directory` is made if it is not there. If it is no mount of ours yet, a tmpfs that is never swapped out (before Linux 6.4: a ramfs) is
 * mounted on it, for which CAP_SYS_ADMIN is needed; from there on CAP_CHOWN is enough. What a crash has left half-written is removed.
 * SIGIO is ignored from then on. EPERM: it is not mounted, and we may not. EINVAL: what is mounted there is not fit for secrets. EBUSY:
 * another process has it open.
 */
int volumes_open(const char *directory, struct volumes **ret, struct error *err) must_check;
/* The volumes stay. Accepts NULL. */
void volumes_close(struct volumes *volumes);
DEFINE_CLEANUP(struct volumes *, volumes_close);

/*
 * Makes the volume, or replaces what is in it, for readers in one step; after an error they have what they had. Nothing changes if it is
 * the same already. ENOSPC: there are VOLUMES_MAX volumes, or VOLUMES_BYTES_MAX bytes. EINVAL: a name or mode that cannot be.
 */
int volumes_write(struct volumes *volumes, const char *device, const char *secret, const struct volume_file *files, size_t n,
		  struct error *err) must_check;

/* Whether there is something for pods to read. */
bool volumes_has(const struct volumes *volumes, const char *device, const char *secret);

/* Somebody may have changed what is in it: the next volumes_write replaces it, also if it should be the same already. 0 if there is none. */
int volumes_doubt(struct volumes *volumes, const char *device, struct error *err) must_check;

/*
 * To be called every few seconds: overwrites and removes what was replaced before the last call, so that who was reading could end. What
 * is still held open stays until it no longer is, or until the volume is removed or cleared.
 */
int volumes_sweep(struct volumes *volumes, struct error *err) must_check;

/* Overwrites every byte, also under those who hold a file open, and removes the files. The volume stays, empty: a pod that runs has it. */
int volumes_clear(struct volumes *volumes, const char *device, struct error *err) must_check;

/* As volumes_clear, and removes the volume. Both: 0 if there is none; after an error as much is gone as could be, and the rest is tried
 * again by another call. */
int volumes_remove(struct volumes *volumes, const char *device, struct error *err) must_check;

/* Calls `visit` for each device that has a volume, and stops with what it returns unless that is 0. It may remove volumes. */
int volumes_each(struct volumes *volumes, int (*visit)(void *context, const char *device, struct error *err), void *context,
		 struct error *err) must_check;

struct volumes_use {
	size_t volumes;
	uint64_t bytes;
};
struct volumes_use volumes_use(const struct volumes *volumes);

#endif
