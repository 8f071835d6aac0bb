// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's timer, whose signal is SIGKILL: it needs no process that watches, and it reaches one that was stopped, or that is in a
 * system call without end. It is put off by the loop. What is slow for a while is no hang: the longest that the loop does in one go are
 * seconds.
 */
#include "kata-shim/task/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define BEATS 6 /* in that time */

static timer_t end;
static struct itimerspec later;

static void on_beat(uv_timer_t *timer)
{
	timer_settime(end, 0, &later, NULL); /* as when it was started, so it cannot fail */
}

int watchdog_start(uv_loop_t *loop, unsigned ms, struct error *err)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	static uv_timer_t beat;

	if (timer_create(CLOCK_MONOTONIC, &event, &end) < 0)
		return error_errno(err, errno, "cannot make the timer that ends a shim that hangs");
	later.it_value = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	if (timer_settime(end, 0, &later, NULL) < 0)
		return error_errno(err, errno, "cannot set the timer that ends a shim that hangs");
	uv_timer_init(loop, &beat);
	uv_timer_start(&beat, on_beat, ms / BEATS, ms / BEATS);
	uv_unref((uv_handle_t *)&beat);
	return 0;
}
