// SPDX-License-Identifier: Apache-2.0
/*
 * holdfast-tpm's writer of sealed secrets on one side, the guest's taker of files on the other, and a reader there who waits by inotify. In
 * a mount namespace of its own: needs root.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kata-shim/guest/copy.h"
#include "kata-shim/guest/sandbox.h"
#include "kata-shim/vm/copies/copies.h"
#include "tests/net/volumes_support.h"

#define INSIDE GUEST_SHARED "/copies/c1-0"
#define PATIENCE_S 60

static struct guest {
	uv_loop_t loop;
	uv_timer_t answer;
	struct copies *taker;
	struct copy *copy;
	struct error err;
	unsigned copied, ended;
} guest;

static void on_answer(uv_timer_t *timer)
{
	const struct error err = guest.err;

	guest.err = (struct error){};
	copy_sent(guest.copy, err.code ? &err : NULL);
}

static void answer(int r)
{
	if (r < 0)
		fail_msg("%s", guest.err.message);
	uv_timer_start(&guest.answer, on_answer, 0, 0);
}

static void take_piece(void *context, struct copy *copy, const Agent__CopyFileRequest *piece)
{
	answer(copies_take(guest.taker, piece, &guest.err));
}

static void take_removal(void *context, struct copy *copy, const char *path)
{
	answer(copies_remove(path, &guest.err));
}

static void take_copied(void *context, struct copy *copy, const struct error *err)
{
	if (err)
		fail_msg("%s", err->message);
	guest.copied++;
	uv_stop(&guest.loop);
}

static void take_ended(void *context, struct copy *copy)
{
	guest.ended++;
	uv_stop(&guest.loop);
}

static const struct copy_sink sink = { take_piece, take_removal, take_copied, take_ended };

static void run_until(const unsigned *count, unsigned wanted)
{
	while (*count < wanted)
		uv_run(&guest.loop, UV_RUN_ONCE);
}

static int set_up(void **state)
{
	alarm(PATIENCE_S);
	umask(022);
	memset(&guest, 0, sizeof(guest));
	assert_int_equal(uv_loop_init(&guest.loop), 0);
	assert_int_equal(uv_timer_init(&guest.loop, &guest.answer), 0);
	guest.taker = copies_new();
	assert_non_null(guest.taker);
	return volumes_setup(state);
}

static int tear_down(void **state)
{
	copy_free(guest.copy);
	uv_close((uv_handle_t *)&guest.answer, NULL);
	uv_run(&guest.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&guest.loop), 0);
	copies_free(guest.taker);
	alarm(0);
	return volumes_teardown(state);
}

static void start(void)
{
	struct error err = {};

	if (copy_new(&guest.loop, VOLUME, INSIDE, &sink, NULL, &guest.copy, &err) < 0)
		fail_msg("%s", err.message);
	run_until(&guest.copied, 1);
}

static void write_password(struct volumes *volumes, const char *password)
{
	const struct volume_file file = {
		.name = "password", .content = { (const uint8_t *)password, strlen(password) }, .mode = 0400, .uid = 1000, .gid = 2000
	};

	must_write(volumes, &file, 1);
}

/* How often `name` was put there since the last call. */
static unsigned switches(int watch, const char *name)
{
	_Alignas(struct inotify_event) char events[64 * 1024];
	unsigned times = 0;
	ssize_t n;

	while ((n = read(watch, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + n;) {
			const struct inotify_event *event = (const struct inotify_event *)at;
			times += (event->mask & (IN_MOVED_TO | IN_CREATE)) && event->len && strcmp(event->name, name) == 0;
			at += sizeof(*event) + event->len;
		}
	}
	return times;
}

static void a_secret_has_owner_and_mode_of_the_hosts(void **state)
{
	struct stat status;

	write_password(*state, "one");
	start();
	assert_content(INSIDE "/password", "one");
	assert_int_equal(stat(INSIDE "/password", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0400);
	assert_int_equal(status.st_uid, 1000);
	assert_int_equal(status.st_gid, 2000);
}

static void a_rotation_is_one_switch_for_who_waits_in_the_guest(void **state)
{
	write_password(*state, "one");
	start();
	_cleanup_close_ int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(inotify_add_watch(watch, INSIDE, IN_ALL_EVENTS) >= 0);
	for (unsigned i = 2; i < 10; i++) {
		char password[16];
		snprintf(password, sizeof(password), "number %u", i);
		write_password(*state, password);
		run_until(&guest.copied, guest.copied + 1);
		assert_int_equal(switches(watch, "..data"), 1);
		assert_content(INSIDE "/password", password);
	}
}

/* The host sweeps what was replaced; the guest has but what readers there can still see. */
static void what_was_replaced_is_not_kept_in_the_guest(void **state)
{
	write_password(*state, "one");
	start();
	write_password(*state, "two");
	run_until(&guest.copied, 2);
	assert_int_equal(versions_of(INSIDE), 1);
}

static void a_secret_that_is_taken_away_is_taken_from_the_guest(void **state)
{
	struct error err;

	write_password(*state, "one");
	start();
	assert_int_equal(volumes_clear(*state, DEVICE, &err), 0);
	run_until(&guest.copied, 2);
	assert_false(exists(INSIDE "/password"));
	assert_int_equal(versions_of(INSIDE), versions_of(VOLUME));
	write_password(*state, "two");
	run_until(&guest.copied, 3);
	assert_content(INSIDE "/password", "two");
}

static void what_ends_leaves_nothing_in_the_guest(void **state)
{
	write_password(*state, "one");
	start();
	copy_end(guest.copy);
	run_until(&guest.ended, 1);
	assert_false(exists(INSIDE));
	assert_int_equal(entries_of(GUEST_SHARED "/copies"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_secret_has_owner_and_mode_of_the_hosts),   TEST(a_rotation_is_one_switch_for_who_waits_in_the_guest),
		TEST(what_was_replaced_is_not_kept_in_the_guest), TEST(a_secret_that_is_taken_away_is_taken_from_the_guest),
		TEST(what_ends_leaves_nothing_in_the_guest),
	};

	need_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
