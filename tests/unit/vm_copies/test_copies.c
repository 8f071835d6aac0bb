// SPDX-License-Identifier: Apache-2.0
/* A volume in the guest is always one version of the host's, whole: by real directories, real links and real inotify. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/unit/vm_copies/paper_guest.h"
#include "tests/unit/vm_copies/volume.h"

#define PATIENCE_S 60

static struct world {
	uv_loop_t loop;
	char directory[64], host[96], inside[96];
	struct paper_guest guest;
	struct copy *copy;
} world;

static int set_up(void **state)
{
	alarm(PATIENCE_S);
	umask(022);
	memset(&world, 0, sizeof(world));
	snprintf(world.directory, sizeof(world.directory), "/tmp/holdfast-test.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.host, sizeof(world.host), "%s/host", world.directory);
	snprintf(world.inside, sizeof(world.inside), "%s/guest", world.directory);
	make_directory(world.directory, "host", 0755);
	assert_int_equal(uv_loop_init(&world.loop), 0);
	paper_guest_open(&world.guest, &world.loop, world.inside);
	return 0;
}

static int tear_down(void **state)
{
	copy_free(world.copy);
	paper_guest_close(&world.guest);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	remove_all(world.directory);
	alarm(0);
	return 0;
}

static void start(void)
{
	struct error err = {};

	if (copy_new(&world.loop, world.host, world.inside, &paper_sink, &world.guest, &world.copy, &err) < 0)
		fail_msg("%s", err.message);
	world.guest.copy = world.copy;
}

static void expect_copied(unsigned times)
{
	paper_guest_run(&world.guest, &world.guest.copied, times);
	assert_int_equal(world.guest.failed, 0);
}

static void expect_refused(int code, const char *words)
{
	struct error err = {};

	assert_int_equal(copy_new(&world.loop, world.host, world.inside, &paper_sink, &world.guest, &world.copy, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
	assert_null(world.copy);
}

static void expect_content(const char *name, const char *content)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	char path[PATH_MAX];
	struct error err = {};

	snprintf(path, sizeof(path), "%s/%s", world.inside, name);
	if (file_read(path, &text, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(buf_text(&text), content);
}

static const struct file first[] = { { "a", "1", 0400 }, { "b", "one", 0644 } };
static const struct file second[] = { { "a", "2", 0400 }, { "c", "two", 0644 } };

static void publish(const char *version, const char *old, const struct file *files, size_t n)
{
	volume_prepare(world.host, version, files, n);
	volume_switch(world.host, version, old, files, n);
}

static void the_first_copy_is_files_then_the_switch_then_links(void **state)
{
	publish("..1", NULL, first, 2);
	start();
	assert_string_equal(paper_guest_log(&world.guest), ""); /* nothing from within */
	expect_copied(1);
	assert_string_equal(paper_guest_log(&world.guest), "dir  755\n"
							   "dir ..1 755\n"
							   "file ..1/a 1@0 400\n"
							   "file ..1/b 3@0 644\n"
							   "link ..data ..1\n"
							   "link a ..data/a\n"
							   "link b ..data/b\n");
	expect_content("a", "1");
	expect_content("b", "one");
}

static void a_new_version_is_sent_whole_before_the_switch_and_the_old_one_goes_after(void **state)
{
	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	paper_guest_log(&world.guest);
	publish("..2", "..1", second, 2);
	expect_copied(2);
	assert_string_equal(paper_guest_log(&world.guest), "dir ..2 755\n"
							   "file ..2/a 1@0 400\n"
							   "file ..2/c 3@0 644\n"
							   "link ..data ..2\n"
							   "link c ..data/c\n"
							   "rm b\n"
							   "rm ..1/b\n"
							   "rm ..1/a\n"
							   "rm ..1\n");
	expect_content("a", "2");
}

