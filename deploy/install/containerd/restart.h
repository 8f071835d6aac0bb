// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_RESTART_H
#define HOLDFAST_INSTALL_CONTAINERD_RESTART_H

#include <stdint.h>

#include "deploy/install/containerd/layout.h"
#include "common/base/error.h"

/*
 * Restarts the containerd of the node whose files stand below `root`: by `command`, a line for the node's own /bin/sh, or if that is NULL
 * by the node's systemd or OpenRC, whichever service of the layout's it has; OpenRC, and systemd without D-Bus, need hostPID (host/run.h).
 *
 * 0: the command has ended well; whether containerd has read anything is not said. ENOTSUP: there is no way to, or none that lets the pods
 * run on, and containerd was left alone. EIO: the command failed; ETIMEDOUT: it was ended. The error has the command's last words.
 */
int containerd_restart(const char *root, const struct containerd_layout *layout, const char *command, uint64_t timeout_ms,
		       struct error *err) must_check;

#endif
