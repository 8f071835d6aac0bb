// SPDX-License-Identifier: Apache-2.0
/* What sandbox.rules may say, and what is refused with place, value and cure. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/cli/settings.h"
#include "kata-shim/route/pattern.h"

static int parse(const char *rules, struct settings *settings, struct error *err)
{
	char text[4096];

	snprintf(text, sizeof(text), "sandbox:\n  rules: %s\n", rules);
	return settings_parse(slice_string(text), settings, err);
}

static void test_a_rule_has_all_its_conditions(void **state)
{
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err;
	char title[RULE_TITLE_MAX];

	if (parse("[{name: tenants, namespace: tenant-*, pod: 'db-?', handler: holdfast-kata, sandboxImage: '*pause*',"
		  " annotations: {holdfast/sandbox: vm, a: '*'}, backend: kata, kataConfig: /etc/kata.toml}, {backend: runc}]",
		  &settings, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(settings.rules.n, 2);
	const struct rule *rule = &settings.rules.items[0];
	assert_string_equal(rule->namespace, "tenant-*");
	assert_string_equal(rule->pod, "db-?");
	assert_string_equal(rule->handler, "holdfast-kata");
	assert_string_equal(rule->sandbox_image, "*pause*");
	assert_string_equal(rule->kata_config, "/etc/kata.toml");
	assert_int_equal(rule->backend, BACKEND_KATA);
	assert_int_equal(rule->n_annotations, 2);
	assert_string_equal(rule->annotations[0].key, "holdfast/sandbox");
	assert_string_equal(rule->annotations[1].value, "*");
	rule_title(&settings.rules, 0, title);
	assert_string_equal(title, "sandbox.rules[0] \"tenants\"");
	rule_title(&settings.rules, 1, title);
	assert_string_equal(title, "sandbox.rules[1]");
}

static void test_a_file_without_rules_has_none(void **state)
{
	static const char *const texts[] = { "", "network: {}", "sandbox:", "sandbox: {rules: []}", "sandbox: {rules: null}" };

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		_cleanup_(settings_clear) struct settings settings = {};
		struct error err;
		if (settings_parse(slice_string(texts[i]), &settings, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(settings.rules.n, 0);
		assert_string_equal(settings.records, "/run/holdfast/sandboxes");
		assert_null(settings.runc_shim);
	}
}

static void test_what_is_refused_names_place_value_and_cure(void **state)
{
	static const struct {
		const char *rules, *words;
	} rows[] = {
		{ "{}", "sandbox.rules: " },
		{ "[vm]", "sandbox.rules[0]: " },
		{ "[{}]", "sandbox.rules[0]: \"backend\" is missing" },
		{ "[{backend: vm}, {backend: qemu}]", "sandbox.rules[1].backend: \"qemu\" is none of runc, kata and vm" },
		{ "[{backend: 1}]", "sandbox.rules[0].backend: must be a string, not a number" },
		{ "[{namespaces: a, backend: vm}]", "did you mean \"namespace\"?" },
		{ "[{image: nginx, backend: vm}]", "sandbox.rules[0].image: unknown key: where a pod runs is decided before" },
		{ "[{namespace: Shop, backend: vm}]", "sandbox.rules[0].namespace: \"Shop\" can match no name: it has 'S'" },
		{ "[{pod: 'a,b', backend: vm}]", "it has ','" },
		{ "[{pod: 'a[01]', backend: vm}]", "it has '['" },
		{ "[{namespace: '', backend: vm}]", "sandbox.rules[0].namespace: has 0 bytes" },
		{ "[{namespace: [a], backend: vm}]", "sandbox.rules[0].namespace: " },
		{ "[{namespace: yes, backend: vm}]", "must be a string, not a boolean: put it in quotes" },
		{ "[{annotations: {a: true}, backend: vm}]", "sandbox.rules[0].annotations.a: must be a string, not a boolean" },
		{ "[{annotations: [a], backend: vm}]", "sandbox.rules[0].annotations: " },
		{ "[{annotations: {a: x, b: x, c: x, d: x, e: x, f: x, g: x, h: x, i: x}, backend: vm}]", "more than 8 annotations" },
		{ "[{backend: vm, kataConfig: /x}]", "kataConfig has no meaning for backend vm" },
		{ "[{backend: kata, kataConfig: x}]", "\"x\" is no absolute path" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct settings settings = { .records = "untouched" };
		struct error err = {};
		assert_int_equal(parse(rows[i].rules, &settings, &err), -EINVAL);
		if (!strstr(err.message, rows[i].words))
			fail_msg("\"%s\" is not in: %s", rows[i].words, err.message);
		assert_string_equal(settings.records, "untouched");
	}
}

static void test_more_rules_than_the_limit_are_refused(void **state)
{
	_cleanup_(buf_free) struct buf rules = BUF_MAX(4000);
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err;

	for (int i = 0; i < RULES_MAX; i++)
		buf_printf(&rules, "%s{backend: vm}", i ? ", " : "[");
	buf_byte(&rules, ']');
	assert_int_equal(parse(buf_text(&rules), &settings, &err), 0);
	assert_int_equal(settings.rules.n, RULES_MAX);
	rules.n--;
	buf_string(&rules, ", {backend: vm}]");
	assert_true(parse(buf_text(&rules), &settings, &err) < 0);
}

static void test_an_unknown_key_of_the_section_is_refused(void **state)
{
	struct settings settings;
	struct error err = {};

	assert_int_equal(settings_parse(slice_string("sandbox: {rule: []}"), &settings, &err), -EINVAL);
	assert_non_null(strstr(err.message, "did you mean \"sandbox.rules\"?"));
	assert_int_equal(settings_parse(slice_string("sandbox: {runcShim: bin/shim}"), &settings, &err), -EINVAL);
	assert_non_null(strstr(err.message, "sandbox.runcShim"));
}

static void test_what_is_printed_as_the_default_is_the_default(void **state)
{
	_cleanup_(buf_free) struct buf printed = BUF_MAX(8192), text = BUF_MAX(8192);
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err;

	settings_print(&printed);
	for (size_t i = 0; i < printed.n; i++) { /* the keys that have a default, without their # */
		const char *at = buf_text(&printed) + i;
		const bool key = strncmp(at, "#records", 8) == 0 || strncmp(at, "#rules", 6) == 0;
		if (!key)
			buf_byte(&text, printed.p[i]);
	}
	if (settings_parse(buf_view(&text), &settings, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(settings.records, "/run/holdfast/sandboxes");
	assert_int_equal(settings.rules.n, 0);
}

static void test_a_pattern_matches_the_whole_text(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{ "shop", "shop", true },
		{ "shop", "shop-2", false },
		{ "shop", "a-shop", false },
		{ "shop", "", false },
		{ "*", "", true },
		{ "*", "shop", true },
		{ "?", "", false },
		{ "?", "a", true },
		{ "?", "ab", false },
		{ "tenant-*", "tenant-", true },
		{ "tenant-*", "tenant", false },
		{ "*-db", "a-db-db", true },
		{ "*a*b", "xaybzb", true },
		{ "*a*b", "xaybz", false },
		{ "a*b*c", "abbc", true },
		{ "a**c", "ac", true },
		{ "**", "x", true },
		{ "a?c*", "abcd", true },
		{ "*?", "", false },
		{ "[a]", "a", false },
		{ "[a]", "[a]", true },
		{ "a\\*", "a*", false },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		if (pattern_matches(rows[i].pattern, rows[i].text) != rows[i].matches)
			fail_msg("pattern \"%s\", text \"%s\"", rows[i].pattern, rows[i].text);
	}
}

/* What takes exponential time elsewhere. */
static void test_many_stars_take_no_time(void **state)
{
	static char text[200 * 1000];

	memset(text, 'a', sizeof(text) - 1);
	assert_false(pattern_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
	assert_true(pattern_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rule_has_all_its_conditions),
		cmocka_unit_test(test_a_file_without_rules_has_none),
		cmocka_unit_test(test_what_is_refused_names_place_value_and_cure),
		cmocka_unit_test(test_more_rules_than_the_limit_are_refused),
		cmocka_unit_test(test_an_unknown_key_of_the_section_is_refused),
		cmocka_unit_test(test_what_is_printed_as_the_default_is_the_default),
		cmocka_unit_test(test_a_pattern_matches_the_whole_text),
		cmocka_unit_test(test_many_stars_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
