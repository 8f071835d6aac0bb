// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_COPY_PATH_H
#define HOLDFAST_GUEST_COPY_PATH_H

#include <limits.h>
#include <sys/types.h>

#include "common/base/error.h"

#define COPY_DEPTH_MAX 16 /* names below GUEST_SHARED */

/* A place below GUEST_SHARED. */
struct copy_path {
	char text[PATH_MAX]; /* the names, each with its NUL */
	const char *names[COPY_DEPTH_MAX];
	size_t n; /* at least 1 */
};

/* Pure. EINVAL: not below GUEST_SHARED, or a name that is empty, ".", ".." or above 255 bytes; E2BIG: COPY_DEPTH_MAX */
int copy_path_read(const char *path, struct copy_path *ret, struct error *err) must_check;

/*
 * The folder in which the last name is (O_PATH), for the caller to close. Its way leads through no symbolic link and into no other file
 * system than that of GUEST_SHARED: ELOOP, EXDEV. What is missing of it is made if `mode` is not 0; else ENOENT.
 */
int copy_path_open(const struct copy_path *path, mode_t mode, int *ret_fd, struct error *err) must_check;

#endif
