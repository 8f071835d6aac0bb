// SPDX-License-Identifier: Apache-2.0
/* Server and client on one loop, over a real unix socket. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/base/array.h"
#include "common/rpc/ttrpc_session.h"
#include "tests/support/few_allocations.h"

static struct world {
	uv_loop_t loop;
	char directory[64], path[96];
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	unsigned n_handled, n_gone;
	unsigned n_ends, n_good, n_answers, awaited;
	size_t answer_n;
	enum rpc_status status;
	char words[512], lost_words[512];
	bool used_up; /* the client's connection, once */
} world;

bool __wrap_ttrpc_session_is_used_up(const struct ttrpc_session *session);

bool __wrap_ttrpc_session_is_used_up(const struct ttrpc_session *session)
{
	bool answer = world.used_up;

	world.used_up = false;
	return answer;
}

static void handle_echo(void *context, struct ttrpc_call *call, struct slice request)
{
	world.n_handled++;
	ttrpc_call_answer(call, request);
}

static void note_gone(void *context, struct ttrpc_call *call)
{
	world.n_gone++;
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void handle_hold(void *context, struct ttrpc_call *call, struct slice request)
{
	world.n_handled++;
	ttrpc_call_on_gone(call, note_gone, NULL);
}

/* As a shim's Shutdown. */
static void handle_stop(void *context, struct ttrpc_call *call, struct slice request)
{
	ttrpc_call_answer(call, slice_string("goodbye"));
	ttrpc_server_stop(TAKE_PTR(world.server));
}

static const struct ttrpc_method methods[] = { { "Echo", handle_echo }, { "Hold", handle_hold }, { "Stop", handle_stop } };
static const struct ttrpc_service service = { "t", methods, ELEMENTS_OF(methods), NULL };
static const struct ttrpc_services services = { &service, 1 };

static void on_message(void *context, struct slice message)
{
	world.n_answers++;
	world.answer_n = message.n;
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	world.n_ends++;
	world.n_good += status == RPC_OK;
	world.status = status;
	snprintf(world.words, sizeof(world.words), "%s", words);
	if (world.awaited && --world.awaited == 0)
		uv_stop(&world.loop);
}

static const struct ttrpc_receiver receiver = { on_message, on_end, NULL };

static void start_server(uid_t uid)
{
	struct error err;

	if (ttrpc_server_start(&world.loop, world.path, uid, &services, &world.server, &err) < 0)
		fail_msg("%s", err.message);
}

static int set_up(void **state)
{
	struct error err;

	world = (struct world){ .directory = "/tmp/holdfast-ttrpc.XXXXXX" };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.path, sizeof(world.path), "%s/s", world.directory);
	assert_int_equal(ttrpc_client_new(&world.loop, world.path, &world.client, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	allocations_allowed = SIZE_MAX;
	ttrpc_client_close(world.client);
	ttrpc_server_stop(world.server);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	assert_int_equal(rmdir(world.directory), 0);
	return 0;
}

static struct ttrpc_client_call *begin_with(struct slice message, const char *method, uint64_t timeout_ms)
{
	const struct ttrpc_request request = { .service = "t", .method = method, .message = message, .timeout_ms = timeout_ms };
	struct ttrpc_client_call *call;
	struct error err;

	if (ttrpc_client_call(world.client, &request, &receiver, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call;
}

static struct ttrpc_client_call *begin(const char *method)
{
	return begin_with(slice_string("x"), method, 0);
}

static void run_until_ended(unsigned n)
{
	world.awaited = n;
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(world.awaited, 0);
}

static void run_until(const unsigned *counter, unsigned n)
{
	while (*counter < n)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static void a_thousand_calls_are_answered_on_one_connection(void **state)
{
	start_server(getuid());
	for (int i = 0; i < 1000; i++)
		begin("Echo");
	run_until_ended(1000);
	assert_int_equal(world.n_good, 1000);
	assert_int_equal(world.n_answers, 1000);
}

static void many_large_answers_pass_a_connection(void **state)
{
	size_t n = 3 * 1024 * 1024;
	_cleanup_free_ uint8_t *bytes = calloc(1, n);

	start_server(getuid());
	for (int i = 0; i < 40; i++) {
		for (int j = 0; j < 4; j++)
			begin_with(slice_from(bytes, n), "Echo", 0);
		run_until_ended(4);
	}
	assert_int_equal(world.n_good, 160);
	assert_int_equal(world.answer_n, n);
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
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_int_equal(world.n_handled, 0);
}

static void without_a_server_a_call_says_where_it_tried(void **state)
{
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_non_null(strstr(world.words, world.path));
}

static void the_next_call_connects_again(void **state)
{
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	start_server(getuid());
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
	begin("Hold");
	ttrpc_server_stop(TAKE_PTR(world.server));
	run_until_ended(1);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	start_server(getuid());
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
}

static void a_lost_connection_ends_every_pending_call(void **state)
{
	start_server(getuid());
	for (int i = 0; i < 100; i++)
		begin("Hold");
	run_until(&world.n_handled, 100);
	ttrpc_server_stop(TAKE_PTR(world.server));
	run_until_ended(100);
	assert_int_equal(world.n_ends, 100);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
	assert_string_equal(world.words, "the connection was lost: the peer closed it");
	run_until(&world.n_gone, 100);
}

static void a_connection_that_is_used_up_is_followed_by_another(void **state)
{
	start_server(getuid());
	begin("Echo");
	run_until_ended(1);
	begin("Hold");
	world.used_up = true;
	begin("Echo");
	run_until_ended(2);
	assert_int_equal(world.n_good, 2);
	assert_int_equal(world.n_ends, 3);
	run_until(&world.n_gone, 1);
}

static void a_late_answer_is_a_timeout_and_the_handler_hears_of_it(void **state)
{
	start_server(getuid());
	begin_with(slice_string("x"), "Hold", 50);
	begin_with(slice_string("x"), "Hold", 0);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_DEADLINE_EXCEEDED);
	run_until(&world.n_gone, 1);
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
	begin_with(slice_string("x"), "Hold", 50);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_DEADLINE_EXCEEDED);
	run_until(&world.n_gone, 2);
}

static void closing_the_client_ends_its_calls(void **state)
{
	start_server(getuid());
	begin("Hold");
	begin("Echo");
	run_until_ended(1);
	ttrpc_client_close(TAKE_PTR(world.client));
	run_until_ended(1);
	assert_int_equal(world.status, RPC_CANCELLED);
	run_until(&world.n_gone, 1);
}

static void an_answer_that_was_given_arrives_though_the_server_stops(void **state)
{
	start_server(getuid());
	begin("Stop");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.n_answers, 1);
	assert_int_not_equal(access(world.path, F_OK), 0);
}

/* The second request is not read with the first. */
static void it_arrives_too_if_another_is_just_being_written(void **state)
{
	static const uint8_t large[20000];

	start_server(getuid());
	begin("Echo");
	begin_with(slice_from(large, sizeof(large)), "Stop", 0);
	run_until_ended(2);
	assert_int_equal(world.n_good, 2);
}

static void a_server_that_stops_handles_nothing_more(void **state)
{
	start_server(getuid());
	begin("Stop");
	begin("Echo"); /* in the same bytes */
	run_until_ended(2);
	assert_int_equal(world.n_good, 1);
	assert_int_equal(world.n_handled, 0);
	assert_int_equal(world.status, RPC_UNAVAILABLE);
}

static void time_that_the_loop_has_lost_is_not_taken_from_a_call(void **state)
{
	start_server(getuid());
	uv_run(&world.loop, UV_RUN_NOWAIT);
	usleep(2100000); /* as a handler that works */
	begin_with(slice_string("x"), "Echo", 2000);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
}

static void a_socket_that_is_given_is_used_until_it_is_lost(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct ttrpc_request request = { .service = "t", .method = "Echo" };
	struct ttrpc_client_call *call;
	struct error err;

	start_server(getuid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ttrpc_client_close(world.client);
	assert_int_equal(ttrpc_client_open(&world.loop, fd, &world.client, &err), 0);
	begin("Echo");
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
	begin("Hold");
	run_until(&world.n_handled, 2);
	ttrpc_server_stop(TAKE_PTR(world.server));
	run_until_ended(1);
	assert_int_equal(ttrpc_client_call(world.client, &request, &receiver, &call, &err), -EPIPE);
	assert_string_equal(err.message, "the connection was lost: the peer closed it");
}

/* As a guest's vsock. */
static void a_socket_that_is_given_may_be_of_another_family(void **state)
{
	static const uint8_t response[] = "\0\0\0\4\0\0\0\1\2\0\x12\2hi";
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(address);
	uint8_t request[256];
	struct error err;

	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, n), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &n), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, n), 0);
	int peer = accept(listening, NULL, NULL);
	ttrpc_client_close(world.client);
	assert_int_equal(ttrpc_client_open(&world.loop, fd, &world.client, &err), 0);
	begin("Echo");
	while (recv(peer, request, sizeof(request), MSG_DONTWAIT) < 0)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(send(peer, response, sizeof(response) - 1, 0), sizeof(response) - 1);
	run_until_ended(1);
	assert_int_equal(world.status, RPC_OK);
	assert_int_equal(world.answer_n, 2);
	close(peer);
	close(listening);
}

