// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_REQUESTS_H
#define HOLDFAST_TPM_REQUESTS_H

#include "device-plugin/control/control.h"
#include "device-plugin/daemon/daemon.h"

/* The commands that the daemon's socket takes; show.h has those that only look. */

/* ── rotation.c: rotate SECRET…|--all: unsealed and written again for all that have it; answers when the last of them is over ── */
void rotation_start(void *context, const struct control_request *request, struct grpc_call *call);

/* ── revoke.c: makes all that was sealed for this node useless, in the TPM and in the pods that have it ── */
void revoke_start(void *context, const struct control_request *request, struct grpc_call *call);

/* ── self_test.c: seals random bytes for this node and has the TPM unseal them ── */
void self_test_start(void *context, const struct control_request *request, struct grpc_call *call);

#endif
