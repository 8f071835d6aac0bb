// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "kata-shim/vm/jail/mountinfo.h"

static void assert_next(struct slice *rest, uint64_t id, const char *point, const char *type, const char *super_options)
{
	struct mountinfo mount;

	assert_true(mountinfo_next(rest, &mount));
	assert_int_equal(mount.id, id);
	assert_true(slice_equals_string(mount.point, point));
	assert_true(slice_equals_string(mount.type, type));
	assert_true(slice_equals_string(mount.super_options, super_options));
}

static void test_every_line_with_and_without_optional_fields_is_read(void **state)
{
	struct slice rest = slice_string("22 27 0:21 / /proc rw,relatime - proc proc rw\n"
					 "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n"
					 "40 35 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
	struct mountinfo none;

	assert_next(&rest, 22, "/proc", "proc", "rw");
	assert_next(&rest, 36, "/mnt2", "ext3", "rw,errors=continue");
	assert_next(&rest, 40, "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu,cpuacct");
	assert_false(mountinfo_next(&rest, &none));
}

static void test_the_root_of_a_mount_is_a_directory_of_its_file_system(void **state)
{
	struct slice rest = slice_string("61 60 0:50 /a\\040b/c /mnt rw - tmpfs tmpfs rw,size=1024k\n");
	struct mountinfo mount;
	char name[8];

	assert_true(mountinfo_next(&rest, &mount));
	assert_true(mountinfo_name(mount.root, name, sizeof(name)));
	assert_string_equal(name, "/a b/c");
	assert_false(mountinfo_name(mount.root, name, 6));
	assert_true(mountinfo_name(slice_string("\\04"), name, sizeof(name)));
	assert_string_equal(name, "\\04");
	assert_false(mountinfo_name(slice_string(""), name, 0));
}

static void test_a_line_that_makes_no_sense_is_passed_over(void **state)
{
	struct slice rest = slice_string("\n22\n22 27\n22 27 0:21 / /proc rw,relatime\nx 27 0:21 / /proc rw - proc proc rw\n"
					 "23 27 0:21 / /proc rw - proc proc rw");
	struct mountinfo none;

	assert_next(&rest, 23, "/proc", "proc", "rw");
	assert_false(mountinfo_next(&rest, &none));
}

static void test_an_option_is_a_whole_word(void **state)
{
	assert_true(mountinfo_has_option(slice_string("rw,cpu,cpuacct"), "cpu"));
	assert_true(mountinfo_has_option(slice_string("rw,cpu,cpuacct"), "cpuacct"));
	assert_false(mountinfo_has_option(slice_string("rw,cpuset"), "cpu"));
	assert_false(mountinfo_has_option(slice_string(""), "cpu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_line_with_and_without_optional_fields_is_read),
		cmocka_unit_test(test_the_root_of_a_mount_is_a_directory_of_its_file_system),
		cmocka_unit_test(test_a_line_that_makes_no_sense_is_passed_over),
		cmocka_unit_test(test_an_option_is_a_whole_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