static void note_lost(void *context, const struct error *why)
{
	snprintf(world.lost_words, sizeof(world.lost_words), "%s", why->message);
	(*(unsigned *)context)++;
}

/* Server and client on the two ends of one thing. */
static void serve_between(int ours, int theirs, unsigned *n_lost)
{
	struct error err;

	ttrpc_client_close(world.client);
	assert_int_equal(ttrpc_server_new(&world.loop, &services, &world.server, &err), 0);
	assert_int_equal(ttrpc_server_add(world.server, ours, note_lost, n_lost, &err), 0);
	assert_int_equal(ttrpc_client_open(&world.loop, theirs, &world.client, &err), 0);
	for (int i = 0; i < 100; i++)
		begin("Echo");
	run_until_ended(100);
	assert_int_equal(world.n_good, 100);
}

static void a_server_says_when_a_connection_that_it_was_given_is_lost(void **state)
{
	unsigned n_lost = 0;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	serve_between(pair[0], pair[1], &n_lost);
	begin("Hold");
	run_until(&world.n_handled, 101);
	ttrpc_client_close(TAKE_PTR(world.client));
	run_until(&n_lost, 1);
	assert_string_equal(world.lost_words, "the connection was lost: the peer closed it");
	assert_int_equal(world.n_gone, 1);
}

