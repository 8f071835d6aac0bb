// SPDX-License-Identifier: Apache-2.0
/* Connections to the pod's loopback. */
#include <stdio.h>

#include "common/base/array.h"
#include "common/rpc/ttrpc.h"
#include "tests/vm/agent_world.h"

#define CONNECTIONS_MAX 64

static struct answer *begin_connect(const char *name, uint32_t port, uint64_t ms)
{
	Agent__ConnectRequest request = AGENT__CONNECT_REQUEST__INIT;

	request.name = (char *)name;
	request.port = port;
	return agent_begin_ours("Connect", &request.base, ms);
}

static struct answer *ask_connect(const char *name, uint32_t port)
{
	struct answer *answer = begin_connect(name, port, 0);

	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	return answer;
}

/* The server has just been started: until it listens it is refused. */
static void connect_to(const char *name, uint32_t port)
{
	const struct answer *answer = ask_connect(name, port);

	for (int i = 0; i < AGENT_TIME_MS / 50 && answer->status != RPC_OK; i++) {
		agent_ends_within(NULL, 50);
		answer = ask_connect(name, port);
	}
	agent_expect(answer, RPC_OK, NULL);
}

static struct answer *ask_disconnect(const char *name)
{
	Agent__ConnectRequest request = AGENT__CONNECT_REQUEST__INIT;

	request.name = (char *)name;
	struct answer *answer = agent_begin_ours("Disconnect", &request.base, 0);
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	return answer;
}

static void disconnect(const char *name)
{
	agent_expect(ask_disconnect(name), RPC_OK, NULL);
}

static void test_what_is_said_reaches_the_server_and_its_answer_comes_back(void **state)
{
	agent_run("web", "nc -l -p 8001 127.0.0.1 -e cat");
	connect_to("1", 8001);
	agent_write("", "1", "hello");
	agent_read_until("", "1", "hello");
	agent_close_stdin("", "1");
	assert_string_equal(agent_read_all("ReadStdout", "", "1"), "");
	disconnect("1");
	assert_int_equal(agent_wait("web", "web"), 0);
	agent_remove("web");
}

static void test_a_server_on_all_addresses_is_reached(void **state)
{
	agent_run("web", "nc -l -p 8002 -e echo here");
	connect_to("1", 8002);
	assert_string_equal(agent_read_all("ReadStdout", "", "1"), "here\n");
	disconnect("1");
	agent_remove("web");
}

static void test_a_server_on_the_loopback_of_ipv6_alone_is_reached(void **state)
{
	agent_run("web", "nc -l -p 8003 ::1 -e echo here");
	connect_to("1", 8003);
	assert_string_equal(agent_read_all("ReadStdout", "", "1"), "here\n");
	disconnect("1");
	agent_remove("web");
}

/* The server answers when it has heard the end, and not before. */
static void test_the_end_of_one_direction_leaves_the_other(void **state)
{
	agent_run("web", "nc -l -p 8004 -e wc -c");
	connect_to("1", 8004);
	agent_write("", "1", "12345");
	struct answer *read = agent_begin_read("ReadStdout", "", "1", 100);
	assert_false(agent_ends_within(read, 200));
	agent_close_stdin("", "1");
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	assert_true(slice_equals_string(agent_data_of(read), "5\n"));
	assert_string_equal(agent_read_all("ReadStdout", "", "1"), "");
	disconnect("1");
	agent_remove("web");
}

/* More than all buffers on the way: it comes back only if it is read meanwhile. */
static void test_a_flood_comes_back_whole(void **state)
{
	enum { PIECE = 16 * 1024, PIECES = 256 };
	static char text[PIECE + 1];
	size_t n = 0;

	memset(text, 'x', PIECE);
	agent_run("web", "nc -l -p 8005 -e cat");
	connect_to("1", 8005);
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;
	request.container_id = (char *)"";
	request.exec_id = (char *)"1";
	request.data = (ProtobufCBinaryData){ PIECE, (uint8_t *)text };
	for (int i = 0; i < PIECES; i++) {
		struct answer *write = agent_begin("WriteStdin", &request.base);
		while (!agent_ends_within(write, 0) || n + 4 * PIECE < (size_t)(i + 1) * PIECE) {
			struct answer *read = agent_begin_read("ReadStdout", "", "1", PIECE);
			assert_true(agent_ends_within(read, AGENT_TIME_MS));
			n += agent_data_of(read).n;
		}
		agent_expect(write, RPC_OK, NULL);
	}
	agent_close_stdin("", "1");
	n += strlen(agent_read_all("ReadStdout", "", "1"));
	assert_int_equal(n, PIECE * PIECES);
	disconnect("1");
	agent_remove("web");
}

