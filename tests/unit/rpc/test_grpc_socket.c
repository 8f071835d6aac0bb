// SPDX-License-Identifier: Apache-2.0
/* Server and client on one loop, over a real unix socket. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/base/array.h"
#include "common/rpc/grpc.h"

static struct world {
	uv_loop_t loop;
	char directory[64], path[96];
	struct grpc_server *server;
	struct grpc_client *client;
	struct grpc_call *held;
	unsigned n_handled, n_gone;
	unsigned n_ends, n_answers, awaited;
	enum rpc_status status;
	char words[512];
	size_t allowed; /* allocations, until one fails */
} world;

void *__real_calloc(size_t count, size_t n);
void *__wrap_calloc(size_t count, size_t n);

void *__wrap_calloc(size_t count, size_t n)
{
	return world.allowed-- == 0 ? NULL : __real_calloc(count, n);
}

static void handle_echo(void *context, struct grpc_call *call, struct slice request)
{
	world.n_handled++;
	grpc_call_answer(call, request);
}

static void note_gone(void *context, struct grpc_call *call)
{
	world.n_gone++;
	world.held = NULL;
	grpc_call_finish(call, RPC_CANCELLED, NULL);
	if (world.awaited == 0)
		uv_stop(&world.loop);
}

static void handle_hold(void *context, struct grpc_call *call, struct slice request)
{
	world.n_handled++;
	world.held = call;
	grpc_call_on_gone(call, note_gone, NULL);
	grpc_call_send(call, slice_string("held"));
}

static const struct grpc_method methods[] = { { "/t/Echo", handle_echo }, { "/t/Hold", handle_hold } };
static const struct grpc_service service = { methods, ELEMENTS_OF(methods), NULL };

static void on_message(void *context, struct slice message)
{
	world.n_answers++;
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	world.n_ends++;
	world.status = status;
	snprintf(world.words, sizeof(world.words), "%s", words);
	if (world.awaited && --world.awaited == 0)
		uv_stop(&world.loop);
}

static const struct grpc_receiver receiver = { on_message, on_end, NULL };

static void start_server(uid_t uid)
{
	struct error err;

	if (grpc_server_start(&world.loop, world.path, uid, &service, &world.server, &err) < 0)
		fail_msg("%s", err.message);
}

