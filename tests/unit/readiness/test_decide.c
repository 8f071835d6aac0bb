// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "deploy/install/readiness/decide.h"

static const struct part_result untested = { .state = PART_UNTESTED };
static const struct part_result passed = { .state = PART_PASSED, .cause = "it was seen" };

static struct readiness of(const char *parts)
{
	struct readiness readiness = { 0 };

	for (int i = 0; i < PARTS; i++) {
		readiness.wanted[i] = parts[i] != '-';
		readiness.results[i] = parts[i] == 'p'	 ? passed
				       : parts[i] == 'f' ? part_failed("mend it", "%s is broken", part_rows[i].name)
							 : untested;
	}
	return readiness;
}

/* Each letter is a part: passed, failed, untested, or not wanted. */
static void the_condition_says_how_all_parts_are_and_the_labels_which_have_passed(void **state)
{
	static const struct {
		const char *parts, *status, *reason, *message, *labels;
	} cases[] = {
		{ "ppp", "True", "SelfTestsPassed", "network is ready; vm is ready; tpm is ready", "\"ready\"|\"ready\"|\"ready\"" },
		{ "p--", "True", "SelfTestsPassed", "network is ready", "\"ready\"|null|null" },
		{ "-p-", "True", "SelfTestsPassed", "vm is ready", "null|\"ready\"|null" },
		{ "pfp", "False", "VMNotReady", "network is ready; vm is NOT READY: vm is broken → mend it; tpm is ready",
		  "\"ready\"|null|\"ready\"" },
		{ "fuu", "False", "NetworkNotReady",
		  "network is NOT READY: network is broken → mend it; vm is being tested; tpm is being tested", "null|null|null" },
		{ "fpf", "False", "PartsNotReady",
		  "network is NOT READY: network is broken → mend it; vm is ready; tpm is NOT READY: tpm is broken → mend it",
		  "null|\"ready\"|null" },
		{ "pup", "Unknown", "SelfTestsRunning", "network is ready; vm is being tested; tpm is ready", "\"ready\"|null|\"ready\"" },
		{ "uuu", "Unknown", "SelfTestsRunning", "network is being tested; vm is being tested; tpm is being tested",
		  "null|null|null" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		const struct readiness readiness = of(cases[i].parts);
		_cleanup_(buf_free) struct buf labels = BUF_MAX(1024), expected = BUF_MAX(1024);
		struct verdict verdict;
		char values[64], *rest;

		decide_verdict(&readiness, &verdict);
		assert_string_equal(verdict.status, cases[i].status);
		assert_string_equal(verdict.reason, cases[i].reason);
		assert_string_equal(verdict.message, cases[i].message);
		decide_labels(&readiness, &labels);
		snprintf(values, sizeof(values), "%s", cases[i].labels);
		buf_printf(&expected, "{\"metadata\":{\"labels\":{\"holdfast/network\":%s", strtok_r(values, "|", &rest));
		buf_printf(&expected, ",\"holdfast/vm\":%s", strtok_r(NULL, "|", &rest));
		buf_printf(&expected, ",\"holdfast/tpm\":%s}}}", strtok_r(NULL, "|", &rest));
		assert_string_equal(buf_text(&labels), buf_text(&expected));
	}
}

static void a_part_that_is_not_wanted_has_no_label_even_if_it_passed(void **state)
{
	struct readiness readiness = of("ppp");
	_cleanup_(buf_free) struct buf labels = BUF_MAX(1024);

	readiness.wanted[PART_VM] = false;
	decide_labels(&readiness, &labels);
	assert_non_null(strstr(buf_text(&labels), "\"holdfast/vm\":null"));
}

static void the_condition_is_applied_whole_with_its_times(void **state)
{
	const struct readiness readiness = of("ppp");
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	struct verdict verdict;

	decide_verdict(&readiness, &verdict);
	decide_condition("edge-1", &verdict, 1764163000, 1764163600, &out);
	assert_string_equal(buf_text(&out),
			    "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"edge-1\"},\"status\":{\"conditions\":[{"
			    "\"type\":\"HoldfastReady\",\"status\":\"True\",\"reason\":\"SelfTestsPassed\",\"message\":\"network is ready; vm is "
			    "ready; tpm is ready\",\"lastTransitionTime\":\"2025-11-26T13:16:40Z\",\"lastHeartbeatTime\":\"2025-11-26T13:26:40Z\"}]}"
			    "}");
}

static void the_longest_causes_fit(void **state)
{
	struct readiness readiness = of("fff");
	_cleanup_(buf_free) struct buf out = BUF_MAX(16 * 1024);
	struct decided_event event;
	struct verdict verdict;

	for (int i = 0; i < PARTS; i++) {
		memset(readiness.results[i].cause, '"', sizeof(readiness.results[i].cause) - 1);
		memset(readiness.results[i].cure, 'u', sizeof(readiness.results[i].cure) - 1);
	}
	decide_verdict(&readiness, &verdict);
	assert_non_null(strstr(verdict.message, "tpm is NOT READY"));
	assert_int_equal(verdict.message[strlen(verdict.message) - 1], 'u');
	decide_condition("edge-1", &verdict, 0, 0, &out);
	assert_false(out.failed);
	assert_true(decide_event(PART_TPM, &untested, &readiness.results[PART_TPM], &event));
	assert_int_equal(event.message[strlen(event.message) - 1], 'u');
}

static void an_event_is_for_what_changes(void **state)
{
	const struct part_result broken = part_failed("mend it", "it has not answered for 12 s"),
				 still = part_failed("mend it", "it has not answered for 42 s"),
				 otherwise = part_failed("mend it", "it is not there");
	const struct {
		const struct part_result *before, *after;
		const char *reason; /* NULL: no event */
	} cases[] = {
		{ &untested, &passed, "VMReady" }, { &untested, &broken, "VMNotReady" },  { &passed, &passed, NULL },
		{ &passed, &broken, "VMNotReady" }, { &broken, &still, NULL },             { &broken, &otherwise, "VMNotReady" },
		{ &broken, &passed, "VMReady" },
	};
	struct decided_event event;

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		assert_int_equal(decide_event(PART_VM, cases[i].before, cases[i].after, &event), cases[i].reason != NULL);
		if (!cases[i].reason)
			continue;
		assert_string_equal(event.reason, cases[i].reason);
		assert_int_equal(event.good_news, cases[i].after->state == PART_PASSED);
	}
	assert_true(decide_event(PART_VM, &passed, &broken, &event));
	assert_string_equal(event.message, "vm: it has not answered for 12 s → mend it");
}

