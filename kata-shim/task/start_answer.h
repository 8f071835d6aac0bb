// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_START_ANSWER_H
#define HOLDFAST_TASK_START_ANSWER_H

#include "common/base/buf.h"
#include "kata-shim/task/start_input.h"

/*
 * What `start` tells containerd on standard output, and nothing else must: where the shim is. To whom has sent BootstrapParams (2.3 and
 * later) a BootstrapResult of version 3; to all others the bare address, which every version takes for one of version 2. 1.7 refuses a
 * version above 2 and 1.6 everything but an address, so no JSON is ever sent.
 */
void start_answer(const struct start_input *input, const char *address, struct buf *out);

#endif
