// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_FILES_H
#define HOLDFAST_GUEST_FILES_H

#include "common/base/error.h"

/* Writes the text to a file of the kernel's (/proc/sys, /sys, a cgroup) in one write(2). The error names path and text. */
int file_put(const char *path, const char *text, struct error *err) must_check;

#endif
