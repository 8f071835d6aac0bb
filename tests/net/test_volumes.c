// SPDX-License-Identifier: Apache-2.0
/* Volumes on a real tmpfs, in a mount namespace of the test. All but the mounting is done with CAP_CHOWN alone, as the daemon does it. */
#include "tests/net/volumes_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"

static const struct volume_file first[] = { FILE_OF("password", "one"), FILE_OF("user", "shop") };
static const struct volume_file second[] = { FILE_OF("password", "two"), FILE_OF("certificate", "pem") };

static void must_sweep(struct volumes *volumes)
{
	struct error err;

	if (volumes_sweep(volumes, &err) < 0)
		fail_msg("%s", err.message);
}

static void assert_link(const char *path, const char *target)
{
	char text[256] = "";

	assert_true(readlink(path, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, target);
}

/* ── what a pod sees ── */

static void a_volume_looks_as_one_of_a_kubernetes_secret(void **state)
{
	char version[256] = "";
	struct stat status;

	must_write(*state, first, ELEMENTS_OF(first));
	assert_content(VOLUME "/password", "one");
	assert_content(VOLUME "/user", "shop");
	assert_link(VOLUME "/password", "..data/password");
	assert_true(readlink(VOLUME "/..data", version, sizeof(version) - 1) > 0);
	assert_true(strncmp(version, "..20", 4) == 0 && !strchr(version, '/'));
	assert_int_equal(entries_of(VOLUME), 4);
	assert_int_equal(stat(VOLUME, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
}

static void a_volume_of_several_secrets_has_a_directory_for_each(void **state)
{
	static const struct volume_file files[] = { FILE_OF("db/password", "one"), FILE_OF("db/user", "shop"), FILE_OF("tls/key", "pem") };

	must_write(*state, files, ELEMENTS_OF(files));
	assert_content(VOLUME "/db/password", "one");
	assert_content(VOLUME "/db/user", "shop");
	assert_content(VOLUME "/tls/key", "pem");
	assert_link(VOLUME "/db", "..data/db");
	must_write(*state, files + 2, 1);
	assert_false(exists(VOLUME "/db"));
	assert_content(VOLUME "/tls/key", "pem");
}

static void write_with_few_capabilities(void *volumes)
{
	const struct volume_file files[] = {
		{ .name = "a", .content = slice_string("a"), .mode = 0440, .uid = 999, .gid = 998 },
		{ .name = "b/c", .content = slice_string("b"), .mode = 0, .uid = 65534, .gid = 0 },
		{ .name = "empty", .mode = 0666 },
	};
	struct stat status;

	drop_capabilities();
	umask(077);
	must_write(volumes, files, ELEMENTS_OF(files));
	assert_int_equal(stat(VOLUME "/a", &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0440);
	assert_int_equal(status.st_uid, 999);
	assert_int_equal(status.st_gid, 998);
	assert_int_equal(stat(VOLUME "/b", &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 0755);
	assert_int_equal(stat(VOLUME "/b/c", &status), 0);
	assert_int_equal(status.st_mode, S_IFREG);
	assert_int_equal(status.st_uid, 65534);
	assert_int_equal(stat(VOLUME "/empty", &status), 0);
	assert_int_equal(status.st_size, 0);
}

static void owner_and_mode_are_those_of_each_file_whatever_the_umask(void **state)
{
	in_child(write_with_few_capabilities, *state);
}

static void nobody_but_root_finds_the_volumes(void **state)
{
	struct stat status;

	must_write(*state, first, ELEMENTS_OF(first));
	assert_int_equal(stat(DIRECTORY, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_equal(status.st_uid, 0);
}

/* ── a new version ── */

static void a_new_version_takes_the_place_of_the_old_with_all_its_names(void **state)
{
	must_write(*state, first, ELEMENTS_OF(first));
	must_write(*state, second, ELEMENTS_OF(second));
	assert_content(VOLUME "/password", "two");
	assert_content(VOLUME "/certificate", "pem");
	assert_false(exists(VOLUME "/user"));
}

static void what_a_container_has_mounted_gets_the_new_version(void **state)
{
	must_write(*state, first, ELEMENTS_OF(first));
	assert_int_equal(mkdir("/run/pod", 0755), 0);
	assert_int_equal(mount(VOLUME, "/run/pod", NULL, MS_BIND, NULL), 0);
	must_write(*state, second, ELEMENTS_OF(second));
	assert_content("/run/pod/password", "two");
}

static void the_same_again_changes_nothing(void **state)
{
	char before[256] = "", after[256] = "";

	must_write(*state, first, ELEMENTS_OF(first));
	assert_true(readlink(VOLUME "/..data", before, sizeof(before) - 1) > 0);
	must_write(*state, first, ELEMENTS_OF(first));
	reopen(state);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_true(readlink(VOLUME "/..data", after, sizeof(after) - 1) > 0);
	assert_string_equal(before, after);
	assert_int_equal(versions_of(VOLUME), 1);
}

static void what_somebody_has_changed_by_hand_is_replaced_once_it_is_doubted(void **state)
{
	struct error err;

	assert_int_equal(volumes_doubt(*state, DEVICE, &err), 0);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_return_code(unlink(VOLUME "/..data/password"), errno);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_null(content_of(VOLUME "/password"));
	assert_int_equal(volumes_doubt(*state, DEVICE, &err), 0);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_content(VOLUME "/password", "one");
	assert_content(VOLUME "/user", "shop");
}

static void another_owner_mode_or_name_is_another_version(void **state)
{
	struct volume_file file = FILE_OF("password", "one");

	must_write(*state, &file, 1);
	file.uid = 7;
	must_write(*state, &file, 1);
	assert_int_equal(versions_of(VOLUME), 2);
	file.mode = 0440;
	must_write(*state, &file, 1);
	assert_int_equal(versions_of(VOLUME), 3);
	file.name = "passphrase";
	must_write(*state, &file, 1);
	assert_int_equal(versions_of(VOLUME), 4);
}

static void an_old_version_outlives_one_sweep_and_goes_with_the_next(void **state)
{
	must_write(*state, first, ELEMENTS_OF(first));
	must_write(*state, second, ELEMENTS_OF(second));
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 2);
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 1);
	assert_content(VOLUME "/password", "two");
}

static void what_is_replaced_between_two_sweeps_outlives_the_next(void **state)
{
	must_write(*state, first, ELEMENTS_OF(first));
	must_write(*state, second, ELEMENTS_OF(second));
	must_sweep(*state);
	must_write(*state, first, ELEMENTS_OF(first));
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 3);
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 1);
	assert_content(VOLUME "/password", "one");
}

static void many_volumes_are_swept_a_few_at_a_time(void **state)
{
	char device[32];
	struct error err;
	int sweeps = 0;

	for (int i = 0; i < 200; i++) {
		snprintf(device, sizeof(device), "47facce2-%d", i);
		assert_int_equal(volumes_write(*state, device, SECRET, first, ELEMENTS_OF(first), &err), 0);
		assert_int_equal(volumes_write(*state, device, SECRET, second, ELEMENTS_OF(second), &err), 0);
	}
	uint64_t one_version = (uint64_t)200 * 3 * 4096; /* with its record */
	while (volumes_use(*state).bytes > one_version && sweeps++ < 20)
		must_sweep(*state);
	assert_int_equal(volumes_use(*state).bytes, one_version);
	assert_true(sweeps > 2);
}

static void who_has_the_old_version_open_reads_it_to_its_end(void **state)
{
	char text[8] = "";

	must_write(*state, first, ELEMENTS_OF(first));
	int fd = open(VOLUME "/password", O_RDONLY | O_CLOEXEC);
	must_write(*state, second, ELEMENTS_OF(second));
	for (int i = 0; i < 3; i++)
		must_sweep(*state);
	assert_int_equal(read(fd, text, sizeof(text)), 3);
	assert_string_equal(text, "one");
	assert_int_equal(versions_of(VOLUME), 2);
	close(fd);
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 1);
}

/* ── the end ── */

static void assert_gone(const char *path, int fd)
{
	struct stat status;

	assert_false(exists(path));
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 0);
}

static void remove_with_few_capabilities(void *volumes)
{
	struct error err;

	drop_capabilities();
	if (volumes_remove(volumes, DEVICE, &err) < 0)
		fail_msg("%s", err.message);
}

static void a_removed_volume_is_gone_also_for_who_holds_its_files_open(void **state)
{
	const struct volume_file files[] = {
		{ .name = "a", .content = slice_string("secret"), .mode = 0400, .uid = 999, .gid = 999 },
		{ .name = "b/c", .content = slice_string("secret"), .mode = 0, .uid = 65534, .gid = 65534 },
	};

	must_write(*state, files, ELEMENTS_OF(files));
	int a = open(VOLUME "/a", O_RDONLY | O_CLOEXEC), c = open(VOLUME "/b/c", O_RDONLY | O_CLOEXEC);
	in_child(remove_with_few_capabilities, *state);
	assert_gone(VOLUME "/a", a);
	assert_gone(VOLUME "/b/c", c);
	assert_int_equal(entries_of(DIRECTORY), 0);
	close(a);
	close(c);
}

static void a_cleared_volume_is_empty_and_can_be_filled_again_for_the_pod_that_has_it(void **state)
{
	struct error err;

	must_write(*state, first, ELEMENTS_OF(first));
	assert_int_equal(mkdir("/run/pod", 0755), 0);
	assert_int_equal(mount(VOLUME, "/run/pod", NULL, MS_BIND, NULL), 0);
	int fd = open(VOLUME "/password", O_RDONLY | O_CLOEXEC);
	assert_int_equal(volumes_clear(*state, DEVICE, &err), 0);
	assert_gone(VOLUME "/password", fd);
	close(fd);
	assert_int_equal(entries_of("/run/pod"), 0);
	assert_int_equal(volumes_use(*state).bytes, 0);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_content("/run/pod/password", "one");
}

static void removing_and_clearing_what_is_not_there_is_no_error(void **state)
{
	struct error err;

	assert_int_equal(volumes_remove(*state, DEVICE, &err), 0);
	assert_int_equal(volumes_clear(*state, DEVICE, &err), 0);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_int_equal(volumes_remove(*state, DEVICE, &err), 0);
	assert_int_equal(volumes_remove(*state, DEVICE, &err), 0);
	assert_int_equal(volumes_use(*state).volumes, 0);
	assert_int_equal(volumes_use(*state).bytes, 0);
}

static void a_link_that_leads_elsewhere_is_removed_and_not_followed(void **state)
{
	struct error err;

	assert_int_equal(mkdir("/run/etc", 0755), 0);
	assert_int_equal(file_write_atomic("/run/etc/passwd", slice_string("root"), 0644, &err), 0);
	must_write(*state, first, ELEMENTS_OF(first));
	assert_int_equal(symlink("/run/etc", VOLUME "/..2026"), 0);
	assert_int_equal(symlink("/run/etc/passwd", VOLUME "/shadow"), 0);
	assert_int_equal(symlink("/run/etc", DIRECTORY "/" DEVICE "/other"), 0);
	assert_int_equal(volumes_remove(*state, DEVICE, &err), 0);
	assert_int_equal(entries_of(DIRECTORY), 0);
	assert_content("/run/etc/passwd", "root");
}

static void a_device_that_is_a_link_is_not_written_to(void **state)
{
	struct error err;

	assert_int_equal(mkdir("/run/etc", 0755), 0);
	assert_int_equal(symlink("/run/etc", DIRECTORY "/" DEVICE), 0);
	assert_true(volumes_write(*state, DEVICE, SECRET, first, 1, &err) < 0);
	assert_int_equal(entries_of("/run/etc"), 0);
}

static void what_is_no_volume_does_not_stop_a_start_and_can_be_removed(void **state)
{
	struct error err;

	assert_int_equal(symlink("/run", DIRECTORY "/link"), 0);
	assert_int_equal(file_write_atomic(DIRECTORY "/file", slice_string("text"), 0600, &err), 0);
	assert_int_equal(mkdir(DIRECTORY "/empty", 0700), 0);
	reopen(state);
	assert_int_equal(volumes_use(*state).volumes, 3);
	assert_int_equal(volumes_remove(*state, "link", &err), 0);
	assert_int_equal(volumes_remove(*state, "file", &err), 0);
	assert_int_equal(volumes_remove(*state, "empty", &err), 0);
	assert_int_equal(entries_of(DIRECTORY), 0);
}

struct visited {
	struct volumes *volumes;
	size_t n;
};

static int remove_it(void *context, const char *device, struct error *err)
{
	struct visited *visited = context;

	visited->n++;
	return volumes_remove(visited->volumes, device, err);
}

static void each_volume_is_visited_once_and_may_be_removed(void **state)
{
	struct visited visited = { .volumes = *state };
	char device[32];
	struct error err;

	for (int i = 0; i < 20; i++) {
		snprintf(device, sizeof(device), "47facce2-%d", i);
		assert_int_equal(volumes_write(*state, device, SECRET, first, 1, &err), 0);
	}
	assert_int_equal(volumes_each(*state, remove_it, &visited, &err), 0);
	assert_int_equal(visited.n, 20);
	assert_int_equal(entries_of(DIRECTORY), 0);
}

/* ── limits ── */

static void names_and_modes_that_cannot_be_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "..data", "a/b/c", "/a", "a/", "a/..", "a b", "../a" };
	struct volume_file file = FILE_OF("password", "one");
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		file.name = names[i];
		if (volumes_write(*state, DEVICE, SECRET, &file, 1, &err) != -EINVAL)
			fail_msg("file \"%s\" was not refused", names[i]);
		if (!strchr(names[i], '/') || names[i][0] == '.') {
			assert_int_equal(volumes_write(*state, names[i], SECRET, first, 1, &err), -EINVAL);
			assert_int_equal(volumes_write(*state, DEVICE, names[i], first, 1, &err), -EINVAL);
		}
	}
	file = (struct volume_file)FILE_OF("password", "one");
	file.mode = 04400;
	assert_int_equal(volumes_write(*state, DEVICE, SECRET, &file, 1, &err), -EINVAL);
	file.mode = 0555;
	assert_int_equal(volumes_write(*state, DEVICE, SECRET, &file, 1, &err), -EINVAL);
	assert_non_null(strstr(err.message, "0555"));
	assert_int_equal(entries_of(DIRECTORY), 0);
}

