// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_VERDICT_H
#define HOLDFAST_KUBECTL_VERDICT_H

#include "common/base/slice.h"

/*
 * What holdfast-node says of a part in the message of the node's condition HoldfastReady (deploy/install/readiness/decide.c):
 *
 *	network is ready; vm is NOT READY: cause → cure; tpm is being tested
 *
 * "ready", "NOT READY: cause → cure", "being tested". Empty: the part is not spoken of. `message` may be NULL.
 */
struct slice verdict_of(const char *message, const char *part);

#endif
