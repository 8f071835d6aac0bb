// SPDX-License-Identifier: Apache-2.0
/* Who sets net.bridge.bridge-nf-call-*, when, and who takes it back; the kernel's files are ordinary ones here (real: tests/node/install.bats). */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "deploy/install/bridge.h"
#include "deploy/install/host/host.h"
#include "tests/unit/install/world.h"

#define SETTING "host/proc/sys/net/bridge/bridge-nf-call-"
#define LISTS "/etc/cni/net.d"

static const char bridge_list[] = "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"bridge\"}]}";

static void set(const char *iptables, const char *ip6tables)
{
	world_make("host/proc/sys/net/bridge");
	world_write(SETTING "iptables", iptables, 0644);
	world_write(SETTING "ip6tables", ip6tables, 0644);
}

static int begin(void **state)
{
	world_begin(false);
	world_write("host" WORLD_LIST, bridge_list, 0644);
	return 0;
}

static void expect(const char *iptables, const char *ip6tables)
{
	const char *const paths[] = { SETTING "iptables", SETTING "ip6tables" }, *const values[] = { iptables, ip6tables };

	for (size_t i = 0; i < ELEMENTS_OF(paths); i++) {
		_cleanup_(buf_free) struct buf text = BUF_MAX(64);

		assert_int_equal(file_read(world_path(paths[i]), &text, NULL), 0);
		assert_string_equal(buf_text(&text), values[i]);
	}
}

static void expect_put(int outcome)
{
	struct error err = {};

	int r = bridge_put(world_path("host"), LISTS, &err);
	if (r != outcome)
		fail_msg("%d, not %d: %s", r, outcome, r < 0 ? err.message : "");
}

static void restore(void)
{
	struct error err = {};

	if (bridge_restore(world_path("host"), &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_state(enum bridge_state expected, const char *says)
{
	enum bridge_state state;
	struct error err = {};

	assert_int_equal(bridge_look(world_path("host"), LISTS, &state, &err), 0);
	assert_int_equal(state, expected);
	if (says && !strstr(err.message, says))
		fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void test_what_is_0_is_set_and_only_that_is_taken_back(void **state)
{
	set("0\n", "1\n");
	expect_state(BRIDGE_OFF, "net.bridge.bridge-nf-call-iptables is not 1");
	expect_put(1);
	expect("1\n", "1\n");
	expect_state(BRIDGE_ON, NULL);
	expect_put(0);
	restore();
	expect("0\n", "1\n");
	set("1\n", "1\n");
	restore();
	expect("1\n", "1\n");
}

static void test_what_somebody_has_set_since_the_node_started_stays(void **state)
{
	set("0\n", "0\n");
	expect_put(1);
	assert_int_equal(host_remove_tree(world_path("host/run"), NULL), 0);
	restore();
	expect("1\n", "1\n");
}

static void test_installing_sets_it_and_uninstalling_takes_it_back_with_the_rules_only(void **state)
{
	struct node_outcome outcome;
	struct error err = {};

	set("0\n", "0\n");
	assert_int_equal(world_try(WORLD_INSTALL_1, &outcome, &err), 0);
	assert_true(outcome.bridge_set);
	assert_int_equal(world_try(WORLD_INSTALL_1, &outcome, &err), 0);
	assert_false(outcome.bridge_set);
	assert_int_equal(world_try(WORLD_UNINSTALL, &outcome, &err), 0);
	expect("1\n", "1\n");
	restore();
	expect("0\n", "0\n");
	assert_int_equal(host_find(world_path("host"), "/run/holdfast/bridge", (char[PATH_MAX]){}, NULL), -ENOENT);
}

static void test_pods_on_no_bridge_and_a_root_without_a_system_need_nothing(void **state)
{
	expect_state(BRIDGE_NONE, NULL);
	expect_put(0);
	set("0\n", "0\n");
	world_write("host" WORLD_LIST, "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"ptp\"}]}", 0644);
	expect_state(BRIDGE_NONE, NULL);
	expect_put(0);
	expect("0\n", "0\n");
}

static void test_a_module_that_cannot_be_loaded_is_said_when_all_else_is_done(void **state)
{
	struct node_outcome outcome;
	struct error err = {};

	world_make("host/proc/sys");
	expect_state(BRIDGE_OFF, "br_netfilter is not loaded");
	assert_int_not_equal(world_try(WORLD_INSTALL_1, &outcome, &err), 0);
	if (!strstr(err.message, "`modprobe br_netfilter` fails"))
		fail_msg("%s", err.message);
	assert_true(outcome.placed);
	assert_int_equal(outcome.entry, CNI_ENTRY_PUT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_0_is_set_and_only_that_is_taken_back),
		TEST(test_what_somebody_has_set_since_the_node_started_stays),
		TEST(test_installing_sets_it_and_uninstalling_takes_it_back_with_the_rules_only),
		TEST(test_pods_on_no_bridge_and_a_root_without_a_system_need_nothing),
		TEST(test_a_module_that_cannot_be_loaded_is_said_when_all_else_is_done),
	};
	return cmocka_run_group_tests_name("install_bridge", tests, NULL, NULL);
}
