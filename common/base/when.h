// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_WHEN_H
#define HOLDFAST_BASE_WHEN_H

#include "common/base/buf.h"

/* Times as a person reads them. */

void when_print_duration(struct buf *out, uint64_t seconds); /* "45 s", "12 min" */
void when_print_ago(struct buf *out, uint64_t seconds);      /* "45 s ago" */

/* By the wall clock; 0 if that says nonsense. `then` in seconds since 1970. */
uint64_t when_seconds_since(int64_t then);

#define WHEN_UTC_MAX 32
/* "2026-11-25T14:02:11Z", as Kubernetes writes it. */
void when_format_utc(int64_t seconds, char ret[static WHEN_UTC_MAX]);

#endif
