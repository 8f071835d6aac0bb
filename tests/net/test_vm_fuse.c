// SPDX-License-Identifier: Apache-2.0
/*
 * The real virtiofsd in its jail, and a guest whose kernel is malicious: requests that no honest kernel makes, past all that one checks
 * itself (tests/vm/test_vm_attacker.c has a malicious root above an honest kernel). What is shared: v and w for writing, r for reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/net/fuse_peer.h"
#include "tests/net/share_lab.h"

static struct fuse_peer *peer;

static void bind_it(const struct share_lab *lab, const char *name, unsigned flags)
{
	struct error err;

	must(share_bind(lab->share, name, on_host(lab, name), flags, &err), &err);
}

static int setup(void **state)
{
	if (share_setup(state) < 0)
		return -1;
	const struct share_lab *lab = *state;
	put_directory(lab, "outside", 0, 0755);
	put_file(lab, "outside/secret", "secret", 0, 0666);
	put_directory(lab, "v", 0, 0777);
	put_directory(lab, "w", 0, 0777);
	put_directory(lab, "r", 0, 0777);
	put_file(lab, "v/file", "file", 0, 0666);
	put_file(lab, "r/file", "fixed", 0, 0666);
	bind_it(lab, "v", 0);
	bind_it(lab, "w", 0);
	bind_it(lab, "r", SHARE_READ_ONLY);
	peer = fuse_peer_new(lab->connection);
	return 0;
}

static int teardown(void **state)
{
	const struct share_lab *lab = *state;

	assert_text(on_host(lab, "outside/secret"), "secret");
	assert_text(on_host(lab, "r/file"), "fixed");
	fuse_peer_free(peer);
	return share_teardown(state);
}
#define FUSE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Whatever its reason. */
static void assert_refused(const char *what, int r)
{
	if (r == 0)
		fail_msg("%s was not refused", what);
}

/* ── requests ── */

static int open_node(uint64_t node, uint32_t flags, uint64_t *ret_handle)
{
	const struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out = { 0 };

	int r = FUSE_ASK(peer, FUSE_OPEN, node, &out, sizeof(out), FUSE_STRUCT(in));
	*ret_handle = out.fh;
	return r;
}

static int create(uint64_t parent, const char *name, uint32_t flags, uint32_t mode)
{
	const struct fuse_create_in in = { .flags = flags, .mode = S_IFREG | mode };

	return FUSE_ASK(peer, FUSE_CREATE, parent, NULL, 0, FUSE_STRUCT(in), FUSE_NAME(name));
}

static int make_directory(uint64_t parent, const char *name)
{
	const struct fuse_mkdir_in in = { .mode = 0777 };

	return FUSE_ASK(peer, FUSE_MKDIR, parent, NULL, 0, FUSE_STRUCT(in), FUSE_NAME(name));
}

static int make_node(uint64_t parent, const char *name, uint32_t mode, uint32_t device)
{
	const struct fuse_mknod_in in = { .mode = mode, .rdev = device };

	return FUSE_ASK(peer, FUSE_MKNOD, parent, NULL, 0, FUSE_STRUCT(in), FUSE_NAME(name));
}

static int make_link(uint64_t node, uint64_t parent, const char *name)
{
	const struct fuse_link_in in = { .oldnodeid = node };

	return FUSE_ASK(peer, FUSE_LINK, parent, NULL, 0, FUSE_STRUCT(in), FUSE_NAME(name));
}

static int move(uint64_t parent, const char *name, uint64_t new_parent, const char *new_name, uint32_t flags)
{
	const struct fuse_rename2_in in = { .newdir = new_parent, .flags = flags };

	return FUSE_ASK(peer, FUSE_RENAME2, parent, NULL, 0, FUSE_STRUCT(in), FUSE_NAME(name), FUSE_NAME(new_name));
}

static int set(uint64_t node, struct fuse_setattr_in in)
{
	return FUSE_ASK(peer, FUSE_SETATTR, node, NULL, 0, FUSE_STRUCT(in));
}

