// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"

static char directory[64];

static int make_directory(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-test-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static const char *in_directory(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static unsigned count_entries(void)
{
	DIR *dir = opendir(directory);
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void write_text(const char *path, const char *text)
{
	struct error err = {};

	if (file_write_atomic(path, slice_string(text), 0600, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_reads_back_what_was_written(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(100);
	struct stat status;
	struct error err;

	assert_int_equal(file_write_atomic(in_directory("a"), slice_string("hello"), 0640, &err), 0);
	assert_int_equal(file_read(in_directory("a"), &text, &err), 0);
	assert_string_equal(buf_text(&text), "hello");
	assert_int_equal(stat(in_directory("a"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
}

static void test_an_empty_file_is_the_empty_text(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(100);
	struct error err;

	write_text(in_directory("a"), "");
	assert_int_equal(file_read(in_directory("a"), &text, &err), 0);
	assert_string_equal(buf_text(&text), "");
}

static void test_reads_a_file_of_exactly_the_limit_and_refuses_one_byte_more(void **state)
{
	_cleanup_(buf_free) struct buf exact = BUF_MAX(5), small = BUF_MAX(4), none = BUF_MAX(0);
	struct error err = {};

	write_text(in_directory("a"), "hello");
	assert_int_equal(file_read(in_directory("a"), &exact, &err), 0);
	assert_string_equal(buf_text(&exact), "hello");
	assert_int_equal(file_read(in_directory("a"), &small, &err), -EFBIG);
	assert_non_null(strstr(err.message, "a is larger than the limit of 4 bytes"));
	assert_int_equal(file_read(in_directory("a"), &none, &err), -EFBIG);
}

static void test_reads_large_files_in_steps(void **state)
{
	_cleanup_(buf_free) struct buf written = BUF_MAX(1 << 20), read = BUF_MAX(1 << 20);
	struct error err;

	while (written.n < 300000)
		buf_printf(&written, "%zu,", written.n);
	assert_int_equal(file_write_atomic(in_directory("a"), buf_view(&written), 0600, &err), 0);
	assert_int_equal(file_read(in_directory("a"), &read, &err), 0);
	assert_true(slice_equals(buf_view(&written), buf_view(&read)));
}

static void test_a_missing_file_is_named(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(100);
	struct error err = {};

	assert_int_equal(file_read("/nowhere/at/all", &text, &err), -ENOENT);
	assert_string_equal(err.message, "cannot open /nowhere/at/all: No such file or directory");
}

static void test_reading_a_directory_fails(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(100);
	struct error err = {};

	assert_int_equal(file_read(directory, &text, &err), -EISDIR);
}

static void test_replaces_a_file_and_leaves_nothing_beside_it(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(100);
	struct error err;

	write_text(in_directory("a"), "old");
	write_text(in_directory("a"), "new");
	assert_int_equal(file_read(in_directory("a"), &text, &err), 0);
	assert_string_equal(buf_text(&text), "new");
	assert_int_equal(count_entries(), 1);
}

static void test_a_failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
	struct error err = {};

	assert_int_equal(mkdir(in_directory("a"), 0700), 0);
	write_text(in_directory("a/kept"), "x");
	assert_true(file_write_atomic(in_directory("a"), slice_string("new"), 0600, &err) < 0);
	assert_non_null(strstr(err.message, "cannot rename"));
	assert_int_equal(count_entries(), 1);
	assert_int_equal(access(in_directory("a/kept"), F_OK), 0);
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
	char path[5000] = "/";
	struct error err = {};

	memset(path + 1, 'x', sizeof(path) - 2);
	assert_int_equal(file_write_atomic(path, slice_string("x"), 0600, &err), -ENAMETOOLONG);
	assert_int_equal(file_make_directory(path, 0700, &err), -EINVAL);
}

static void test_makes_a_directory_with_its_parents_once_and_again(void **state)
{
	struct stat status;
	struct error err;

	assert_int_equal(file_make_directory(in_directory("a/b/c"), 0700, &err), 0);
	assert_int_equal(file_make_directory(in_directory("a/b/c/"), 0700, &err), 0);
	assert_int_equal(stat(in_directory("a/b/c"), &status), 0);
	assert_true(S_ISDIR(status.st_mode));
}

static void test_a_file_where_a_directory_is_needed_is_an_error(void **state)
{
	struct error err = {};

	write_text(in_directory("a"), "x");
	assert_int_equal(file_make_directory(in_directory("a"), 0700, &err), -ENOTDIR);
	assert_int_equal(file_make_directory(in_directory("a/b"), 0700, &err), -ENOTDIR);
	assert_int_equal(file_make_directory("", 0700, &err), -EINVAL);
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_reads_back_what_was_written),
		IN_DIRECTORY(test_an_empty_file_is_the_empty_text),
		IN_DIRECTORY(test_reads_a_file_of_exactly_the_limit_and_refuses_one_byte_more),
		IN_DIRECTORY(test_reads_large_files_in_steps),
		IN_DIRECTORY(test_a_missing_file_is_named),
		IN_DIRECTORY(test_reading_a_directory_fails),
		IN_DIRECTORY(test_replaces_a_file_and_leaves_nothing_beside_it),
		IN_DIRECTORY(test_a_failed_write_leaves_the_old_file_and_nothing_else),
		IN_DIRECTORY(test_a_path_that_is_too_long_is_refused),
		IN_DIRECTORY(test_makes_a_directory_with_its_parents_once_and_again),
		IN_DIRECTORY(test_a_file_where_a_directory_is_needed_is_an_error),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