static int set_up(void **state)
{
	struct error err;

	world = (struct world){ .directory = "/tmp/holdfast-grpc.XXXXXX", .allowed = SIZE_MAX };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.path, sizeof(world.path), "%s/s", world.directory);
	assert_int_equal(grpc_client_new(&world.loop, world.path, &world.client, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	grpc_client_close(world.client);
	grpc_server_stop(world.server);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	assert_int_equal(rmdir(world.directory), 0);
	return 0;
}

static struct grpc_client_call *begin(const char *path, const char *message, uint64_t timeout_ms)
{
	const struct grpc_request request = { path, slice_string(message), strcmp(path, "/t/Hold") == 0, timeout_ms };
	struct grpc_client_call *call;
	struct error err;

	if (grpc_client_call(world.client, &request, &receiver, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call;
}

static void run_until_ended(unsigned n)
{
	world.awaited = n;
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(world.awaited, 0);
}

static void calls_are_answered_on_one_connection(void **state)
{
	start_server(getuid());
	for (int i = 0; i < 50; i++)
		begin("/t/Echo", "x", 0);
	run_until_ended(50);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 50);
}

static void the_socket_is_for_its_owner_only(void **state)
{
	struct stat st;

	start_server(getuid());
	assert_int_equal(stat(world.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_peer_of_another_user_is_let_go(void **state)
{
	start_server(getuid() + 1);
	begin("/t/Echo", "x", 0);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_int_equal(world.n_handled, 0);
}

static void without_a_server_a_call_says_where_it_tried(void **state)
{
	begin("/t/Echo", "x", 0);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_non_null(strstr(world.words, world.path));
}

static void the_next_call_connects_again(void **state)
{
	begin("/t/Echo", "x", 0);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	start_server(getuid());
	begin("/t/Echo", "x", 0);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
	begin("/t/Hold", "x", 0);
	grpc_server_stop(TAKE_PTR(world.server));
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	start_server(getuid());
	begin("/t/Echo", "x", 0);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
}

static void a_late_answer_is_a_timeout_and_the_handler_hears_of_it(void **state)
{
	start_server(getuid());
	begin("/t/Hold", "x", 300);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_DEADLINE_EXCEEDED);
	assert_int_equal(world.n_answers, 1);
	while (world.n_gone == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static void closing_the_client_ends_its_calls(void **state)
{
	start_server(getuid());
	begin("/t/Hold", "x", 0);
	begin("/t/Echo", "x", 0);
	run_until_ended(1);
	grpc_client_close(TAKE_PTR(world.client));
	run_until_ended(1);
	assert_int_equal(world.status, RPC_CANCELLED);
	while (world.n_gone == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static void stopping_the_server_tells_who_handles_a_call(void **state)
{
	start_server(getuid());
	begin("/t/Hold", "x", 0);
	while (world.n_handled == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	grpc_server_stop(TAKE_PTR(world.server));
	run_until_ended(1);
	assert_int_equal(world.n_gone, 1);
	assert_int_not_equal(access(world.path, F_OK), 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct grpc_server *server;
	struct error err;
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(grpc_server_start(&world.loop, path, 0, &service, &server, &err), -ENAMETOOLONG);
}

static int connect_raw(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void connections_above_the_limit_are_closed(void **state)
{
	int fds[GRPC_CONNECTIONS_MAX + 1];
	char byte;

	start_server(getuid());
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++) {
		fds[i] = connect_raw();
		for (int turn = 0; turn < 3; turn++)
			uv_run(&world.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(recv(fds[GRPC_CONNECTIONS_MAX], &byte, 1, 0), 0); /* closed */
	assert_int_equal(recv(fds[0], &byte, 1, 0), 1);                    /* SETTINGS, sent at once */
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		close(fds[i]);
}

/* Whichever allocation fails while a connection comes. */
static void without_memory_a_connection_is_let_go_and_the_next_one_is_served(void **state)
{
	start_server(getuid());
	for (size_t i = 0; i < 3; i++) {
		char byte;
		int fd = connect_raw();

		world.allowed = i;
		while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
			uv_run(&world.loop, UV_RUN_NOWAIT);
		world.allowed = SIZE_MAX;
		close(fd);
		begin("/t/Echo", "x", 0);
		run_until_ended(1);
		assert_int_equal(world.status, RPC_OK);
	}
}

/* A server that takes one connection, says goodbye on it, and answers nothing. */
static int serve_goodbye(int *ret_connection)
{
	static const uint8_t goodbye[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	begin("/t/Hold", "x", 0);
	while ((*ret_connection = accept(fd, NULL, NULL)) < 0)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(write(*ret_connection, goodbye, sizeof(goodbye)), sizeof(goodbye));
	return fd;
}

static void closing_the_client_ends_calls_on_a_connection_that_the_peer_is_leaving(void **state)
{
	int connection, second, fd = serve_goodbye(&connection);

	/* Until calls are made on a new connection, the goodbye has not been read. */
	do {
		begin("/t/Hold", "x", 0);
		for (int turn = 0; turn < 3; turn++)
			uv_run(&world.loop, UV_RUN_NOWAIT);
		world.awaited++;
	} while ((second = accept(fd, NULL, NULL)) < 0);
	unsigned n = world.awaited + 1 - world.n_ends;
	grpc_client_close(TAKE_PTR(world.client));
	world.n_ends = 0;
	for (int turn = 0; turn < 10; turn++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_ends, n);
	assert_int_equal(world.status, RPC_CANCELLED);
	close(connection);
	close(second);
	close(fd);
	unlink(world.path);
}

static int ignore_sigpipe(void **state)
{
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(calls_are_answered_on_one_connection),
		TEST(the_socket_is_for_its_owner_only),
		TEST(a_peer_of_another_user_is_let_go),
		TEST(without_a_server_a_call_says_where_it_tried),
		TEST(the_next_call_connects_again),
		TEST(a_late_answer_is_a_timeout_and_the_handler_hears_of_it),
		TEST(closing_the_client_ends_its_calls),
		TEST(stopping_the_server_tells_who_handles_a_call),
		TEST(a_path_that_is_too_long_is_refused),
		TEST(without_memory_a_connection_is_let_go_and_the_next_one_is_served),
		TEST(connections_above_the_limit_are_closed),
		TEST(closing_the_client_ends_calls_on_a_connection_that_the_peer_is_leaving),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
