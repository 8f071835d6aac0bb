// SPDX-License-Identifier: Apache-2.0
/* What volumes are made on: it is never swapped out, root's alone, and judged by what it is, whoever mounted it. */
#include "tests/net/volumes_support.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/array.h"

static const struct volume_file file = FILE_OF("password", "one");

/* False: a kernel that is older than this one; a daemon that has not CAP_SYS_ADMIN. */
static bool kernel_knows_noswap = true, may_mount = true;

int __real_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);

int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	if (may_mount && (kernel_knows_noswap || !data || !strstr(data, "noswap")))
		return __real_mount(source, target, type, flags, data);
	errno = may_mount ? EINVAL : EPERM;
	return -1;
}

static int setup(void **state)
{
	kernel_knows_noswap = may_mount = true;
	*state = NULL;
	return __real_mount("test", "/run", "tmpfs", 0, "mode=0755");
}

static void must_open(void **state)
{
	struct error err;

	if (volumes_open(DIRECTORY, (struct volumes **)state, &err) < 0)
		fail_msg("%s", err.message);
}

static void must_refuse(int code, const char *why)
{
	struct volumes *volumes = NULL;
	struct error err;

	assert_int_equal(volumes_open(DIRECTORY, &volumes, &err), -code);
	if (!strstr(err.message, why))
		fail_msg("\"%s\" does not say \"%s\"", err.message, why);
	if (code != EBUSY && !strstr(err.message, "mount -t tmpfs -o noswap"))
		fail_msg("\"%s\" does not say what to do", err.message);
	assert_null(volumes);
}

static long type_of(const char *path)
{
	struct statfs fs;

	assert_int_equal(statfs(path, &fs), 0);
	return (long)fs.f_type;
}

static char *line_of_mount(void)
{
	_cleanup_free_ char *text = content_of("/proc/self/mountinfo");
	char *line = strstr(text, " " DIRECTORY " ");

	assert_non_null(line);
	line[strcspn(line, "\n")] = 0;
	return strdup(line);
}

static void a_tmpfs_that_is_never_swapped_out_is_mounted_with_a_size(void **state)
{
	static const char *const words[] = { "nosuid", "nodev", "noexec", " - tmpfs ", "noswap", "size=73728k", "mode=700" };

	must_open(state);
	_cleanup_free_ char *line = line_of_mount();
	for (size_t i = 0; i < ELEMENTS_OF(words); i++)
		if (!strstr(line, words[i]))
			fail_msg("\"%s\" has no \"%s\"", line, words[i]);
}

static void a_kernel_that_knows_no_noswap_has_a_ramfs(void **state)
{
	const struct volume_file other = FILE_OF("password", "two");
	struct error err;

	kernel_knows_noswap = false;
	must_open(state);
	assert_int_equal(type_of(DIRECTORY), RAMFS_MAGIC);
	must_write(*state, &file, 1);
	reopen(state);
	assert_content(VOLUME "/password", "one");
	assert_int_equal(volumes_use(*state).volumes, 1);
	must_write(*state, &other, 1);
	assert_int_equal(volumes_sweep(*state, &err), 0);
	assert_int_equal(volumes_sweep(*state, &err), 0);
	assert_content(VOLUME "/password", "two");
	assert_int_equal(versions_of(VOLUME), 1);
	assert_int_equal(volumes_remove(*state, DEVICE, &err), 0);
	assert_int_equal(entries_of(DIRECTORY), 0);
}

static void what_is_mounted_stays_and_is_taken_over_with_what_is_in_it(void **state)
{
	must_open(state);
	must_write(*state, &file, 1);
	kernel_knows_noswap = false;
	reopen(state);
	assert_int_equal(type_of(DIRECTORY), TMPFS_MAGIC);
	assert_content(VOLUME "/password", "one");
}

static void open_and_refuse(void *nothing)
{
	drop_capabilities();
	must_refuse(EPERM, "CAP_SYS_ADMIN");
}

