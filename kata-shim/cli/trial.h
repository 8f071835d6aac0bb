// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CLI_TRIAL_H
#define HOLDFAST_CLI_TRIAL_H

#include "kata-shim/vm/qemu/settings.h"

/*
 * A VM as a pod's, without a pod: made by the same code, with the node's settings, confined as every shim is, until its guest has taken
 * CreateSandbox; then all of it goes. What an earlier trial that was killed has left goes first. The process is confined for good
 * afterwards. Two at once are the caller's to prevent. `*ret_ms`: from its first process to the guest's answer.
 */
int trial_run(const struct vm_settings *settings, uint64_t *ret_ms, struct error *err) must_check;

#endif
