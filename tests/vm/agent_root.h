// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_AGENT_ROOT_H
#define HOLDFAST_TESTS_VM_AGENT_ROOT_H

#include <stdbool.h>

/*
 * The root of the tests' containers: busybox, its commands, and empty folders to mount on. Below `directory` of this machine, or brought
 * to the guest with CopyFile.
 */
void agent_root_make(const char *directory, bool copies);
const char *agent_root(void); /* its path, for the agent */

#endif
