// SPDX-License-Identifier: Apache-2.0
/* A record gives a pod the right to secrets that only a VM may have: here is everything that must not give it that. */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "device-plugin/plugin/sandbox_record.h"

#define UID "8e1f0b2c-5c7e-4f0e-9a9e-6f2b8f6d1c11"
#define OTHER_UID "00000000-5c7e-4f0e-9a9e-6f2b8f6d1c11"

static char directory[64];

/* ── Scaffolding ── */

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-records.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(stream), entry->d_name, 0), 0);
	}
	closedir(stream);
	return rmdir(directory);
}

static const char *path_of(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return path;
}

static void write_text(const char *file, const char *text, mode_t mode)
{
	struct error err;

	if (file_write_atomic(path_of(file), slice_string(text), mode, &err) < 0)
		fail_msg("%s", err.message);
}

static const char *record_text(const char *uid, const char *name, const char *backend, int pid)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		 "{\"podUID\":\"%s\",\"namespace\":\"shop\",\"name\":\"%s\",\"backend\":\"%s\",\"shimPID\":%d,\"time\":\"2026-11-25T18:20:"
		 "00Z\"}",
		 uid, name, backend, pid);
	return text;
}

static void write_record(const char *file, const char *uid, const char *name, const char *backend, int pid)
{
	write_text(file, record_text(uid, name, backend, pid), 0600);
}

static void expect_backend(enum sandbox_backend wanted)
{
	enum sandbox_backend backend;
	struct error err;

	if (sandbox_record_find(directory, UID, "shop", "db-0", &backend, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(backend, wanted);
}

static void expect_none(int code, const char *words)
{
	enum sandbox_backend backend;
	struct error err = {};

	assert_int_equal(sandbox_record_find(directory, UID, "shop", "db-0", &backend, &err), -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, words) || !strstr(err.message, directory))
		fail_msg("\"%s\" or the directory is not in: %s", words, err.message);
}

/* A process that has ended, and whose number nobody else gets before it is waited for. */
static int zombie(void)
{
	siginfo_t info;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	return pid;
}

/* ── What is believed ── */

static void test_the_record_of_the_pods_uid_says_where_it_runs(void **state)
{
	static const char *const names[] = { "runc", "kata", "vm" };

	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		write_record("a.json", UID, "db-0", names[i], getpid());
		write_record("b.json", OTHER_UID, "db-1", names[(i + 1) % 3], getpid());
		expect_backend((enum sandbox_backend)i);
		assert_string_equal(sandbox_backend_name((enum sandbox_backend)i), names[i]);
	}
}

static void test_a_pod_without_a_record_has_none(void **state)
{
	expect_none(ENOENT, "none says where pod \"shop/db-0\" of UID " UID " runs");
	write_record("b.json", OTHER_UID, "db-0", "vm", getpid());
	expect_none(ENOENT, "none says");
}

static void test_a_directory_that_is_not_there_is_no_record(void **state)
{
	assert_int_equal(rmdir(directory), 0);
	expect_none(ENOENT, "No such file");
	assert_int_equal(mkdir(directory, 0700), 0);
}

static void test_a_record_whose_shim_has_ended_is_out_of_date(void **state)
{
	int pid = zombie();

	write_record("a.json", UID, "db-0", "vm", pid);
	expect_none(ENOENT, "is out of date: shim");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	expect_none(ENOENT, "is out of date: shim");
}

