// SPDX-License-Identifier: Apache-2.0
/* What is on a node after the installer's acts: versions, settings, links, journal, lock. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "deploy/install/cni/conflist.h"
#include "deploy/install/host/host.h"
#include "deploy/install/lock.h"
#include "tests/unit/install/world.h"

static int begin(void **state)
{
	world_begin(false);
	return 0;
}

static void act(enum world_act what, struct node_outcome *ret)
{
	struct error err = {};

	if (world_try(what, ret, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_text(const char *name, const char *expected)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	struct error err = {};

	if (file_read(world_path(name), &text, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(buf_text(&text), expected);
}

static void expect_failure(enum world_act what, int code, const char *says)
{
	struct node_outcome outcome;
	struct error err = {};

	assert_int_equal(world_try(what, &outcome, &err), -code);
	if (!strstr(err.message, says))
		fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void test_a_version_and_its_settings_are_switched_together_there_and_back(void **state)
{
	struct node_outcome outcome;
	char first[LISTING_ID_MAX], path[256];

	act(WORLD_INSTALL_1, &outcome);
	memcpy(first, outcome.id, sizeof(first));
	assert_string_equal(outcome.before, "");
	assert_int_equal(outcome.entry, CNI_ENTRY_PUT);
	expect_text("host/opt/holdfast/bin/holdfast", "1.0.0");
	act(WORLD_INSTALL_2, &outcome);
	assert_string_equal(outcome.before, first);
	assert_int_equal(outcome.entry, CNI_ENTRY_THERE);
	expect_text("host/opt/holdfast/bin/holdfast", "2.0.0");
	expect_text("host/opt/cni/bin/holdfast", "2.0.0");
	expect_text("host/opt/holdfast/etc/holdfast.yaml", "{sandbox: {records: /run/two}, install: {containerd: {configure: false}}}\n");
	/* As a shim sees it that was started from the first one: its own directory, by /proc/self/exe. */
	snprintf(path, sizeof(path), "host/opt/holdfast/versions/%s/etc/holdfast.yaml", first);
	expect_text(path, "{sandbox: {records: /run/one}, install: {containerd: {configure: false}}}\n");
	act(WORLD_ROLLBACK, &outcome);
	assert_string_equal(outcome.id, first);
	expect_text("host/opt/holdfast/bin/holdfast", "1.0.0");
	expect_text("host/opt/cni/bin/holdfast", "1.0.0");
	expect_text("host/opt/holdfast/etc/holdfast.yaml", "{sandbox: {records: /run/one}, install: {containerd: {configure: false}}}\n");
	act(WORLD_ROLLBACK, &outcome);
	expect_text("host/opt/holdfast/bin/holdfast", "2.0.0");
}

static void test_nothing_is_written_where_all_is_there(void **state)
{
	_cleanup_(buf_free) struct buf before = BUF_MAX(64 * 1024), after = BUF_MAX(64 * 1024);
	struct stat then, now;
	struct node_outcome outcome;

	act(WORLD_INSTALL_1, &outcome);
	world_print("host", &before);
	assert_int_equal(stat(world_path("host/opt/cni/bin/holdfast"), &then), 0);
	act(WORLD_INSTALL_1, &outcome);
	world_print("host", &after);
	assert_string_equal(buf_text(&before), buf_text(&after));
	assert_int_equal(stat(world_path("host/opt/cni/bin/holdfast"), &now), 0);
	assert_int_equal(then.st_ino, now.st_ino);
}

static void test_what_is_broken_is_made_whole(void **state)
{
	static const struct {
		const char *path, *text;
	} damages[] = { { "bin/holdfast", "2.0.0" }, { "share/guest/image", "" }, { "lib/libc.so.6", NULL }, { "manifest", "" } };
	struct node_outcome outcome;
	struct error err = {};
	char path[256];

	act(WORLD_INSTALL_1, &outcome);
	for (size_t i = 0; i < ELEMENTS_OF(damages); i++) {
		snprintf(path, sizeof(path), "host/opt/holdfast/current/%s", damages[i].path);
		if (damages[i].text)
			world_write(path, damages[i].text, 0755);
		else
			assert_int_equal(unlink(world_path(path)), 0);
		assert_true(version_check(world_path("host/opt/holdfast"), outcome.id, true, &err) < 0);
		act(WORLD_INSTALL_1, &outcome);
		if (version_check(world_path("host/opt/holdfast"), outcome.id, true, &err) < 0)
			fail_msg("%s", err.message);
	}
}

