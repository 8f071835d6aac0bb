// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's cgroup with real processes, in both versions: as this host has it, and with nothing but a version 2 mounted (it exists beside
 * version 1 on any host, without controllers if those are in version 1).
 */
#include "tests/net/jail_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "kata-shim/vm/jail/cgroup.h"

#define PARENT "/holdfast-cgroup-test"
#define PATH PARENT "/pod1/id"

static struct cgroup *must_open(const char *path, bool make)
{
	struct cgroup *cgroup = NULL;
	struct error err;

	must(cgroup_open(path, make, &cgroup, &err), &err);
	return cgroup;
}

static int teardown(void **state)
{
	clear_cgroup(PATH);
	clear_cgroup(PARENT "/pod1");
	clear_cgroup(PARENT);
	return 0;
}

/* `busy`: uses its CPU. Ready when this returns. */
static pid_t start_process(bool busy)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!busy)
			pause();
		for (;;)
			;
	}
	assert_true(pid > 0);
	return pid;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static struct cgroup_usage usage_of(const struct cgroup *cgroup)
{
	struct cgroup_usage usage;
	struct error err;

	must(cgroup_read_usage(cgroup, &usage, &err), &err);
	return usage;
}

static void wait_for_cpu(const struct cgroup *cgroup, uint64_t above_ns)
{
	for (int i = 0; usage_of(cgroup).cpu_ns <= above_ns; i++) {
		assert_true(i < 2000);
		pause_ms(10);
	}
}

static bool is_in(pid_t pid, const char *path)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	char file[64];
	struct error err;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	must(file_read(file, &text, &err), &err);
	return strstr(buf_text(&text), path);
}

static void what_is_put_in_is_counted(void **state)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);
	pid_t pid = start_process(true);
	struct error err;

	must(cgroup_add(cgroup, pid, &err), &err);
	assert_true(is_in(pid, PATH));
	assert_false(is_in(getpid(), PATH));
	wait_for_cpu(cgroup, 0);
	must(cgroup_kill(cgroup, 5000, &err), &err);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* It has used CPU, and then for as long as it is frozen it uses none. */
static void a_frozen_one_stands_still_and_goes_on_again(void **state)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);
	pid_t pid = start_process(true);
	struct error err;
	uint64_t before, after;

	must(cgroup_add(cgroup, pid, &err), &err);
	wait_for_cpu(cgroup, 0);
	must(cgroup_freeze(cgroup, true, &err), &err);
	do {
		before = usage_of(cgroup).cpu_ns;
		pause_ms(50);
		after = usage_of(cgroup).cpu_ns;
	} while (before != after);
	must(cgroup_freeze(cgroup, false, &err), &err);
	wait_for_cpu(cgroup, after);
	must(cgroup_kill(cgroup, 5000, &err), &err);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_frozen_are_killed_too(void **state)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);
	pid_t pid = start_process(false);
	struct error err;
	int status;

	must(cgroup_add(cgroup, pid, &err), &err);
	must(cgroup_freeze(cgroup, true, &err), &err);
	must(cgroup_kill(cgroup, 5000, &err), &err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* By whoever knows the path, as `delete` after a shim was killed. */
static void a_path_is_enough_to_kill_and_remove(void **state)
{
	pid_t pid = start_process(false);
	struct error err;

	struct cgroup *made = must_open(PATH, true);
	must(cgroup_add(made, pid, &err), &err);
	assert_int_equal(cgroup_remove(made, &err), -EBUSY);
	cgroup_free(made);
	clear_cgroup(PATH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	clear_cgroup(PATH);
}

static void one_that_is_nowhere_is_empty(void **state)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PARENT "/never", false);
	struct error err;

	must(cgroup_kill(cgroup, 0, &err), &err);
	must(cgroup_remove(cgroup, &err), &err);
	struct cgroup_usage usage = usage_of(cgroup);
	assert_int_equal(usage.cpu_ns | usage.memory_bytes | usage.processes, 0);
	assert_true(usage.memory_limit_bytes == UINT64_MAX);
}

static void a_link_in_a_name_is_not_followed(void **state)
{
	struct cgroup *cgroup;
	struct error err;

	/* No link can be made in a cgroup file system; a file is refused on the same way. */
	struct cgroup *parent = must_open(PARENT, true);
	assert_int_equal(cgroup_open(PARENT "/cgroup.procs/id", false, &cgroup, &err), -ENOTDIR);
	cgroup_free(parent);
}

/* ── version 1 ── */

static bool host_has_version_1(void)
{
	return access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) == 0;
}