static void test_the_record_of_a_sandbox_that_was_made_anew_counts_and_the_old_one_does_not(void **state)
{
	int pid = zombie();

	write_record("a.json", UID, "db-0", "vm", pid);
	write_record("b.json", UID, "db-0", "runc", getpid());
	expect_backend(SANDBOX_RUNC);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_two_records_that_agree_are_believed(void **state)
{
	write_record("a.json", UID, "db-0", "kata", getpid());
	write_record("b.json", UID, "db-0", "kata", getpid());
	expect_backend(SANDBOX_KATA);
}

/* ── What is not ── */

static void test_records_that_contradict_each_other_are_refused(void **state)
{
	write_record("a.json", UID, "db-0", "runc", getpid());
	write_record("b.json", UID, "db-0", "vm", getpid());
	expect_none(EACCES, "contradict each other");
}

static void test_a_record_that_calls_the_pod_otherwise_is_refused(void **state)
{
	write_record("a.json", UID, "db-1", "vm", getpid());
	expect_none(EACCES, "\"shop/db-1\", and it is \"shop/db-0\"");
}

static void test_a_record_of_another_user_is_not_believed(void **state)
{
	if (geteuid() != 0)
		skip();
	write_record("a.json", UID, "db-0", "vm", getpid());
	assert_int_equal(chown(path_of("a.json"), 65534, 65534), 0);
	expect_none(ENOENT, "a.json is of user 65534");
}

static void test_a_record_that_others_may_write_is_not_believed(void **state)
{
	static const mode_t modes[] = { 0620, 0602, 0666 };

	for (size_t i = 0; i < ELEMENTS_OF(modes); i++) {
		write_text("a.json", record_text(UID, "db-0", "vm", getpid()), modes[i]);
		expect_none(ENOENT, "only user");
	}
}

static void test_a_link_to_a_record_is_not_believed(void **state)
{
	char target[128];

	snprintf(target, sizeof(target), "%s", path_of("somewhere"));
	write_record("somewhere", UID, "db-0", "vm", getpid());
	assert_int_equal(symlink(target, path_of("a.json")), 0);
	expect_none(ENOENT, "a.json is a symbolic link");
}

static void test_what_is_no_file_is_not_waited_for(void **state)
{
	assert_int_equal(mkfifo(path_of("a.json"), 0600), 0);
	expect_none(ENOENT, "a.json is no file");
}

static void test_a_record_that_is_too_large_is_not_read(void **state)
{
	write_record("a.json", UID, "db-0", "vm", getpid());
	assert_int_equal(truncate(path_of("a.json"), SANDBOX_RECORD_BYTES_MAX + 1), 0);
	expect_none(ENOENT, "larger than the limit");
}

static void test_a_record_that_is_being_written_is_not_looked_at(void **state)
{
	write_record("a.json.x7Tq", UID, "db-0", "vm", getpid());
	write_record(".json", UID, "db-0", "vm", getpid());
	expect_none(ENOENT, "none says");
	assert_int_equal(unlink(path_of(".json")), 0);
}

static void test_a_broken_record_of_another_pod_does_not_hide_this_ones(void **state)
{
	write_text("0.json", "{\"podUID\":", 0600);
	write_text("1.json", "", 0600);
	write_record("a.json", UID, "db-0", "vm", getpid());
	expect_backend(SANDBOX_VM);
}

static void test_a_broken_record_is_named_if_nothing_better_is_found(void **state)
{
	write_text("0.json", "{\"podUID\":", 0600);
	expect_none(ENOENT, "0.json");
}

static void test_a_directory_that_others_may_write_into_is_not_believed(void **state)
{
	write_record("a.json", UID, "db-0", "vm", getpid());
	assert_int_equal(chmod(directory, 0777), 0);
	expect_none(EACCES, "mode 0777");
	assert_int_equal(chmod(directory, 01777), 0);
	expect_none(EACCES, "mode 1777");
	assert_int_equal(chmod(directory, 0755), 0);
	expect_backend(SANDBOX_VM);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(directory, 65534, 65534), 0);
	expect_none(EACCES, "user 65534 has it");
	assert_int_equal(chown(directory, 0, 0), 0);
}

static void test_a_link_to_a_directory_is_not_followed(void **state)
{
	char link[80];
	enum sandbox_backend backend;
	struct error err;

	write_record("a.json", UID, "db-0", "vm", getpid());
	snprintf(link, sizeof(link), "%s.link", directory);
	assert_int_equal(symlink(directory, link), 0);
	assert_true(sandbox_record_find(link, UID, "shop", "db-0", &backend, &err) < 0);
	assert_int_equal(unlink(link), 0);
}

