// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BACKEND_RUN_H
#define HOLDFAST_BACKEND_RUN_H

#include <sys/types.h>

#include "common/base/error.h"

/*
 * Another shim in our place: with our arguments, environment, working directory and standard input, of which nothing has been read, and
 * under its own name.
 */
struct run {
	const char *shim;        /* absolute path */
	char **arguments;        /* ours, ending in NULL; the first is replaced */
	const char *kata_config; /* KATA_CONF_FILE of its environment; NULL: as it is */
};

/* Returns only if that cannot be done. */
int run_instead(const struct run *run, struct error *err) must_check;

/*
 * The same as a child of ours, for `start` of a sandbox: the shim that it leaves behind, in `*ret_shim`, becomes our child when it ends,
 * and so its process id is known; 0 if it left none. `*ret_status` is as of waitpid. If we are killed, so is the child.
 */
int run_and_learn(const struct run *run, int *ret_status, pid_t *ret_shim, struct error *err) must_check;

/* Ends as the child did, so that containerd sees the same. */
_Noreturn void run_end_as(int status);

#endif
