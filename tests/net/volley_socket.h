// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VOLLEY_SOCKET_H
#define HOLDFAST_TESTS_VOLLEY_SOCKET_H

#include "tests/net/volley.h"

/* The sockets of a volley; all non-blocking, in the network namespace of the calling thread. */

/* Listens where the probe goes to. */
int volley_open_server(const struct volley_probe *probe, int *ret, struct error *err) must_check;

/* Bound to the probe's source and a port that no probe before had, connected to where it goes; for TCP the SYN is on its way. */
int volley_open_client(const struct volley_probe *probe, int *ret, struct error *err) must_check;

/* Sends the nonce; nothing for TCP. */
int volley_send(int client, const struct volley_probe *probe, uint64_t nonce, struct error *err) must_check;

#endif
