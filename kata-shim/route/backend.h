// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_ROUTE_BACKEND_H
#define HOLDFAST_ROUTE_BACKEND_H

#include <stdbool.h>

/* What a pod can run in. The names are those of rules and records. */
enum backend {
	BACKEND_RUNC, /* containers on the host's kernel, by containerd's own shim */
	BACKEND_KATA, /* a VM, by the shim of Kata Containers */
	BACKEND_VM,   /* a VM, by this shim */
};
#define BACKENDS 3

extern const char *const backend_names[BACKENDS + 1]; /* ends in NULL */

bool backend_parse(const char *text, enum backend *ret);

#endif
