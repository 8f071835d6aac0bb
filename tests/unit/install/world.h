// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_INSTALL_WORLD_H
#define HOLDFAST_TESTS_INSTALL_WORLD_H

#include "common/base/buf.h"
#include "deploy/install/node.h"

/* A node's files in a directory of their own, and trees of Holdfast to put there. */

#define WORLD_LIST "/etc/cni/net.d/10-edge.conflist"

extern char world_directory[64]; /* has host/, v1/, v2/ and settings-1.yaml, settings-2.yaml */

/* `by_hand`: Holdfast was put there before, without the installer. For cmocka's setup and teardown. */
void world_begin(bool by_hand);
int world_end(void **state);

/* "<world_directory>/<name>"; valid until the fourth call after. */
const char *world_path(const char *name);

void world_write(const char *name, const char *text, mode_t mode);
void world_make(const char *name);

/* Each thing below `name`, a line with type, mode, hash or target; without what the lock says. */
void world_print(const char *name, struct buf *out);

enum world_act { WORLD_INSTALL_1, WORLD_INSTALL_2, WORLD_ROLLBACK, WORLD_UNINSTALL };

/* In a process of its own, whose power is cut after `steps` changes; 0: never. False: it was cut. Fails the test if the act fails. */
bool world_act(enum world_act act, unsigned steps);

/* In this process. */
int world_try(enum world_act act, struct node_outcome *ret, struct error *err);

#endif
