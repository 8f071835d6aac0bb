// SPDX-License-Identifier: Apache-2.0
/* The root of a container in a VM's share, from mounts as containerd's snapshotters give them. */
#include "tests/net/share_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/array.h"

#define OPTIONS_MAX 8

struct snapshot {
	char text[OPTIONS_MAX][16 * 1024];
	const char *options[OPTIONS_MAX];
	struct share_mount mount;
};

static void add_option(struct snapshot *snapshot, const char *key, const char *value)
{
	size_t n = snapshot->mount.n_options++;

	snprintf(snapshot->text[n], sizeof(snapshot->text[n]), "%s%s", key, value);
	snapshot->options[n] = snapshot->text[n];
}

/* Two layers of an image, and what a container writes, as containerd lays it: snapshots/N/{fs,work}. */
static struct snapshot *make_overlay(const struct share_lab *lab)
{
	static struct snapshot snapshot;
	char lower[512];

	snapshot = (struct snapshot){ .mount = { .type = "overlay", .source = "overlay", .options = snapshot.options } };
	put_directory(lab, "1", 0, 0700);
	put_directory(lab, "1/fs", 0, 0755);
	put_directory(lab, "1/fs/etc", 0, 0755);
	put_file(lab, "1/fs/etc/passwd", "base", 0, 0644);
	put_file(lab, "1/fs/etc/hidden", "base", 0, 0644);
	put_directory(lab, "1/fs/home", 1000, 0755);
	put_file(lab, "1/fs/home/file", "user's", 1000, 0600);
	put_directory(lab, "2", 0, 0700);
	put_directory(lab, "2/fs", 0, 0755);
	put_directory(lab, "2/fs/etc", 0, 0755);
	put_file(lab, "2/fs/etc/passwd", "changed", 0, 0644);
	put_directory(lab, "3", 0, 0700);
	put_directory(lab, "3/fs", 0, 0755);
	put_directory(lab, "3/work", 0, 0711);
	snprintf(lower, sizeof(lower), "%s:%s", on_host(lab, "2/fs"), on_host(lab, "1/fs"));
	add_option(&snapshot, "index=off", "");
	add_option(&snapshot, "workdir=", on_host(lab, "3/work"));
	add_option(&snapshot, "upperdir=", on_host(lab, "3/fs"));
	add_option(&snapshot, "lowerdir=", lower);
	return &snapshot;
}

static void mount_it(const struct share_lab *lab, const char *container, const struct share_mount *mount)
{
	struct error err;

	must(share_rootfs(lab->share, container, mount, 1, NULL, &err), &err);
}

static int overwrite(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	return fd < 0 || write(fd, "written", 7) != 7 ? errno : 0;
}

static int make_file_of_a_user(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd < 0 || fchown(fd, 1000, 1000) < 0 ? errno : 0;
}

static int make_directory(const char *path)
{
	return mkdir(path, 0755) < 0 ? errno : 0;
}

static int remove_file(const char *path)
{
	return unlink(path) < 0 ? errno : 0;
}

static int remove_directory(const char *path)
{
	return rmdir(path) < 0 ? errno : 0;
}

static int give_beyond_last_id(const char *path)
{
	return chown(path, 65536, 65536) < 0 ? errno : 0;
}

/* ── overlay ── */

static void an_overlay_is_the_image_with_the_pods_owners(void **state)
{
	const struct share_lab *lab = *state;

	mount_it(lab, "c1", &make_overlay(lab)->mount);
	assert_text(in_share(lab, "c1/rootfs/etc/passwd"), "changed");
	assert_text(in_share(lab, "c1/rootfs/home/file"), "user's");
	assert_owner(in_share(lab, "c1/rootfs"), FIRST_ID);
	assert_owner(in_share(lab, "c1/rootfs/etc/passwd"), FIRST_ID);
	assert_owner(in_share(lab, "c1/rootfs/home"), FIRST_ID + 1000);
}

static void what_is_written_is_in_the_upper_layer_with_owners_as_in_the_pod(void **state)
{
	const struct share_lab *lab = *state;

	mount_it(lab, "c1", &make_overlay(lab)->mount);
	assert_int_equal(as_virtiofsd(lab, overwrite, "c1/rootfs/home/file"), 0);
	assert_int_equal(as_virtiofsd(lab, make_directory, "c1/rootfs/etc/new"), 0);
	assert_int_equal(as_virtiofsd(lab, make_file_of_a_user, "c1/rootfs/etc/new/file"), 0);
	assert_int_equal(as_virtiofsd(lab, give_beyond_last_id, "c1/rootfs/etc/new/file"), EINVAL);
	assert_text(on_host(lab, "1/fs/home/file"), "user's");
	assert_text(on_host(lab, "3/fs/home/file"), "written");
	assert_owner(on_host(lab, "3/fs/home/file"), 1000);
	assert_owner(on_host(lab, "3/fs/home"), 1000);
	assert_owner(on_host(lab, "3/fs/etc/new"), 0);
	assert_owner(on_host(lab, "3/fs/etc/new/file"), 1000);
	assert_owner(on_host(lab, "3/work/work"), 0);
}

