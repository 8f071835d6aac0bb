// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_DAEMON_H
#define HOLDFAST_TASK_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

/*
 * A process that stays when `start` ends: of its own session, with nothing of containerd's but its log, which is more likely to be killed
 * for want of memory than containerd (its oom_score_adj is one more). It is no subreaper: what it starts is in a pid namespace (vm/jail).
 *
 * It begins by saying whether it stands (daemon_ready), and goes on only when `start` has told containerd of it (daemon_release): whoever is
 * started and not told of would stay for ever.
 */
struct daemon {
	pid_t pid;
	int channel;
};

/*
 * `log`: path of a fifo or file for its standard error; missing, or NULL: none. In the new process it calls `run`, with the other end of the
 * channel, and that ends it; here it returns when `run` has called daemon_ready, with the error that it gave. This process must not have
 * used libuv before, whose own descriptors would be closed in the new one.
 */
int daemon_start(const char *log, int (*run)(void *context, int channel), void *context, struct daemon *ret, struct error *err) must_check;
/* It may live on. */
void daemon_release(struct daemon *daemon);
/* It must not: ends when the channel does. */
void daemon_drop(struct daemon *daemon);

/* ── in it ── */

/* `err` NULL: it stands. */
void daemon_ready(int channel, const struct error *err);
/* When the channel can be read: true: it is released. False: it was dropped, or `start` was killed. */
bool daemon_is_released(int channel);

#endif
