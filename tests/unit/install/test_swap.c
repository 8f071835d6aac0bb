// SPDX-License-Identifier: Apache-2.0
/* Somebody else writes the list at the same time: by rename, or in place. What he wrote last is what stands there, with our entry in it. */
#include "tests/unit/common/cmocka_all.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/install/cni/conflist.h"
#include "deploy/install/cni/entry.h"
#include "deploy/install/host/host.h"
#include "tests/unit/install/world.h"

#define ROUNDS 100
#define LIST "host" WORLD_LIST

static int begin(void **state)
{
	world_begin(false);
	return 0;
}

static void text_of(unsigned round, bool entry, char *ret, size_t size)
{
	snprintf(ret, size, "{\"cniVersion\":\"1.0.0\",\"round\":%u,\"plugins\":[{\"type\":\"ptp\"}%s]}", round,
		 entry ? ",{\"type\":\"holdfast\"}" : "");
}

struct writer {
	unsigned round;
	char path[PATH_MAX];
};

/* As installers do: a new file, or the old one opened, truncated and written. */
static void *write_list(void *context)
{
	const struct writer *writer = context;
	char text[256];

	text_of(writer->round, false, text, sizeof(text));
	usleep(writer->round % 13 * 40);
	if (writer->round % 2) {
		(void)!file_write_atomic(writer->path, slice_string(text), 0644, NULL);
		return NULL;
	}
	int fd = open(writer->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, text, 20);
		usleep(writer->round % 7 * 50);
		(void)!write(fd, text + 20, strlen(text) - 20);
		close(fd);
	}
	return NULL;
}

static void test_no_edit_of_another_is_lost(void **state)
{
	struct writer writer;
	unsigned met = 0;

	snprintf(writer.path, sizeof(writer.path), "%s", world_path(LIST));
	for (writer.round = 1; writer.round <= ROUNDS; writer.round++) {
		_cleanup_(buf_free) struct buf found = BUF_MAX(4096);
		enum cni_entry entry;
		char name[NAME_MAX + 1], expected[256];
		struct error err = {};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, write_list, &writer), 0);
		usleep(writer.round % 11 * 60);
		if (cni_entry_put(world_path("host"), "/etc/cni/net.d", &entry, name, &err) < 0)
			met++; /* half of what he writes is no JSON */
		pthread_join(thread, NULL);
		if (cni_entry_put(world_path("host"), "/etc/cni/net.d", &entry, name, &err) < 0)
			fail_msg("%s", err.message);
		met += entry == CNI_ENTRY_PUT;
		text_of(writer.round, true, expected, sizeof(expected));
		assert_int_equal(file_read(writer.path, &found, &err), 0);
		if (strcmp(buf_text(&found), expected) != 0)
			fail_msg("round %u: got %s, expected %s", writer.round, buf_text(&found), expected);
	}
	printf("# in %u of %u rounds the entry had to be put again\n", met, ROUNDS);
}

/* ── the same at every single step of ours: host_stepped is called between them ── */

enum style { BY_RENAME, IN_PLACE, SLOWLY, STYLES };

static struct {
	enum style style;
	unsigned step, steps; /* when he writes; how many there were */
	int fd;
	pthread_t thread;
	bool running;
} other;

#define OTHERS_ROUND 7

static void *write_rest(void *context)
{
	char text[256];

	text_of(OTHERS_ROUND, false, text, sizeof(text));
	usleep(20 * 1000);
	(void)!write(other.fd, text + 20, strlen(text) - 20);
	close(other.fd);
	return NULL;
}

