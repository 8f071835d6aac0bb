// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_MACHINE_H
#define HOLDFAST_GUEST_MACHINE_H

#include "common/base/error.h"

/* What process 1 does for its machine, apart from serving. Nothing of this may be called on a host. */

/* The descriptors 0, 1 and 2 become the console, which never makes us wait: what it does not take is lost. */
int machine_open_console(struct error *err) must_check;

/*
 * /proc, /sys, /dev, /run, /tmp and cgroups with all their controllers. The initial file system becomes one that pivot_root(2) can leave:
 * else no container could be made in it. Network cards that come later take no address but those they are given.
 */
int machine_mount(struct error *err) must_check;

/* All of /modules, in the order of their names, which are the builder's; their files are removed, for they are memory. */
int machine_load_modules(struct error *err) must_check;

/* Ends the machine: the file systems are synchronised, and what was written to the console gets there. */
_Noreturn void machine_power_off(void);

#endif