static void all_volumes_together_have_a_limit_of_bytes_and_what_is_removed_counts_no_more(void **state)
{
	_cleanup_free_ uint8_t *content = calloc(1, VOLUMES_BYTES_MAX / 4);
	struct volume_file file = { .name = "large", .content = slice_from(content, VOLUMES_BYTES_MAX / 4), .mode = 0400 };
	struct error err;

	assert_int_equal(volumes_write(*state, "a-0", SECRET, first, ELEMENTS_OF(first), &err), 0);
	for (int i = 0; i < 3; i++) {
		char device[8] = { 'b', '-', (char)('0' + i) };
		assert_int_equal(volumes_write(*state, device, SECRET, &file, 1, &err), 0);
	}
	assert_int_equal(volumes_write(*state, DEVICE, SECRET, &file, 1, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "67108864"));
	assert_false(exists(DIRECTORY "/" DEVICE));
	reopen(state);
	assert_int_equal(volumes_write(*state, DEVICE, SECRET, &file, 1, &err), -ENOSPC);
	assert_int_equal(volumes_remove(*state, "b-1", &err), 0);
	assert_int_equal(volumes_write(*state, DEVICE, SECRET, &file, 1, &err), 0);
	assert_content(DIRECTORY "/a-0/kubernetes.io~secret/" SECRET "/password", "one");
}

