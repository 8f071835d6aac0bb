// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_JAIL_H
#define HOLDFAST_VM_JAIL_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

/*
 * Starts one program for a pod, as a user that nobody else is, where it finds nothing but what is named here: in new mount, pid, ipc, uts
 * and network namespaces, with a root of its own, no_new_privs, no core dumps, /dev/null as stdin, and the signals as they are by default.
 * It is killed when the thread that started it ends. It is process 1 of its pid namespace: only SIGKILL is sure to end it.
 */

struct cgroup;

/* Everything that is not named here is closed in there. */
struct jail_descriptor {
	int from; /* ours, which stays open here */
	int to;   /* its number in there; 0, 1 and 2 too, in place of what is said below */
};

struct jail {
	const char *const *arguments; /* [0] is the program's path; ends with NULL. Also in `paths`. The environment is empty */

	/*
	 * Files and directories that are in there, at the same path, read-only, nosuid, nodev; without mounts below them. All must be
	 * there. The host's libraries always are (/lib, /lib64, /usr/lib, /usr/lib64, /etc/ld.so.cache).
	 */
	const char *const *paths;
	size_t n_paths;
	const char *share;          /* a directory that is /share in there, read-only itself; NULL: none */
	bool proc;                  /* /proc of its pid namespace, of which nothing but its processes is there … */
	bool proc_all;              /* … or all of it, of which an unprivileged user can read little */
	const char *const *devices; /* besides null and urandom: "/dev/kvm"; nodes of its own, for its user only */
	size_t n_devices;
	/* A directory of the host below which none of `paths` is: its root is put together there, seen by nobody else. The pod's own. */
	const char *root;

	const struct jail_descriptor *descriptors;
	size_t n_descriptors;
	int output;            /* stdout and stderr; -1: /dev/null */
	int network_namespace; /* -1: a new, empty one */

	uint32_t id;           /* user and group on the host, no groups besides */
	int user_namespace;    /* -1: the host's, and no capabilities; else entered, as root of it (`id` is not looked at) with … */
	uint64_t capabilities; /* … these: 1 << CAP_…, also as bounding set */

	const struct cgroup *cgroup; /* kata-shim/vm/jail/cgroup.h; NULL: ours */
	int oom_score_adj;           /* or ours, if this is lower than may be set (CAP_SYS_RESOURCE) */
	uint64_t open_files;         /* raised up to this if it may be; the hard limit is no failure */
	uint64_t locked_memory;      /* bytes */
};

struct jail_process {
	pid_t pid;
	int pidfd;           /* readable when it has ended; then waitid(P_PIDFD) */
	int mount_namespace; /* to bring mounts into it (kata-shim/vm/share); -1: it has ended already */
};

#define JAIL_PROCESS_NONE ((struct jail_process){ .pid = -1, .pidfd = -1, .mount_namespace = -1 })

/*
 * Comes back when the program runs, or with the error of the step that failed, and then nothing is left. Blocks for that long: some
 * milliseconds. The program itself can still end at once: see pidfd and what it writes to `output`.
 */
int jail_spawn(const struct jail *jail, struct jail_process *ret, struct error *err) must_check;

/*
 * SIGKILL, and waits until it has ended, which takes a large QEMU a while: at once only when `pidfd` is readable. Reaps it, if that has not
 * been done, and closes what is open. JAIL_PROCESS_NONE: nothing.
 */
void jail_end(struct jail_process *process);

/* The kernel's OOM killer is to take our child not later than `value` says: raises its oom_score_adj, and never lowers it. */
int jail_raise_oom_score(pid_t pid, int value, struct error *err) must_check;

#endif