/* Whatever is asked of the guest, its reader then sees all of version 1 or all of version 2. */
static void look_like_one_version(void *context)
{
	char path[PATH_MAX], target[PATH_MAX];
	unsigned *seen = context;

	snprintf(path, sizeof(path), "%s/..data", world.inside);
	const ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = 0;
	expect_content("..data/a", strcmp(target, "..1") == 0 ? "1" : "2");
	expect_content(strcmp(target, "..1") == 0 ? "..data/b" : "..data/c", strcmp(target, "..1") == 0 ? "one" : "two");
	(*seen)++;
}

static void a_reader_sees_one_version_at_every_moment(void **state)
{
	unsigned seen = 0;

	world.guest.before_answer = look_like_one_version;
	world.guest.context = &seen;
	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	publish("..2", "..1", second, 2);
	expect_copied(2);
	assert_true(seen >= 10);
}

static void a_version_that_is_being_made_is_not_sent(void **state)
{
	publish("..1", NULL, first, 2);
	volume_prepare(world.host, "..2", second, 2);
	start();
	expect_copied(1);
	assert_null(strstr(paper_guest_log(&world.guest), "..2"));
	volume_switch(world.host, "..2", "..1", second, 2);
	expect_copied(2);
	expect_content("c", "two");
}

static void change_once(void *context)
{
	unsigned *times = context;

	if ((*times)++ == 3)
		publish("..2", "..1", second, 2);
}

static void a_change_during_a_transfer_is_one_more_transfer(void **state)
{
	unsigned times = 0;

	world.guest.before_answer = change_once;
	world.guest.context = &times;
	publish("..1", NULL, first, 2);
	start();
	while (!strstr(buf_text(&world.guest.log), "rm ..1\n"))
		uv_run(&world.loop, UV_RUN_ONCE);
	expect_content("a", "2");
	expect_content("c", "two");
	assert_int_equal(world.guest.failed, 0);
}

static void changes_that_come_together_are_one_transfer(void **state)
{
	char version[16], old[16] = "..0";

	publish("..0", NULL, first, 2);
	start();
	expect_copied(1);
	paper_guest_log(&world.guest);
	for (int i = 1; i <= 20; i++) {
		snprintf(version, sizeof(version), "..%d", i);
		publish(version, old, second, 2);
		memcpy(old, version, sizeof(old));
	}
	expect_copied(2);
	const char *log = paper_guest_log(&world.guest);
	assert_non_null(strstr(log, "dir ..20 755\n"));
	assert_null(strstr(log, "..19"));
}

static void nothing_is_sent_and_nothing_told_if_nothing_changed(void **state)
{
	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	paper_guest_log(&world.guest);
	make_file(world.host, "..noise", "x", 0600);
	make_file(world.directory, "marker", "x", 0600);
	publish("..2", "..1", second, 2); /* what is told next is of this */
	expect_copied(2);
	assert_null(strstr(paper_guest_log(&world.guest), "noise"));
}

static void modes_are_told_even_if_only_they_change(void **state)
{
	char path[PATH_MAX];

	make_file(world.host, "plain", "x", 0600);
	start();
	expect_copied(1);
	paper_guest_log(&world.guest);
	snprintf(path, sizeof(path), "%s/plain", world.host);
	assert_int_equal(chmod(path, 0640), 0);
	expect_copied(2);
	assert_string_equal(paper_guest_log(&world.guest), "file plain 1@0 640\n");
}

static void a_directory_without_a_switch_is_copied_as_it_is(void **state)
{
	char below[PATH_MAX];

	make_directory(world.host, "d", 02750);
	snprintf(below, sizeof(below), "%s/d", world.host);
	make_file(below, "x", "y", 0600);
	make_link(below, "l", "x");
	make_file(world.host, "empty", "", 0644);
	start();
	expect_copied(1);
	assert_string_equal(paper_guest_log(&world.guest), "dir  755\ndir d 2750\nlink d/l x\nfile d/x 1@0 600\nfile empty 0@0 644\n");
	expect_content("d/l", "y");
	expect_content("empty", "");
}