static int set_owner(uint64_t node, uint32_t uid)
{
	return set(node, (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID, .uid = uid, .gid = uid });
}

static int set_attribute(uint64_t node, const char *name, const void *value, uint32_t n)
{
	const struct fuse_setxattr_in in = { .size = n };

	/* Without FUSE_SETXATTR_EXT the structure ends behind its flags. */
	return FUSE_ASK(peer, FUSE_SETXATTR, node, NULL, 0, { &in, FUSE_COMPAT_SETXATTR_IN_SIZE }, FUSE_NAME(name), { value, n });
}

/* ── Promises ── */

static void honest_requests_are_answered(void **state)
{
	const struct share_lab *lab = *state;
	uint64_t v = fuse_node(peer, "v"), handle;
	char text[8] = "";

	assert_int_equal(open_node(fuse_node(peer, "v/file"), O_RDONLY, &handle), 0);
	const struct fuse_read_in in = { .fh = handle, .size = 4 };
	assert_int_equal(FUSE_ASK(peer, FUSE_READ, fuse_node(peer, "v/file"), text, 4, FUSE_STRUCT(in)), 0);
	assert_string_equal(text, "file");
	assert_int_equal(create(v, "new", O_WRONLY, 0640), 0);
	assert_owner(on_host(lab, "v/new"), 0);
	assert_int_equal(set(fuse_node(peer, "v/new"), (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0600 }), 0);
	assert_int_equal(make_link(fuse_node(peer, "v/new"), v, "linked"), 0);
	assert_int_equal(move(v, "linked", v, "moved", 0), 0);
	assert_int_equal(FUSE_ASK(peer, FUSE_UNLINK, v, NULL, 0, FUSE_NAME("moved")), 0);
	assert_int_equal(make_directory(v, "directory"), 0);
	assert_int_equal(FUSE_ASK(peer, FUSE_RMDIR, v, NULL, 0, FUSE_NAME("directory")), 0);
	assert_int_equal(make_node(v, "made-pipe", S_IFIFO | 0600, 0), 0);
	assert_int_equal(FUSE_ASK(peer, FUSE_SYMLINK, v, NULL, 0, FUSE_NAME("made-link"), FUSE_NAME("to")), 0);
}

static void the_way_up_ends_at_the_share(void **state)
{
	static const char *const of_the_jail[] = { "proc", "dev", "usr", "share", "etc", "outside" };
	uint64_t node = fuse_node(peer, "v"), found;

	for (unsigned i = 0; i < 20 && fuse_lookup(peer, node, "..", &found) == 0; i++)
		node = found;
	for (size_t i = 0; i < ELEMENTS_OF(of_the_jail); i++)
		assert_refused(of_the_jail[i], fuse_lookup(peer, node, of_the_jail[i], &found));
	node = FUSE_ROOT_ID;
	for (unsigned i = 0; i < 20 && fuse_lookup(peer, node, "..", &found) == 0; i++)
		node = found;
	for (size_t i = 0; i < ELEMENTS_OF(of_the_jail); i++)
		assert_refused(of_the_jail[i], fuse_lookup(peer, node, of_the_jail[i], &found));
}

static void a_name_is_of_one_component(void **state)
{
	static const char *const names[] = { "../x", "v/x", "/x", "../../../../tmp/x", "./x" };
	const struct share_lab *lab = *state;
	uint64_t v = fuse_node(peer, "v"), file = fuse_node(peer, "v/file"), found;

	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		assert_refused(names[i], fuse_lookup(peer, v, names[i], &found));
		assert_refused(names[i], create(v, names[i], O_RDWR, 0666));
		assert_refused(names[i], make_directory(v, names[i]));
		assert_refused(names[i], make_node(v, names[i], S_IFREG | 0666, 0));
		assert_refused(names[i], make_link(file, v, names[i]));
		assert_refused(names[i], move(v, "file", v, names[i], 0));
		assert_refused(names[i], FUSE_ASK(peer, FUSE_SYMLINK, v, NULL, 0, FUSE_NAME(names[i]), FUSE_NAME("to")));
		assert_refused(names[i], FUSE_ASK(peer, FUSE_UNLINK, v, NULL, 0, FUSE_NAME(names[i])));
		assert_refused(names[i], FUSE_ASK(peer, FUSE_RMDIR, v, NULL, 0, FUSE_NAME(names[i])));
	}
	assert_text(on_host(lab, "v/file"), "file");
	assert_int_equal(access(on_host(lab, "x"), F_OK), -1);
}

