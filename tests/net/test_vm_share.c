// SPDX-License-Identifier: Apache-2.0
/* What is in a VM's share and whose it is: real mounts on a real disk, in the mount namespace of a real virtiofsd. */
#include "tests/net/share_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"

#define ROOT FIRST_ID          /* the pod's root, as the host sees it */
#define USER (FIRST_ID + 1000) /* a user in the pod */

static void bind_it(const struct share_lab *lab, const char *name, const char *source, unsigned flags)
{
	struct error err;

	must(share_bind(lab->share, name, on_host(lab, source), flags, &err), &err);
}

static void assert_nothing_is_in_the_share(const struct share_lab *lab)
{
	_cleanup_(buf_free) struct buf list = BUF_MAX(4096);

	list_proc(lab->virtiofsd.pid, "root", &list);
	assert_string_equal(buf_text(&list), "");
}

/* ── what a file server can do: 0 or errno ── */

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd < 0 || write(fd, "new", 3) != 3 ? errno : 0;
}

static int make_file_of_a_user(const char *path)
{
	return make_file(path) == 0 && chown(path, 1000, 1000) == 0 ? 0 : errno;
}

static int overwrite(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	return fd < 0 || write(fd, "written", 7) != 7 ? errno : 0;
}

static int give_to_last_id(const char *path)
{
	return chown(path, 65535, 65535) < 0 ? errno : 0;
}

static int give_beyond_last_id(const char *path)
{
	return chown(path, 65536, 65536) < 0 ? errno : 0;
}

static int give_to_hosts_root_by_number(const char *path)
{
	return chown(path, (uid_t)-ROOT, (gid_t)-ROOT) < 0 ? errno : 0;
}

static int take_over(const char *path)
{
	return chown(path, 0, 0) < 0 ? errno : 0;
}

static int make_device(const char *path)
{
	return mknod(path, S_IFCHR | 0666, 0x103) < 0 ? errno : 0;
}

static int read_up(const char *path)
{
	return open("../../../../etc/passwd", O_RDONLY) < 0 ? errno : 0;
}

static int read_file(const char *path)
{
	return open(path, O_RDONLY) < 0 ? errno : 0;
}

static int remount_writable(const char *path)
{
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL) < 0 ? errno : 0;
}

static int unmount(const char *path)
{
	return umount2(path, MNT_DETACH) < 0 ? errno : 0;
}

/* With all capabilities there are, as the owner of namespaces in its namespace. */
static int remount_in_namespaces_of_its_own(const char *path)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno;
	return remount_writable(path);
}

/* ── sources ── */

static void a_directory_brought_in_later_is_in_the_share_of_a_running_virtiofsd(void **state)
{
	const struct share_lab *lab = *state;

	assert_nothing_is_in_the_share(lab);
	put_directory(lab, "volume", 0, 0755);
	put_file(lab, "volume/file", "hello", 0, 0600);
	bind_it(lab, "c1-0-volume", "volume", 0);
	assert_text(in_share(lab, "c1-0-volume/file"), "hello");
	/* And the other way. */
	put_file(lab, "volume/later", "more", 0, 0600);
	assert_text(in_share(lab, "c1-0-volume/later"), "more");
	assert_int_equal(as_virtiofsd(lab, read_file, "c1-0-volume/later"), 0);
}

static void the_host_has_an_empty_place_and_no_mount(void **state)
{
	const struct share_lab *lab = *state;
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(1024 * 1024);
	char path[256];

	put_directory(lab, "volume", 0, 0755);
	put_file(lab, "volume/file", "hello", 0, 0600);
	bind_it(lab, "v", "volume", 0);
	bind_it(lab, "f", "volume/file", 0);
	snprintf(path, sizeof(path), "%s/v/file", lab->directory);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/f", lab->directory);
	assert_text(path, "");
	read_proc(getpid(), "mountinfo", &mounts);
	assert_null(strstr(buf_text(&mounts), lab->directory));
}

