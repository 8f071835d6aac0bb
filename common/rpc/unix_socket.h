// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_UNIX_SOCKET_H
#define HOLDFAST_RPC_UNIX_SOCKET_H

#include <stdbool.h>
#include <uv.h>

#include "common/base/error.h"

/*
 * Binds and listens at the path, mode 0600; a socket file that is there is replaced: the caller has made sure that nobody serves it.
 * ENAMETOOLONG; errors of bind(2). The message names the path.
 */
int unix_socket_listen(uv_pipe_t *pipe, const char *path, int backlog, uv_connection_cb on_connection, struct error *err) must_check;

/* The process at the other end ran as this user when it connected (SO_PEERCRED). */
bool unix_socket_peer_is(uv_pipe_t *pipe, uid_t uid);

#endif