static void test_a_directory_without_end_is_not_searched(void **state)
{
	char name[32];

	for (unsigned i = 0; i <= SANDBOX_RECORDS_MAX; i++) {
		snprintf(name, sizeof(name), "%u.json", i);
		int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	expect_none(E2BIG, "more than 4096 records");
}

/* A record that cannot be read now must not look like one that is not there: that would be a refusal for good. */
static void test_without_descriptors_nothing_can_be_said(void **state)
{
	struct rlimit before, few;
	enum sandbox_backend backend;
	struct error err;
	int r[3];

	write_record("a.json", UID, "db-0", "vm", getpid());
	int lowest = open("/", O_RDONLY | O_CLOEXEC);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	for (int i = 0; i < 3; i++) {
		few.rlim_cur = (rlim_t)(lowest + i);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r[i] = sandbox_record_find(directory, UID, "shop", "db-0", &backend, &err);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	}
	assert_int_equal(r[0], -EMFILE);
	assert_int_equal(r[1], -EMFILE);
	assert_int_equal(r[2], 0);
	assert_true(sandbox_record_is_shortage(EMFILE));
	assert_false(sandbox_record_is_shortage(ENOENT));
}

/* ── The text ── */

static void test_a_text_that_is_not_as_the_shim_writes_it_is_no_record(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "[]", "object" },
		{ "{}", "\"podUID\" is missing" },
		{ "{\"podUID\":\"a\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"VM\",\"shimPID\":1,\"time\":\"t\"}",
		  "backend: \"VM\" is no backend: runc, kata or vm" },
		{ "{\"podUID\":\"a\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":0,\"time\":\"t\"}",
		  "shimPID: 0 is below 1" },
		{ "{\"podUID\":\"a\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":-1,\"time\":\"t\"}", "shimPID" },
		{ "{\"podUID\":\"a\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":\"1\",\"time\":\"t\"}", "shimPID" },
		{ "{\"podUID\":\"\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":1,\"time\":\"t\"}", "podUID" },
		{ "{\"podUID\":\"a\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":1}", "\"time\" is missing" },
		{ "{\"podUID\":\"a\",\"podUID\":\"b\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":1,\"time\":\"t\"}",
		  "podUID" },
		{ "{\"podUID\":\"a\",\"namespace\":\"n\",\"name\":\"p\",\"backend\":\"vm\",\"shimPID\":1,\"time\":\"t\",\"more\":1}",
		  "unknown key \"more\"" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct sandbox_record record;
		struct error err = {};
		assert_int_equal(sandbox_record_parse(slice_string(cases[i].text), &record, &err), -EINVAL);
		if (!strstr(err.message, cases[i].words))
			fail_msg("\"%s\" is not in: %s", cases[i].words, err.message);
	}
}

static void test_a_name_that_is_too_long_is_no_name(void **state)
{
	char name[SANDBOX_NAME_MAX + 2];
	struct sandbox_record record;
	struct error err;

	memset(name, 'a', sizeof(name));
	name[SANDBOX_NAME_MAX] = 0;
	assert_int_equal(sandbox_record_parse(slice_string(record_text("u", name, "vm", 1)), &record, &err), 0);
	assert_string_equal(record.name, name);
	name[SANDBOX_NAME_MAX] = 'a';
	name[SANDBOX_NAME_MAX + 1] = 0;
	assert_int_equal(sandbox_record_parse(slice_string(record_text("u", name, "vm", 1)), &record, &err), -EINVAL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_record_of_the_pods_uid_says_where_it_runs),
		CASE(test_a_pod_without_a_record_has_none),
		CASE(test_a_directory_that_is_not_there_is_no_record),
		CASE(test_a_record_whose_shim_has_ended_is_out_of_date),
		CASE(test_the_record_of_a_sandbox_that_was_made_anew_counts_and_the_old_one_does_not),
		CASE(test_two_records_that_agree_are_believed),
		CASE(test_records_that_contradict_each_other_are_refused),
		CASE(test_a_record_that_calls_the_pod_otherwise_is_refused),
		CASE(test_a_record_of_another_user_is_not_believed),
		CASE(test_a_record_that_others_may_write_is_not_believed),
		CASE(test_a_link_to_a_record_is_not_believed),
		CASE(test_what_is_no_file_is_not_waited_for),
		CASE(test_a_record_that_is_too_large_is_not_read),
		CASE(test_a_record_that_is_being_written_is_not_looked_at),
		CASE(test_a_broken_record_of_another_pod_does_not_hide_this_ones),
		CASE(test_a_broken_record_is_named_if_nothing_better_is_found),
		CASE(test_a_directory_that_others_may_write_into_is_not_believed),
		CASE(test_a_link_to_a_directory_is_not_followed),
		CASE(test_a_directory_without_end_is_not_searched),
		CASE(test_without_descriptors_nothing_can_be_said),
		cmocka_unit_test(test_a_text_that_is_not_as_the_shim_writes_it_is_no_record),
		cmocka_unit_test(test_a_name_that_is_too_long_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