static void owners_on_disk_are_the_pods_own_and_on_the_host_its_range(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "volume", 0, 0777);
	put_file(lab, "volume/root", "", 0, 0600);
	put_file(lab, "volume/user", "", 1000, 0600);
	bind_it(lab, "v", "volume", 0);
	assert_owner(in_share(lab, "v/root"), ROOT);
	assert_owner(in_share(lab, "v/user"), USER);
	assert_int_equal(as_virtiofsd(lab, make_file, "v/by-root"), 0);
	assert_int_equal(as_virtiofsd(lab, make_file_of_a_user, "v/by-user"), 0);
	assert_owner(on_host(lab, "volume/by-root"), 0);
	assert_owner(on_host(lab, "volume/by-user"), 1000);
	assert_int_equal(as_virtiofsd(lab, give_to_last_id, "v/by-user"), 0);
	assert_owner(on_host(lab, "volume/by-user"), 65535);
}

static void no_id_outside_of_the_range_can_be_given_or_taken(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "volume", 0, 0777);
	put_file(lab, "volume/own", "", 0, 0600);
	put_file(lab, "volume/beyond", "secret", 70000, 0600);
	bind_it(lab, "v", "volume", 0);
	assert_int_equal(as_virtiofsd(lab, give_beyond_last_id, "v/own"), EINVAL);
	assert_int_equal(as_virtiofsd(lab, give_to_hosts_root_by_number, "v/own"), EINVAL);
	assert_int_equal(as_virtiofsd(lab, read_file, "v/beyond"), EACCES);
	assert_int_not_equal(as_virtiofsd(lab, take_over, "v/beyond"), 0);
	assert_owner(on_host(lab, "volume/own"), 0);
	assert_owner(on_host(lab, "volume/beyond"), 70000);
}

static void a_read_only_source_stays_so_whatever_virtiofsd_becomes(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "volume", 0, 0777);
	put_file(lab, "volume/file", "old", 0, 0666);
	bind_it(lab, "v", "volume", SHARE_READ_ONLY);
	bind_it(lab, "f", "volume/file", SHARE_READ_ONLY);
	assert_int_equal(as_virtiofsd(lab, make_file, "v/new"), EROFS);
	assert_int_equal(as_virtiofsd(lab, overwrite, "v/file"), EROFS);
	assert_int_equal(as_virtiofsd(lab, overwrite, "f"), EROFS);
	assert_int_equal(as_virtiofsd(lab, remount_writable, "v"), EPERM);
	assert_int_equal(as_virtiofsd(lab, unmount, "v"), EPERM);
	assert_int_equal(as_virtiofsd(lab, remount_in_namespaces_of_its_own, "v"), EPERM);
	assert_text(on_host(lab, "volume/file"), "old");
}

static void a_writable_file_is_written_on_the_host(void **state)
{
	const struct share_lab *lab = *state;

	put_file(lab, "termination-log", "", 0, 0666);
	bind_it(lab, "t", "termination-log", 0);
	assert_int_equal(as_virtiofsd(lab, overwrite, "t"), 0);
	assert_text(on_host(lab, "termination-log"), "written");
}

static void nothing_can_be_made_beside_the_sources(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "volume", 0, 0755);
	bind_it(lab, "v", "volume", 0);
	assert_int_equal(as_virtiofsd(lab, make_file, "new"), EROFS);
	assert_int_not_equal(as_virtiofsd(lab, make_device, "v/device"), 0);
	assert_int_equal(as_virtiofsd(lab, read_up, ""), ENOENT);
}