static void a_link_is_never_followed(void **state)
{
	const struct share_lab *lab = *state;
	struct stat status;
	uint64_t handle;

	assert_int_equal(symlink(on_host(lab, "outside/secret"), on_host(lab, "v/absolute")), 0);
	assert_int_equal(symlink("../outside/secret", on_host(lab, "v/relative")), 0);
	assert_int_equal(symlink("file", on_host(lab, "v/within")), 0);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const links[] = { "absolute", "relative", "within" };
		char path[32];
		snprintf(path, sizeof(path), "v/%s", links[i]);
		uint64_t link = fuse_node(peer, path), found;
		assert_refused(path, open_node(link, O_RDONLY, &handle));
		assert_refused(path, open_node(link, O_WRONLY | O_TRUNC, &handle));
		assert_refused(path, fuse_lookup(peer, link, "secret", &found));
		assert_refused(path, create(fuse_node(peer, "v"), links[i], O_RDWR | O_TRUNC, 0666));
		assert_refused(path, set(link, (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 0 }));
		assert_refused(path, set(link, (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0 }));
		assert_refused(path, set_attribute(link, "user.x", "x", 1));
		assert_int_equal(set_owner(link, 1000), 0); /* the link itself */
		assert_owner(on_host(lab, "outside/secret"), 0);
		assert_owner(on_host(lab, "v/file"), 0);
	}
	assert_int_equal(stat(on_host(lab, "outside/secret"), &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0666);
	assert_text(on_host(lab, "v/file"), "file");
}

static void special_files_are_never_opened_and_nothing_waits_for_them(void **state)
{
	static const char *const names[] = { "pipe", "device", "socket" };
	const struct share_lab *lab = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t handle;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", on_host(lab, "v/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(mkfifo(on_host(lab, "v/pipe"), 0666), 0);
	assert_int_equal(mknod(on_host(lab, "v/device"), S_IFCHR | 0666, 0x101), 0);
	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		char path[32];
		snprintf(path, sizeof(path), "v/%s", names[i]);
		assert_refused(path, open_node(fuse_node(peer, path), O_RDONLY, &handle));
		assert_refused(path, open_node(fuse_node(peer, path), O_RDWR, &handle));
		assert_refused(path, create(fuse_node(peer, "v"), names[i], O_RDONLY, 0666));
		assert_refused(path, create(fuse_node(peer, "v"), names[i], O_WRONLY, 0666));
		assert_refused(path, set(fuse_node(peer, path), (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 0 }));
	}
	assert_int_equal(open_node(fuse_node(peer, "v/file"), O_RDONLY, &handle), 0);
}

static void nobody_outside_of_the_pods_ids_is_acted_for(void **state)
{
	static const uint32_t ids[] = { 65536, 70000, FIRST_ID, FIRST_ID + 1000, 0u - FIRST_ID, 1000660000, UINT32_MAX - 1 };
	const struct share_lab *lab = *state;
	uint64_t v = fuse_node(peer, "v"), file = fuse_node(peer, "v/file");

	for (size_t i = 0; i < ELEMENTS_OF(ids); i++) {
		assert_refused("owner", set_owner(file, ids[i]));
		fuse_become(peer, ids[i], 0);
		assert_refused("user", make_directory(v, "made"));
		fuse_become(peer, 0, ids[i]);
		assert_refused("group", make_directory(v, "made"));
		fuse_become(peer, 0, 0);
	}
	assert_owner(on_host(lab, "v/file"), 0);
	assert_int_equal(access(on_host(lab, "v/made"), F_OK), -1);
	fuse_become(peer, 1000, 1000);
	assert_int_equal(make_directory(v, "made"), 0);
	assert_owner(on_host(lab, "v/made"), 1000);
}

