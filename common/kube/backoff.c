// SPDX-License-Identifier: Apache-2.0
#include "common/kube/backoff.h"

#define DOUBLINGS_MAX 32

uint64_t backoff_next_ms(struct backoff *backoff, uint64_t random)
{
	unsigned doublings = backoff->failures < DOUBLINGS_MAX ? backoff->failures : DOUBLINGS_MAX;
	uint64_t delay = backoff->first_ms;

	backoff->failures += backoff->failures < DOUBLINGS_MAX;
	while (doublings-- > 0 && delay < backoff->cap_ms)
		delay *= 2;
	if (delay > backoff->cap_ms)
		delay = backoff->cap_ms;
	return delay < 2 ? delay : delay - random % (delay / 2);
}
