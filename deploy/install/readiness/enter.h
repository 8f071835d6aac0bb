// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_ENTER_H
#define HOLDFAST_READINESS_ENTER_H

#include "common/base/error.h"

/*
 * This process, and what it becomes, has the directory as its root, in a mount namespace of its own: what is mounted there is the node's,
 * but for /proc, which shows processes by the numbers that they have here: by the node's, our children would be somebody else.
 * Not by chroot, in which no user namespace can be made, as a VM needs one (clone(2), EPERM). Needs CAP_SYS_ADMIN; `root` is a mount, as a
 * volume of a pod is; "/" is the root that this process has.
 */
int enter_root(const char *root, struct error *err) must_check;

/*
 * In this process, which has a mount namespace of its own (enter_root), and what it becomes, version `id` of Holdfast is the current one:
 * /opt/holdfast/current, bin, lib, share and etc lead to it. ENOENT: no version is current.
 */
int enter_version(const char *id, struct error *err) must_check;

#endif
