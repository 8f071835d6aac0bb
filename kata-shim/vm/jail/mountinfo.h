// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_MOUNTINFO_H
#define HOLDFAST_VM_JAIL_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/* /proc/<pid>/mountinfo, proc_pid_mountinfo(5). Names stand as the kernel writes them: space, tab, newline and \ are \040 and so on. */
struct mountinfo {
	uint64_t id;       /* statx's stx_mnt_id */
	struct slice root; /* the directory or file of its file system that is mounted; behind one that was removed stands "//deleted" */
	struct slice point, type, super_options;
};

#define MOUNTINFO_MAX (16 * 1024 * 1024) /* bytes; 100,000 mounts are allowed by default */

/* The next line of `rest` that can be read, if there is one. Pure. */
bool mountinfo_next(struct slice *rest, struct mountinfo *ret);

/* The mount that a path is on, as statx knows it: `path` from `directory`, or the latter itself if it is "". False: it is not among
 * `mounts`. */
bool mountinfo_of(struct slice mounts, int directory, const char *path, struct mountinfo *ret);

/* A name as it is, ended with 0. False: it does not fit. Pure. */
bool mountinfo_name(struct slice written, char *ret, size_t size);

/* Whether `option` is one of the words of a list with commas. */
bool mountinfo_has_option(struct slice options, const char *option);

#endif
