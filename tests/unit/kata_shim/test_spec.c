// SPDX-License-Identifier: Apache-2.0
/* What a config.json says of its pod, and what is no config.json of containerd. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/bundle/spec.h"

#define SANDBOX "\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"5f3a\""
#define CONTAINER "\"io.kubernetes.cri.container-type\":\"container\""

static const char *with(const char *annotations)
{
	static char text[1024];

	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.1.0\",\"annotations\":{%s},\"linux\":{}}", annotations);
	return text;
}

static void parse(const char *text, struct spec *ret)
{
	struct error err;

	if (spec_parse(slice_string(text), ret, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_a_sandbox_says_whose_it_is(void **state)
{
	_cleanup_(spec_clear) struct spec spec = {};

	parse(with(SANDBOX
		   ",\"io.kubernetes.cri.sandbox-namespace\":\"shop\",\"io.kubernetes.cri.sandbox-name\":\"db-0\","
		   "\"io.kubernetes.cri.sandbox-uid\":\"8e1f\",\"io.kubernetes.cri.podsandbox.image-name\":\"pause:3\",\"a\":\"b\\u0041\""),
	      &spec);
	assert_int_equal(spec.kind, SPEC_SANDBOX);
	assert_string_equal(spec.sandbox_id, "5f3a");
	assert_string_equal(spec.namespace, "shop");
	assert_string_equal(spec.name, "db-0");
	assert_string_equal(spec.uid, "8e1f");
	assert_string_equal(spec.sandbox_image, "pause:3");
	assert_string_equal(spec_annotation(&spec, "a"), "bA");
	assert_null(spec_annotation(&spec, "A"));
}

static void test_a_container_says_of_which_sandbox(void **state)
{
	_cleanup_(spec_clear) struct spec spec = {};

	parse(with(CONTAINER ",\"io.kubernetes.cri.sandbox-id\":\"5f3a\""), &spec);
	assert_int_equal(spec.kind, SPEC_CONTAINER);
	assert_string_equal(spec.sandbox_id, "5f3a");
}

static void test_what_is_not_said_is_null(void **state)
{
	_cleanup_(spec_clear) struct spec spec = {};

	parse(with(SANDBOX ",\"io.kubernetes.cri.sandbox-uid\":\"\""), &spec);
	assert_null(spec.uid);
	assert_null(spec.name);
	assert_null(spec.sandbox_image);
}

static void test_without_annotations_of_cri_a_container_is_alone(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"annotations\":null}",
		"{\"annotations\":{}}",
		"{\"annotations\":{\"nerdctl/name\":\"x\",\"io.kubernetes.cri.sandbox-name\":\"x\"}}",
	};

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		_cleanup_(spec_clear) struct spec spec = {};
		parse(texts[i], &spec);
		assert_int_equal(spec.kind, SPEC_ALONE);
		assert_null(spec.name);
	}
}

struct bad {
	const char *text;
	int code;
	const char *words;
};

static void test_what_containerd_does_not_write_is_refused_with_the_reason(void **state)
{
	const struct bad rows[] = {
		{ "", EINVAL, "line 1" },
		{ "[]", EINVAL, "an object is expected" },
		{ "{\"annotations\":{}", EINVAL, "line 1" },
		{ "{\"annotations\":{},\"annotations\":{}}", EINVAL, "annotations" },
		{ "{\"annotations\":[]}", EINVAL, "annotations" },
		{ "{\"annotations\":{\"a\":1}}", EINVAL, "a: " },
		{ "{\"annotations\":{\"a\":{}}}", EINVAL, "a: " },
		{ "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"pod\"}}", EINVAL, "\"pod\": only sandbox and container" },
		{ "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\"}}", EINVAL, "sandbox-id is missing" },
		{ "{\"annotations\":{" CONTAINER ",\"io.kubernetes.cri.sandbox-id\":\"\"}}", EINVAL, "sandbox-id is missing" },
		{ "{\"annotations\":{" CONTAINER ",\"io.kubernetes.cri.sandbox-id\":\"../x\"}}", EINVAL, "\"../x\"" },
		{ "{\"annotations\":{" CONTAINER ",\"io.kubernetes.cri.sandbox-id\":\"..\"}}", EINVAL, "\"..\"" },
		{ "{\"annotations\":{" CONTAINER ",\"io.kubernetes.cri.sandbox-id\":\"a/b\"}}", EINVAL, "\"a/b\"" },
		{ "{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"}}", EINVAL, "CRI-O" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct spec spec = { .name = "untouched" };
		struct error err = {};
		assert_int_equal(spec_parse(slice_string(rows[i].text), &spec, &err), -rows[i].code);
		if (!strstr(err.message, rows[i].words))
			fail_msg("\"%s\" is not in: %s", rows[i].words, err.message);
		assert_string_equal(spec.name, "untouched");
	}
}

static void test_absurd_sizes_are_refused(void **state)
{
	_cleanup_(buf_free) struct buf many = BUF_MAX(1024 * 1024), large = BUF_MAX(SPEC_BYTES_MAX + 1024);
	struct spec spec;
	struct error err;

	buf_string(&many, "{\"annotations\":{\"first\":\"\"");
	for (int i = 0; i < SPEC_ANNOTATIONS_MAX; i++)
		buf_printf(&many, ",\"%d\":\"\"", i);
	buf_string(&many, "}}");
	assert_int_equal(spec_parse(buf_view(&many), &spec, &err), -E2BIG);
	buf_string(&large, "{\"process\":\"");
	memset(buf_reserve(&large, SPEC_BYTES_MAX), 'x', SPEC_BYTES_MAX);
	buf_commit(&large, SPEC_BYTES_MAX);
	buf_string(&large, "\"}");
	assert_int_equal(spec_parse(buf_view(&large), &spec, &err), -E2BIG);
}

static void test_an_identifier_is_a_name_and_no_path(void **state)
{
	static const char *const good[] = { "a", "5f3a", "A-b_c.d", "a1" };
	static const char *const bad[] = { "", ".", "..", "a.", ".a", "a..b", "-a", "a-", "a/b", "a b", "a\n", "\xc3\xa9" };
	char text[SPEC_ID_MAX + 2];
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(good); i++)
		assert_int_equal(spec_check_id("x", good[i], &err), 0);
	for (size_t i = 0; i < ELEMENTS_OF(bad); i++)
		assert_int_equal(spec_check_id("x", bad[i], &err), -EINVAL);
	memset(text, 'a', sizeof(text));
	text[SPEC_ID_MAX + 1] = 0;
	assert_int_equal(spec_check_id("x", text, &err), -EINVAL);
	text[SPEC_ID_MAX] = 0;
	assert_int_equal(spec_check_id("x", text, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sandbox_says_whose_it_is),
		cmocka_unit_test(test_a_container_says_of_which_sandbox),
		cmocka_unit_test(test_what_is_not_said_is_null),
		cmocka_unit_test(test_without_annotations_of_cri_a_container_is_alone),
		cmocka_unit_test(test_what_containerd_does_not_write_is_refused_with_the_reason),
		cmocka_unit_test(test_absurd_sizes_are_refused),
		cmocka_unit_test(test_an_identifier_is_a_name_and_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
