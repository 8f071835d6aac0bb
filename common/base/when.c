// SPDX-License-Identifier: Apache-2.0
#include "common/base/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void when_print_duration(struct buf *out, uint64_t seconds)
{
	if (seconds < 120)
		buf_printf(out, "%" PRIu64 " s", seconds);
	else if (seconds < 120 * 60)
		buf_printf(out, "%" PRIu64 " min", seconds / 60);
	else if (seconds < UINT64_C(48) * 3600)
		buf_printf(out, "%" PRIu64 " h", seconds / 3600);
	else
		buf_printf(out, "%" PRIu64 " d", seconds / 86400);
}

void when_print_ago(struct buf *out, uint64_t seconds)
{
	when_print_duration(out, seconds);
	buf_string(out, " ago");
}

uint64_t when_seconds_since(int64_t then)
{
	int64_t now = time(NULL);

	return now > then ? (uint64_t)(now - then) : 0;
}

void when_format_utc(int64_t seconds, char ret[static WHEN_UTC_MAX])
{
	time_t at = seconds;
	struct tm parts;

	if (!gmtime_r(&at, &parts) || !strftime(ret, WHEN_UTC_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts))
		snprintf(ret, WHEN_UTC_MAX, "an unknown time");
}