static void a_single_file_is_copied(void **state)
{
	struct error err = {};
	char path[PATH_MAX];

	make_file(world.host, "one", "1", 0440);
	snprintf(path, sizeof(path), "%s/one", world.host);
	assert_int_equal(copy_new(&world.loop, path, world.inside, &paper_sink, &world.guest, &world.copy, &err), 0);
	world.guest.copy = world.copy;
	expect_copied(1);
	assert_string_equal(paper_guest_log(&world.guest), "file  1@0 440\n");
}

static void a_large_file_goes_in_pieces(void **state)
{
	static char content[2 * COPY_PIECE_BYTES + 2];

	memset(content, 'x', sizeof(content) - 1);
	make_file(world.host, "large", content, 0644);
	make_file(world.host, "next", "", 0644);
	start();
	expect_copied(1);
	assert_string_equal(paper_guest_log(&world.guest), "dir  755\n"
							   "file large 1048576@0 644\n"
							   "file large 1048576@1048576 644\n"
							   "file large 1@2097152 644\n"
							   "file next 0@0 644\n");
}

static void shrink_once(void *context)
{
	unsigned *times = context;

	if ((*times)++ == 1)
		make_file(world.host, "large", "short", 0644);
}

static void a_file_that_changes_while_it_is_sent_is_sent_again(void **state)
{
	static char content[2 * COPY_PIECE_BYTES];
	unsigned times = 0;

	memset(content, 'x', sizeof(content) - 1);
	make_file(world.host, "large", content, 0644);
	world.guest.before_answer = shrink_once;
	world.guest.context = &times;
	start();
	expect_copied(1);
	assert_string_equal(paper_guest_log(&world.guest), "dir  755\nfile large 1048576@0 644\nfile large 5@0 644\n");
	expect_content("large", "short");
}

static void a_volume_that_is_emptied_is_emptied_in_the_guest(void **state)
{
	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	paper_guest_log(&world.guest);
	publish("..2", "..1", NULL, 0);
	expect_copied(2);
	assert_string_equal(paper_guest_log(&world.guest), "dir ..2 755\nlink ..data ..2\nrm b\nrm a\nrm ..1/b\nrm ..1/a\nrm ..1\n");
}

static void an_agent_that_cannot_remove_gets_empty_files(void **state)
{
	world.guest.cannot_remove = true;
	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	paper_guest_log(&world.guest);
	publish("..2", "..1", second, 2);
	expect_copied(2);
	assert_non_null(strstr(paper_guest_log(&world.guest), "rm b\nfile ..1/b 0@0 644\nfile ..1/a 0@0 400\n"));
	expect_content("..1/a", "");
	publish("..3", "..2", first, 2);
	expect_copied(3);
	assert_null(strstr(paper_guest_log(&world.guest), "rm "));
}

static void a_refusal_of_the_guest_is_told_and_the_next_change_is_tried(void **state)
{
	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	world.guest.refuse = ENOSPC;
	publish("..2", "..1", second, 2);
	paper_guest_run(&world.guest, &world.guest.failed, 1);
	assert_int_equal(world.guest.why.code, ENOSPC);
	expect_content("a", "1");
	publish("..3", "..2", first, 2);
	paper_guest_run(&world.guest, &world.guest.copied, 2);
	expect_content("..3/a", "1");
}

static void what_ends_is_removed_from_the_guest(void **state)
{
	struct stat status;

	publish("..1", NULL, first, 2);
	start();
	expect_copied(1);
	copy_end(world.copy);
	assert_int_equal(world.guest.ended, 0);
	paper_guest_run(&world.guest, &world.guest.ended, 1);
	assert_true(lstat(world.inside, &status) < 0 && errno == ENOENT);
}

static void end_at_the_third(void *context)
{
	unsigned *times = context;

	if (++*times == 3)
		copy_end(world.copy);
}

