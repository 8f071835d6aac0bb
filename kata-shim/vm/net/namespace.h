// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_NAMESPACE_H
#define HOLDFAST_VM_NAMESPACE_H

#include "common/base/error.h"

/* The network namespace of a pod, and the one to go back to. */
struct namespace
{
	int home, pod;
};

#define NAMESPACE_NONE ((struct namespace){ -1, -1 })

/* ENOENT: there is nothing at the path; EINVAL: no network namespace; EOPNOTSUPP: it is the one of the caller. */
int namespace_open(const char *path, struct namespace *ret, struct error *err) must_check;
void namespace_close(struct namespace *namespace); /* for _cleanup_ */

/*
 * The descriptor that `opens` returns when it is called in the pod's namespace; or else its errno behind "cannot open <what>". The thread
 * is back then. If it cannot go back, the process aborts: it must not go on among a pod's interfaces.
 */
int namespace_open_in(const struct namespace *namespace, int (*opens)(void), const char *what, int *ret, struct error *err) must_check;

#endif
