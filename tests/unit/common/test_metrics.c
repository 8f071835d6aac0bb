// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <math.h>

#include "common/http/metrics.h"

static void test_a_family_has_help_type_and_samples(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(1000);

	metrics_family(&out, "holdfast_net_pods", METRIC_GAUGE, "Pods on this node.");
	metrics_sample(&out, "holdfast_net_pods", 3, "state", "isolated", "family", "ipv4");
	metrics_family(&out, "holdfast_net_transactions_total", METRIC_COUNTER, "Transactions.");
	metrics_sample(&out, "holdfast_net_transactions_total", 12);
	assert_string_equal(buf_text(&out), "# HELP holdfast_net_pods Pods on this node.\n"
					    "# TYPE holdfast_net_pods gauge\n"
					    "holdfast_net_pods{state=\"isolated\",family=\"ipv4\"} 3\n"
					    "# HELP holdfast_net_transactions_total Transactions.\n"
					    "# TYPE holdfast_net_transactions_total counter\n"
					    "holdfast_net_transactions_total 12\n");
}

static void test_label_values_and_help_are_escaped(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(1000);

	metrics_family(&out, "x", METRIC_GAUGE, "a \"b\"\\\nc");
	metrics_sample(&out, "x", 1, "l", "a \"b\"\\\nc", "none", NULL, "broken", "\xff");
	assert_string_equal(buf_text(&out), "# HELP x a \"b\"\\\\\\nc\n"
					    "# TYPE x gauge\n"
					    "x{l=\"a \\\"b\\\"\\\\\\nc\",none=\"\",broken=\"\xef\xbf\xbd\"} 1\n");
}

static void test_values_are_written_exactly(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "x 0\n" },
		{ -1, "x -1\n" },
		{ 1234567890123, "x 1234567890123\n" },
		{ 0.25, "x 0.25\n" },
		{ 9007199254740992.0, "x 9007199254740992\n" },
		{ 1e300, "x 1e+300\n" },
		{ NAN, "x NaN\n" },
		{ INFINITY, "x +Inf\n" },
		{ -INFINITY, "x -Inf\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(100);
		metrics_sample(&out, "x", cases[i].value);
		assert_string_equal(buf_text(&out), cases[i].text);
	}
}

static void test_a_histogram_adds_up_its_classes(void **state)
{
	static const double bounds[] = { 0.001, 0.5 };
	static const uint64_t counts[] = { 3, 0, 2 };
	_cleanup_(buf_free) struct buf out = BUF_MAX(1000);

	metrics_histogram(&out, "t_seconds", "Times.", bounds, counts, 2, 4.5);
	assert_string_equal(buf_text(&out), "# HELP t_seconds Times.\n"
					    "# TYPE t_seconds histogram\n"
					    "t_seconds_bucket{le=\"0.001\"} 3\n"
					    "t_seconds_bucket{le=\"0.5\"} 3\n"
					    "t_seconds_bucket{le=\"+Inf\"} 5\n"
					    "t_seconds_sum 4.5\n"
					    "t_seconds_count 5\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_family_has_help_type_and_samples),
		cmocka_unit_test(test_label_values_and_help_are_escaped),
		cmocka_unit_test(test_values_are_written_exactly),
		cmocka_unit_test(test_a_histogram_adds_up_its_classes),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
