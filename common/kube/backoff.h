// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_BACKOFF_H
#define HOLDFAST_KUBE_BACKOFF_H

#include <stdint.h>

/* How long to wait before the next try: doubles up to a cap, with jitter, so that a thousand nodes do not return in step. Pure. */
struct backoff {
	uint64_t first_ms, cap_ms;
	unsigned failures; /* in a row */
};

/* The delay before the next try, in (d/2, d], where d = first, 2 first, 4 first … cap. `random` is any number. */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t random);

static inline void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
}

#endif
