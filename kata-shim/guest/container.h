// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CONTAINER_H
#define HOLDFAST_GUEST_CONTAINER_H

#include "kata-shim/guest/agent.h"

/* What serves containers and processes; its methods are container_methods, process_methods and stream_methods (agent.h). */
int containers_new(struct agent *agent, struct containers **ret, struct error *err) must_check;
/* For DestroySandbox: kills every process of every container; crun's state and the cgroups go. Then free. Accepts NULL. */
void containers_free(struct containers *containers);

#endif
