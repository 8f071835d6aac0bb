// SPDX-License-Identifier: Apache-2.0
/* stderr becomes a pipe while an event is logged; a line is at most 4 KiB, so it fits. */
#include "tests/unit/common/cmocka_all.h"

#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/json/json.h"

static char line[8192];
static int saved_stderr, pipe_ends[2];

static void capture(void)
{
	assert_int_equal(pipe(pipe_ends), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(pipe_ends[1], STDERR_FILENO) >= 0);
	close(pipe_ends[1]);
}

/* What was logged, without the time. */
static const char *captured(void)
{
	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	ssize_t n = read(pipe_ends[0], line, sizeof(line) - 1);
	close(pipe_ends[0]);
	assert_true(n >= 0);
	line[n] = 0;
	const char *level = strstr(line, " level=");
	return level ? level + 1 : line;
}

static int reset(void **state)
{
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	return 0;
}

static void test_one_line_of_logfmt_per_event(void **state)
{
	capture();
	log_info("policy applied", "policy", "shop/db", "pods", LOG_NUMBER(3));
	assert_string_equal(captured(), "level=info msg=\"policy applied\" policy=shop/db pods=3\n");
}

static void test_the_time_is_utc_with_milliseconds(void **state)
{
	capture();
	log_info("x");
	captured();
	assert_int_equal(strlen("time=2026-11-22T08:42:53.123Z"), strcspn(line, " "));
	assert_int_equal(line[strcspn(line, " ") - 1], 'Z');
}

static void test_values_are_quoted_where_they_need_it(void **state)
{
	capture();
	log_warn("m", "space", "a b", "quote", "a\"b", "equals", "a=b", "none", NULL, "lines", "a\nlevel=error");
	assert_string_equal(captured(),
			    "level=warn msg=m space=\"a b\" quote=\"a\\\"b\" equals=\"a=b\" none=\"\" lines=\"a\\nlevel=error\"\n");
}

static void test_levels_below_the_minimum_are_silent(void **state)
{
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	capture();
	log_debug("no");
	log_info("no");
	log_error("yes");
	assert_string_equal(captured(), "level=error msg=yes\n");
	assert_false(log_enabled(LOG_LEVEL_INFO));
}

static void test_json_lines_are_json_whatever_the_values(void **state)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err = {};

	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	capture();
	log_error("bad \"input\"", "value", "\xff\x1b[0m\n", "ok", "caf\xc3\xa9");
	captured();
	if (json_parse(slice_string(line), &json_limits_object, &tree, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(tree, "msg")->valuestring, "bad \"input\"");
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(tree, "level")->valuestring, "error");
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(tree, "ok")->valuestring, "caf\xc3\xa9");
}

static void test_a_field_that_does_not_fit_is_left_out_and_the_line_says_cut(void **state)
{
	char long_value[8000] = {};

	memset(long_value, 'x', sizeof(long_value) - 1);
	capture();
	log_info("m", "long", long_value, "short", "s");
	assert_string_equal(captured(), "level=info msg=m short=s cut=true\n");
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	capture();
	log_info("m", "long", long_value);
	captured();
	assert_int_equal(json_check(slice_string(line), &json_limits_object, NULL), 0);
	assert_non_null(strstr(line, "\"cut\":\"true\""));
}

static void test_knows_the_names_of_levels_and_formats(void **state)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_LOGFMT;

	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_true(log_format_parse("json", &format));
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_false(log_level_parse("ERROR", &level));
	assert_false(log_format_parse("", &format));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_line_of_logfmt_per_event, reset),
		cmocka_unit_test_setup(test_the_time_is_utc_with_milliseconds, reset),
		cmocka_unit_test_setup(test_values_are_quoted_where_they_need_it, reset),
		cmocka_unit_test_setup(test_levels_below_the_minimum_are_silent, reset),
		cmocka_unit_test_setup(test_json_lines_are_json_whatever_the_values, reset),
		cmocka_unit_test_setup(test_a_field_that_does_not_fit_is_left_out_and_the_line_says_cut, reset),
		cmocka_unit_test_setup(test_knows_the_names_of_levels_and_formats, reset),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
