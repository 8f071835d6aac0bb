// SPDX-License-Identifier: Apache-2.0
/*
 * A virtual CPU's clock runs by itself: it knows nothing of what NTP does to the host's, be it a drift of seconds in a day or the step of a
 * node that has started without knowing the year.
 *
 * What the host says is late when it comes, by nobody knows how much, and never early. So a clock that is behind it is behind for sure, and
 * is moved at once; one that is ahead may only have got the news late, and is moved by the least of several times. The first time nothing
 * runs yet that could mind. Small steps are walked, so that no program sees time go back.
 */
#include "kata-shim/guest/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/timex.h>
#include <time.h>

#define US_PER_S 1000000
#define WALKED_US 128000 /* in four minutes (adjtime(3)) */
#define SECONDS_MAX (INT64_C(1) << 40)

int64_t guest_clock_judge(struct guest_clock *clock, int64_t ahead_us)
{
	const bool first = !clock->told;

	clock->told = true;
	if (first || ahead_us < 0) {
		clock->n = 0;
		return -ahead_us;
	}
	if (clock->n++ == 0 || ahead_us < clock->least_us)
		clock->least_us = ahead_us;
	if (clock->n < GUEST_CLOCK_TIMES)
		return 0;
	clock->n = 0;
	return clock->least_us > GUEST_CLOCK_ALLOWED_US ? -clock->least_us : 0;
}

/* clock_adjtime(2): of a negative time the seconds alone are negative. */
static int move(int64_t us, struct error *err)
{
	struct timex step = { .modes = ADJ_SETOFFSET, .time = { us / US_PER_S, us % US_PER_S } };
	struct timex walk = { .modes = ADJ_OFFSET_SINGLESHOT, .offset = (long)us };

	if (step.time.tv_usec < 0) {
		step.time.tv_sec--;
		step.time.tv_usec += US_PER_S;
	}
	if (adjtimex(us > -WALKED_US && us < WALKED_US ? &walk : &step) < 0)
		return error_errno(err, errno, "cannot move the clock by %" PRId64 " us", us);
	return 0;
}

int guest_clock_follow(struct guest_clock *clock, int64_t seconds, int64_t microseconds, struct error *err)
{
	struct timespec now;

	if (seconds < 0 || seconds > SECONDS_MAX || microseconds < 0 || microseconds >= US_PER_S)
		return error_set(err, EINVAL, "%" PRId64 " s and %" PRId64 " us are no time", seconds, microseconds);
	clock_gettime(CLOCK_REALTIME, &now);
	const int64_t us = guest_clock_judge(clock, (now.tv_sec - seconds) * US_PER_S + now.tv_nsec / 1000 - microseconds);
	return us ? move(us, err) : 0;
}
