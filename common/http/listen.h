// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_HTTP_LISTEN_H
#define HOLDFAST_HTTP_LISTEN_H

#include <stdint.h>

#include "common/base/error.h"

/*
 * A TCP socket that listens on "127.0.0.1:9470" or "[::1]:9470": numeric, both parts needed. The descriptor is the caller's,
 * non-blocking and close-on-exec. `*ret_port` is the real port, also for port 0. Internal to common/http.
 */
int http_listen(const char *address, int *ret_fd, uint16_t *ret_port, struct error *err) must_check;

#endif
