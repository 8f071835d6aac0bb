// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_MOUNT_OPTIONS_H
#define HOLDFAST_GUEST_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

#define MOUNT_DATA_MAX 1024

/* What mount(2) takes of options as mount(8) has them. */
struct mount_options {
	unsigned long flags;
	char data[MOUNT_DATA_MAX]; /* what the file system understands: "mode=1777,size=65536k" */
	bool has_group;
	gid_t group; /* fsgid= */
};

/* Each option is one word; a later one of a pair counts (ro, rw). EINVAL: empty, a comma in it, fsgid= no number; E2BIG: MOUNT_DATA_MAX */
int mount_options_read(char *const *options, size_t n, struct mount_options *ret, struct error *err) must_check;

#endif
