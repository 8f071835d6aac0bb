// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CHECK_PING_H
#define HOLDFAST_CHECK_PING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/* ICMP echoes: what firewalls of nodes let through, if anything, and kernels answer by themselves. One packet, one answer. */

/* A raw socket, non-blocking, in the calling thread's network namespace. -1 and errno. */
int ping_open(int family);

/* Sends a request with this number to `to`, and waits for the answer to it. 1: it came; 0: not within so many milliseconds. */
int ping_once(int fd, int family, const char *to, uint16_t number, unsigned timeout_ms, struct error *err) must_check;

#endif
