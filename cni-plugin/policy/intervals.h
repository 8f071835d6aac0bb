// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_INTERVALS_H
#define HOLDFAST_POLICY_INTERVALS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/objects.h"

/*
 * Sets of numbers as sorted, disjoint and not adjacent intervals: addresses of either family (up to 128 bits) and ports. In that
 * form equal sets look equal.
 */
typedef unsigned __int128 interval_number; /* a scalar, to which C gives no short name */

struct interval {
	interval_number first, last; /* both inclusive */
};

struct intervals {
	struct interval *items;
	size_t n, capacity;
};

void intervals_free(struct intervals *set);

/* Adds a range at the end. The set has its form again after intervals_tidy: thousands of ranges in any order cost one sort. */
int intervals_append(struct intervals *set, struct interval range, struct error *err) must_check;
void intervals_tidy(struct intervals *set);

/* Appends a − b to `ret`; both are tidy. */
int intervals_subtract(const struct intervals *a, const struct intervals *b, struct intervals *ret, struct error *err) must_check;

bool intervals_contain(const struct intervals *set, interval_number number); /* the set is tidy */

interval_number interval_address(const struct kube_address *address);
struct interval interval_cidr(const struct kube_cidr *cidr);
/* The inverse of interval_address: `size` bytes, big endian. */
void interval_bytes(interval_number number, uint8_t *bytes, size_t size);

#endif
