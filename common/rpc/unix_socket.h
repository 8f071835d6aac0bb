// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_UNIX_SOCKET_H
#define HOLDFAST_RPC_UNIX_SOCKET_H

#include <uv.h>

#include "common/base/error.h"

/*
 * A unix socket that takes connections for as long as it lives: when descriptors or memory are out, connections wait, and are taken as soon
 * as there are some again. Both turns are logged.
 */
struct unix_listener;

struct unix_listener_options {
	const char *path; /* a socket file that is there is replaced: the caller has made sure that nobody serves it */
	int backlog;
	uid_t uid;                               /* whoever ran as another user when it connected (SO_PEERCRED) is let go */
	void (*accepted)(void *context, int fd); /* non-blocking; the receiver's, who may close it */
	void *context;
};

/* Mode 0600. ENAMETOOLONG; errors of socket(2) and bind(2). The message names the path. */
int unix_listener_start(uv_loop_t *loop, const struct unix_listener_options *options, struct unix_listener **ret,
			struct error *err) must_check;

/* Removes the socket's file. The loop must run until `stopped` has been called; the listener is freed then. */
void unix_listener_stop(struct unix_listener *listener, void (*stopped)(void *context));

/* Whether somebody listens there: connects, and is gone. 0 or a negative errno; EAGAIN: whoever it is does not take connections. */
int unix_socket_try(const char *path) must_check;

#endif
