// SPDX-License-Identifier: Apache-2.0
/* The pod's sandbox, as the agent makes it: real mounts and namespaces, in a mount namespace of this test's own. Needs root. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/guest/sandbox.h"
#include "kata-shim/guest/storage.h"

#define EPHEMERAL GUEST_SANDBOX "/ephemeral/cache"
#define TMPFS_KIND 0x01021994 /* linux/magic.h */

static struct sandbox sandbox;
static struct error err;
static Agent__CreateSandboxRequest request;
static Agent__Storage storages[STORAGES_MAX + 1], *storage_at[STORAGES_MAX + 1];

/* `options` ends with NULL. */
static void add_storage(const char *driver, const char *type, const char *source, const char *place, char **options)
{
	Agent__Storage *storage = &storages[request.n_storages];

	*storage = (Agent__Storage)AGENT__STORAGE__INIT;
	storage->driver = (char *)driver;
	storage->fstype = (char *)type;
	storage->source = (char *)source;
	storage->mount_point = (char *)place;
	storage->options = options;
	while (options && options[storage->n_options])
		storage->n_options++;
	storage_at[request.n_storages++] = storage;
}

static int set_up(void **state)
{
	static char *options[] = { (char *)"noexec", (char *)"nosuid", (char *)"nodev", (char *)"mode=1777", (char *)"size=1m", NULL };

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
		return -1;
	umask(022);
	request = (Agent__CreateSandboxRequest)AGENT__CREATE_SANDBOX_REQUEST__INIT;
	request.storages = storage_at;
	request.hostname = (char *)"pod-1";
	request.sandbox_id = (char *)"sandbox-1";
	add_storage("ephemeral", "tmpfs", "shm", GUEST_SHM, options);
	return 0;
}

static int tear_down(void **state)
{
	sandbox_unmake(&sandbox);
	return umount2("/run", MNT_DETACH);
}

static void make(void)
{
	if (sandbox_make(&sandbox, &request, &err) < 0)
		fail_msg("%s", err.message);
}

static unsigned count_mounts(void)
{
	FILE *mounts = fopen("/proc/self/mounts", "r");
	unsigned n = 0;
	char line[4096];

	assert_non_null(mounts);
	while (fgets(line, sizeof(line), mounts))
		n += strstr(line, " /run/") != NULL;
	fclose(mounts);
	return n;
}