static void what_is_removed_is_whited_out_above_and_stays_below(void **state)
{
	const struct share_lab *lab = *state;
	struct stat whiteout;

	mount_it(lab, "c1", &make_overlay(lab)->mount);
	assert_int_equal(as_virtiofsd(lab, remove_file, "c1/rootfs/etc/hidden"), 0);
	assert_int_equal(access(in_share(lab, "c1/rootfs/etc/hidden"), F_OK), -1);
	assert_text(on_host(lab, "1/fs/etc/hidden"), "base");
	assert_int_equal(lstat(on_host(lab, "3/fs/etc/hidden"), &whiteout), 0);
	assert_true(S_ISCHR(whiteout.st_mode) && whiteout.st_rdev == makedev(0, 0));
}

/* With trusted.overlay.* attributes, which only the host's root may set: the mounter's capabilities are kept. */
static void a_directory_made_anew_hides_the_one_below(void **state)
{
	const struct share_lab *lab = *state;
	char opaque[8] = "";

	mount_it(lab, "c1", &make_overlay(lab)->mount);
	assert_int_equal(as_virtiofsd(lab, remove_file, "c1/rootfs/home/file"), 0);
	assert_int_equal(as_virtiofsd(lab, remove_directory, "c1/rootfs/home"), 0);
	assert_int_equal(as_virtiofsd(lab, make_directory, "c1/rootfs/home"), 0);
	assert_int_equal(access(in_share(lab, "c1/rootfs/home/file"), F_OK), -1);
	assert_int_equal(getxattr(on_host(lab, "3/fs/home"), "trusted.overlay.opaque", opaque, sizeof(opaque)), 1);
	assert_string_equal(opaque, "y");
}

static void an_overlay_without_an_upper_layer_is_read_only(void **state)
{
	const struct share_lab *lab = *state;
	struct snapshot *snapshot = make_overlay(lab);

	snapshot->options[1] = "ro";
	snapshot->options[2] = "ro";
	mount_it(lab, "c1", &snapshot->mount);
	assert_text(in_share(lab, "c1/rootfs/etc/passwd"), "changed");
	assert_int_equal(as_virtiofsd(lab, overwrite, "c1/rootfs/etc/passwd"), EROFS);
}

static void an_image_may_have_120_layers(void **state)
{
	const struct share_lab *lab = *state;
	struct snapshot *snapshot = make_overlay(lab);
	char name[32], *lower = snapshot->text[3];

	strcpy(lower, "lowerdir=");
	for (int i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "layer-%d", i);
		put_directory(lab, name, 0, 0755);
		sprintf(lower + strlen(lower), "%s%s", i ? ":" : "", on_host(lab, name));
	}
	put_file(lab, "layer-119/deep", "deep", 0, 0644);
	mount_it(lab, "c1", &snapshot->mount);
	assert_text(in_share(lab, "c1/rootfs/deep"), "deep");
}

static void two_containers_share_layers_and_nothing_they_write(void **state)
{
	const struct share_lab *lab = *state;
	struct snapshot *snapshot = make_overlay(lab);

	mount_it(lab, "c1", &snapshot->mount);
	put_directory(lab, "4", 0, 0700);
	put_directory(lab, "4/fs", 0, 0755);
	put_directory(lab, "4/work", 0, 0711);
	snprintf(snapshot->text[1], sizeof(snapshot->text[1]), "workdir=%s", on_host(lab, "4/work"));
	snprintf(snapshot->text[2], sizeof(snapshot->text[2]), "upperdir=%s", on_host(lab, "4/fs"));
	mount_it(lab, "c2", &snapshot->mount);
	assert_int_equal(as_virtiofsd(lab, overwrite, "c1/rootfs/etc/passwd"), 0);
	assert_text(in_share(lab, "c2/rootfs/etc/passwd"), "changed");
}

static void a_removed_root_is_gone_and_its_snapshot_can_be_mounted_again(void **state)
{
	const struct share_lab *lab = *state;
	const struct snapshot *snapshot = make_overlay(lab);
	struct error err;

	mount_it(lab, "c1", &snapshot->mount);
	assert_int_equal(as_virtiofsd(lab, overwrite, "c1/rootfs/etc/passwd"), 0);
	assert_int_equal(share_remove(lab->share, "c1", &err), 0);
	assert_int_equal(access(in_share(lab, "c1"), F_OK), -1);
	mount_it(lab, "c1", &snapshot->mount);
	assert_text(in_share(lab, "c1/rootfs/etc/passwd"), "written");
}

static void the_scratch_of_mounting_is_empty_again(void **state)
{
	const struct share_lab *lab = *state;
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(1024 * 1024);

	mount_it(lab, "c1", &make_overlay(lab)->mount);
	read_proc(lab->virtiofsd.pid, "mountinfo", &mounts);
	assert_null(strstr(buf_text(&mounts), " /mnt"));
	assert_null(strstr(buf_text(&mounts), "layers"));
	assert_non_null(strstr(buf_text(&mounts), " /c1/rootfs rw,nosuid,nodev,noexec"));
}

