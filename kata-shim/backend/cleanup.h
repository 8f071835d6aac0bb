// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BACKEND_CLEANUP_H
#define HOLDFAST_BACKEND_CLEANUP_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * What `delete` owes containerd where no other shim can do it: nothing is mounted below <bundle>/rootfs any more, and containerd is told
 * that the task was killed (containerd.task.v2.DeleteResponse: exit status 137, exited now). Can be repeated.
 */

/* `bundle` is a descriptor. A rootfs that is no directory, or none, is no error. */
int cleanup_unmount(int bundle, struct error *err) must_check;

#define CLEANUP_ANSWER_MAX 32
size_t cleanup_answer(uint64_t seconds, uint32_t nanoseconds, uint8_t ret[static CLEANUP_ANSWER_MAX]);

#endif
