// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_SHARE_OVERLAY_H
#define HOLDFAST_VM_SHARE_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/* An overlay mount's options as containerd's snapshotters give them, taken apart. */
struct overlay {
	char **lower; /* paths, the uppermost first */
	size_t n_lower;
	char *upper, *work; /* both or none */
	char *parent;       /* of both; upper and work are paths below it then, without a '/' in front */
	bool read_only;
	struct buf others; /* ",index=off" … for mount(2) */
};

#define OVERLAY_LOWER_MAX 500 /* the kernel's (OVL_MAX_STACK) */

/* Pure. EOPNOTSUPP names an option that cannot be kept; EINVAL: layers that make no overlay. overlay_free also after an error. */
int overlay_parse(const char *const *options, size_t n, struct overlay *ret, struct error *err) must_check;
void overlay_free(struct overlay *overlay);

#endif
