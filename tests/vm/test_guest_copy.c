// SPDX-License-Identifier: Apache-2.0
/* Files that the agent takes from its host, on a real tmpfs in a mount namespace of its own: needs root. */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/guest/copy.h"
#include "kata-shim/guest/copy_path.h"
#include "kata-shim/guest/sandbox.h"

#define AT(path) GUEST_SHARED "/" path

static struct copies *copies;
static struct error err;

static int set_up(void **state)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
		return -1;
	umask(022);
	copies = copies_new();
	return copies ? 0 : -1;
}

static int tear_down(void **state)
{
	copies_free(copies);
	return umount2("/run", MNT_DETACH);
}

static int copy_piece(const char *path, mode_t mode, const char *data, int64_t offset, int64_t size)
{
	Agent__CopyFileRequest piece = AGENT__COPY_FILE_REQUEST__INIT;

	piece.path = (char *)path;
	piece.file_mode = mode;
	piece.file_size = size;
	piece.offset = offset;
	piece.uid = 1000;
	piece.gid = 2000;
	piece.data = (ProtobufCBinaryData){ strlen(data), (uint8_t *)data };
	return copies_take(copies, &piece, &err);
}

static int copy(const char *path, mode_t mode, const char *data)
{
	return copy_piece(path, mode, data, 0, (int64_t)strlen(data));
}

static void expect_content(const char *path, const char *content)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	if (file_read(path, &text, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(buf_text(&text), content);
}

static void expect_nothing_staged(void)
{
	DIR *directory = opendir(GUEST_STATE "/copies");
	const struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			fail_msg("%s is left behind", entry->d_name);
	}
	if (directory)
		closedir(directory);
}

static void a_file_has_the_content_owner_and_mode_that_were_sent(void **state)
{
	struct stat status;

	assert_int_equal(copy(AT("copies/c1-0-token/..1/token"), S_IFREG | 04640, "secret"), 0);
	expect_content(AT("copies/c1-0-token/..1/token"), "secret");
	assert_int_equal(stat(AT("copies/c1-0-token/..1/token"), &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 04640);
	assert_int_equal(status.st_uid, 1000);
	assert_int_equal(status.st_gid, 2000);
	assert_int_equal(stat(AT("copies/c1-0-token"), &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 0755);
	assert_int_equal(copy(AT("copies/empty"), 0644, ""), 0); /* without a type, as old runtimes */
	expect_content(AT("copies/empty"), "");
	expect_nothing_staged();
}

static void a_file_in_pieces_appears_with_the_last_one(void **state)
{
	assert_int_equal(copy(AT("f"), S_IFREG | 0644, "old"), 0);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "new ", 0, 11), 0);
	expect_content(AT("f"), "old");
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "content", 4, 11), 0);
	expect_content(AT("f"), "new content");
	expect_nothing_staged();
}

static void a_piece_that_is_not_the_next_is_refused(void **state)
{
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "abc", 3, 9), -EINVAL);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "abc", 0, 9), 0);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "ghi", 6, 9), -EINVAL);
	assert_string_equal(err.message, "copy of \"f\": a piece for offset 6 came, and the next one is that for 3");
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "0123456789", 0, 9), -EINVAL);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "x", 9, 9), -EINVAL);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "x", -1, 9), -EINVAL);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "x", 0, COPY_FILE_MAX + 1), -EFBIG);
	assert_int_equal(copy_piece(AT("f"), S_IFREG | 0644, "x", 0, -1), -EFBIG);
	assert_int_equal(access(AT("f"), F_OK), -1);
	assert_int_equal(copy(AT("f"), S_IFREG | 0644, "anew"), 0); /* and what had come of it is forgotten */
	expect_content(AT("f"), "anew");
	expect_nothing_staged();
}

