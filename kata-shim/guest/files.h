// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_FILES_H
#define HOLDFAST_GUEST_FILES_H

#include <stdbool.h>

#include "common/base/error.h"

/* A file's name: one component of a path, neither "." nor "..", up to NAME_MAX bytes. */
bool file_is_name(const char *name);

/* Writes the text to a file of the kernel's (/proc/sys, /sys, a cgroup) in one write(2). The error names path and text. */
int file_put(const char *path, const char *text, struct error *err) must_check;

#endif