static void old_versions_make_room_at_once_if_there_is_no_other(void **state)
{
	_cleanup_free_ uint8_t *content = calloc(1, VOLUMES_BYTES_MAX / 4);
	struct volume_file file = { .name = "large", .content = slice_from(content, VOLUMES_BYTES_MAX / 4), .mode = 0400 };

	for (uint8_t i = 0; i < 10; i++) {
		content[0] = i;
		must_write(*state, &file, 1);
	}
	assert_true(volumes_use(*state).bytes <= VOLUMES_BYTES_MAX);
}

static void there_is_a_limit_of_volumes(void **state)
{
	char device[32];
	struct error err;

	for (int i = 0; i < VOLUMES_MAX; i++) {
		snprintf(device, sizeof(device), "47facce2-%d", i);
		assert_int_equal(volumes_write(*state, device, SECRET, first, 1, &err), 0);
	}
	assert_int_equal(volumes_write(*state, "aaaaaaaa-0", SECRET, first, 1, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "1024 volumes"));
	assert_int_equal(volumes_write(*state, device, SECRET, second, 1, &err), 0);
}

/* ── after a crash ── */

static void what_a_crash_left_half_written_is_gone_after_the_next_start(void **state)
{
	struct error err;

	must_write(*state, first, ELEMENTS_OF(first));
	assert_int_equal(mkdir(VOLUME "/..2026_11_25_18_00_00.1", 0755), 0);
	assert_int_equal(file_write_atomic(VOLUME "/..2026_11_25_18_00_00.1/password", slice_string("ha"), 0600, &err), 0);
	assert_int_equal(symlink("..2026_11_25_18_00_00.1", VOLUME "/..data_tmp"), 0);
	assert_int_equal(symlink("..data/certificate", VOLUME "/certificate"), 0);
	assert_int_equal(mkdir(DIRECTORY "/aaaaaaaa-1", 0700), 0);
	reopen(state);
	assert_int_equal(versions_of(VOLUME), 1);
	assert_int_equal(entries_of(VOLUME), 4);
	assert_content(VOLUME "/password", "one");
	assert_int_equal(volumes_use(*state).volumes, 2);
}