static void of_too_many_files_at_a_time_the_oldest_is_given_up(void **state)
{
	char path[128];

	for (int i = 0; i <= COPY_OPEN_MAX; i++) {
		snprintf(path, sizeof(path), AT("f%d"), i);
		assert_int_equal(copy_piece(path, S_IFREG | 0644, "a", 0, 2), 0);
	}
	assert_int_equal(copy_piece(AT("f0"), S_IFREG | 0644, "b", 1, 2), -EINVAL);
	for (int i = 1; i <= COPY_OPEN_MAX; i++) {
		snprintf(path, sizeof(path), AT("f%d"), i);
		assert_int_equal(copy_piece(path, S_IFREG | 0644, "b", 1, 2), 0);
		expect_content(path, "ab");
	}
	expect_nothing_staged();
}

/* As kubelet changes a volume: ..data is a link that is renamed. */
static void who_watches_hears_of_a_link_once_and_never_finds_it_missing(void **state)
{
	_Alignas(struct inotify_event) char events[4096];
	char target[64] = {};

	assert_int_equal(copy(AT("v"), S_IFDIR | 0755, ""), 0);
	assert_int_equal(copy(AT("v/..data"), S_IFLNK | 0777, "..1"), 0);
	_cleanup_close_ int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(inotify_add_watch(watch, AT("v"), IN_ALL_EVENTS) >= 0);
	assert_int_equal(copy(AT("v/..data"), S_IFLNK | 0777, "..2"), 0);
	assert_true(readlink(AT("v/..data"), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "..2");
	ssize_t n = read(watch, events, sizeof(events));
	assert_true(n > 0);
	const struct inotify_event *event = (const struct inotify_event *)events;
	assert_int_equal(event->mask, IN_MOVED_TO);
	assert_string_equal(event->name, "..data");
	assert_int_equal(n, sizeof(*event) + event->len); /* and nothing else */
}

static void what_is_in_the_way_is_replaced_but_for_a_folder(void **state)
{
	struct stat status;

	assert_int_equal(copy(AT("a"), S_IFLNK, "/etc/passwd"), 0);
	assert_int_equal(copy(AT("a"), S_IFREG | 0600, "file"), 0); /* in place of the link, not of what it leads to */
	expect_content(AT("a"), "file");
	assert_int_equal(copy(AT("a"), S_IFDIR | 0700, ""), 0);
	assert_int_equal(copy(AT("a/b"), S_IFREG | 0600, "x"), 0);
	assert_int_equal(copy(AT("a"), S_IFDIR | 01750, ""), 0);
	assert_int_equal(stat(AT("a"), &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 01750);
	expect_content(AT("a/b"), "x");
	assert_int_equal(copy(AT("a"), S_IFREG | 0600, "file"), -EISDIR);
	assert_int_equal(copy(AT("a"), S_IFLNK, "x"), -EISDIR);
	assert_int_equal(copy(AT("d"), S_IFLNK, "/tmp"), 0);
	assert_int_equal(copy(AT("d"), S_IFDIR | 0755, ""), 0);
	assert_int_equal(lstat(AT("d"), &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	expect_nothing_staged();
}

static void a_path_outside_is_refused(void **state)
{
	static const char *const paths[] = {
		"/etc/passwd",
		"",
		"f",
		GUEST_SHARED,
		GUEST_SHARED "/",
		AT(".."),
		AT("../f"),
		AT("a/../f"),
		AT("a/./f"),
		AT("a//f"),
		AT("a/"),
		"/run/kata-containers/shared/containersf",
		"//run/kata-containers/shared/containers/f",
		AT("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"),
	};

	for (size_t i = 0; i < ELEMENTS_OF(paths); i++) {
		int r = copy(paths[i], S_IFREG | 0644, "x");
		if (r != -EINVAL && r != -E2BIG)
			fail_msg("\"%s\": %d", paths[i], r);
		r = copies_remove(paths[i], &err);
		if (r != -EINVAL && r != -E2BIG)
			fail_msg("removal of \"%s\": %d", paths[i], r);
	}
}

static void a_link_is_never_followed(void **state)
{
	assert_int_equal(mkdir("/run/elsewhere", 0755), 0);
	assert_int_equal(copy(AT("out"), S_IFLNK, "/run/elsewhere"), 0);
	assert_int_equal(copy(AT("in"), S_IFLNK, "folder"), 0);
	assert_int_equal(copy(AT("folder"), S_IFDIR | 0755, ""), 0);
	assert_int_equal(copy(AT("out/f"), S_IFREG | 0644, "x"), -ELOOP);
	assert_int_equal(copy(AT("out/deep/f"), S_IFDIR | 0755, ""), -ELOOP);
	assert_int_equal(copy(AT("in/f"), S_IFREG | 0644, "x"), -ELOOP);
	assert_int_equal(copies_remove(AT("out/f"), &err), -ELOOP);
	assert_int_equal(rmdir("/run/elsewhere"), 0); /* it is empty */
}

static void what_is_mounted_there_is_not_written_to(void **state)
{
	assert_int_equal(copy(AT("host"), S_IFDIR | 0755, ""), 0);
	assert_int_equal(mount("tmpfs", AT("host"), "tmpfs", 0, NULL), 0);
	assert_int_equal(copy(AT("host/f"), S_IFREG | 0644, "x"), -EXDEV);
	assert_string_equal(err.message, "copy of \"host/f\": \"host\" is another file system, which is not the guest's to write to");
	assert_int_equal(copies_remove(AT("host/f"), &err), -EXDEV);
}

static void other_kinds_of_files_are_refused(void **state)
{
	static const mode_t modes[] = { S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK };

	for (size_t i = 0; i < ELEMENTS_OF(modes); i++)
		assert_int_equal(copy(AT("f"), modes[i] | 0644, "x"), -EINVAL);
	assert_int_equal(copy(AT("f"), S_IFLNK, ""), -EINVAL);
	assert_int_equal(access(AT("f"), F_OK), -1);
}

static void a_guest_without_memory_says_so_and_keeps_nothing_of_the_file(void **state)
{
	static char data[64 * 1024 + 1];

	memset(data, 'x', sizeof(data) - 1);
	assert_int_equal(mount("tmpfs", "/run", "tmpfs", 0, "size=32k"), 0);
	assert_int_equal(copy(AT("f"), S_IFREG | 0644, data), -ENOSPC);
	assert_int_equal(access(AT("f"), F_OK), -1);
	expect_nothing_staged();
	assert_int_equal(umount2("/run", MNT_DETACH), 0);
}

static void files_links_and_empty_folders_are_removed(void **state)
{
	assert_int_equal(copy(AT("a/f"), S_IFREG | 0644, "x"), 0);
	assert_int_equal(copy(AT("a/l"), S_IFLNK, "f"), 0);
	assert_int_equal(copies_remove(AT("a"), &err), -ENOTEMPTY);
	assert_int_equal(copies_remove(AT("a/l"), &err), 0);
	expect_content(AT("a/f"), "x");
	assert_int_equal(copies_remove(AT("a/f"), &err), 0);
	assert_int_equal(copies_remove(AT("a/f"), &err), 0);
	assert_int_equal(copies_remove(AT("b/c/d"), &err), 0);
	assert_int_equal(copies_remove(AT("a"), &err), 0);
	assert_int_equal(access(AT("a"), F_OK), -1);
	assert_int_equal(access(AT("b"), F_OK), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_file_has_the_content_owner_and_mode_that_were_sent),
		TEST(a_file_in_pieces_appears_with_the_last_one),
		TEST(a_piece_that_is_not_the_next_is_refused),
		TEST(of_too_many_files_at_a_time_the_oldest_is_given_up),
		TEST(who_watches_hears_of_a_link_once_and_never_finds_it_missing),
		TEST(what_is_in_the_way_is_replaced_but_for_a_folder),
		TEST(a_path_outside_is_refused),
		TEST(a_link_is_never_followed),
		TEST(what_is_mounted_there_is_not_written_to),
		TEST(other_kinds_of_files_are_refused),
		TEST(a_guest_without_memory_says_so_and_keeps_nothing_of_the_file),
		TEST(files_links_and_empty_folders_are_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
