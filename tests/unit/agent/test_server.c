// SPDX-License-Identifier: Apache-2.0
/* The agent's socket, real, and callers of this process. It is root's, and so must the caller be. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cni-plugin/agent/server.h"

static struct world {
	uv_loop_t loop;
	char directory[64], path[96];
	struct server *server;
	unsigned n_handled;
	size_t allowed; /* allocations, until one fails */
} world;

void *__real_calloc(size_t count, size_t n);
void *__wrap_calloc(size_t count, size_t n);

void *__wrap_calloc(size_t count, size_t n)
{
	return world.allowed-- == 0 ? NULL : __real_calloc(count, n);
}

static void on_call(void *context, struct server_call *call)
{
	world.n_handled++;
	server_answer(call, 0, slice_string("done"));
}

static void on_refused(void *context, const struct error *why)
{
}

static int set_up(void **state)
{
	const struct server_handler handler = { on_call, on_refused, NULL };
	struct error err;

	world = (struct world){ .directory = "/tmp/holdfast-server.XXXXXX", .allowed = SIZE_MAX };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.path, sizeof(world.path), "%s/s", world.directory);
	if (server_start(&world.loop, world.path, &handler, &world.server, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static int tear_down(void **state)
{
	server_stop(world.server);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	assert_int_equal(rmdir(world.directory), 0);
	return 0;
}

static int connect_caller(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int call(void)
{
	const struct slice fields[WIRE_FIELD_COUNT] = { [WIRE_VERB] = slice_string("status") };
	_cleanup_(buf_free) struct buf request = BUF_MAX(1024);
	struct error err;
	int fd = connect_caller();

	assert_int_equal(wire_request_encode(fields, &request, &err), 0);
	assert_int_equal(send(fd, request.p, request.n, MSG_NOSIGNAL), request.n);
	return fd;
}

/* Whatever comes first: an answer's first byte (1), or the end (0, or a reset). */
static ssize_t wait_for_answer(int fd)
{
	ssize_t n;
	char byte;

	while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	close(fd);
	return n;
}

static void a_caller_is_answered(void **state)
{
	assert_int_equal(wait_for_answer(call()), 1);
	assert_int_equal(world.n_handled, 1);
}

static void without_memory_a_caller_sees_the_end_and_the_next_one_is_answered(void **state)
{
	for (unsigned n = 1; n <= 3; n++) {
		world.allowed = 0;
		assert_true(wait_for_answer(call()) <= 0);
		assert_int_equal(wait_for_answer(call()), 1);
		assert_int_equal(world.n_handled, n);
	}
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(a_caller_is_answered),
		PROMISE(without_memory_a_caller_sees_the_end_and_the_next_one_is_answered),
	};

	if (geteuid() != 0) {
		puts("needs root");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