static void write_as_other(void)
{
	char text[256];

	if (++other.steps != other.step)
		return;
	text_of(OTHERS_ROUND, false, text, sizeof(text));
	if (other.style == BY_RENAME) {
		char aside[PATH_MAX];
		snprintf(aside, sizeof(aside), "%s", world_path("host/his"));
		FILE *file = fopen(aside, "w");
		fputs(text, file);
		fclose(file);
		rename(aside, world_path(LIST));
		return;
	}
	other.fd = open(world_path(LIST), O_WRONLY | O_TRUNC | O_CLOEXEC);
	(void)!write(other.fd, text, other.style == SLOWLY ? 20 : strlen(text));
	if (other.style == SLOWLY)
		other.running = pthread_create(&other.thread, NULL, write_rest, NULL) == 0;
	else
		close(other.fd);
}

/* False: we made fewer steps. */
static bool put_while_he_writes_at(enum style style, unsigned step)
{
	_cleanup_(buf_free) struct buf found = BUF_MAX(4096);
	enum cni_entry entry;
	char name[NAME_MAX + 1], expected[256];
	struct error err = {};

	text_of(1, false, expected, sizeof(expected));
	world_write(LIST, expected, 0644);
	other.style = style;
	other.step = step;
	other.steps = 0;
	other.running = false;
	host_stepped = write_as_other;
	if (cni_entry_put(world_path("host"), "/etc/cni/net.d", &entry, name, &err) < 0)
		fail_msg("%s", err.message);
	host_stepped = NULL;
	if (other.running)
		pthread_join(other.thread, NULL);
	bool wrote = other.steps >= step;
	/* After our last look at it, as watch would see: once more. */
	if (cni_entry_put(world_path("host"), "/etc/cni/net.d", &entry, name, &err) < 0)
		fail_msg("%s", err.message);
	text_of(wrote ? OTHERS_ROUND : 1, true, expected, sizeof(expected));
	assert_int_equal(file_read(world_path(LIST), &found, &err), 0);
	if (strcmp(buf_text(&found), expected) != 0)
		fail_msg("style %d, step %u: got %s, expected %s", style, step, buf_text(&found), expected);
	return wrote;
}

static void test_whenever_he_writes_his_edit_stays(void **state)
{
	for (enum style style = BY_RENAME; style < STYLES; style++) {
		unsigned step = 1;

		while (put_while_he_writes_at(style, step))
			step++;
		assert_in_range(step, 3, 100);
	}
}

static void test_owner_and_mode_stay(void **state)
{
	struct stat status;
	enum cni_entry entry;
	char name[NAME_MAX + 1];
	struct error err = {};

	assert_int_equal(chmod(world_path(LIST), 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(world_path(LIST), 1234, 4321), 0);
	assert_int_equal(cni_entry_put(world_path("host"), "/etc/cni/net.d", &entry, name, &err), 0);
	assert_int_equal(stat(world_path(LIST), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_true(geteuid() != 0 || (status.st_uid == 1234 && status.st_gid == 4321));
}

static void test_the_list_is_the_first_by_name_of_those_that_containerd_takes(void **state)
{
	static const char text[] = "{\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\":\"a\"}]}";
	_cleanup_(buf_free) struct buf before = BUF_MAX(4096), after = BUF_MAX(4096);
	enum cni_entry entry;
	char name[NAME_MAX + 1];
	struct error err = {};

	world_write("host/etc/cni/net.d/00-not-it.conflist.bak", text, 0644);
	world_write("host/etc/cni/net.d/05-first.conflist", text, 0644);
	world_make("host/etc/cni/net.d/01-directory.conflist");
	assert_int_equal(file_read(world_path(LIST), &before, &err), 0);
	assert_int_equal(cni_entry_put(world_path("host"), "/etc/cni/net.d", &entry, name, &err), 0);
	assert_string_equal(name, "05-first.conflist");
	assert_int_equal(file_read(world_path(LIST), &after, &err), 0);
	assert_string_equal(buf_text(&before), buf_text(&after));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_edit_of_another_is_lost),
		TEST(test_whenever_he_writes_his_edit_stays),
		TEST(test_owner_and_mode_stay),
		TEST(test_the_list_is_the_first_by_name_of_those_that_containerd_takes),
	};

	return cmocka_run_group_tests_name("swap", tests, NULL, NULL);
}
