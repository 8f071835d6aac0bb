// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_DOUBLE_H
#define HOLDFAST_TESTS_VM_DOUBLE_H

#include <stddef.h>

#include "kata-shim/vm/sandbox/sandbox.h"

/* kata-shim/vm/sandbox/sandbox.h without a VM: notes what it is asked for, and answers from the loop, as the test says. */
#define DOUBLE_PID 4242

void double_set_up(void);

/* What was asked, one line for each: "create c1 /bundle rootfs=1 out=/out". Emptied by reading. */
const char *double_asked(void);
/* Answers to calls that begin with `what` ("start c1") wait until double_release. */
void double_hold(const char *what);
void double_release(void);
/* The next call that begins with `what` fails. */
void double_fail(const char *what, int code, const char *words);

void double_exit(const char *container, const char *exec, uint32_t status);
void double_oom(const char *container);
void double_lose(const char *why);
/* VMs that were made and not freed */
int double_living(void);

#endif
