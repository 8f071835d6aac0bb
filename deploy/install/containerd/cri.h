// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_CRI_H
#define HOLDFAST_INSTALL_CONTAINERD_CRI_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

/* What the containerd that runs says of itself, by CRI: not what its files say, but what it has read of them. */
struct cri_runtime {
	char version[64];
	cJSON *handlers; /* an array of strings */
	char default_handler[64];
};

/*
 * ENOENT, ECONNREFUSED: nobody listens on `socket`. EAGAIN: whoever listens is not ready, or is about to go. ENOTSUP: it is no containerd
 * with its plugin for Kubernetes. `ret` is set on success only, and then to be cleared.
 */
int cri_ask(const char *socket, uint64_t timeout_ms, struct cri_runtime *ret, struct error *err) must_check;

void cri_runtime_clear(struct cri_runtime *runtime);
bool cri_has_handler(const cJSON *handlers, const char *name);

#endif