/* ── bind ── */

static void a_native_snapshot_is_the_root(void **state)
{
	static const char *const read_write[] = { "rbind", "rw" }, *const read_only[] = { "rbind", "ro" };
	const struct share_lab *lab = *state;
	char source[128];

	put_directory(lab, "snapshot", 0, 0755);
	put_file(lab, "snapshot/file", "native", 0, 0644);
	snprintf(source, sizeof(source), "%s", on_host(lab, "snapshot"));
	mount_it(lab, "c1", &(struct share_mount){ "bind", source, NULL, read_write, 2 });
	mount_it(lab, "c2", &(struct share_mount){ "bind", source, NULL, read_only, 2 });
	assert_text(in_share(lab, "c2/rootfs/file"), "native");
	assert_int_equal(as_virtiofsd(lab, overwrite, "c2/rootfs/file"), EROFS);
	assert_int_equal(as_virtiofsd(lab, overwrite, "c1/rootfs/file"), 0);
	assert_text(on_host(lab, "snapshot/file"), "written");
}

static void without_any_mount_the_bundles_own_rootfs_is_it(void **state)
{
	const struct share_lab *lab = *state;
	struct error err;

	put_directory(lab, "rootfs", 0, 0755);
	put_file(lab, "rootfs/file", "bundle", 0, 0644);
	must(share_rootfs(lab->share, "c1", NULL, 0, on_host(lab, "rootfs"), &err), &err);
	assert_text(in_share(lab, "c1/rootfs/file"), "bundle");
}

/* ── refusals ── */

static void what_cannot_be_kept_is_refused_with_its_name_and_leaves_nothing(void **state)
{
	const struct share_lab *lab = *state;
	static const char *const mapped[] = { "lowerdir=/a:/b", "uidmap=0:1000:1" }, *const relative[] = { "lowerdir=a" },
				 *const sys[] = { "lowerdir=/sys/kernel:/sys/fs" }, *const gone[] = { "lowerdir=/no/such/layer:/tmp" };
	static const struct {
		struct share_mount mounts[2];
		size_t n;
		int code;
		const char *says;
	} cases[] = {
		{ { { "ext4", "/dev/mapper/x", NULL, NULL, 0 } }, 1, EOPNOTSUPP, "of type ext4, and a VM's root can be one of overlay or bind: set snapshotter" },
		{ { { "overlay", "overlay", NULL, mapped, 2 } }, 1, EOPNOTSUPP, "uidmap=0:1000:1" },
		{ { { "overlay", "overlay", NULL, relative, 1 } }, 1, EINVAL, "\"a\"" },
		{ { { "overlay", "overlay", NULL, NULL, 0 } }, 1, EINVAL, "lowerdir" },
		{ { { "overlay", "overlay", NULL, sys, 1 } }, 1, EOPNOTSUPP, "/sys/kernel with a VM: it is on sysfs" },
		{ { { "overlay", "overlay", NULL, gone, 1 } }, 1, ENOENT, "/no/such/layer" },
		{ { { "bind", "/dev/null", NULL, NULL, 0 } }, 1, EOPNOTSUPP, "/dev/null" },
		{ { { "bind", "/tmp", NULL, NULL, 0 }, { "bind", "/tmp", NULL, NULL, 0 } }, 2, EOPNOTSUPP, "2 mounts" },
	};
	_cleanup_(buf_free) struct buf list = BUF_MAX(4096);

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct error err;
		assert_int_equal(share_rootfs(lab->share, "c1", cases[i].mounts, cases[i].n, NULL, &err), -cases[i].code);
		if (!strstr(err.message, cases[i].says) || !strstr(err.message, "root of container c1"))
			fail_msg("\"%s\" does not say %s", err.message, cases[i].says);
	}
	list_proc(lab->virtiofsd.pid, "root", &list);
	assert_string_equal(buf_text(&list), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARE(an_overlay_is_the_image_with_the_pods_owners),
		SHARE(what_is_written_is_in_the_upper_layer_with_owners_as_in_the_pod),
		SHARE(what_is_removed_is_whited_out_above_and_stays_below),
		SHARE(a_directory_made_anew_hides_the_one_below),
		SHARE(an_overlay_without_an_upper_layer_is_read_only),
		SHARE(an_image_may_have_120_layers),
		SHARE(two_containers_share_layers_and_nothing_they_write),
		SHARE(a_removed_root_is_gone_and_its_snapshot_can_be_mounted_again),
		SHARE(the_scratch_of_mounting_is_empty_again),
		SHARE(a_native_snapshot_is_the_root),
		SHARE(without_any_mount_the_bundles_own_rootfs_is_it),
		SHARE(what_cannot_be_kept_is_refused_with_its_name_and_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
