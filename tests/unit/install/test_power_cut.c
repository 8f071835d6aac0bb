// SPDX-License-Identifier: Apache-2.0
/* The power is cut after each change that an act of the installer makes; then the act, or the one that undoes it, is begun again. */
#include "tests/unit/common/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "deploy/install/files/version.h"
#include "tests/unit/install/world.h"

#define PRINT_MAX (256 * 1024)
#define STEPS_MAX 1000

/* What is done before the cut, what is cut, what is done afterwards; and what the node must be like then: as after `like`, never cut. */
struct story {
	const char *name;
	enum world_act before[2], cut, after[3], like[4];
	unsigned n_before, n_after, n_like;
};

static const struct story stories[] = {
	{ "install, cut, install", {}, WORLD_INSTALL_1, { WORLD_INSTALL_1 }, { WORLD_INSTALL_1 }, 0, 1, 1 },
	{ "install, cut, uninstall", {}, WORLD_INSTALL_1, { WORLD_UNINSTALL }, {}, 0, 1, 0 },
	{ "install, cut, the other version, uninstall", {}, WORLD_INSTALL_1, { WORLD_INSTALL_2, WORLD_UNINSTALL }, {}, 0, 2, 0 },
	{ "upgrade, cut, upgrade",
	  { WORLD_INSTALL_1 },
	  WORLD_INSTALL_2,
	  { WORLD_INSTALL_2 },
	  { WORLD_INSTALL_1, WORLD_INSTALL_2 },
	  1,
	  1,
	  2 },
	{ "upgrade, cut, uninstall", { WORLD_INSTALL_1 }, WORLD_INSTALL_2, { WORLD_UNINSTALL }, {}, 1, 1, 0 },
	{ "rollback, cut, upgrade, rollback",
	  { WORLD_INSTALL_1, WORLD_INSTALL_2 },
	  WORLD_ROLLBACK,
	  { WORLD_INSTALL_2, WORLD_ROLLBACK },
	  { WORLD_INSTALL_1, WORLD_INSTALL_2, WORLD_ROLLBACK },
	  2,
	  2,
	  3 },
	{ "uninstall, cut, uninstall", { WORLD_INSTALL_1, WORLD_INSTALL_2 }, WORLD_UNINSTALL, { WORLD_UNINSTALL }, {}, 2, 1, 0 },
	{ "uninstall, cut, install, uninstall", { WORLD_INSTALL_1 }, WORLD_UNINSTALL, { WORLD_INSTALL_1, WORLD_UNINSTALL }, {}, 1, 2, 0 },
	{ "uninstall, cut, install", { WORLD_INSTALL_1 }, WORLD_UNINSTALL, { WORLD_INSTALL_1 }, { WORLD_INSTALL_1 }, 1, 1, 1 },
};

static void act_all(const enum world_act *acts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_true(world_act(acts[i], 0));
}

/* As after the same acts, never cut. */
static void print_goal(const struct story *story, bool by_hand, struct buf *out)
{
	world_begin(by_hand);
	act_all(story->like, story->n_like);
	world_print("host", out);
	assert_int_equal(world_end(NULL), 0);
}

/* Whatever was cut, pods find all of one version, or none. */
static void expect_whole(const struct story *story, unsigned steps)
{
	char id[LISTING_ID_MAX];
	struct error err = {};

	version_read(world_path("host/opt/holdfast"), "current", id);
	if (*id && version_check(world_path("host/opt/holdfast"), id, true, &err) < 0 && story->cut != WORLD_UNINSTALL)
		fail_msg("%s at %u: %s", story->name, steps, err.message);
	if (*id && access(world_path("host/opt/holdfast/current/etc/holdfast.yaml"), R_OK) < 0 && story->cut != WORLD_UNINSTALL)
		fail_msg("%s at %u: the version has no settings", story->name, steps);
}

/* False: the act ended before the cut. */
static bool tell(const struct story *story, bool by_hand, unsigned steps, const struct buf *goal)
{
	_cleanup_(buf_free) struct buf found = BUF_MAX(PRINT_MAX);

	world_begin(by_hand);
	act_all(story->before, story->n_before);
	bool cut = !world_act(story->cut, steps);
	expect_whole(story, steps);
	act_all(story->after, story->n_after);
	world_print("host", &found);
	if (!slice_equals(buf_view(&found), buf_view(goal)))
		fail_msg("%s%s, cut at %u: got\n%s\nexpected\n%s", story->name, by_hand ? " (by hand before)" : "", steps, buf_text(&found),
			 buf_text(goal));
	assert_int_equal(world_end(NULL), 0);
	return cut;
}

static void tell_all(bool by_hand)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		_cleanup_(buf_free) struct buf goal = BUF_MAX(PRINT_MAX);
		unsigned steps = 1;

		print_goal(&stories[i], by_hand, &goal);
		while (tell(&stories[i], by_hand, steps, &goal) && steps < STEPS_MAX)
			steps++;
		printf("# %s: %u cuts\n", stories[i].name, steps - 1);
		assert_in_range(steps, 3, STEPS_MAX - 1);
	}
}

static void test_after_a_power_cut_at_any_step_the_node_becomes_what_it_would_have_been(void **state)
{
	tell_all(false);
}

static void test_the_same_where_holdfast_had_been_put_by_hand(void **state)
{
	tell_all(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_a_power_cut_at_any_step_the_node_becomes_what_it_would_have_been),
		cmocka_unit_test(test_the_same_where_holdfast_had_been_put_by_hand),
	};

	return cmocka_run_group_tests_name("power_cut", tests, NULL, NULL);
}