/* Who is not of a directory's group makes no set-group-ID program of it (CVE-2022-0358). */
static void a_group_is_not_had_from_its_directory(void **state)
{
	const struct share_lab *lab = *state;
	struct stat status;

	put_directory(lab, "v/of-group", 0, 0777);
	assert_int_equal(chown(on_host(lab, "v/of-group"), 0, 42), 0);
	assert_int_equal(chmod(on_host(lab, "v/of-group"), 02777), 0);
	fuse_become(peer, 1000, 1000);
	assert_int_equal(create(fuse_node(peer, "v/of-group"), "program", O_WRONLY, 02755), 0);
	assert_int_equal(stat(on_host(lab, "v/of-group/program"), &status), 0);
	assert_int_equal(status.st_gid, 42);
	assert_int_equal(status.st_mode & S_ISGID, 0);
}

static void no_device_is_made(void **state)
{
	const struct share_lab *lab = *state;

	assert_refused("character device", make_node(fuse_node(peer, "v"), "made", S_IFCHR | 0666, 0x101));
	assert_refused("block device", make_node(fuse_node(peer, "v"), "made", S_IFBLK | 0666, 0xfe00));
	assert_int_equal(access(on_host(lab, "v/made"), F_OK), -1);
}

static void nothing_crosses_from_one_source_to_another(void **state)
{
	const struct share_lab *lab = *state;
	uint64_t v = fuse_node(peer, "v"), w = fuse_node(peer, "w"), r = fuse_node(peer, "r");

	assert_int_equal(make_link(fuse_node(peer, "v/file"), w, "linked"), EXDEV);
	assert_int_equal(make_link(fuse_node(peer, "r/file"), v, "linked"), EXDEV);
	assert_int_equal(move(v, "file", w, "moved", 0), EXDEV);
	assert_int_equal(move(v, "file", r, "file", RENAME_EXCHANGE), EXDEV);
	assert_refused("a link of a directory", make_link(v, w, "linked"));
	assert_refused("a link of the share", make_link(FUSE_ROOT_ID, v, "linked"));
	assert_refused("moving a source", move(FUSE_ROOT_ID, "v", FUSE_ROOT_ID, "x", 0));
	assert_refused("moving a source into another", move(FUSE_ROOT_ID, "v", w, "x", 0));
	assert_refused("exchanging sources", move(FUSE_ROOT_ID, "v", FUSE_ROOT_ID, "r", RENAME_EXCHANGE));
	assert_refused("removing a source", FUSE_ASK(peer, FUSE_RMDIR, FUSE_ROOT_ID, NULL, 0, FUSE_NAME("w")));
	assert_refused("a file in the share itself", create(FUSE_ROOT_ID, "new", O_WRONLY, 0666));
	assert_text(on_host(lab, "v/file"), "file");
}

static void what_is_read_only_is_written_by_no_request(void **state)
{
	const uint32_t all = UINT32_MAX;
	uint64_t r = fuse_node(peer, "r"), file = fuse_node(peer, "r/file"), handle;

	assert_int_equal(open_node(file, O_WRONLY, &handle), EROFS);
	assert_int_equal(open_node(file, O_RDONLY | O_TRUNC, &handle), EROFS);
	assert_int_equal(create(r, "file", O_RDWR, 0666), EROFS);
	assert_int_equal(make_directory(r, "made"), EROFS);
	assert_int_equal(set_owner(file, 1), EROFS);
	assert_int_equal(set(file, (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0777 }), EROFS);
	assert_int_equal(set(file, (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 0 }), EROFS);
	assert_int_equal(set(file, (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 1 }), EROFS);
	assert_int_equal(set_attribute(file, "user.x", &all, sizeof(all)), EROFS);
	assert_int_equal(FUSE_ASK(peer, FUSE_UNLINK, r, NULL, 0, FUSE_NAME("file")), EROFS);
	/* By what was opened for reading. */
	assert_int_equal(open_node(file, O_RDONLY, &handle), 0);
	const struct fuse_write_in in = { .fh = handle, .size = 8 };
	assert_refused("a write to what is open for reading",
		       FUSE_ASK(peer, FUSE_WRITE, file, NULL, 0, FUSE_STRUCT(in), { "attacked", 8 }));
}