/* As a virtio-serial port in a guest. */
static void a_server_serves_a_character_device(void **state)
{
	unsigned n_lost = 0;
	struct termios raw = {};
	int ends[2];

	cfmakeraw(&raw);
	assert_int_equal(openpty(&ends[0], &ends[1], NULL, &raw, NULL), 0);
	serve_between(ends[1], ends[0], &n_lost);
	ttrpc_server_stop(TAKE_PTR(world.server));
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(n_lost, 0); /* who stops a server knows */
}

static void what_a_server_cannot_serve_is_closed(void **state)
{
	int pairs[TTRPC_CONNECTIONS_MAX + 1][2];
	unsigned n_lost = 0;
	struct error err;
	char byte;

	assert_int_equal(ttrpc_server_new(&world.loop, &services, &world.server, &err), 0);
	assert_int_equal(ttrpc_server_add(world.server, 12345, note_lost, &n_lost, &err), -EBADF);
	while (uv_run(&world.loop, UV_RUN_NOWAIT))
		;
	for (size_t i = 0; i < ELEMENTS_OF(pairs); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
		int r = ttrpc_server_add(world.server, pairs[i][0], note_lost, &n_lost, &err);
		assert_int_equal(r, i < TTRPC_CONNECTIONS_MAX ? 0 : -EBUSY);
	}
	assert_int_equal(recv(pairs[TTRPC_CONNECTIONS_MAX][1], &byte, 1, 0), 0);
	assert_int_equal(n_lost, 0);
	for (size_t i = 0; i < ELEMENTS_OF(pairs); i++)
		close(pairs[i][1]);
}