static void what_is_held_open_over_a_restart_goes_when_it_is_closed(void **state)
{
	must_write(*state, first, ELEMENTS_OF(first));
	int fd = open(VOLUME "/password", O_RDONLY | O_CLOEXEC);
	must_write(*state, second, ELEMENTS_OF(second));
	reopen(state);
	assert_int_equal(versions_of(VOLUME), 2);
	close(fd);
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, volumes_setup, volumes_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_volume_looks_as_one_of_a_kubernetes_secret),
		TEST(a_volume_of_several_secrets_has_a_directory_for_each),
		TEST(owner_and_mode_are_those_of_each_file_whatever_the_umask),
		TEST(nobody_but_root_finds_the_volumes),
		TEST(a_new_version_takes_the_place_of_the_old_with_all_its_names),
		TEST(what_a_container_has_mounted_gets_the_new_version),
		TEST(the_same_again_changes_nothing),
		TEST(what_somebody_has_changed_by_hand_is_replaced_once_it_is_doubted),
		TEST(another_owner_mode_or_name_is_another_version),
		TEST(an_old_version_outlives_one_sweep_and_goes_with_the_next),
		TEST(what_is_replaced_between_two_sweeps_outlives_the_next),
		TEST(many_volumes_are_swept_a_few_at_a_time),
		TEST(who_has_the_old_version_open_reads_it_to_its_end),
		TEST(a_removed_volume_is_gone_also_for_who_holds_its_files_open),
		TEST(a_cleared_volume_is_empty_and_can_be_filled_again_for_the_pod_that_has_it),
		TEST(removing_and_clearing_what_is_not_there_is_no_error),
		TEST(a_link_that_leads_elsewhere_is_removed_and_not_followed),
		TEST(a_device_that_is_a_link_is_not_written_to),
		TEST(what_is_no_volume_does_not_stop_a_start_and_can_be_removed),
		TEST(each_volume_is_visited_once_and_may_be_removed),
		TEST(names_and_modes_that_cannot_be_are_refused),
		TEST(all_volumes_together_have_a_limit_of_bytes_and_what_is_removed_counts_no_more),
		TEST(old_versions_make_room_at_once_if_there_is_no_other),
		TEST(there_is_a_limit_of_volumes),
		TEST(what_a_crash_left_half_written_is_gone_after_the_next_start),
		TEST(what_is_held_open_over_a_restart_goes_when_it_is_closed),
	};

	need_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
