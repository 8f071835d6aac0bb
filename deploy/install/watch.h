// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_WATCH_H
#define HOLDFAST_INSTALL_WATCH_H

#include <uv.h>

#include "deploy/install/node.h"

/*
 * Installs, and then sees to it that it stays so, on the loop:
 *
 *	the lists' directory changes ─► the entry            at once
 *	every watchInterval          ─► all that is missing  a reboot may have wiped it, a person removed it
 *	watch_again                  ─► install anew
 *	every ten minutes            ─► a version that was refused
 *
 * What is done is done in libuv's worker thread, one thing at a time, so that the loop always answers. Where another holdfast-node is at
 * work it is tried again at the next turn.
 */
struct watch;

struct watch_options {
	struct node_options node; /* its texts must outlive the watch */
	/* A new version is there, or containerd was restarted: who tests the node tests it anew. From the loop; may be NULL. */
	void (*changed)(void *context);
	/* The version is not as good as the one that is there, which stays; once for each time that it is tried. From the loop; may be NULL. */
	void (*refused)(void *context, const char *why);
	void *context;
};

/* What the settings say of the interval and of where it answers counts from here on. EINVAL: the settings; else why it cannot listen. */
int watch_start(uv_loop_t *loop, const struct watch_options *options, struct watch **ret, struct error *err) must_check;

/* Also what was tried and failed. */
void watch_again(struct watch *watch);

/* All is as it should be; else appends why not, a line each. */
bool watch_is_good(const struct watch *watch, struct buf *why);

/* The port that it answers on; 0: none. */
uint16_t watch_port(const struct watch *watch);

/* What is being done is done to its end; then nothing is left on the loop. Freed by itself. Accepts NULL. */
void watch_stop(struct watch *watch);

#endif
