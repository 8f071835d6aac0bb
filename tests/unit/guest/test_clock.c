// SPDX-License-Identifier: Apache-2.0
/* By how much the guest's clock is moved when the host has said what time it is. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "kata-shim/guest/clock.h"

/* One that has been told already, and was right. */
static struct guest_clock running(void)
{
	struct guest_clock clock = {};

	assert_int_equal(guest_clock_judge(&clock, 0), 0);
	return clock;
}

static void the_first_time_it_is_set_whichever_way(void **state)
{
	static const int64_t ahead[] = { 5, -5, 3600000000, -1000000000000000 };

	for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		struct guest_clock clock = {};
		assert_true(guest_clock_judge(&clock, ahead[i]) == -ahead[i]);
	}
}

static void one_that_is_behind_is_moved_at_once(void **state)
{
	struct guest_clock clock = running();

	assert_true(guest_clock_judge(&clock, -86400000000) == 86400000000);
	assert_int_equal(guest_clock_judge(&clock, -1), 1);
}

static void news_that_came_late_move_nothing(void **state)
{
	struct guest_clock clock = running();

	for (int i = 0; i < 100; i++)
		assert_int_equal(guest_clock_judge(&clock, i % GUEST_CLOCK_TIMES ? 2000000 : GUEST_CLOCK_ALLOWED_US), 0);
}

static void one_that_is_ahead_every_time_is_moved_back_by_the_least_of_them(void **state)
{
	struct guest_clock clock = running();

	for (unsigned round = 0; round < 2; round++) {
		for (int i = 1; i < GUEST_CLOCK_TIMES; i++)
			assert_int_equal(guest_clock_judge(&clock, i == 3 ? 1000000 : 1500000), 0);
		assert_int_equal(guest_clock_judge(&clock, 1500000), -1000000);
	}
}

static void one_that_was_behind_in_between_is_not_ahead(void **state)
{
	struct guest_clock clock = running();

	for (int i = 0; i < 100; i++)
		assert_int_equal(guest_clock_judge(&clock, i % 5 ? 1500000 : -7), i % 5 ? 0 : 7);
}

static void what_is_no_time_is_refused(void **state)
{
	static const int64_t times[][2] = { { -1, 0 }, { 1, -1 }, { 1, 1000000 }, { INT64_MAX, 0 }, { INT64_MIN, INT64_MIN } };
	struct guest_clock clock = {};
	struct error err;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_int_equal(guest_clock_follow(&clock, times[i][0], times[i][1], &err), -EINVAL);
	assert_false(clock.told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_time_it_is_set_whichever_way),
		cmocka_unit_test(one_that_is_behind_is_moved_at_once),
		cmocka_unit_test(news_that_came_late_move_nothing),
		cmocka_unit_test(one_that_is_ahead_every_time_is_moved_back_by_the_least_of_them),
		cmocka_unit_test(one_that_was_behind_in_between_is_not_ahead),
		cmocka_unit_test(what_is_no_time_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
