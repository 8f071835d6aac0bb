// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/share/overlay.h"

static int parse(const char *one, const char *two, const char *three, const char *four, struct overlay *ret, struct error *err)
{
	const char *const options[] = { one, two, three, four };
	size_t n = 0;

	while (n < ELEMENTS_OF(options) && options[n])
		n++;
	return overlay_parse(options, n, ret, err);
}

static void test_containerds_options_are_taken_apart(void **state)
{
	struct overlay overlay;

	assert_int_equal(parse("index=off", "workdir=/s/9/work", "upperdir=/s/9/fs", "lowerdir=/s/8/fs:/s/7/fs", &overlay, NULL), 0);
	assert_int_equal(overlay.n_lower, 2);
	assert_string_equal(overlay.lower[0], "/s/8/fs");
	assert_string_equal(overlay.lower[1], "/s/7/fs");
	assert_string_equal(overlay.parent, "/s/9/");
	assert_string_equal(overlay.upper, "fs");
	assert_string_equal(overlay.work, "work");
	assert_string_equal(buf_text(&overlay.others), ",index=off");
	assert_false(overlay.read_only);
	overlay_free(&overlay);
}

/* What containerd adds to every root where its enable_selinux is set (NewTask), as k3s and RKE2 have it on RHEL. */
static void test_the_label_of_a_host_with_selinux_is_left_out(void **state)
{
	static const char label[] = "context=\"system_u:object_r:container_file_t:s0:c1,c2\"";
	struct overlay overlay;

	assert_int_equal(parse("workdir=/s/9/work", "upperdir=/s/9/fs", "lowerdir=/s/8/fs", label, &overlay, NULL), 0);
	assert_string_equal(buf_text(&overlay.others), "");
	overlay_free(&overlay);
}

static void test_layers_far_apart_have_a_parent_further_up(void **state)
{
	struct overlay overlay;

	assert_int_equal(parse("workdir=/s/work/9", "upperdir=/s/wider/9", "lowerdir=/l", "ro", &overlay, NULL), 0);
	assert_string_equal(overlay.parent, "/s/");
	assert_string_equal(overlay.upper, "wider/9");
	assert_string_equal(overlay.work, "work/9");
	assert_true(overlay.read_only);
	overlay_free(&overlay);
}

static void test_what_makes_no_overlay_is_refused(void **state)
{
	static const struct {
		const char *options[4];
		int code;
	} cases[] = {
		{ { "upperdir=/a/fs", "workdir=/a/work" }, EINVAL },
		{ { "lowerdir=" }, EINVAL },
		{ { "lowerdir=/a::/b" }, EINVAL },
		{ { "lowerdir=/a:" }, EINVAL },
		{ { "lowerdir=/a", "lowerdir=/b" }, EINVAL },
		{ { "lowerdir=/a\\:b" }, EOPNOTSUPP },
		{ { "lowerdir=/a", "upperdir=/b" }, EINVAL },
		{ { "lowerdir=/a", "workdir=/b" }, EINVAL },
		{ { "lowerdir=/a", "upperdir=/b/", "workdir=/b/work" }, EINVAL },
		{ { "lowerdir=/a", "upperdir=/b/x,y", "workdir=/b/work" }, EINVAL },
		{ { "lowerdir=/a", "gidmap=0:1:1" }, EOPNOTSUPP },
		{ { "lowerdir=/a", "index=off,lowerdir=/etc" }, EOPNOTSUPP },
		{ { "lowerdir=/a", "" }, EOPNOTSUPP },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		const char *const *options = cases[i].options;
		struct overlay overlay;
		struct error err = { 0 };
		int r = parse(options[0], options[1], options[2], options[3], &overlay, &err);
		overlay_free(&overlay);
		if (r != -cases[i].code)
			fail_msg("%s %s: %d %s", options[0], options[1] ?: "", r, err.message);
	}
}

static void test_more_layers_than_the_kernel_takes_are_refused(void **state)
{
	char lower[9 + 3 * 600] = "lowerdir=";
	struct overlay overlay;
	struct error err;

	for (int i = 0; i < 501; i++)
		strcat(lower, i ? ":/a" : "/a");
	assert_int_equal(parse(lower, NULL, NULL, NULL, &overlay, &err), -E2BIG);
	overlay_free(&overlay);
	lower[strlen(lower) - 3] = '\0';
	assert_int_equal(parse(lower, NULL, NULL, NULL, &overlay, &err), 0);
	overlay_free(&overlay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containerds_options_are_taken_apart),
		cmocka_unit_test(test_the_label_of_a_host_with_selinux_is_left_out),
		cmocka_unit_test(test_layers_far_apart_have_a_parent_further_up),
		cmocka_unit_test(test_what_makes_no_overlay_is_refused),
		cmocka_unit_test(test_more_layers_than_the_kernel_takes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
