// SPDX-License-Identifier: Apache-2.0
/* The sandbox record, read by the one it is written for: holdfast-tpm's own reader. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-plugin/plugin/sandbox_record.h"
#include "kata-shim/record/sandbox.h"

#define UID "8e1f0b2c-5c7e-4f0e-9a9e-6f2b8f6d1c11"

static char parent[64], directory[96];

static int set_up(void **state)
{
	snprintf(parent, sizeof(parent), "/tmp/holdfast-records.XXXXXX");
	assert_non_null(mkdtemp(parent));
	snprintf(directory, sizeof(directory), "%s/run/sandboxes", parent);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", parent);
	return system(command); /* NOLINT: our own directory */
}

static struct record record(enum backend backend)
{
	return (struct record){ "5f3a", UID, "shop", "db-0", backend, getpid(), 1764095000 };
}

static void write_it(const struct record *it)
{
	struct error err;

	if (record_write(directory, it, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_what_is_written_is_what_the_reader_believes(void **state)
{
	struct error err;

	for (int i = 0; i < BACKENDS; i++) {
		const struct record it = record((enum backend)i);
		enum sandbox_backend read;
		enum backend own;
		write_it(&it);
		if (sandbox_record_find(directory, UID, "shop", "db-0", &read, &err) < 0)
			fail_msg("%s", err.message);
		assert_string_equal(sandbox_backend_name(read), backend_names[i]);
		assert_int_equal(record_read_backend(directory, "5f3a", &own, &err), 0);
		assert_int_equal(own, i);
	}
}

static void test_a_removed_record_is_gone_and_removing_it_again_is_no_error(void **state)
{
	const struct record it = record(BACKEND_VM);
	enum sandbox_backend read;
	enum backend own;
	struct error err;

	write_it(&it);
	record_remove(directory, "5f3a");
	record_remove(directory, "5f3a");
	record_remove(directory, "../5f3a");
	assert_int_equal(sandbox_record_find(directory, UID, "shop", "db-0", &read, &err), -ENOENT);
	assert_int_equal(record_read_backend(directory, "5f3a", &own, &err), -ENOENT);
}

static void test_directory_and_file_are_roots_alone(void **state)
{
	const struct record it = record(BACKEND_RUNC);
	char path[128];
	struct stat st;

	write_it(&it);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/5f3a.json", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_nothing_is_written_where_others_can_write(void **state)
{
	const struct record it = record(BACKEND_VM);
	struct error err = {};

	write_it(&it);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(record_write(directory, &it, &err), -EACCES);
	assert_non_null(strstr(err.message, directory));
}

static void test_a_pod_without_an_identity_has_no_record(void **state)
{
	struct spec spec = { .kind = SPEC_SANDBOX, .uid = UID, .namespace = "shop", .name = "db-0" };
	struct record it;

	assert_true(record_of(&spec, "5f3a", BACKEND_VM, &it));
	spec.kind = SPEC_ALONE;
	assert_false(record_of(&spec, "5f3a", BACKEND_VM, &it));
	spec.kind = SPEC_SANDBOX;
	spec.uid = NULL;
	assert_false(record_of(&spec, "5f3a", BACKEND_VM, &it));
	spec.uid = "0123456789012345678901234567890123456789012345678901234567890123"; /* more than the reader takes */
	assert_false(record_of(&spec, "5f3a", BACKEND_VM, &it));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_written_is_what_the_reader_believes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_removed_record_is_gone_and_removing_it_again_is_no_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_directory_and_file_are_roots_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_written_where_others_can_write, set_up, tear_down),
		cmocka_unit_test(test_a_pod_without_an_identity_has_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
