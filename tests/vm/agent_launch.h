// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_AGENT_LAUNCH_H
#define HOLDFAST_TESTS_VM_AGENT_LAUNCH_H

#include <sys/types.h>

/*
 * Our agent as process 1 of namespaces of its own, with a cgroup that it takes for the root, serving `socket`. `directory` has room for
 * what that needs, and has `stuck`: a file system whose server never answers.
 */
pid_t agent_launch(const char *directory, const char *socket);
/* It has been told to end: it has, and has left no cgroup behind. What it mounted is gone with its namespaces. */
void agent_expect_end(void);

#endif