static void without_the_capability_to_mount_it_says_what_to_do(void **state)
{
	in_child(open_and_refuse, NULL);
}

static void open_and_write(void *nothing)
{
	struct volumes *volumes = NULL;

	drop_capabilities();
	must_open((void **)&volumes);
	must_write(volumes, &file, 1);
	volumes_close(volumes);
}

static void the_command_that_it_names_is_all_that_an_administrator_must_run(void **state)
{
	struct volumes *volumes = NULL;
	char command[256] = "";
	struct error err;

	may_mount = false;
	assert_int_equal(volumes_open(DIRECTORY, &volumes, &err), -EPERM);
	assert_int_equal(sscanf(err.message, "%*[^`]`%255[^`]`", command), 1);
	assert_int_equal(system(command), 0);
	in_child(open_and_write, NULL);
	assert_content(VOLUME "/password", "one");
}

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct {
	const char *why, *source, *type;
	unsigned long flags;
	const char *data;
} unfit[] = {
	{ "swapped out", "vol", "tmpfs", SAFE, "mode=0700" },
	{ "swapped out", "noswap", "tmpfs", SAFE, "mode=0700" },
	{ "others than root", "vol", "tmpfs", SAFE, "noswap,mode=0755" },
	{ "others than root", "vol", "tmpfs", SAFE, "noswap,mode=0700,uid=999" },
	{ "nosuid", "vol", "tmpfs", MS_NODEV | MS_NOEXEC, "noswap,mode=0700" },
	{ "nodev", "vol", "tmpfs", MS_NOSUID | MS_NOEXEC, "noswap,mode=0700" },
	{ "noexec", "vol", "tmpfs", MS_NOSUID | MS_NODEV, "noswap,mode=0700" },
	{ "read-only", "vol", "tmpfs", SAFE | MS_RDONLY, "noswap,mode=0700" },
	{ "no tmpfs", "vol", "sysfs", SAFE, NULL },
};

static void what_is_not_fit_for_secrets_is_refused_and_stays_as_it_is(void **state)
{
	assert_int_equal(mkdir("/run/holdfast", 0755), 0);
	assert_int_equal(mkdir(DIRECTORY, 0755), 0);
	for (size_t i = 0; i < ELEMENTS_OF(unfit); i++) {
		assert_int_equal(mount(unfit[i].source, DIRECTORY, unfit[i].type, unfit[i].flags, unfit[i].data), 0);
		must_refuse(EINVAL, unfit[i].why);
		assert_int_equal(umount(DIRECTORY), 0);
	}
}

static void two_daemons_do_not_share_it(void **state)
{
	must_open(state);
	must_refuse(EBUSY, "another holdfast-tpm");
}

static void a_link_in_its_place_is_not_followed(void **state)
{
	struct volumes *volumes = NULL;
	struct error err;

	assert_int_equal(mkdir("/run/holdfast", 0755), 0);
	assert_int_equal(mkdir("/run/elsewhere", 0755), 0);
	assert_int_equal(symlink("/run/elsewhere", DIRECTORY), 0);
	assert_true(volumes_open(DIRECTORY, &volumes, &err) < 0);
	assert_int_equal(type_of("/run/elsewhere"), TMPFS_MAGIC);
	assert_int_equal(entries_of("/run/elsewhere"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, volumes_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_tmpfs_that_is_never_swapped_out_is_mounted_with_a_size),
		TEST(a_kernel_that_knows_no_noswap_has_a_ramfs),
		TEST(what_is_mounted_stays_and_is_taken_over_with_what_is_in_it),
		TEST(without_the_capability_to_mount_it_says_what_to_do),
		TEST(the_command_that_it_names_is_all_that_an_administrator_must_run),
		TEST(what_is_not_fit_for_secrets_is_refused_and_stays_as_it_is),
		TEST(two_daemons_do_not_share_it),
		TEST(a_link_in_its_place_is_not_followed),
	};

	need_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
