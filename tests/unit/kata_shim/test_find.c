// SPDX-License-Identifier: Apache-2.0
/* Where the shims of others are looked for, and that we are none of them. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kata-shim/backend/find.h"

static char directory[64];

static const char *path_of(const char *name)
{
	static char paths[16][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, PATH_MAX, "%s/%s", directory, name);
	return path;
}

static void put(const char *name, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-find.XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(mkdir(path_of("a"), 0755), 0);
	assert_int_equal(mkdir(path_of("b"), 0755), 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command); /* NOLINT: our own directory */
}

static void expect(const struct find_query *query, const char *wanted)
{
	char found[PATH_MAX];
	struct error err;

	if (backend_find(query, found, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(found, wanted);
}

static void expect_none(const struct find_query *query, int code, const char *words)
{
	char found[PATH_MAX];
	struct error err = {};

	assert_int_equal(backend_find(query, found, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
}

/* As containerd itself would. */
static void test_path_comes_before_the_place_beside_containerd(void **state)
{
	char path[256];
	struct find_query query = { .backend = BACKEND_RUNC, .containerd = path_of("c/containerd"), .path = path };

	snprintf(path, sizeof(path), "relative:%s::%s", path_of("b"), path_of("a"));
	assert_int_equal(mkdir(path_of("c"), 0755), 0);
	put("c/containerd-shim-runc-v2", 0755);
	expect(&query, path_of("c/containerd-shim-runc-v2"));
	put("a/containerd-shim-runc-v2", 0755);
	expect(&query, path_of("a/containerd-shim-runc-v2"));
	put("b/containerd-shim-runc-v2", 0755);
	expect(&query, path_of("b/containerd-shim-runc-v2"));
	query.backend = BACKEND_KATA;
	put("c/containerd-shim-kata-v2", 0755);
	expect(&query, path_of("c/containerd-shim-kata-v2"));
}

static void test_the_configured_one_is_taken_or_none(void **state)
{
	struct find_query query = { .backend = BACKEND_RUNC, .configured = path_of("b/mine"), .path = path_of("a") };

	put("a/containerd-shim-runc-v2", 0755);
	expect_none(&query, ENOENT, "sandbox.runcShim: ");
	put("b/mine", 0755);
	expect(&query, path_of("b/mine"));
}

static void test_what_cannot_be_run_is_none(void **state)
{
	struct find_query query = { .backend = BACKEND_RUNC, .path = path_of("a") };

	put("a/containerd-shim-runc-v2", 0644);
	assert_int_equal(mkdir(path_of("b/containerd-shim-runc-v2"), 0755), 0);
	expect_none(&query, ENOENT, "is not in ");
	query.path = path_of("b");
	expect_none(&query, ENOENT, path_of("b"));
}

static void test_the_message_says_where_it_was_looked_for_and_what_to_set(void **state)
{
	const struct find_query query = { .backend = BACKEND_KATA, .containerd = path_of("a/containerd"), .path = path_of("b") };
	char words[256];

	snprintf(words, sizeof(words),
		 "/opt/kata/bin, /opt/kata/runtime-rs/bin, %s, %s: install it, or say where it is with sandbox.kataShim", path_of("b"),
		 path_of("a"));
	expect_none(&query, ENOENT, words);
}

static void test_we_are_never_the_shim_of_others(void **state)
{
	struct find_query query = { .backend = BACKEND_RUNC, .containerd = path_of("a/containerd"), .path = path_of("b") };

	assert_int_equal(symlink("/proc/self/exe", path_of("a/containerd-shim-runc-v2")), 0); /* this very program */
	put("a/containerd-shim-holdfast-v2", 0755);                                           /* or another version of it */
	assert_int_equal(symlink(path_of("a/containerd-shim-holdfast-v2"), path_of("b/containerd-shim-runc-v2")), 0);
	expect_none(&query, ENOENT, "is not in ");
	query.configured = path_of("b/containerd-shim-runc-v2");
	expect_none(&query, EINVAL, "is this shim itself");
	assert_true(backend_is_ourselves(path_of("a/containerd-shim-holdfast-v2")));
	assert_false(backend_is_ourselves(path_of("a/containerd-shim-kata-v2")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_path_comes_before_the_place_beside_containerd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_configured_one_is_taken_or_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_run_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_message_says_where_it_was_looked_for_and_what_to_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_we_are_never_the_shim_of_others, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