static void what_is_mounted_below_comes_with_a_recursive_source_only(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "volume", 0, 0755);
	put_directory(lab, "volume/below", 0, 0755);
	put_directory(lab, "other", 0, 0755);
	put_file(lab, "other/file", "below", 0, 0644);
	assert_int_equal(mount(on_host(lab, "other"), on_host(lab, "volume/below"), NULL, MS_BIND, NULL), 0);
	bind_it(lab, "with", "volume", SHARE_RECURSIVE | SHARE_READ_ONLY);
	bind_it(lab, "without", "volume", 0);
	assert_int_equal(umount2(on_host(lab, "volume/below"), 0), 0);
	assert_text(in_share(lab, "with/below/file"), "below");
	assert_int_equal(access(in_share(lab, "without/below/file"), F_OK), -1);
	assert_int_equal(as_virtiofsd(lab, make_file, "with/below/new"), EROFS);
}

static void a_link_is_followed_once_and_never_again(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "one", 0, 0755);
	put_directory(lab, "two", 0, 0755);
	put_file(lab, "one/file", "one", 0, 0644);
	put_file(lab, "two/file", "two", 0, 0644);
	assert_int_equal(symlink(on_host(lab, "one"), on_host(lab, "link")), 0);
	bind_it(lab, "v", "link", 0);
	assert_int_equal(unlink(on_host(lab, "link")), 0);
	assert_int_equal(symlink(on_host(lab, "two"), on_host(lab, "link")), 0);
	assert_text(in_share(lab, "v/file"), "one");
}

/* An absolute link in a share is one of the guest; on the host nobody may follow it to the host's files. */
static void a_link_in_a_source_leads_to_nothing_of_the_host(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "volume", 0, 0777);
	assert_int_equal(symlink("/etc/passwd", on_host(lab, "volume/absolute")), 0);
	assert_int_equal(symlink("../../../../../../etc/passwd", on_host(lab, "volume/relative")), 0);
	bind_it(lab, "v", "volume", 0);
	assert_int_equal(as_virtiofsd(lab, read_file, "v/absolute"), ENOENT);
	assert_int_equal(as_virtiofsd(lab, read_file, "v/relative"), ENOENT);
}

/* ── refusals ── */

static void assert_refused(const struct share_lab *lab, const char *source, unsigned flags, int code, const char *a, const char *b)
{
	struct error err;

	assert_int_equal(share_bind(lab->share, "v", source, flags, &err), -code);
	if (!strstr(err.message, a) || !strstr(err.message, b))
		fail_msg("\"%s\" does not say %s and %s", err.message, a, b);
	assert_nothing_is_in_the_share(lab);
}

static void sockets_pipes_and_devices_are_refused_by_name(void **state)
{
	const struct share_lab *lab = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", on_host(lab, "socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(mkfifo(on_host(lab, "pipe"), 0600), 0);
	assert_refused(lab, on_host(lab, "socket"), 0, EOPNOTSUPP, "/socket", "a socket");
	assert_refused(lab, on_host(lab, "pipe"), 0, EOPNOTSUPP, "/pipe", "a named pipe");
	assert_refused(lab, "/dev/null", 0, EOPNOTSUPP, "/dev/null", "a device");
	assert_refused(lab, on_host(lab, "nothing"), 0, ENOENT, "/nothing", "cannot open");
}

static void a_file_system_without_idmapped_mounts_is_named(void **state)
{
	const struct share_lab *lab = *state;
	char below[128];

	assert_refused(lab, "/sys/kernel", 0, EOPNOTSUPP, "/sys/kernel", "sysfs");
	put_directory(lab, "volume", 0, 0755);
	put_directory(lab, "volume/below", 0, 0755);
	snprintf(below, sizeof(below), "%s", on_host(lab, "volume/below"));
	assert_int_equal(mount("sysfs", below, "sysfs", 0, NULL), 0);
	assert_refused(lab, on_host(lab, "volume"), SHARE_RECURSIVE, EOPNOTSUPP, below, "sysfs");
	assert_int_equal(umount2(below, 0), 0);
}