static void test_of_two_versions_what_is_the_same_takes_no_room(void **state)
{
	struct node_outcome outcome;
	struct stat status;

	act(WORLD_INSTALL_1, &outcome);
	act(WORLD_INSTALL_2, &outcome);
	assert_int_equal(stat(world_path("host/opt/holdfast/lib/libc.so.6"), &status), 0);
	assert_int_equal(status.st_nlink, 2);
	assert_int_equal(stat(world_path("host/opt/holdfast/bin/holdfast"), &status), 0);
	assert_int_equal(status.st_nlink, 1);
}

static void test_a_third_version_takes_the_place_of_the_first(void **state)
{
	struct node_outcome first, outcome;
	struct error err = {};

	act(WORLD_INSTALL_1, &first);
	act(WORLD_INSTALL_2, &outcome);
	world_write("v1/bin/holdfast-net", "third", 0755);
	act(WORLD_INSTALL_1, &outcome);
	assert_int_equal(version_check(world_path("host/opt/holdfast"), first.id, false, &err), -ENOENT);
	act(WORLD_ROLLBACK, &outcome);
	expect_text("host/opt/holdfast/bin/holdfast", "2.0.0");
}

static void test_without_a_previous_version_there_is_no_way_back(void **state)
{
	struct node_outcome outcome;

	expect_failure(WORLD_ROLLBACK, ENOENT, "not installed");
	act(WORLD_INSTALL_1, &outcome);
	expect_failure(WORLD_ROLLBACK, ENOENT, "no previous version");
}

static void test_a_broken_version_is_not_gone_back_to(void **state)
{
	struct node_outcome outcome;

	act(WORLD_INSTALL_1, &outcome);
	act(WORLD_INSTALL_2, &outcome);
	world_write("host/opt/holdfast/previous/bin/holdfast", "9.0.0", 0755);
	expect_failure(WORLD_ROLLBACK, EBADMSG, "another content");
	expect_text("host/opt/holdfast/bin/holdfast", "2.0.0");
}

static void test_the_nodes_absolute_links_lead_into_the_node(void **state)
{
	struct node_outcome outcome;

	world_make("host/var/net.d");
	world_make("host/data/opt");
	assert_int_equal(rename(world_path("host" WORLD_LIST), world_path("host/var/net.d/list")), 0);
	assert_int_equal(symlink("/var/net.d/list", world_path("host" WORLD_LIST)), 0);
	assert_int_equal(rmdir(world_path("host/opt")), 0);
	assert_int_equal(symlink("/data/opt", world_path("host/opt")), 0);
	act(WORLD_INSTALL_1, &outcome);
	expect_text("host/data/opt/cni/bin/holdfast", "1.0.0");
	assert_true(host_is_link_to(world_path("host" WORLD_LIST), "/var/net.d/list"));
	act(WORLD_UNINSTALL, &outcome);
	assert_int_equal(access(world_path("host/data/opt/holdfast"), F_OK), -1);
}

static void test_settings_that_no_pod_could_start_with_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "sandbox: {rools: []}\n", "rools" },
		{ "install: {cniBinDir: bin}\n", "cniBinDir" },
		{ "install: {cniBinDirs: /x}\n", "did you mean \"install.cniBinDir\"" },
		{ "holdfast: {}\n", "unknown section" },
	};
	struct node_outcome outcome;

	act(WORLD_INSTALL_1, &outcome);
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		world_write("settings-2.yaml", cases[i].text, 0644);
		expect_failure(WORLD_INSTALL_2, EINVAL, cases[i].says);
		expect_text("host/opt/holdfast/bin/holdfast", "1.0.0");
	}
}

