// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_CGROUP_H
#define HOLDFAST_VM_JAIL_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

/*
 * A pod's cgroup: the directory of its linux.cgroupsPath in every hierarchy that is mounted: all of version 1, or the one of version 2.
 * QEMU and virtiofsd are in it. Whoever knows the path can open it, kill what is in it and remove it, also after its shim has died.
 */
struct cgroup;

/* Whether version 2 is what this host has for its pods. */
bool cgroup_host_is_unified(void);

/*
 * Where below the mount a container's linux.cgroupsPath is: "/kubepods/pod1/id" as it stands, "kubepods-pod1.slice:cri-containerd:id" as
 * systemd would place it, /kubepods.slice/kubepods-pod1.slice/cri-containerd-id.scope. Empty: "/<id>". EINVAL if it is neither, or would
 * lead out. The caller frees.
 */
int cgroup_path(const char *cgroups_path, const char *id, char **ret, struct error *err) must_check;

/*
 * Whether `path`, as cgroup_path returned it, is in a directory that kubelet made for pod `uid`, and which: "/kubepods/burstable/pod<uid>",
 * or a systemd slice with '_' for '-' in it. Pure; the caller frees.
 */
bool cgroup_is_in_pod(const char *path, const char *uid, char **ret_pod) must_check;

/* The memory limit of the directory; UINT64_MAX: it has none. ENOENT: there is no such directory with memory. */
int cgroup_read_limit(const char *path, uint64_t *ret, struct error *err) must_check;

/*
 * `path` is what cgroup_path returned. `make`: makes the directory and its parents where they are missing, with the controllers that there
 * are. Not `make`: one that is nowhere is an empty one, for which everything below succeeds.
 */
int cgroup_open(const char *path, bool make, struct cgroup **ret, struct error *err) must_check;
void cgroup_free(struct cgroup *cgroup);
DEFINE_CLEANUP(struct cgroup *, cgroup_free);

struct cgroup_usage {
	uint64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	uint64_t memory_bytes, memory_limit_bytes; /* limit UINT64_MAX: none */
	uint64_t memory_inactive_file_bytes;       /* what the kernel can take back first */
	uint64_t oom_kills;
	uint64_t processes;
};

/* What has no controller stays 0. */
int cgroup_read_usage(const struct cgroup *cgroup, struct cgroup_usage *ret, struct error *err) must_check;

/*
 * How many bytes more may be taken before the kernel ends somebody in it: to the limit of the directory, or of the one above, which is the
 * pod's and has nobody else in it. Pages of files do not count: the kernel takes them back. UINT64_MAX: no limit.
 */
int cgroup_read_room(const struct cgroup *cgroup, uint64_t *ret, struct error *err) must_check;

/* All in it run on these CPUs only: "0-3,8"; "": on all that the one above has. ENOTSUP: no cpuset is mounted. */
int cgroup_set_cpus(const struct cgroup *cgroup, const char *cpus, struct error *err) must_check;

int cgroup_add(const struct cgroup *cgroup, pid_t pid, struct error *err) must_check;

/* Asks for it, and does not wait until all have stopped. ENOTSUP: no freezer is mounted. */
int cgroup_freeze(const struct cgroup *cgroup, bool freeze, struct error *err) must_check;

/* SIGKILL to all in it, also the frozen; waits up to `timeout_ms` for them to be gone. ETIMEDOUT names one that is not. */
int cgroup_kill(const struct cgroup *cgroup, unsigned timeout_ms, struct error *err) must_check;

/* The pod's own directory, not its parents. What is not there any more is no error. EBUSY: a process is in it. */
int cgroup_remove(const struct cgroup *cgroup, struct error *err) must_check;

/* Kills and removes until both have succeeded, for up to twice `timeout_ms`. */
int cgroup_clear(const struct cgroup *cgroup, unsigned timeout_ms, struct error *err) must_check;

/* ── for jail.c ── */

/* The directory in version 2's hierarchy, to be born in; -1: there is none. */
int cgroup_directory(const struct cgroup *cgroup);
/* Puts the calling process into all hierarchies of version 1. */
int cgroup_enter(const struct cgroup *cgroup, struct error *err) must_check;

#endif