static void numbers_that_nobody_gave_are_of_nothing(void **state)
{
	static const uint64_t numbers[] = { 0, 1000, UINT32_MAX, (uint64_t)UINT32_MAX + 2, INT64_MAX, UINT64_MAX };
	uint64_t v = fuse_node(peer, "v"), handle, found;

	for (size_t i = 0; i < ELEMENTS_OF(numbers); i++) {
		const struct fuse_getattr_in in = { .fh = numbers[i] };
		const struct fuse_read_in read = { .fh = numbers[i], .size = 4096 };
		assert_refused("a node's status", FUSE_ASK(peer, FUSE_GETATTR, numbers[i], NULL, 0, FUSE_STRUCT(in)));
		assert_refused("a name in it", fuse_lookup(peer, numbers[i], "file", &found));
		assert_refused("opening it", open_node(numbers[i], O_RDONLY, &handle));
		assert_refused("reading a handle", FUSE_ASK(peer, FUSE_READ, v, NULL, 0, FUSE_STRUCT(read)));
		assert_refused("a link of it", make_link(numbers[i], v, "linked"));
		assert_refused("a move into it", move(v, "file", numbers[i], "file", 0));
	}
}

static void attributes_that_mean_something_to_the_host_are_refused(void **state)
{
	uint64_t file = fuse_node(peer, "v/file");

	assert_int_equal(set_attribute(file, "user.x", "x", 1), 0);
	assert_refused("trusted", set_attribute(file, "trusted.x", "x", 1));
	assert_refused("overlay", set_attribute(fuse_node(peer, "v"), "trusted.overlay.redirect", "/../outside", 11));
	/* Not "security.x": a kernel before 6.11 that has the LSM "bpf", as Debian's, lets everybody set what means nothing to another LSM. */
	assert_refused("security", set_attribute(file, "security.ima", "\x01\x02", 2));
}

/* Also what a program may by itself, for which whoever shares a directory for writing must answer. */
static void a_file_on_disk_is_as_any_containers_root_would_have_left_it(void **state)
{
	/* Version 2, with all of them, effective. */
	static const struct vfs_cap_data capabilities = { 0x02000001, { { UINT32_MAX, 0 }, { UINT32_MAX, 0 } } };
	const struct share_lab *lab = *state;
	struct vfs_cap_data seen;
	struct stat status;

	assert_int_equal(create(fuse_node(peer, "v"), "program", O_WRONLY, 06755), 0);
	assert_int_equal(set_attribute(fuse_node(peer, "v/program"), "security.capability", &capabilities, sizeof(capabilities)), 0);
	assert_int_equal(stat(on_host(lab, "v/program"), &status), 0);
	assert_int_equal(status.st_uid, 0);
	assert_int_equal(status.st_mode, S_IFREG | 06755);
	assert_int_equal(getxattr(on_host(lab, "v/program"), "security.capability", &seen, sizeof(seen)), sizeof(seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUSE(honest_requests_are_answered),
		FUSE(the_way_up_ends_at_the_share),
		FUSE(a_name_is_of_one_component),
		FUSE(a_link_is_never_followed),
		FUSE(special_files_are_never_opened_and_nothing_waits_for_them),
		FUSE(nobody_outside_of_the_pods_ids_is_acted_for),
		FUSE(a_group_is_not_had_from_its_directory),
		FUSE(no_device_is_made),
		FUSE(nothing_crosses_from_one_source_to_another),
		FUSE(what_is_read_only_is_written_by_no_request),
		FUSE(numbers_that_nobody_gave_are_of_nothing),
		FUSE(attributes_that_mean_something_to_the_host_are_refused),
		FUSE(a_file_on_disk_is_as_any_containers_root_would_have_left_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
