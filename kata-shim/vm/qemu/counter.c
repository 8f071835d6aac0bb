// SPDX-License-Identifier: Apache-2.0
/* Of several readings of counter and clock, the one that was disturbed least: between its two counter values the clock was read. */
#include "kata-shim/vm/qemu/counter.h"

#include <time.h>

#ifdef __x86_64__
#include <x86intrin.h>

#define READINGS 8
#define PAUSE_NS (5 * 1000 * 1000)

struct reading {
	uint64_t ticks, ns;
};

static struct reading read_both(void)
{
	struct reading best = {};
	uint64_t narrowest = UINT64_MAX;

	for (unsigned i = 0; i < READINGS; i++) {
		struct timespec now;
		const uint64_t before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC, &now);
		const uint64_t width = __rdtsc() - before;
		if (width >= narrowest)
			continue;
		narrowest = width;
		best = (struct reading){ before + width / 2, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec };
	}
	return best;
}

uint64_t counter_measure_khz(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	const struct reading first = read_both();

	nanosleep(&pause, NULL);
	const struct reading second = read_both();
	const uint64_t ns = second.ns - first.ns;
	return ns ? (uint64_t)((__uint128_t)(second.ticks - first.ticks) * 1000000 / ns) : 0;
}
#else
/* A guest of another processor asks for none. */
uint64_t counter_measure_khz(void)
{
	return 0;
}
#endif
