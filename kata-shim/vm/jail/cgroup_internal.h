// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_CGROUP_INTERNAL_H
#define HOLDFAST_VM_JAIL_CGROUP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "kata-shim/vm/jail/cgroup.h"

#define CGROUP_HIERARCHIES_MAX 24

struct cgroup_hierarchy {
	char *options; /* of its mount: which controllers */
	char *mount;   /* where it is mounted */
	int directory; /* O_PATH; -1: the pod has none in it */
};

struct cgroup {
	char *path;
	bool unified; /* version 2; then there is one hierarchy */
	size_t n;
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
};

/* The hierarchy with that controller, in which the pod has a directory; NULL: there is none. Version 2: always the one. */
const struct cgroup_hierarchy *cgroup_hierarchy_of(const struct cgroup *cgroup, const char *controller);

/* A file of a directory. What is in it, added to `out`; or `text` into it. */
int cgroup_read(int directory, const char *file, struct buf *out, struct error *err) must_check;
int cgroup_write(int directory, const char *file, const char *text, struct error *err) must_check;

#endif
