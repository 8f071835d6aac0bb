// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CLOCK_H
#define HOLDFAST_GUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/* The guest's clock follows the host's, which says every few seconds what time it is. All zero before the first time. */
struct guest_clock {
	bool told;
	unsigned n;       /* times in a row that it was ahead … */
	int64_t least_us; /* … and by how much at least */
};

#define GUEST_CLOCK_TIMES 8
#define GUEST_CLOCK_ALLOWED_US 10000

/* The host's time has come, and the guest's is `ahead_us` more. By how many microseconds to move the guest's; 0: not at all. Pure. */
int64_t guest_clock_judge(struct guest_clock *clock, int64_t ahead_us);

/* EINVAL: it is no time. */
int guest_clock_follow(struct guest_clock *clock, int64_t seconds, int64_t microseconds, struct error *err) must_check;

#endif
