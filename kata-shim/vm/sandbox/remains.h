// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_REMAINS_H
#define HOLDFAST_VM_REMAINS_H

#include <limits.h>

#include "kata-shim/vm/qemu/settings.h"

/*
 * What of a VM outlives a shim that is killed: <state>/<sandbox id>/remains says where its cgroup and its network are. The rest is in that
 * directory, or ends with the shim.
 */
struct remains {
	char cgroup[PATH_MAX];  /* cgroup_path's */
	char network[PATH_MAX]; /* of the namespace; "": none */
};

int remains_write(const char *directory, const struct remains *remains, struct error *err) must_check;

/* Takes away all of sandbox `id`, also what only began to be there. Goes on after a failure, and returns the first. Idempotent. */
int remains_clear(const char *id, const struct vm_settings *settings, struct error *err) must_check;

#endif
