// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_HOST_RUN_H
#define HOLDFAST_INSTALL_HOST_RUN_H

#include <stdint.h>

#include "common/base/error.h"

/*
 * A script for the node's own /bin/sh, from a container or from the node itself. It runs in the namespaces of the node's first process, which
 * <root>/proc shows, and outside the caller's cgroup (needs CAP_SYS_ADMIN, CAP_SYS_PTRACE), but sees the node's processes only if the
 * caller does (hostPID); with `root` "" it runs where the caller is.
 */
struct host_script {
	const char *root;
	const char *text;
	const char *const *arguments; /* $1 and on; ends in NULL, itself may be NULL. $0 is "own" if it sees the node's processes, else "foreign" */
	uint64_t timeout_ms;
};

#define HOST_ARGUMENTS_MAX 8
#define HOST_WORDS_MAX 300

struct host_answer {
	int code;		    /* the script's exit code */
	char words[HOST_WORDS_MAX]; /* the end of what it said, in one line */
};

/* 0: it has ended, with whatever code. ENOTSUP: the node's namespaces cannot be entered; ETIMEDOUT: it was ended; EIO: by a signal. */
int host_run(const struct host_script *script, struct host_answer *ret, struct error *err) must_check;

#endif
