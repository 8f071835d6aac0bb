// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "cni-plugin/plugin/bridged.h"
#include "common/base/array.h"

static void expect(bool bridged, const char *text)
{
	if (cni_is_bridged(slice_string(text)) != bridged)
		fail_msg("%s", text);
}

static void test_which_lists_put_pods_on_a_bridge(void **state)
{
	static const struct {
		const char *text;
		bool bridged;
	} cases[] = {
		{ "{\"plugins\":[{\"type\":\"ptp\"},{\"type\":\"portmap\"}]}", false },
		{ "{\"plugins\":[{\"type\":\"loopback\"},{\"type\":\"bridge\"}]}", true },
		{ "{\"plugins\":[{\"type\":\"calico\"}]}", false },
		{ "{\"plugins\":[\"bridge\",{\"name\":\"bridge\"}]}", false },
		{ "{\"plugins\":[]}", false },
		{ "{\"plugins\":{\"type\":\"bridge\"}}", false },
		{ "{\"type\":\"bridge\",\"plugins\":[{\"type\":\"ptp\"}]}", false },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
		expect(cases[i].bridged, cases[i].text);
}

static void test_flannel_puts_them_there_unless_it_delegates_to_another_plugin(void **state)
{
	expect(true, "{\"plugins\":[{\"type\":\"flannel\"}]}");
	expect(true, "{\"plugins\":[{\"type\":\"flannel\",\"delegate\":{\"hairpinMode\":true}}]}");
	expect(true, "{\"plugins\":[{\"type\":\"flannel\",\"delegate\":{\"type\":\"bridge\"}},{\"type\":\"portmap\"}]}");
	expect(false, "{\"plugins\":[{\"type\":\"flannel\",\"delegate\":{\"type\":\"ptp\"}}]}");
	expect(false, "{\"plugins\":[{\"type\":\"ptp\",\"delegate\":{\"type\":\"bridge\"}}]}");
}

static void test_a_lone_plugin_is_judged_as_one_in_a_list(void **state)
{
	expect(true, "{\"type\":\"bridge\"}");
	expect(true, "{\"type\":\"flannel\"}");
	expect(false, "{\"type\":\"flannel\",\"delegate\":{\"type\":\"macvlan\"}}");
	expect(false, "{\"type\":\"ptp\"}");
}

static void test_what_is_no_configuration_says_nothing(void **state)
{
	expect(false, "");
	expect(false, "[{\"type\":\"bridge\"}]");
	expect(false, "{\"plugins\":[{\"type\":\"bridge\"}");
	expect(false, "{\"type\":\"bridge\",\"type\":\"bridge\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_lists_put_pods_on_a_bridge),
		cmocka_unit_test(test_flannel_puts_them_there_unless_it_delegates_to_another_plugin),
		cmocka_unit_test(test_a_lone_plugin_is_judged_as_one_in_a_list),
		cmocka_unit_test(test_what_is_no_configuration_says_nothing),
	};
	return cmocka_run_group_tests_name("bridged", tests, NULL, NULL);
}