static void what_is_no_socket_is_refused(void **state)
{
	struct ttrpc_client *client;
	struct error err;

	assert_true(ttrpc_client_open(&world.loop, 12345, &client, &err) < 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	struct error err;
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(ttrpc_server_start(&world.loop, path, 0, &services, &server, &err), -ENAMETOOLONG);
	assert_int_equal(ttrpc_client_new(&world.loop, path, &client, &err), -ENAMETOOLONG);
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
	int fds[TTRPC_CONNECTIONS_MAX + 1];
	char byte;

	start_server(getuid());
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++) {
		fds[i] = connect_raw();
		for (int turn = 0; turn < 3; turn++)
			uv_run(&world.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(recv(fds[TTRPC_CONNECTIONS_MAX], &byte, 1, 0), 0); /* closed */
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);         /* open */
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		close(fds[i]);
}

/* A peer that writes and never reads: its answers stop growing, and so does what is read of it. It is served when it reads. */
static void a_peer_that_does_not_read_is_not_read_from(void **state)
{
	static const uint8_t frame[] = "\0\0\0\x0d\0\0\0\0\1\0\x0a\1t\x12\4Echo\x1a\2hi";
	static uint8_t request[sizeof(frame) - 1];
	uint32_t stream = 1, answers = 0;
	int fd;

	start_server(getuid());
	memcpy(request, frame, sizeof(request));
	fd = connect_raw();
	for (unsigned before = 1; before != world.n_handled || world.n_handled == 0;) {
		before = world.n_handled;
		for (int i = 0; i < 1000; i++) {
			request[4] = (uint8_t)(stream >> 24);
			request[5] = (uint8_t)(stream >> 16);
			request[6] = (uint8_t)(stream >> 8);
			request[7] = (uint8_t)stream;
			ssize_t n = send(fd, request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0)
				break;
			assert_int_equal(n, sizeof(request));
			stream += 2;
		}
		for (int turn = 0; turn < 20; turn++)
			uv_run(&world.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(send(fd, request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL), -1); /* the pipe is full both ways */
	while (answers < stream / 2 * 14) {
		uint8_t bytes[4096];
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			answers += (uint32_t)n;
		uv_run(&world.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(answers, stream / 2 * 14); /* header, tag, length, "hi" */
	assert_int_equal(world.n_handled, stream / 2);
	close(fd);
}

/* Whichever allocation fails while a connection comes. */
static void without_memory_a_connection_is_let_go_and_the_next_one_is_served(void **state)
{
	start_server(getuid());
	for (size_t i = 0; i < 3; i++) {
		char byte;
		int fd = connect_raw();

		allocations_allowed = i;
		while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
			uv_run(&world.loop, UV_RUN_NOWAIT);
		allocations_allowed = SIZE_MAX;
		close(fd);
		begin("Echo");
		run_until_ended(1);
		assert_int_equal(world.status, RPC_OK);
	}
}

static int ignore_sigpipe(void **state)
{
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_thousand_calls_are_answered_on_one_connection),
		TEST(many_large_answers_pass_a_connection),
		TEST(the_socket_is_for_its_owner_only),
		TEST(a_peer_of_another_user_is_let_go),
		TEST(without_a_server_a_call_says_where_it_tried),
		TEST(the_next_call_connects_again),
		TEST(a_lost_connection_ends_every_pending_call),
		TEST(a_connection_that_is_used_up_is_followed_by_another),
		TEST(a_late_answer_is_a_timeout_and_the_handler_hears_of_it),
		TEST(closing_the_client_ends_its_calls),
		TEST(an_answer_that_was_given_arrives_though_the_server_stops),
		TEST(it_arrives_too_if_another_is_just_being_written),
		TEST(a_server_that_stops_handles_nothing_more),
		TEST(time_that_the_loop_has_lost_is_not_taken_from_a_call),
		TEST(a_socket_that_is_given_is_used_until_it_is_lost),
		TEST(a_socket_that_is_given_may_be_of_another_family),
		TEST(a_server_says_when_a_connection_that_it_was_given_is_lost),
		TEST(a_server_serves_a_character_device),
		TEST(what_a_server_cannot_serve_is_closed),
		TEST(what_is_no_socket_is_refused),
		TEST(a_path_that_is_too_long_is_refused),
		TEST(connections_above_the_limit_are_closed),
		TEST(a_peer_that_does_not_read_is_not_read_from),
		TEST(without_memory_a_connection_is_let_go_and_the_next_one_is_served),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
