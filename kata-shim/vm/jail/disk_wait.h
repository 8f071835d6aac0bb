// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_DISK_WAIT_H
#define HOLDFAST_VM_JAIL_DISK_WAIT_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether one of the process's threads waits in the kernel for a disk or the like: state D of proc_pid_stat(5). False: it is not there. */
bool process_waits_for_disk(pid_t pid);

#endif
