// SPDX-License-Identifier: Apache-2.0
/* Slots of user ids on a tmpfs, as /run is, with shims that are killed. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "kata-shim/vm/jail/ids.h"

#define FIRST 0x70000000u

static int make_state(void **state)
{
	char *path = strdup("/dev/shm/holdfast-ids.XXXXXX");

	*state = path;
	return path && mkdtemp(path) ? 0 : -1;
}

static int remove_state(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", (char *)*state);
	int r = system(command);
	free(*state);
	return r;
}

static struct ids take(const char *state, const char *pod, uint32_t slots)
{
	struct ids ids = { 0 };
	struct error err;

	if (ids_take(state, pod, FIRST, slots, &ids, &err) < 0)
		fail_msg("%s", err.message);
	return ids;
}

static void two_pods_have_nothing_in_common(void **state)
{
	struct ids a = take(*state, "a", 2000), b = take(*state, "b", 2000);

	assert_int_equal(a.pod, FIRST);
	assert_int_equal(a.vmm, FIRST + 65536);
	assert_int_equal(b.pod, FIRST + 131072);
	assert_int_equal(b.vmm, FIRST + 131072 + 65536);
}

static void a_pod_that_asks_again_has_the_same(void **state)
{
	take(*state, "a", 2000);
	struct ids b = take(*state, "b", 2000), again = take(*state, "b", 2000);

	assert_int_equal(again.pod, b.pod);
}

static void all_slots_can_be_had_and_no_more(void **state)
{
	struct ids ids;
	struct error err;
	char pod[16], path[128];
	struct stat none;

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(pod, sizeof(pod), "pod%u", i);
		assert_int_equal(take(*state, pod, 2000).pod, FIRST + i * 131072);
	}
	assert_int_equal(ids_take(*state, "more", FIRST, 2000, &ids, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "all 2000 slots"));
	snprintf(path, sizeof(path), "%s/more", (char *)*state);
	assert_int_equal(stat(path, &none), -1);
	assert_int_equal(ids_release(*state, "pod1234", &err), 0);
	assert_int_equal(take(*state, "more", 2000).pod, FIRST + 1234 * 131072);
}

static void a_slot_whose_pod_is_gone_is_free(void **state)
{
	char path[128];

	take(*state, "a", 2);
	take(*state, "b", 2);
	snprintf(path, sizeof(path), "%s/a", (char *)*state);
	assert_int_equal(rmdir(path), 0); /* as a clean-up that died before it removed the record */
	assert_int_equal(take(*state, "c", 2).pod, FIRST);
}

static void a_slot_whose_pod_has_files_left_is_not(void **state)
{
	struct error err;
	char path[128];

	take(*state, "a", 2000);
	snprintf(path, sizeof(path), "%s/a/file", (char *)*state);
	assert_true(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
	assert_int_equal(ids_release(*state, "a", &err), -ENOTEMPTY);
	assert_int_equal(take(*state, "b", 2000).pod, FIRST + 131072);
}

static void release_can_be_repeated(void **state)
{
	struct error err;

	take(*state, "a", 2000);
	assert_int_equal(ids_release(*state, "a", &err), 0);
	assert_int_equal(ids_release(*state, "a", &err), 0);
	assert_int_equal(ids_release(*state, "never", &err), 0);
}

static void a_dead_shim_keeps_no_lock(void **state)
{
	char path[128];
	int ends[2];
	char ready;

	take(*state, "a", 2000);
	snprintf(path, sizeof(path), "%s/.ids", (char *)*state);
	assert_int_equal(pipe(ends), 0);
	pid_t shim = fork();
	if (shim == 0) {
		if (flock(open(path, O_RDONLY), LOCK_EX) < 0 || write(ends[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &ready, 1), 1);
	kill(shim, SIGKILL);
	assert_int_equal(waitpid(shim, NULL, 0), shim);
	take(*state, "b", 2000);
	close(ends[0]);
	close(ends[1]);
}

#define SHIMS 8
#define EACH 50

static _Noreturn void be_shim(const char *state, int shim)
{
	struct ids ids;
	char pod[32];

	for (int i = 0; i < EACH; i++) {
		snprintf(pod, sizeof(pod), "pod-%d-%d", shim, i);
		if (ids_take(state, pod, FIRST, 2000, &ids, NULL) < 0)
			_exit(1);
	}
	_exit(0);
}

/* All at once: every slot from the first on has been given once. */
static void shims_that_start_together_never_get_the_same(void **state)
{
	char path[128], target[64];
	int status;

	for (int i = 0; i < SHIMS; i++)
		if (fork() == 0)
			be_shim(*state, i);
	for (int i = 0; i < SHIMS; i++)
		assert_true(wait(&status) > 0 && status == 0);
	for (int i = 0; i < SHIMS * EACH; i++) {
		snprintf(path, sizeof(path), "%s/.ids/%d", (char *)*state, i);
		assert_true(readlink(path, target, sizeof(target)) > 0);
	}
	snprintf(path, sizeof(path), "%s/.ids/%d", (char *)*state, SHIMS * EACH);
	assert_int_equal(readlink(path, target, sizeof(target)), -1);
}

static void a_name_that_leads_out_is_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", ".ids", "a/b", "../x" };
	struct ids ids;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ids_take(*state, names[i], FIRST, 2000, &ids, NULL), -EINVAL);
		assert_int_equal(ids_release(*state, names[i], NULL), -EINVAL);
	}
}

static void a_range_beyond_all_ids_is_refused(void **state)
{
	struct ids ids;

	assert_int_equal(ids_take(*state, "a", 0, 2000, &ids, NULL), -ERANGE);
	assert_int_equal(ids_take(*state, "a", 0xfff00000u, 2000, &ids, NULL), -ERANGE);
}

static void a_user_namespace_has_the_pods_ids_and_no_others(void **state)
{
	struct ids ids = take(*state, "a", 2000);
	struct error err;
	int fd = -1;
	char line[64] = "", expected[64];

	assert_int_equal(ids_user_namespace(&ids, &fd, &err), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(setns(fd, CLONE_NEWUSER) < 0 ? 1 : (raise(SIGSTOP), 0));
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	for (int i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "/proc/%d/%s", pid, i ? "gid_map" : "uid_map");
		FILE *map = fopen(line, "r");
		assert_true(map && fgets(line, sizeof(line), map));
		snprintf(expected, sizeof(expected), "%10u %10u %10u\n", 0u, ids.pod, 65536u);
		assert_string_equal(line, expected);
		assert_null(fgets(line, sizeof(line), map));
		fclose(map);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fd);
}

#define STATE(test) cmocka_unit_test_setup_teardown(test, make_state, remove_state)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STATE(two_pods_have_nothing_in_common),
		STATE(a_pod_that_asks_again_has_the_same),
		STATE(all_slots_can_be_had_and_no_more),
		STATE(a_slot_whose_pod_is_gone_is_free),
		STATE(a_slot_whose_pod_has_files_left_is_not),
		STATE(release_can_be_repeated),
		STATE(a_dead_shim_keeps_no_lock),
		STATE(shims_that_start_together_never_get_the_same),
		STATE(a_name_that_leads_out_is_refused),
		STATE(a_range_beyond_all_ids_is_refused),
		STATE(a_user_namespace_has_the_pods_ids_and_no_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