static void memory_and_processes_of_version_1_are_read(void **state)
{
	if (!host_has_version_1())
		skip();
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);
	pid_t pid = fork();
	struct error err;

	if (pid == 0) {
		char *memory;
		raise(SIGSTOP);
		memory = malloc(32 * 1024 * 1024);
		memset(memory, 1, 32 * 1024 * 1024);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	must(cgroup_add(cgroup, pid, &err), &err);
	kill(pid, SIGCONT);
	for (int i = 0; usage_of(cgroup).memory_bytes < 32 * 1024 * 1024; i++) {
		assert_true(i < 2000);
		pause_ms(5);
	}
	assert_true(usage_of(cgroup).memory_limit_bytes == UINT64_MAX);
	assert_int_equal(usage_of(cgroup).processes, 1);
	must(cgroup_kill(cgroup, 5000, &err), &err);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static uint64_t room_of(const struct cgroup *cgroup)
{
	struct error err;
	uint64_t room;

	must(cgroup_read_room(cgroup, &room, &err), &err);
	return room;
}

static bool host_has_version_2(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

static void limit_memory(const char *path, const char *bytes)
{
	char file[128];
	struct error err;

	if (host_has_version_1())
		snprintf(file, sizeof(file), "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", path);
	else
		snprintf(file, sizeof(file), "/sys/fs/cgroup%s/memory.max", path);
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);
	must(fd < 0 ? error_errno(&err, errno, "%s", file) : file_write_fd(fd, slice_string(bytes), file, &err), &err);
}

static void room_is_what_the_nearer_limit_leaves(void **state)
{
	if (!host_has_version_1() && !host_has_version_2())
		skip();
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);

	assert_true(room_of(cgroup) == UINT64_MAX);
	limit_memory(PARENT "/pod1", "67108864");
	assert_in_range(room_of(cgroup), 60 * 1024 * 1024, 64 * 1024 * 1024);
	limit_memory(PATH, "33554432");
	assert_in_range(room_of(cgroup), 30 * 1024 * 1024, 32 * 1024 * 1024);
	struct error err;
	uint64_t limit;
	must(cgroup_read_limit(PATH, &limit, &err), &err);
	assert_int_equal(limit, 33554432);
	must(cgroup_read_limit(PARENT, &limit, &err), &err);
	assert_true(limit == UINT64_MAX);
	assert_int_equal(cgroup_read_limit(PARENT "/never", &limit, &err), -ENOENT);
}

static void read_cpus(const char *path, struct buf *out)
{
	char file[128];
	struct error err;

	snprintf(file, sizeof(file), "/sys/fs/cgroup%s%s/cpuset.cpus", host_has_version_2() ? "" : "/cpuset", path);
	buf_clear(out);
	must(file_read(file, out, &err), &err);
}

static void expect_cpus(const char *path, const char *expected)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	read_cpus(path, &text);
	assert_string_equal(buf_text(&text), expected);
}

/* Of version 2, what is not set is empty. */
static void it_is_kept_to_cpus_and_let_go_again(void **state)
{
	if (access("/sys/fs/cgroup/cpuset/cpuset.cpus", F_OK) < 0 && !host_has_version_2())
		skip();
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);
	_cleanup_(buf_free) struct buf all = BUF_MAX(4096);
	struct error err;

	read_cpus(PARENT, &all);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		must(cgroup_set_cpus(cgroup, "1,0-1,1", &err), &err);
		expect_cpus(PATH, "0-1\n");
	}
	must(cgroup_set_cpus(cgroup, "0", &err), &err);
	expect_cpus(PATH, "0\n");
	must(cgroup_set_cpus(cgroup, "", &err), &err);
	expect_cpus(PATH, buf_text(&all));
	assert_int_equal(cgroup_set_cpus(cgroup, "100000", &err) < 0, 1);
	assert_non_null(strstr(err.message, "cpuset.cpus"));
}

/* ── version 2 alone ── */

static void a_process_can_be_born_in_version_2(void **state)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = must_open(PATH, true);
	struct stat directory, expected;

	assert_int_equal(fstat(cgroup_directory(cgroup), &directory) | stat("/sys/fs/cgroup" PATH, &expected), 0);
	assert_int_equal(directory.st_ino, expected.st_ino);
}

/* As Docker's users do for old images, and some VPNs (net_cls): it has no part in what pods use. */
static void a_hierarchy_of_version_1_beside_it_changes_nothing(void **state)
{
	static const char point[] = "/tmp/holdfast-cgroup-1";

	/* One that this kernel has: a new one would be seen by everybody. */
	if (!is_in(getpid(), ":name=systemd:"))
		skip();
	mkdir(point, 0755);
	bool mounted = mount("cgroup", point, "cgroup", 0, "none,name=systemd") == 0;
	struct cgroup *cgroup = mounted ? must_open(PATH, true) : NULL;
	bool born = cgroup && cgroup_directory(cgroup) >= 0, there = access("/tmp/holdfast-cgroup-1" PATH, F_OK) == 0;
	cgroup_free(cgroup);
	teardown(state);
	umount(point);
	rmdir(point);
	assert_true(mounted);
	assert_true(born);
	assert_false(there);
}

#define GROUP(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
	const struct CMUnitTest as_host_has_it[] = {
		GROUP(what_is_put_in_is_counted),
		GROUP(a_frozen_one_stands_still_and_goes_on_again),
		GROUP(the_frozen_are_killed_too),
		GROUP(a_path_is_enough_to_kill_and_remove),
		GROUP(one_that_is_nowhere_is_empty),
		GROUP(a_link_in_a_name_is_not_followed),
		GROUP(memory_and_processes_of_version_1_are_read),
		GROUP(room_is_what_the_nearer_limit_leaves),
		GROUP(it_is_kept_to_cpus_and_let_go_again),
	};
	const struct CMUnitTest in_version_2[] = {
		GROUP(what_is_put_in_is_counted),          GROUP(a_frozen_one_stands_still_and_goes_on_again),
		GROUP(the_frozen_are_killed_too),          GROUP(a_path_is_enough_to_kill_and_remove),
		GROUP(one_that_is_nowhere_is_empty),       GROUP(a_link_in_a_name_is_not_followed),
		GROUP(a_process_can_be_born_in_version_2), GROUP(a_hierarchy_of_version_1_beside_it_changes_nothing),
	};
	int failed = cmocka_run_group_tests(as_host_has_it, NULL, NULL);

	return failed + cmocka_run_group_tests(in_version_2, leave_version_2_alone, NULL);
}
