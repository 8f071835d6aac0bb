// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "device-plugin/plugin/arrival.h"

#define PATIENCE_MS 20000

static struct world {
	uv_loop_t loop;
	uv_timer_t patience;
	char parent[64], directory[96];
	struct arrival *arrival;
	unsigned n_arrived;
} world;

static void note_arrived(void *context)
{
	world.n_arrived++;
	uv_stop(&world.loop);
}

static void note_closed(void *context)
{
	world.arrival = NULL;
}

static void out_of_patience(uv_timer_t *timer)
{
	fail_msg("nobody told of the arrival");
}

static int set_up(void **state)
{
	struct error err;

	world = (struct world){ .parent = "/tmp/holdfast-arrival.XXXXXX" };
	assert_non_null(mkdtemp(world.parent));
	snprintf(world.directory, sizeof(world.directory), "%s/device-plugins", world.parent);
	assert_int_equal(uv_loop_init(&world.loop), 0);
	uv_timer_init(&world.loop, &world.patience);
	if (arrival_start(&world.loop, world.directory, note_arrived, NULL, &world.arrival, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static void make(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", world.directory, name);
	_cleanup_close_ int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
}

static void unmake(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", world.directory, name);
	unlink(path);
}

static int tear_down(void **state)
{
	arrival_stop(world.arrival, note_closed);
	uv_close((uv_handle_t *)&world.patience, NULL);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_null(world.arrival);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	unmake(ARRIVAL_SOCKET);
	unmake("other.sock");
	assert_int_equal(rmdir(world.directory), 0);
	assert_int_equal(rmdir(world.parent), 0);
	return 0;
}

static void expect_arrival(unsigned n)
{
	uv_timer_start(&world.patience, out_of_patience, PATIENCE_MS, 0);
	while (world.n_arrived < n)
		uv_run(&world.loop, UV_RUN_DEFAULT);
	uv_timer_stop(&world.patience);
	assert_int_equal(world.n_arrived, n);
}

static void each_time_the_socket_is_made_is_told(void **state)
{
	for (unsigned i = 1; i <= 3; i++) {
		make(ARRIVAL_SOCKET);
		expect_arrival(i);
		unmake(ARRIVAL_SOCKET);
	}
}

/* Events come in their order, so what other files do would be told before. */
static void other_files_and_going_away_are_not_told(void **state)
{
	make("other.sock");
	unmake("other.sock");
	make("other.sock");
	make(ARRIVAL_SOCKET);
	expect_arrival(1);
	unmake(ARRIVAL_SOCKET);
	unmake("other.sock");
	make("other.sock");
	make(ARRIVAL_SOCKET);
	expect_arrival(2);
}

static void a_socket_that_is_moved_there_is_told(void **state)
{
	char from[160], to[160];

	make("other.sock");
	snprintf(from, sizeof(from), "%s/other.sock", world.directory);
	snprintf(to, sizeof(to), "%s/" ARRIVAL_SOCKET, world.directory);
	assert_int_equal(rename(from, to), 0);
	expect_arrival(1);
}

static void a_directory_that_took_the_place_of_another_is_followed(void **state)
{
	struct error err;
	struct stat st;

	assert_int_equal(rmdir(world.directory), 0);
	assert_int_equal(arrival_follow(world.arrival, &err), 0);
	assert_int_equal(stat(world.directory, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	make(ARRIVAL_SOCKET);
	expect_arrival(1);
	assert_int_equal(arrival_follow(world.arrival, &err), 0);
	unmake(ARRIVAL_SOCKET);
	make(ARRIVAL_SOCKET);
	expect_arrival(2);
}

static void a_directory_that_cannot_be_made_is_an_error_with_its_path(void **state)
{
	struct arrival *arrival;
	struct error err;

	make("other.sock");
	char path[160];
	snprintf(path, sizeof(path), "%s/other.sock/x", world.directory);
	assert_int_equal(arrival_start(&world.loop, path, note_arrived, NULL, &arrival, &err), -ENOTDIR);
	assert_non_null(strstr(err.message, "other.sock"));
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		PROMISE(each_time_the_socket_is_made_is_told),
		PROMISE(other_files_and_going_away_are_not_told),
		PROMISE(a_socket_that_is_moved_there_is_told),
		PROMISE(a_directory_that_took_the_place_of_another_is_followed),
		PROMISE(a_directory_that_cannot_be_made_is_an_error_with_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