static void what_ends_during_its_first_transfer_is_removed_too(void **state)
{
	struct stat status;
	unsigned times = 0;

	world.guest.before_answer = end_at_the_third;
	world.guest.context = &times;
	publish("..1", NULL, first, 2);
	start();
	paper_guest_run(&world.guest, &world.guest.ended, 1);
	assert_string_equal(paper_guest_log(&world.guest), "dir  755\ndir ..1 755\nfile ..1/a 1@0 400\nrm ..1/a\nrm ..1\nrm \n");
	assert_true(lstat(world.inside, &status) < 0 && errno == ENOENT);
	assert_int_equal(world.guest.copied, 0);
}

static void it_can_be_freed_with_a_request_under_way(void **state)
{
	publish("..1", NULL, first, 2);
	world.guest.hold = true;
	start();
	while (world.guest.pending < 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	uv_timer_stop(&world.guest.answer);
}

static void what_is_no_file_directory_or_link_is_refused(void **state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/pipe", world.host);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(EOPNOTSUPP, "host/pipe is no file, directory or link");
}

static void what_is_too_large_is_refused_at_once_so_that_it_can_be_shared(void **state)
{
	char path[PATH_MAX];

	make_file(world.host, "large", "", 0600);
	snprintf(path, sizeof(path), "%s/large", world.host);
	assert_int_equal(truncate(path, COPY_BYTES_MAX + 1), 0);
	expect_refused(E2BIG, "has more than 8 MiB in its files");
}

static void too_many_files_are_refused(void **state)
{
	char name[16];

	for (int i = 0; i < COPY_ENTRIES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make_file(world.host, name, "", 0600);
	}
	expect_refused(E2BIG, "has more than 4096 files, links and directories");
}

static void too_deep_a_directory_is_refused(void **state)
{
	char path[PATH_MAX];

	memcpy(path, world.host, sizeof(world.host));
	for (int i = 0; i <= COPY_DEPTH_MAX; i++) {
		make_directory(path, "d", 0700);
		strcat(path, "/d");
	}
	expect_refused(E2BIG, "is more than 8 directories deep");
}

static void a_switch_that_leads_out_of_its_volume_is_refused(void **state)
{
	make_link(world.host, "..data", "../elsewhere");
	expect_refused(EINVAL, "..data leads to \"../elsewhere\"");
}

static void what_is_not_there_is_an_error(void **state)
{
	remove_all(world.host);
	expect_refused(ENOENT, "cannot look at");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_copy_is_files_then_the_switch_then_links),
		TEST(a_new_version_is_sent_whole_before_the_switch_and_the_old_one_goes_after),
		TEST(a_reader_sees_one_version_at_every_moment),
		TEST(a_version_that_is_being_made_is_not_sent),
		TEST(a_change_during_a_transfer_is_one_more_transfer),
		TEST(changes_that_come_together_are_one_transfer),
		TEST(nothing_is_sent_and_nothing_told_if_nothing_changed),
		TEST(modes_are_told_even_if_only_they_change),
		TEST(a_directory_without_a_switch_is_copied_as_it_is),
		TEST(a_single_file_is_copied),
		TEST(a_large_file_goes_in_pieces),
		TEST(a_file_that_changes_while_it_is_sent_is_sent_again),
		TEST(a_volume_that_is_emptied_is_emptied_in_the_guest),
		TEST(an_agent_that_cannot_remove_gets_empty_files),
		TEST(a_refusal_of_the_guest_is_told_and_the_next_change_is_tried),
		TEST(what_ends_is_removed_from_the_guest),
		TEST(what_ends_during_its_first_transfer_is_removed_too),
		TEST(it_can_be_freed_with_a_request_under_way),
		TEST(what_is_no_file_directory_or_link_is_refused),
		TEST(what_is_too_large_is_refused_at_once_so_that_it_can_be_shared),
		TEST(too_many_files_are_refused),
		TEST(too_deep_a_directory_is_refused),
		TEST(a_switch_that_leads_out_of_its_volume_is_refused),
		TEST(what_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
