// SPDX-License-Identifier: Apache-2.0
/* What was decided comes back as it was, or not at all. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/record/decision.h"

static char directory[64];
static int bundle = -1;

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-decision.XXXXXX");
	assert_non_null(mkdtemp(directory));
	bundle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return bundle < 0;
}

static int tear_down(void **state)
{
	unlinkat(bundle, DECISION_FILE, 0);
	close(bundle);
	return rmdir(directory); /* so nothing else was left there */
}

static void write_it(const struct decision *decision)
{
	struct error err;

	if (decision_write(bundle, decision, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_a_decision_comes_back_as_it_was(void **state)
{
	const struct decision rows[] = {
		{ BACKEND_RUNC, "nothing selects it", "/usr/bin/containerd-shim-runc-v2", "" },
		{ BACKEND_KATA, "sandbox.rules[0] \"a\"", "/opt/kata/bin/containerd-shim-kata-v2", "/etc/kata \"x\".toml" },
		{ BACKEND_VM, "handler untrusted", "", "" },
	};
	struct decision decision;
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		write_it(&rows[i]);
		assert_int_equal(decision_read(bundle, &decision, &err), 0);
		assert_int_equal(decision.backend, rows[i].backend);
		assert_string_equal(decision.why, rows[i].why);
		assert_string_equal(decision.shim, rows[i].shim);
		assert_string_equal(decision.kata_config, rows[i].kata_config);
	}
}

static void test_only_root_can_read_or_write_it(void **state)
{
	const struct decision decision = { .backend = BACKEND_RUNC };
	struct stat st;

	write_it(&decision);
	assert_int_equal(fstatat(bundle, DECISION_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void test_no_decision_is_told_from_one_that_cannot_be_believed(void **state)
{
	const struct decision decision = { .backend = BACKEND_RUNC };
	struct decision got;
	struct error err;

	assert_int_equal(decision_read(bundle, &got, &err), -ENOENT);
	write_it(&decision);
	assert_int_equal(fchmodat(bundle, DECISION_FILE, 0666, 0), 0);
	assert_int_equal(decision_read(bundle, &got, &err), -EACCES);
	decision_remove(bundle);
	assert_int_equal(decision_read(bundle, &got, &err), -ENOENT);
	decision_remove(bundle);
	assert_int_equal(symlinkat("/etc/passwd", bundle, DECISION_FILE), 0);
	assert_int_equal(decision_read(bundle, &got, &err), -ELOOP);
}

static void test_what_is_no_decision_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"backend\":\"qemu\"}",
		"{\"backend\":1}",
		"{\"backend\":\"vm\",\"more\":1}",
		"{\"backend\":\"runc\",\"shim\":\"bin/shim\"}",
		"{\"backend\":\"runc\",\"shim\":7}",
		"{\"backend\":\"kata\",\"kataConfig\":\"../x\"}",
		("{\"backend\":\"runc\",\"why\":"
		 "\"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345\"}"),
	};

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		struct decision decision = { .why = "untouched" };
		struct error err = {};
		if (decision_parse(slice_string(texts[i]), &decision, &err) != -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		assert_true(err.message[0]);
		assert_string_equal(decision.why, "untouched");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_decision_comes_back_as_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_root_can_read_or_write_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_decision_is_told_from_one_that_cannot_be_believed, set_up, tear_down),
		cmocka_unit_test(test_what_is_no_decision_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
