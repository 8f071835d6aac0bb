// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_NODE_TTRPC_PEER_H
#define HOLDFAST_TESTS_NODE_TTRPC_PEER_H

#include "common/rpc/ttrpc.h"

#define PEER_SERVICE "holdfast.test.Peer"

/* All messages are a google.protobuf.BytesValue: its bytes are field 1. */
struct slice peer_value(struct slice message);
void peer_write_value(struct slice value, struct buf *out);

/* The service of ttrpc-peer/service.go. */
extern const struct ttrpc_services peer_services;

/* Whether the server at `path` does what `name` promises; says what it does instead. */
bool peer_check(const char *path, const char *name) must_check;

/* Round trips per second, with so many calls under way. Exits if one fails. */
double peer_bench(const char *path, double seconds, unsigned calls);

#endif
