// SPDX-License-Identifier: Apache-2.0
/*
 * A shim that starts everything of a pod and is killed somewhere in it, over and over: what dies by itself, and that the rest is found by
 * the pod's name alone.
 */
#include "tests/net/share_lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"

#define CRASH_ID 0x7a000000u /* what other tests on this machine do not have */
#define ROUNDS 40
#define POD "crash"
#define CGROUP_PARENT "/holdfast-crash-test"
#define PODS_CGROUP CGROUP_PARENT "/pod"

struct place {
	char state[64], pod[80], share[96], source[96];
};

/* All of a pod; then it waits to be killed. Any error ends it, since then there is nothing to kill. */
static _Noreturn void be_shim(const struct place *place)
{
	static const char *const sleeper[] = { "/usr/bin/sleep", "1000", NULL };
	struct virtiofsd virtiofsd = { .directory = place->pod, .output = -1 };
	struct jail jail = { .arguments = sleeper,
			     .paths = sleeper,
			     .n_paths = 1,
			     .root = place->pod,
			     .output = -1,
			     .network_namespace = -1,
			     .user_namespace = -1 };
	struct jail_process a, b;
	struct cgroup *cgroup;
	struct share *share;
	struct ids ids;
	int connection;

	for (size_t i = 0; virtiofsds[i]; i++)
		if (is_installed(virtiofsds[i]))
			virtiofsd.path = virtiofsds[i];
	if (ids_take(place->state, POD, CRASH_ID, 2000, &ids, NULL) < 0 || ids_user_namespace(&ids, &virtiofsd.user_namespace, NULL) < 0 ||
	    cgroup_open(PODS_CGROUP, true, &cgroup, NULL) < 0)
		_exit(1);
	virtiofsd.cgroup = jail.cgroup = cgroup;
	jail.id = ids.vmm;
	if (virtiofsd_spawn(&virtiofsd, &a, &connection, NULL) < 0 || jail_spawn(&jail, &b, NULL) < 0 ||
	    share_new(place->share, &ids, virtiofsd.user_namespace, a.mount_namespace, &share, NULL) < 0 ||
	    share_bind(share, "v", place->source, 0, NULL) < 0 || share_rootfs(share, "c", NULL, 0, place->source, NULL) < 0)
		_exit(1);
	for (;;)
		pause();
}

/* As `delete` does it, in a process of its own. */
static void clean_up(const struct place *place)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	struct error err;

	must(cgroup_open(PODS_CGROUP, false, &cgroup, &err), &err);
	must(cgroup_clear(cgroup, 2000, &err), &err);
	must(share_clean_up(place->share, &err), &err);
	must(ids_release(place->state, POD, &err), &err);
}

static bool is_of_the_pod(const char *pid)
{
	char path[300];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%s", pid);
	return stat(path, &status) == 0 && status.st_uid >= CRASH_ID && status.st_uid < CRASH_ID + 131072;
}

static size_t count_processes_of_the_pod(void)
{
	const struct dirent *entry;
	DIR *proc = opendir("/proc");
	size_t n = 0;

	while ((entry = readdir(proc)))
		if (*entry->d_name >= '1' && *entry->d_name <= '9' && is_of_the_pod(entry->d_name))
			n++;
	closedir(proc);
	return n;
}

/* What a shim left has become ours; it has been killed, and is about to end if it has not. */
static void reap_orphans(void)
{
	pid_t pid;

	for (int i = 0; (pid = waitpid(-1, NULL, WNOHANG | __WALL)) >= 0; i++) {
		assert_true(i < 5000);
		if (pid == 0)
			usleep(1000);
	}
}

static void assert_nothing_is_left(const struct place *place)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(1024 * 1024);
	char path[128];

	reap_orphans();
	assert_int_equal(count_processes_of_the_pod(), 0);
	assert_int_equal(access(place->pod, F_OK), -1);
	snprintf(path, sizeof(path), "%s/.ids", place->state);
	assert_true(rmdir(path) == 0 || errno == ENOENT);
	read_proc(getpid(), "mountinfo", &mounts);
	assert_null(strstr(buf_text(&mounts), place->state));
	assert_int_equal(access("/sys/fs/cgroup/memory" PODS_CGROUP, F_OK), -1);
	assert_int_equal(access("/sys/fs/cgroup" PODS_CGROUP, F_OK), -1);
}

static long how_long_it_takes(const struct place *place)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	pid_t shim = fork();
	if (shim == 0)
		be_shim(place);
	char last[128];
	snprintf(last, sizeof(last), "%s/c/rootfs", place->share);
	for (int i = 0; access(last, F_OK) < 0; i++) {
		assert_true(i < 20000 && waitpid(shim, NULL, WNOHANG) == 0);
		usleep(500);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	kill(shim, SIGKILL);
	assert_int_equal(waitpid(shim, NULL, 0), shim);
	clean_up(place);
	return (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

static void make_places(struct place *place)
{
	snprintf(place->state, sizeof(place->state), "/tmp/holdfast-crash.XXXXXX");
	assert_non_null(mkdtemp(place->state));
	snprintf(place->pod, sizeof(place->pod), "%s/" POD, place->state);
	snprintf(place->share, sizeof(place->share), "%s/share", place->pod);
	snprintf(place->source, sizeof(place->source), "%s/source", place->state);
	assert_int_equal(mkdir(place->source, 0755), 0);
}

static void a_shim_killed_at_any_moment_leaves_nothing_that_is_not_found(void **state)
{
	struct place place;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	make_places(&place);
	long whole_us = how_long_it_takes(&place);
	assert_nothing_is_left(&place);
	for (int i = 0; i < ROUNDS; i++) {
		pid_t shim = fork();
		if (shim == 0)
			be_shim(&place);
		usleep((useconds_t)(whole_us * i * 5 / 4 / ROUNDS));
		kill(shim, SIGKILL);
		assert_int_equal(waitpid(shim, NULL, 0), shim);
		clean_up(&place);
		assert_nothing_is_left(&place);
	}
	clear_cgroup(CGROUP_PARENT);
	char record[96];
	snprintf(record, sizeof(record), "%s/.virtiofsd", place.state);
	assert_int_equal(unlink(record) | rmdir(place.source) | rmdir(place.state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_shim_killed_at_any_moment_leaves_nothing_that_is_not_found) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
