// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/drop_ring.h"

static struct drop like(unsigned port, int64_t ms)
{
	return (struct drop){
		.first_ms = ms,
		.last_ms = ms,
		.count = 1,
		.source = { AF_INET, { 10, 0, 0, 1 } },
		.destination = { AF_INET, { 10, 0, 0, 2 } },
		.protocol = IPPROTO_TCP,
		.has_port = true,
		.port = (uint16_t)port,
	};
}

static void put(struct drop_ring *ring, unsigned port, int64_t ms)
{
	struct drop drop = like(port, ms);

	if (drop_ring_merge(ring, &drop))
		return;
	struct drop *copy = malloc(sizeof(*copy));
	assert_non_null(copy);
	*copy = drop;
	copy->reason = strdup("denied");
	drop_ring_add(ring, copy);
}

static void test_alike_drops_are_one_and_become_the_newest(void **state)
{
	_cleanup_free_ struct drop_ring *ring = calloc(1, sizeof(*ring));

	put(ring, 80, 1000);
	put(ring, 81, 1001);
	put(ring, 80, 1002);
	assert_int_equal(ring->n, 2);
	const struct drop *newest = drop_ring_at(ring, 1);
	assert_int_equal(newest->port, 80);
	assert_int_equal(newest->count, 2);
	assert_int_equal(newest->first_ms, 1000);
	assert_int_equal(newest->last_ms, 1002);
	assert_int_equal(newest->serial, 3);
	assert_true(drop_ring_at(ring, 0)->serial < newest->serial);
	assert_null(drop_ring_at(ring, 2));
	drop_ring_clear(ring);
}

static void test_what_is_too_old_too_far_back_or_from_another_clock_stays_alone(void **state)
{
	_cleanup_free_ struct drop_ring *ring = calloc(1, sizeof(*ring));

	put(ring, 80, 1000);
	put(ring, 80, 1000 + DROP_MERGE_MS);
	put(ring, 80, 1001 + DROP_MERGE_MS);
	assert_int_equal(ring->n, 2);
	put(ring, 80, 500);
	assert_int_equal(ring->n, 3);
	for (unsigned i = 0; i < DROP_MERGE_BACK; i++)
		put(ring, 1000 + i, 600);
	put(ring, 80, 600);
	assert_int_equal(ring->n, 4 + DROP_MERGE_BACK);
	drop_ring_clear(ring);
}

static void test_every_part_of_a_drop_tells_it_from_others(void **state)
{
	struct drop others[] = { like(80, 1), like(80, 1), like(80, 1), like(80, 1), like(80, 1), like(80, 1) };
	_cleanup_free_ struct drop_ring *ring = calloc(1, sizeof(*ring));

	put(ring, 80, 1);
	others[0].kind = POLICY_DROP_QUARANTINE;
	others[1].answer = true;
	others[2].source.bytes[3] = 9;
	others[3].destination.bytes[3] = 9;
	others[4].protocol = IPPROTO_UDP;
	others[5].has_port = false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(drop_ring_merge(ring, &others[i]));
	drop_ring_clear(ring);
}

static void test_a_full_ring_forgets_the_oldest(void **state)
{
	_cleanup_free_ struct drop_ring *ring = calloc(1, sizeof(*ring));

	for (unsigned i = 0; i < DROP_RING_MAX + 100; i++)
		put(ring, i, 1);
	assert_int_equal(ring->n, DROP_RING_MAX);
	for (unsigned i = 0; i < DROP_RING_MAX; i++)
		assert_int_equal(drop_ring_at(ring, i)->port, 100 + i);
	put(ring, DROP_RING_MAX + 90, 2); /* merged across the end of the array */
	assert_int_equal(drop_ring_at(ring, DROP_RING_MAX - 1)->port, DROP_RING_MAX + 90);
	assert_int_equal(drop_ring_at(ring, DROP_RING_MAX - 2)->port, DROP_RING_MAX + 99);
	assert_int_equal(ring->n, DROP_RING_MAX);
	drop_ring_clear(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alike_drops_are_one_and_become_the_newest),
		cmocka_unit_test(test_what_is_too_old_too_far_back_or_from_another_clock_stays_alone),
		cmocka_unit_test(test_every_part_of_a_drop_tells_it_from_others),
		cmocka_unit_test(test_a_full_ring_forgets_the_oldest),
	};

	return cmocka_run_group_tests_name("drop_ring", tests, NULL, NULL);
}
