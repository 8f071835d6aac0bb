// SPDX-License-Identifier: Apache-2.0
/*
 * An ipBlock with its excepts, and the union of several, cannot be said with prefixes in one nf_tables set without overlaps, and
 * merging blocks by their prefixes is how other implementations let an except of one block swallow another. On plain
 * numbers union and difference are a few lines each, and right.
 */
#include "cni-plugin/policy/intervals.h"

#include "common/base/array.h"

void intervals_free(struct intervals *set)
{
	free(set->items);
	*set = (struct intervals){};
}

int intervals_append(struct intervals *set, struct interval range, struct error *err)
{
	if (!array_room((void **)&set->items, set->n, &set->capacity, sizeof(*set->items)))
		return error_nomem(err);
	set->items[set->n++] = range;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void intervals_tidy(struct intervals *set)
{
	size_t n = 0;

	if (set->n == 0)
		return;
	qsort(set->items, set->n, sizeof(*set->items), compare);
	for (size_t i = 1; i < set->n; i++) {
		struct interval *last = &set->items[n];
		const struct interval *next = &set->items[i];

		/* The first test also keeps the second from looking below zero. */
		if (next->first <= last->last || next->first - 1 == last->last)
			last->last = next->last > last->last ? next->last : last->last;
		else
			set->items[++n] = *next;
	}
	set->n = n + 1;
}

/* What the holes from `*hole` on leave of one range. Holes that end before the next range are passed for good. */
static int subtract_from(struct interval range, const struct intervals *holes, size_t *hole, struct intervals *ret, struct error *err)
{
	while (*hole < holes->n && holes->items[*hole].last < range.first)
		(*hole)++;
	for (size_t i = *hole; i < holes->n && holes->items[i].first <= range.last; i++) {
		const struct interval *cut = &holes->items[i];

		if (cut->first > range.first) {
			int r = intervals_append(ret, (struct interval){ range.first, cut->first - 1 }, err);

			if (r < 0)
				return r;
		}
		if (cut->last >= range.last)
			return 0;
		range.first = cut->last + 1;
	}
	return intervals_append(ret, range, err);
}

int intervals_subtract(const struct intervals *a, const struct intervals *b, struct intervals *ret, struct error *err)
{
	size_t hole = 0;
	int r = 0;

	for (size_t i = 0; i < a->n && r == 0; i++)
		r = subtract_from(a->items[i], b, &hole, ret, err);
	return r;
}

bool intervals_contain(const struct intervals *set, interval_number number)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->items[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n && set->items[low].first <= number;
}

static size_t address_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

interval_number interval_address(const struct kube_address *address)
{
	interval_number number = 0;

	for (size_t i = 0; i < address_size(address->family); i++)
		number = number << 8 | address->bytes[i];
	return number;
}

struct interval interval_cidr(const struct kube_cidr *cidr)
{
	unsigned bits = (unsigned)address_size(cidr->address.family) * 8;
	unsigned host = bits - cidr->prefix;
	interval_number mask = host == 0 ? 0 : ~(interval_number)0 >> (128 - host);
	interval_number first = interval_address(&cidr->address) & ~mask;

	return (struct interval){ first, first | mask };
}

void interval_bytes(interval_number number, uint8_t *bytes, size_t size)
{
	for (size_t i = size; i-- > 0; number >>= 8)
		bytes[i] = (uint8_t)number;
}