static void a_name_is_of_one_source_and_leads_nowhere(void **state)
{
	static const char *const names[] = { "", ".", "..", ".hidden", "a/b", "../x" };
	const struct share_lab *lab = *state;
	struct error err;

	put_directory(lab, "volume", 0, 0755);
	bind_it(lab, "v", "volume", 0);
	assert_int_equal(share_bind(lab->share, "v", lab->host, 0, &err), -EEXIST);
	for (size_t i = 0; i < ELEMENTS_OF(names); i++)
		assert_int_equal(share_bind(lab->share, names[i], lab->host, 0, &err), -EINVAL);
}

/* ── removal ── */

static void a_removed_source_is_gone_at_once_and_its_name_free(void **state)
{
	const struct share_lab *lab = *state;
	struct error err;

	put_directory(lab, "volume", 0, 0755);
	put_file(lab, "file", "", 0, 0755);
	bind_it(lab, "v", "volume", 0);
	bind_it(lab, "f", "file", 0);
	assert_int_equal(share_remove(lab->share, "v", &err), 0);
	assert_int_equal(share_remove(lab->share, "f", &err), 0);
	assert_nothing_is_in_the_share(lab);
	assert_int_equal(share_remove(lab->share, "v", &err), 0);
	bind_it(lab, "v", "volume", 0);
}

static void a_source_in_use_is_removed_from_sight(void **state)
{
	const struct share_lab *lab = *state;
	struct error err;

	put_directory(lab, "volume", 0, 0755);
	put_file(lab, "volume/file", "", 0, 0644);
	bind_it(lab, "v", "volume", 0);
	_cleanup_close_ int held = open(in_share(lab, "v/file"), O_RDONLY | O_CLOEXEC);
	assert_true(held >= 0);
	assert_int_equal(share_remove(lab->share, "v", &err), 1);
	assert_nothing_is_in_the_share(lab);
}

static void nothing_is_mounted_any_more_when_virtiofsd_was_killed(void **state)
{
	struct share_lab *lab = *state;
	char below[128];

	put_directory(lab, "volume", 0, 0755);
	put_file(lab, "volume/file", "", 0, 0600);
	put_directory(lab, "mount", 0, 0755);
	snprintf(below, sizeof(below), "%s", on_host(lab, "mount"));
	/* Of the same disk: a tmpfs can be shared from Linux 6.3 on. */
	assert_int_equal(mount(on_host(lab, "volume"), below, NULL, MS_BIND, NULL), 0);
	bind_it(lab, "v", "mount", 0);
	/* Ours is gone, and virtiofsd's copy stays. */
	assert_int_equal(umount2(below, 0), 0);
	assert_int_equal(access(in_share(lab, "v/file"), F_OK), 0);
	jail_end(&lab->virtiofsd);
	/* That nothing is left is what share_teardown asserts, with share_clean_up alone. */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARE(a_directory_brought_in_later_is_in_the_share_of_a_running_virtiofsd),
		SHARE(the_host_has_an_empty_place_and_no_mount),
		SHARE(owners_on_disk_are_the_pods_own_and_on_the_host_its_range),
		SHARE(no_id_outside_of_the_range_can_be_given_or_taken),
		SHARE(a_read_only_source_stays_so_whatever_virtiofsd_becomes),
		SHARE(a_writable_file_is_written_on_the_host),
		SHARE(nothing_can_be_made_beside_the_sources),
		SHARE(what_is_mounted_below_comes_with_a_recursive_source_only),
		SHARE(a_link_is_followed_once_and_never_again),
		SHARE(a_link_in_a_source_leads_to_nothing_of_the_host),
		SHARE(sockets_pipes_and_devices_are_refused_by_name),
		SHARE(a_file_system_without_idmapped_mounts_is_named),
		SHARE(a_name_is_of_one_source_and_leads_nowhere),
		SHARE(a_removed_source_is_gone_at_once_and_its_name_free),
		SHARE(a_source_in_use_is_removed_from_sight),
		SHARE(nothing_is_mounted_any_more_when_virtiofsd_was_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
