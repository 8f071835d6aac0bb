// SPDX-License-Identifier: Apache-2.0
/* A listener on a real socket; accept(2) goes through here, so that it can fail. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/rpc/unix_socket.h"

static struct world {
	uv_loop_t loop;
	char directory[64], path[96];
	struct unix_listener *listener;
	unsigned n_accepted, n_stopped;
	unsigned n_attempts, n_failing; /* of accept */
	int code;
} world;

int __real_accept4(int fd, struct sockaddr *address, socklen_t *n, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *n, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *n, int flags)
{
	world.n_attempts++;
	if (world.n_failing == 0)
		return __real_accept4(fd, address, n, flags);
	world.n_failing--;
	errno = world.code;
	return -1;
}

static void on_accepted(void *context, int fd)
{
	world.n_accepted++;
	close(fd);
}

static void on_stopped(void *context)
{
	world.n_stopped++;
}

static void start(uid_t uid)
{
	const struct unix_listener_options options = { world.path, 16, uid, on_accepted, NULL };
	struct error err;

	if (unix_listener_start(&world.loop, &options, &world.listener, &err) < 0)
		fail_msg("%s", err.message);
}

static int set_up(void **state)
{
	world = (struct world){ .directory = "/tmp/holdfast-socket.XXXXXX" };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.path, sizeof(world.path), "%s/s", world.directory);
	return 0;
}

static int tear_down(void **state)
{
	if (world.listener)
		unix_listener_stop(world.listener, on_stopped);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	assert_int_equal(rmdir(world.directory), 0);
	return 0;
}

static int call(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void run_until_accepted(unsigned n)
{
	while (world.n_accepted < n)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static bool is_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void every_connection_is_taken_also_those_that_come_together(void **state)
{
	int fds[10];

	start(getuid());
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		fds[i] = call();
	run_until_accepted(ELEMENTS_OF(fds));
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		close(fds[i]);
}

static void a_receiver_that_lets_a_connection_go_gets_the_next_one(void **state)
{
	start(getuid());
	for (unsigned n = 1; n <= 3; n++) {
		int fd = call();
		run_until_accepted(n);
		assert_true(is_ended(fd));
		close(fd);
	}
}

static void a_peer_of_another_user_is_let_go(void **state)
{
	start(getuid() + 1);
	int fd = call();
	while (world.n_attempts == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_true(is_ended(fd));
	assert_int_equal(world.n_accepted, 0);
	close(fd);
}

static void without_descriptors_a_connection_waits_and_is_taken_when_there_are_some(void **state)
{
	struct rlimit before, none;

	start(getuid());
	int fd = call();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (world.n_attempts < 3)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_int_equal(world.n_accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	run_until_accepted(1);
	close(fd);
}

/* One attempt each time, with a pause behind it: then the connection, and the end of what waits. */
static void whatever_accept_lacks_it_is_asked_again_and_not_over_and_over(void **state)
{
	static const int codes[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS };

	start(getuid());
	for (unsigned i = 0; i < ELEMENTS_OF(codes); i++) {
		world.n_attempts = 0;
		world.n_failing = 2;
		world.code = codes[i];
		int fd = call();
		uint64_t begun_ms = uv_hrtime() / 1000000;
		run_until_accepted(i + 1);
		assert_int_equal(world.n_attempts, 2 + 1 + 1);
		assert_true(uv_hrtime() / 1000000 - begun_ms >= 150);
		close(fd);
	}
}

static void a_connection_that_ended_before_it_was_taken_stops_nobody(void **state)
{
	start(getuid());
	world.n_failing = 2;
	world.code = ECONNABORTED;
	int fd = call();
	run_until_accepted(1);
	close(fd);
}

static void the_socket_is_for_its_owner_only_and_its_file_goes_with_it(void **state)
{
	struct stat st;

	start(getuid());
	assert_int_equal(stat(world.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unix_listener_stop(world.listener, on_stopped);
	world.listener = NULL;
	assert_int_equal(access(world.path, F_OK), -1);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(world.n_stopped, 1);
}

static void it_can_be_stopped_while_it_waits_for_descriptors(void **state)
{
	start(getuid());
	world.n_failing = 1000;
	world.code = EMFILE;
	int fd = call();
	while (world.n_attempts == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	unix_listener_stop(world.listener, on_stopped);
	world.listener = NULL;
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(world.n_stopped, 1);
	assert_int_equal(world.n_attempts, 1);
	close(fd);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(every_connection_is_taken_also_those_that_come_together),
		PROMISE(a_receiver_that_lets_a_connection_go_gets_the_next_one),
		PROMISE(a_peer_of_another_user_is_let_go),
		PROMISE(without_descriptors_a_connection_waits_and_is_taken_when_there_are_some),
		PROMISE(whatever_accept_lacks_it_is_asked_again_and_not_over_and_over),
		PROMISE(a_connection_that_ended_before_it_was_taken_stops_nobody),
		PROMISE(the_socket_is_for_its_owner_only_and_its_file_goes_with_it),
		PROMISE(it_can_be_stopped_while_it_waits_for_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
