// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CGROUP_H
#define HOLDFAST_GUEST_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/* A container's cgroup (v2), which crun makes: CGROUP_ROOT/<the container's id>. What it has inside is the container's. */
#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP_FILE_MAX (64 * 1024)

struct cgroup_path {
	char text[sizeof(CGROUP_ROOT) + 128 + 32];
};
/* `file` may be "": the folder. */
struct cgroup_path cgroup_path(const char *id, const char *file);

/* Appends a file's content. ENOENT: no such cgroup, or its controller is not there. */
int cgroup_read(const char *id, const char *file, struct buf *out, struct error *err) must_check;

/* Sends a signal to all its processes, SIGKILL also to those that are just being made. No cgroup is no error: nobody is in it. */
int cgroup_signal(const char *id, int signal, struct error *err) must_check;

/* Removes it with what is below it. EBUSY: a process is in it. None is no error. */
int cgroup_remove(const char *id, struct error *err) must_check;

/* The value of `key` in lines "key value"; false if it has none, or one that is no number. */
bool cgroup_value(struct slice lines, const char *key, uint64_t *ret);
/* A file with one number; "max" is UINT64_MAX. */
bool cgroup_number(struct slice text, uint64_t *ret);

#endif
