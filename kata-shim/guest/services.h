// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_SERVICES_H
#define HOLDFAST_GUEST_SERVICES_H

#include "kata-shim/guest/agent.h"

#define GUEST_PROTOCOL_VERSION "0.0.1" /* as Kata's agent 4.1 says */

/* All that the agent serves, for ttrpc_server_new and ttrpc_server_start. Once in a process: the agent is every method's context. */
const struct ttrpc_services *services_of(struct agent *agent) must_check;

#endif
