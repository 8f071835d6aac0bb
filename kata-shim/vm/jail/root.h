// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_ROOT_H
#define HOLDFAST_VM_JAIL_ROOT_H

#include "kata-shim/vm/jail/jail.h"

#define ROOT_SHARE "/share" /* of struct jail */
#define ROOT_SCRATCH "/mnt" /* empty: for mounts of a moment, by who enters this mount namespace */

/*
 * For a child in a new mount namespace: puts together the root that `jail` describes, and goes into it. What the child sees afterwards is
 * that and nothing else; all of it read-only.
 */
int root_enter(const struct jail *jail, struct error *err) must_check;

#endif
