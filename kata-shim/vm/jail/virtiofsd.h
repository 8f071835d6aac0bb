// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_VIRTIOFSD_H
#define HOLDFAST_VM_JAIL_VIRTIOFSD_H

#include "kata-shim/vm/jail/ids.h"
#include "kata-shim/vm/jail/jail.h"

/*
 * virtiofsd, which serves a pod's share to its VM: root in a user namespace of the pod's ids, so nobody on the host, with the capabilities
 * of a file server inside of that, and nothing to see but the share. Two programs have that name: QEMU's until version 7, in C, and the
 * one of virtio-fs in Rust. They differ in their options.
 */
enum virtiofsd_kind { VIRTIOFSD_C, VIRTIOFSD_RUST };

enum virtiofsd_cache { VIRTIOFSD_CACHE_AUTO, VIRTIOFSD_CACHE_ALWAYS, VIRTIOFSD_CACHE_NEVER };

#define VIRTIOFSD_SOCKET 3 /* the listening socket, in there */
#define VIRTIOFSD_ARGUMENTS_MAX 32

/* Which of the two, from what `<path> --version` wrote. EINVAL: neither. */
int virtiofsd_kind_of(const char *version, enum virtiofsd_kind *ret, struct error *err) must_check;

/* Pure. Ends with NULL; all strings are constants but [0], which is `path`. */
void virtiofsd_arguments(const char *path, enum virtiofsd_kind kind, enum virtiofsd_cache cache,
			 const char *ret[static VIRTIOFSD_ARGUMENTS_MAX]);

struct virtiofsd {
	const char *path; /* the program */
	enum virtiofsd_cache cache;
	const char *directory; /* <state>/<pod>: the share is share/ in it */
	int user_namespace;    /* ids_user_namespace */
	const struct cgroup *cgroup;
	int oom_score_adj;
	int output;
};

/*
 * Makes the directory share/ if it is not there, and starts virtiofsd on it. `ret_connection` is the one connection it serves, for QEMU:
 * -chardev socket,fd=…; virtiofsd ends when that closes.
 */
int virtiofsd_spawn(const struct virtiofsd *virtiofsd, struct jail_process *ret, int *ret_connection, struct error *err) must_check;

#endif
