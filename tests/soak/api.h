// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_API_H
#define HOLDFAST_TESTS_API_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/kube/objects.h"

/*
 * An API server as far as the agent sees one: objects, and streaming lists and watches of them, over plain HTTP on 127.0.0.1 of the network
 * namespace in which it was started. Events are sent at once and in order. It has threads of its own.
 */
struct api;

int api_start(struct api **ret, struct error *err) must_check;
void api_stop(struct api *api);
DEFINE_CLEANUP(struct api *, api_stop);

uint16_t api_port(const struct api *api);

/* Every object in the YAML text comes, or changes. Documents without a kind are left alone. Returns when the bytes are in the sockets. */
int api_put(struct api *api, struct slice yaml, struct error *err) must_check;
/* No object of that name is no error. */
void api_remove(struct api *api, enum kube_kind kind, const char *namespace, const char *name);

/* Away: every connection breaks, and new ones do at once. What changes meanwhile, the agent must find out by listing. */
void api_set_away(struct api *api, bool away);

size_t api_count(struct api *api, enum kube_kind kind);

#endif