static void test_a_port_where_nobody_listens_is_an_error_at_once(void **state)
{
	const struct answer *answer = ask_connect("1", 8006);

	assert_int_not_equal(answer->status, RPC_OK);
	agent_expect(answer, answer->status, "cannot connect to port 8006 of the pod's loopback: Connection refused");
	agent_expect(ask_disconnect("1"), RPC_NOT_FOUND, NULL);
}

static void test_what_is_no_connection_is_refused(void **state)
{
	agent_expect(ask_connect("1", 0), RPC_INVALID_ARGUMENT, "0 is no port");
	agent_expect(ask_connect("1", 65536), RPC_INVALID_ARGUMENT, "65536 is no port");
	agent_expect(ask_connect("", 80), RPC_INVALID_ARGUMENT, "1 to 16 bytes");
	agent_expect(ask_connect("12345678901234567", 80), RPC_INVALID_ARGUMENT, "1 to 16 bytes");
	struct answer *read = agent_begin_read("ReadStdout", "", "none", 100);
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	agent_expect(read, RPC_NOT_FOUND, "no connection of this name");
}

static void test_a_disconnect_ends_what_waits(void **state)
{
	agent_run("web", "nc -l -p 8007 -e sleep 1000");
	connect_to("1", 8007);
	agent_expect(ask_connect("1", 8007), RPC_ALREADY_EXISTS, NULL);
	struct answer *read = agent_begin_read("ReadStdout", "", "1", 100);
	assert_false(agent_ends_within(read, 100));
	disconnect("1");
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	assert_int_equal(agent_data_of(read).n, 0);
	agent_remove("web");
}

/* Those that wait for room in the server's queue count, too. */
static void test_there_are_64_connections_and_no_more(void **state)
{
	struct answer *connects[CONNECTIONS_MAX];
	char name[16];

	agent_run("web", "nc -ll -p 8008 -e sleep 1000");
	connect_to("many-0", 8008);
	for (int i = 1; i < CONNECTIONS_MAX; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		connects[i] = begin_connect(name, 8008, 0);
	}
	agent_expect(ask_connect("more", 8008), RPC_RESOURCE_EXHAUSTED, "64 connections already");
	disconnect("many-0");
	connects[0] = begin_connect("many-0", 8008, 0);
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		disconnect(name);
		assert_true(agent_ends_within(connects[i], AGENT_TIME_MS));
	}
	agent_remove("web");
}

/* It listens, and takes no connection: some are in its queue, and the next one waits for room there. */
static void run_stopped_server(void)
{
	agent_run("web", "nc -ll -p 8009 -e sleep 1000 & server=$!; read x; kill -STOP $server; "
			 "until grep -q '^State:.T' /proc/$server/status; do :; done; echo stopped; read x");
	connect_to("first", 8009);
	disconnect("first");
	agent_write("web", "web", "\n");
	agent_read_until("web", "web", "stopped");
}

static void end_server_and_connections(int n)
{
	char name[16];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ask_disconnect(name);
	}
	agent_remove("web");
}

static void test_a_connection_that_nobody_takes_is_given_up_in_time(void **state)
{
	const struct answer *connect;
	char name[16];
	int n = 0;

	run_stopped_server();
	do {
		snprintf(name, sizeof(name), "%d", n++);
		connect = begin_connect(name, 8009, 1000);
		assert_true(agent_ends_within(connect, AGENT_TIME_MS));
	} while (connect->status == RPC_OK);
	agent_expect(connect, RPC_DEADLINE_EXCEEDED, NULL);
	end_server_and_connections(n);
}

static void test_a_disconnect_ends_a_connection_that_nobody_takes(void **state)
{
	const struct answer *connect;
	char name[16];
	int n = 0;

	run_stopped_server();
	do {
		snprintf(name, sizeof(name), "%d", n++);
		connect = begin_connect(name, 8009, 0);
		if (!agent_ends_within(connect, 300))
			disconnect(name);
		assert_true(agent_ends_within(connect, AGENT_TIME_MS));
	} while (connect->status == RPC_OK);
	agent_expect(connect, RPC_CANCELLED, NULL);
	end_server_and_connections(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_what_is_said_reaches_the_server_and_its_answer_comes_back),
		agent_test(test_a_server_on_all_addresses_is_reached),
		agent_test(test_a_server_on_the_loopback_of_ipv6_alone_is_reached),
		agent_test(test_the_end_of_one_direction_leaves_the_other),
		agent_test(test_a_flood_comes_back_whole),
		agent_test(test_a_port_where_nobody_listens_is_an_error_at_once),
		agent_test(test_what_is_no_connection_is_refused),
		agent_test(test_a_disconnect_ends_what_waits),
		agent_test(test_there_are_64_connections_and_no_more),
		agent_test(test_a_connection_that_nobody_takes_is_given_up_in_time),
		agent_test(test_a_disconnect_ends_a_connection_that_nobody_takes),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, agent_world_setup, agent_world_teardown);
}