static void test_a_single_plugin_is_refused_and_the_rest_is_done(void **state)
{
	struct node_outcome outcome;

	world_write("host/etc/cni/net.d/05-single.conf", "{\"cniVersion\":\"1.0.0\",\"name\":\"x\",\"type\":\"ptp\"}", 0644);
	expect_failure(WORLD_INSTALL_1, ENOTSUP, "05-single.conf holds a single plugin");
	expect_text("host/opt/cni/bin/holdfast", "1.0.0");
	assert_int_equal(unlink(world_path("host/etc/cni/net.d/05-single.conf")), 0);
	assert_int_equal(unlink(world_path("host" WORLD_LIST)), 0);
	act(WORLD_INSTALL_1, &outcome);
	assert_int_equal(outcome.entry, CNI_ENTRY_NO_LIST);
}

static void test_what_others_changed_meanwhile_stays_when_we_go(void **state)
{
	static const char theirs[] =
		"{\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\":\"ptp\"},{\"type\":\"holdfast\"},{\"type\":\"bandwidth\"}]}";
	struct node_outcome outcome;

	act(WORLD_INSTALL_1, &outcome);
	world_write("host" WORLD_LIST, theirs, 0644);
	world_write("host/opt/cni/bin/other", "other", 0755);
	world_write("host/opt/holdfast/etc/kubeconfig", "theirs", 0600);
	act(WORLD_UNINSTALL, &outcome);
	expect_text("host" WORLD_LIST, "{\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\":\"ptp\"},{\"type\":\"bandwidth\"}]}");
	expect_text("host/opt/cni/bin/other", "other");
	expect_text("host/opt/holdfast/etc/kubeconfig", "theirs");
	assert_int_equal(access(world_path("host/opt/cni/bin/holdfast"), F_OK), -1);
	assert_int_equal(access(world_path("host/opt/holdfast/bin"), F_OK), -1);
}

static void test_a_broken_journal_is_kept_aside_and_work_goes_on(void **state)
{
	struct node_outcome outcome;

	act(WORLD_INSTALL_1, &outcome);
	world_write("host/opt/holdfast/install/journal", "sha256:0\n[]\n", 0600);
	act(WORLD_INSTALL_1, &outcome);
	expect_text("host/opt/holdfast/install/journal.broken", "sha256:0\n[]\n");
	act(WORLD_UNINSTALL, &outcome);
	assert_int_equal(access(world_path("host/opt/holdfast/versions"), F_OK), -1);
	assert_int_equal(access(world_path("host/opt/holdfast/bin"), F_OK), -1);
	assert_int_equal(access(world_path("host/opt/cni/bin/holdfast"), F_OK), -1);
}

static void test_one_at_a_time_and_who_waits_knows_for_whom(void **state)
{
	struct node_outcome outcome;
	struct error err = {};
	int fd = -1, status, pipes[2];
	char byte;

	act(WORLD_INSTALL_1, &outcome);
	assert_int_equal(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0) {
		close(pipes[1]);
		if (install_lock(world_path("host/opt/holdfast/install/lock"), "test", 30, &fd, &err) < 0)
			_exit(1);
		close(STDOUT_FILENO);
		_exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
	}
	while (install_lock(world_path("host/opt/holdfast/install/lock"), "second", 0, &fd, &err) == 0)
		close(fd); /* the child is not there yet */
	expect_failure(WORLD_INSTALL_2, EWOULDBLOCK, "holdfast-node test, process ");
	close(pipes[1]);
	if (install_lock(world_path("host/opt/holdfast/install/lock"), "second", 30, &fd, &err) < 0)
		fail_msg("%s", err.message);
	close(fd);
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_version_and_its_settings_are_switched_together_there_and_back),
		TEST(test_nothing_is_written_where_all_is_there),
		TEST(test_what_is_broken_is_made_whole),
		TEST(test_of_two_versions_what_is_the_same_takes_no_room),
		TEST(test_a_third_version_takes_the_place_of_the_first),
		TEST(test_without_a_previous_version_there_is_no_way_back),
		TEST(test_a_broken_version_is_not_gone_back_to),
		TEST(test_the_nodes_absolute_links_lead_into_the_node),
		TEST(test_settings_that_no_pod_could_start_with_are_refused),
		TEST(test_a_single_plugin_is_refused_and_the_rest_is_done),
		TEST(test_what_others_changed_meanwhile_stays_when_we_go),
		TEST(test_a_broken_journal_is_kept_aside_and_work_goes_on),
		TEST(test_one_at_a_time_and_who_waits_knows_for_whom),
	};

	return cmocka_run_group_tests_name("install", tests, NULL, NULL);
}
