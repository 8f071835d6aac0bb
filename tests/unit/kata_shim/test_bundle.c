// SPDX-License-Identifier: Apache-2.0
/* Nothing in a bundle leads out of it. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/bundle/bundle.h"

static char directory[64];
static int bundle = -1;

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
	struct error err;

	if (file_write_atomic(path_of(name), slice_string(text), mode, &err) < 0)
		fail_msg("%s", err.message);
}

/* <directory>/one and <directory>/two are bundles, side by side. */
static int set_up(void **state)
{
	struct error err;

	snprintf(directory, sizeof(directory), "/tmp/holdfast-bundles.XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(mkdir(path_of("one"), 0700), 0);
	assert_int_equal(mkdir(path_of("two"), 0700), 0);
	if (bundle_open(path_of("one"), &bundle, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	close(bundle);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command); /* NOLINT: our own directory */
}

static void expect_file(const char *name, bool private, int code, const char *words)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	struct error err = {};

	assert_int_equal(bundle_read_file(bundle, name, private, &text, &err), -code);
	if (code && !strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
	if (!code)
		assert_string_equal(buf_text(&text), words);
}

static void test_a_path_with_dots_or_relative_is_no_bundle(void **state)
{
	static const char *const paths[] = { "one", "./one", "..", "/tmp/../tmp", "/..", "/tmp/..", "" };
	struct error err;
	int fd;

	for (size_t i = 0; i < ELEMENTS_OF(paths); i++)
		assert_int_equal(bundle_open(paths[i], &fd, &err), -EINVAL);
	assert_int_equal(bundle_open(path_of("..two"), &fd, &err), -ENOENT); /* a name like any other */
}

static void test_a_symbolic_link_is_no_bundle(void **state)
{
	struct error err;
	int fd;

	assert_int_equal(symlink("two", path_of("three")), 0);
	assert_true(bundle_open(path_of("three"), &fd, &err) < 0);
	assert_true(bundle_open_beside(bundle, "three", &fd, &err) < 0);
	assert_int_equal(bundle_open_beside(bundle, "two", &fd, &err), 0);
	close(fd);
	assert_int_equal(bundle_open_beside(bundle, "four", &fd, &err), -ENOENT);
	assert_int_equal(bundle_open_beside(bundle, "../two", &fd, &err), -EINVAL);
}

static void test_only_a_file_of_the_bundle_is_read(void **state)
{
	put("one/a", "text", 0600);
	put("two/b", "secret", 0600);
	assert_int_equal(symlink("../two/b", path_of("one/link")), 0);
	assert_int_equal(mkfifo(path_of("one/fifo"), 0600), 0);
	assert_int_equal(mkdir(path_of("one/directory"), 0700), 0);
	expect_file("a", true, 0, "text");
	expect_file("link", false, ELOOP, "link is a symbolic link");
	expect_file("fifo", false, EACCES, "fifo is no file");
	expect_file("directory", false, EACCES, "directory is no file");
	expect_file("nothing", false, ENOENT, "cannot open nothing");
}

static void test_a_file_above_the_limit_is_refused(void **state)
{
	char text[66] = "";

	memset(text, 'x', 65);
	put("one/a", text, 0600);
	expect_file("a", false, EFBIG, "limit of 64 bytes");
}

static void test_what_others_can_write_is_not_private(void **state)
{
	put("one/a", "text", 0620);
	put("one/b", "text", 0602);
	expect_file("a", true, EACCES, "mode 0620");
	expect_file("b", true, EACCES, "mode 0602");
	expect_file("b", false, 0, "text");
}

static void test_a_spec_is_read_and_an_error_names_the_file(void **state)
{
	_cleanup_(spec_clear) struct spec spec = {};
	struct error err = {};

	assert_int_equal(bundle_read_spec(bundle, &spec, &err), -ENOENT);
	assert_non_null(strstr(err.message, "config.json"));
	put("one/config.json", "{\"annotations\":1}", 0644);
	assert_int_equal(bundle_read_spec(bundle, &spec, &err), -EINVAL);
	assert_non_null(strstr(err.message, "config.json: annotations"));
	put("one/config.json", "{\"annotations\":{\"a\":\"b\"}}", 0666);
	assert_int_equal(bundle_read_spec(bundle, &spec, &err), 0);
	assert_string_equal(spec_annotation(&spec, "a"), "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_path_with_dots_or_relative_is_no_bundle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_symbolic_link_is_no_bundle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_a_file_of_the_bundle_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_file_above_the_limit_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_others_can_write_is_not_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_spec_is_read_and_an_error_names_the_file, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