#define FINDING(level, cause, cure) "{\"check\":\"x\",\"level\":\"" level "\",\"cause\":\"" cause "\",\"cure\":\"" cure "\"}"

static void a_self_test_has_passed_only_if_it_says_so_of_all_that_it_found(void **state)
{
	static const struct {
		const char *text;
		int r;
		enum part_state state;
		const char *cause;
	} cases[] = {
		{ "{\"findings\":[" FINDING("ok", "seen", "") "]}", 0, PART_PASSED, "seen" },
		{ "{\"findings\":[" FINDING("fail", "broken", "c") "]}", 0, PART_FAILED, "broken" },
		{ "{\"findings\":[" FINDING("warn", "odd", "c") "]}", 0, PART_FAILED, "odd" },
		{ "{\"findings\":[" FINDING("fail", "broken", "c") "," FINDING("ok", "seen", "") "]}", 0, PART_FAILED, "broken" },
		{ "{\"findings\":[" FINDING("ok", "seen", "") "," FINDING("fail", "broken", "c") "]}", 0, PART_FAILED, "broken" },
		{ "{\"findings\":[]}", -1, PART_UNTESTED, "" },
		{ "{}", -1, PART_UNTESTED, "" },
		{ "", -1, PART_UNTESTED, "" },
		{ "ok", -1, PART_UNTESTED, "" },
		{ "{\"findings\":[{\"level\":\"ok\"}]}", -1, PART_UNTESTED, "" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct part_result result = untested;
		struct error err = { 0 };

		int r = part_result_read(slice_string(cases[i].text), &result, &err);
		assert_int_equal(r < 0, cases[i].r < 0);
		assert_int_equal(result.state, cases[i].state);
		assert_string_equal(result.cause, cases[i].cause);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_condition_says_how_all_parts_are_and_the_labels_which_have_passed),
		cmocka_unit_test(a_part_that_is_not_wanted_has_no_label_even_if_it_passed),
		cmocka_unit_test(the_condition_is_applied_whole_with_its_times),
		cmocka_unit_test(the_longest_causes_fit),
		cmocka_unit_test(an_event_is_for_what_changes),
		cmocka_unit_test(a_self_test_has_passed_only_if_it_says_so_of_all_that_it_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