static void expect_refusal(int code, const char *words)
{
	unsigned before = count_mounts();

	assert_int_equal(sandbox_make(&sandbox, &request, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
	assert_false(sandbox.made);
	assert_int_equal(count_mounts(), before);
	assert_int_equal(access(GUEST_NS_UTS, F_OK), -1);
}

static ino_t inode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_ino;
}

/* In a child: its exit code. */
static int run_in(const char *namespace, int type, int (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd = open(namespace, O_RDONLY | O_CLOEXEC);
		_exit(fd < 0 || setns(fd, type) < 0 ? 99 : what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static int is_pod_1(void)
{
	char name[65];

	return gethostname(name, sizeof(name)) < 0 || strcmp(name, "pod-1") != 0;
}

static void its_namespaces_are_new_and_held_and_the_agent_stays_in_its_own(void **state)
{
	ino_t uts = inode_of("/proc/self/ns/uts"), ipc = inode_of("/proc/self/ns/ipc");

	make();
	assert_int_equal(inode_of("/proc/self/ns/uts"), uts);
	assert_int_equal(inode_of("/proc/self/ns/ipc"), ipc);
	assert_int_not_equal(inode_of(GUEST_NS_UTS), uts);
	assert_int_not_equal(inode_of(GUEST_NS_IPC), ipc);
	assert_int_equal(run_in(GUEST_NS_UTS, CLONE_NEWUTS, is_pod_1), 0);
	assert_int_equal(is_pod_1(), 1);
	sandbox_unmake(&sandbox);
	assert_int_equal(access(GUEST_NS_UTS, F_OK), -1);
}

static void resolv_conf_is_its_lines(void **state)
{
	static char *lines[] = { (char *)"nameserver 10.96.0.10", (char *)"search a.svc b.svc", (char *)"options ndots:5" };
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	request.dns = lines;
	request.n_dns = ELEMENTS_OF(lines);
	make();
	assert_int_equal(file_read(GUEST_RESOLV_CONF, &text, &err), 0);
	assert_string_equal(buf_text(&text), "nameserver 10.96.0.10\nsearch a.svc b.svc\noptions ndots:5\n");
}

static void shared_memory_has_its_size_mode_and_flags(void **state)
{
	struct statfs status;
	struct stat folder;

	make();
	assert_int_equal(statfs(GUEST_SHM, &status), 0);
	assert_int_equal(status.f_type, TMPFS_KIND);
	assert_int_equal(status.f_blocks * (uint64_t)status.f_bsize, 1024 * 1024);
	assert_int_equal(status.f_flags & (ST_NOSUID | ST_NODEV | ST_NOEXEC), ST_NOSUID | ST_NODEV | ST_NOEXEC);
	assert_int_equal(stat(GUEST_SHM, &folder), 0);
	assert_int_equal(folder.st_mode, S_IFDIR | 01777);
}

static void an_empty_dir_of_memory_is_its_groups_and_stays_for_the_next_container(void **state)
{
	static char *options[] = { (char *)"mode=0777", (char *)"size=65536", (char *)"fsgid=2000", NULL };
	struct stat status;

	make();
	add_storage("ephemeral", "tmpfs", "cache", EPHEMERAL, options);
	assert_int_equal(storages_mount(&storage_at[1], 1, NULL, &err), 0);
	assert_int_equal(stat(EPHEMERAL, &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 02777);
	assert_int_equal(status.st_gid, 2000);
	assert_int_equal(file_write_atomic(EPHEMERAL "/f", slice_string("x"), 0644, &err), 0);
	assert_int_equal(storages_mount(&storage_at[1], 1, NULL, &err), 0);
	assert_int_equal(access(EPHEMERAL "/f", F_OK), 0);
	storages[1].source = (char *)"another";
	assert_int_equal(storages_mount(&storage_at[1], 1, NULL, &err), -EEXIST);
}

/* ── A directory of one ── */

#define SUB_PATH GUEST_SANDBOX "/sub-paths/c1-0"

/* The sandbox's second storage is the emptyDir; of its directory `option`, and what else `options` say. */
static int mount_sub_path(struct sub_paths *sub_paths, char **options)
{
	static char *empty_dir[] = { (char *)"mode=0777", NULL };

	request.n_storages = 1;
	add_storage("ephemeral", "tmpfs", "cache", EPHEMERAL, empty_dir);
	add_storage("holdfast-sub-path", "bind", EPHEMERAL, SUB_PATH, options);
	return storages_mount(&storage_at[1], 2, sub_paths, &err);
}

static void a_directory_of_an_empty_dir_is_made_as_the_host_has_it_and_bound(void **state)
{
	static char *options[] = { (char *)"path=a/b c", (char *)"mode=2770", (char *)"uid=5", (char *)"gid=2000", NULL };
	struct sub_paths sub_paths = {};
	struct stat status, bound;

	make();
	assert_int_equal(mount_sub_path(&sub_paths, options), 0);
	assert_int_equal(stat(EPHEMERAL "/a/b c", &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 02770);
	assert_int_equal(status.st_uid, 5);
	assert_int_equal(status.st_gid, 2000);
	assert_int_equal(stat(SUB_PATH, &bound), 0);
	assert_int_equal(bound.st_ino, status.st_ino);
	sub_paths_clear(&sub_paths);
	assert_int_equal(access(SUB_PATH, F_OK), -1);
	/* What a container has made of it stays. */
	assert_int_equal(chmod(EPHEMERAL "/a/b c", 0700), 0);
	assert_int_equal(mount_sub_path(&sub_paths, options), 0);
	assert_int_equal(stat(SUB_PATH, &bound), 0);
	assert_int_equal(bound.st_mode, S_IFDIR | 0700);
	sub_paths_clear(&sub_paths);
}

static void a_link_that_a_container_has_put_on_the_way_is_not_followed(void **state)
{
	static char *options[] = { (char *)"path=a/b", NULL }, *last[] = { (char *)"path=a", NULL };
	struct sub_paths sub_paths = {};

	make();
	assert_int_equal(mount_sub_path(&sub_paths, options), 0);
	sub_paths_clear(&sub_paths);
	assert_int_equal(rename(EPHEMERAL "/a", EPHEMERAL "/c"), 0);
	assert_int_equal(symlink("/run", EPHEMERAL "/a"), 0);
	assert_int_equal(mount_sub_path(&sub_paths, options), -ENOTDIR);
	assert_non_null(strstr(err.message, "cannot have directory \"a\" on its way (no link is followed)"));
	assert_int_equal(mount_sub_path(&sub_paths, last), -ENOTDIR);
	assert_int_equal(access("/run/b", F_OK), -1);
	assert_int_equal(sub_paths.n, 0);
	sub_paths_clear(&sub_paths);
}

static void a_directory_that_cannot_be_is_named(void **state)
{
	static const struct {
		const char *option, *words;
	} cases[] = {
		{ "path=../x", "path \"../x\" has a part that is no name" },
		{ "path=a/../x", "has a part that is no name" },
		{ "path=./x", "has a part that is no name" },
		{ "path=/x", "has a part that is no name" },
		{ "path=a//x", "has a part that is no name" },
		{ "path=", "there is no option path=" },
		{ "mode=99", "option \"mode=99\": \"99\" is no octal mode" },
		{ "uid=-1", "option \"uid=-1\"" },
		{ "gid=4294967295", "option \"gid=4294967295\"" },
		{ "size=1", "option \"size=1\": it is none of path, mode, uid and gid" },
	};
	struct sub_paths sub_paths = {};

	make();
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		char *options[] = { (char *)cases[i].option, NULL };
		assert_true(mount_sub_path(&sub_paths, options) < 0);
		if (!strstr(err.message, cases[i].words))
			fail_msg("%s: %s", cases[i].option, err.message);
	}
	static char *options[] = { (char *)"path=x", NULL };
	assert_int_equal(mount_sub_path(NULL, options), -EINVAL);
	request.n_storages = 1;
	add_storage("holdfast-sub-path", "bind", "/etc", SUB_PATH, options);
	assert_int_equal(storages_mount(&storage_at[1], 1, &sub_paths, &err), -EINVAL);
	assert_non_null(strstr(err.message, "\"/etc\" is no ephemeral storage of the sandbox"));
	sub_paths_clear(&sub_paths);
}

static void a_second_sandbox_is_refused_until_the_first_is_gone(void **state)
{
	make();
	assert_int_equal(sandbox_make(&sandbox, &request, &err), -EEXIST);
	assert_string_equal(err.message, "the guest has a sandbox already: sandbox-1");
	sandbox_unmake(&sandbox);
	make();
}

static void one_that_makes_no_sense_leaves_nothing(void **state)
{
	static char *lines[] = { (char *)"nameserver 1\nnameserver 2" };
	char *many[SANDBOX_DNS_MAX + 1];

	request.hostname = (char *)"a-name-that-is-longer-than-the-sixty-four-bytes-that-a-host-name-can-have";
	expect_refusal(EINVAL, "is longer than 64 bytes");
	request.hostname = (char *)"pod-1";
	request.sandbox_id = (char *)"../x";
	expect_refusal(EINVAL, "sandbox \"../x\"");
	request.sandbox_id = (char *)"sandbox-1";
	request.dns = lines;
	request.n_dns = 1;
	expect_refusal(EINVAL, "line 1 of resolv.conf");
	for (size_t i = 0; i < ELEMENTS_OF(many); i++)
		many[i] = (char *)"";
	request.dns = many;
	request.n_dns = ELEMENTS_OF(many);
	expect_refusal(EINVAL, "resolv.conf has 65 lines: at most 64 are taken");
}

static void a_storage_that_cannot_be_is_named_and_leaves_nothing(void **state)
{
	static char *wrong[] = { (char *)"hurz=1", NULL }, *comma[] = { (char *)"size=1,mode=0", NULL },
		    *group[] = { (char *)"fsgid=x", NULL };
	static const struct {
		const char *driver, *type, *source, *place;
		char **options;
		const char *words;
	} cases[] = {
		{ "ephemeral", "tmpfs", "x", "/etc/x", NULL, "storage at /etc/x: that is not below /run/kata-containers" },
		{ "ephemeral", "tmpfs", "x", GUEST_FILES "/../../etc/x", NULL, "that is not below" },
		{ "ephemeral", "tmpfs", "x", GUEST_FILES "/x", wrong, "cannot mount tmpfs \"x\" with hurz=1: Invalid argument" },
		{ "ephemeral", "tmpfs", "x", GUEST_FILES "/x", comma, "option \"size=1,mode=0\" is none" },
		{ "ephemeral", "tmpfs", "x", GUEST_FILES "/x", group, "option fsgid" },
		{ "ephemeral", "ext4", "/dev/vda", GUEST_FILES "/x", NULL, "driver \"ephemeral\" with file system \"ext4\"" },
		{ "blk", "ext4", "/dev/vda", GUEST_FILES "/x", NULL, "the guest has virtio-fs, and ephemeral with tmpfs" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		add_storage(cases[i].driver, cases[i].type, cases[i].source, cases[i].place, cases[i].options);
		expect_refusal(EINVAL, cases[i].words);
		request.n_storages--;
	}
}

static void no_more_storages_than_the_limit(void **state)
{
	static char places[STORAGES_MAX][64];

	for (size_t i = 0; i < STORAGES_MAX; i++) {
		snprintf(places[i], sizeof(places[i]), GUEST_FILES "/x%zu", i);
		add_storage("ephemeral", "tmpfs", "x", places[i], NULL);
	}
	expect_refusal(ENOSPC, "the sandbox has 64 storages already");
	request.n_storages--;
	make();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(its_namespaces_are_new_and_held_and_the_agent_stays_in_its_own),
		TEST(resolv_conf_is_its_lines),
		TEST(shared_memory_has_its_size_mode_and_flags),
		TEST(an_empty_dir_of_memory_is_its_groups_and_stays_for_the_next_container),
		TEST(a_directory_of_an_empty_dir_is_made_as_the_host_has_it_and_bound),
		TEST(a_link_that_a_container_has_put_on_the_way_is_not_followed),
		TEST(a_directory_that_cannot_be_is_named),
		TEST(a_second_sandbox_is_refused_until_the_first_is_gone),
		TEST(one_that_makes_no_sense_leaves_nothing),
		TEST(a_storage_that_cannot_be_is_named_and_leaves_nothing),
		TEST(no_more_storages_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
