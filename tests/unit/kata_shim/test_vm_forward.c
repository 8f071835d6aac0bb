// SPDX-License-Identifier: Apache-2.0
/* Real connections on one side, an agent that follows a script on the other. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"
#include "kata-shim/vm/agent/forward.h"
#include "tests/unit/kata_shim/scripted_agent.h"

#define PATIENCE_MS 30000

static struct world {
	uv_loop_t loop;
	struct scripted_agent scripted;
	struct forwards *forwards;
	struct sockaddr_in address;
	int refusal;    /* of Connect: errno */
	bool silent;    /* Connect is not answered */
	unsigned n_connects, n_disconnects, n_closed, n_reads;
	uint32_t port;  /* that was asked for */
	size_t says;    /* bytes that the server still says; then, and if it was told to, it ends */
	bool ends;
	struct ttrpc_call *reading, *writing; /* that waits */
	bool deaf;      /* the server reads nothing */
	size_t takes;   /* bytes of one WriteStdin */
	struct buf got; /* by the server */
} world;

/* ── The guest ── */

static void answer_read(struct ttrpc_call *call)
{
	static uint8_t bytes[AGENT_READ_MAX];
	Agent__ReadStreamResponse response = AGENT__READ_STREAM_RESPONSE__INIT;
	const size_t n = world.says < 16 * 1024 ? world.says : 16 * 1024;

	if (n == 0 && !world.ends) {
		world.reading = call;
		return;
	}
	memset(bytes, 's', n);
	world.says -= n;
	response.data = (ProtobufCBinaryData){ n, bytes };
	scripted_answer(call, &response.base);
}

static void answer_write(struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__WriteStreamRequest *asked = NULL;
	Agent__WriteStreamResponse response = AGENT__WRITE_STREAM_RESPONSE__INIT;
	struct error err;

	if (world.deaf) {
		world.writing = call;
		return;
	}
	assert_int_equal(message_read(&agent__write_stream_request__descriptor, request, &asked, &err), 0);
	assert_string_equal(asked->container_id, "");
	assert_true(*asked->exec_id != 0);
	response.len = (uint32_t)(asked->data.len < world.takes ? asked->data.len : world.takes);
	buf_append(&world.got, asked->data.data, response.len);
	scripted_answer(call, &response.base);
}

static void answer_connect(struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__ConnectRequest *asked = NULL;
	struct error err;

	assert_int_equal(message_read(&agent__connect_request__descriptor, request, &asked, &err), 0);
	world.n_connects++;
	world.port = asked->port;
	if (world.refusal) {
		error_set(&err, world.refusal, "no");
		ttrpc_call_fail(call, &err);
	} else if (world.silent) {
		world.writing = call;
	} else {
		ttrpc_call_answer(call, slice_string(""));
	}
}

static void handle(void *context, const char *method, struct ttrpc_call *call, struct slice request)
{
	if (strcmp(method, "Connect") == 0) {
		answer_connect(call, request);
	} else if (strcmp(method, "ReadStdout") == 0) {
		world.n_reads++;
		answer_read(call);
	} else if (strcmp(method, "WriteStdin") == 0) {
		answer_write(call, request);
	} else {
		world.n_closed += strcmp(method, "CloseStdin") == 0;
		world.n_disconnects += strcmp(method, "Disconnect") == 0;
		ttrpc_call_answer(call, slice_string(""));
	}
}

/* ── The world ── */

static int set_up(void **state)
{
	socklen_t n = sizeof(world.address);
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	world = (struct world){ .takes = SIZE_MAX, .got = BUF_MAX(4 * 1024 * 1024) };
	world.address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&world.address, sizeof(world.address)), 0);
	assert_int_equal(listen(listener, 128), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&world.address, &n), 0);
	assert_int_equal(uv_loop_init(&world.loop), 0);
	scripted_agent_start(&world.scripted, &world.loop, handle, NULL);
	if (forwards_open(&world.loop, world.scripted.agent, listener, open("/dev/null", O_RDONLY | O_CLOEXEC), &world.forwards, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static void end_waiting(struct ttrpc_call **call)
{
	if (*call)
		ttrpc_call_finish(TAKE_PTR(*call), RPC_CANCELLED, NULL);
}

static int tear_down(void **state)
{
	forwards_close(TAKE_PTR(world.forwards));
	end_waiting(&world.reading);
	end_waiting(&world.writing);
	scripted_agent_stop(&world.scripted);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	buf_free(&world.got);
	return uv_loop_close(&world.loop);
}

static int try_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&world.address, sizeof(world.address)) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int connect_to_it(void)
{
	int fd = try_connect();

	assert_true(fd >= 0);
	return fd;
}

/* Lets things happen, at most for a millisecond. */
static void turn(void)
{
	uv_run(&world.loop, UV_RUN_NOWAIT);
	poll(NULL, 0, 1);
}

#define UNTIL(condition)                                                  \
	do {                                                              \
		for (int i_ = 0; i_ < PATIENCE_MS && !(condition); i_++) \
			turn();                                           \
		if (!(condition))                                         \
			fail_msg("never: %s", #condition);                \
	} while (0)

/* The next bytes; 0: the end; -errno. */
static ssize_t read_some(int fd, uint8_t *bytes, size_t n)
{
	ssize_t r = read(fd, bytes, n);

	for (int i = 0; i < PATIENCE_MS && r < 0 && errno == EAGAIN; i++) {
		turn();
		r = read(fd, bytes, n);
	}
	return r < 0 ? -errno : r;
}

static size_t read_all(int fd)
{
	static uint8_t bytes[64 * 1024];
	size_t n = 0;
	ssize_t r;

	while ((r = read_some(fd, bytes, sizeof(bytes))) > 0)
		n += (size_t)r;
	assert_int_equal(r, 0);
	return n;
}

static void assert_is_reset(int fd)
{
	uint8_t byte;

	assert_int_equal(read_some(fd, &byte, 1), -ECONNRESET);
	close(fd);
}

/* ── Promises ── */

static void the_guest_is_asked_for_the_port_that_was_meant(void **state)
{
	int fd = connect_to_it();

	UNTIL(world.n_connects == 1);
	assert_int_equal(world.port, ntohs(world.address.sin_port));
	close(fd);
}

static void both_directions_carry_and_end_by_themselves(void **state)
{
	static uint8_t bytes[1024 * 1024];
	int fd = connect_to_it();
	size_t sent = 0;

	world.says = 1000 * 1000;
	world.takes = 5000;
	memset(bytes, 'c', sizeof(bytes));
	while (sent < sizeof(bytes)) {
		ssize_t n = write(fd, bytes + sent, sizeof(bytes) - sent);
		sent += n > 0 ? (size_t)n : 0;
		turn();
	}
	shutdown(fd, SHUT_WR);
	UNTIL(world.n_closed == 1);
	assert_int_equal(world.got.n, sizeof(bytes));
	assert_memory_equal(world.got.p, bytes, sizeof(bytes));
	assert_int_equal(world.n_disconnects, 0);
	UNTIL(world.reading || world.says == 0);
	world.ends = true;
	if (world.reading)
		answer_read(TAKE_PTR(world.reading));
	assert_int_equal(read_all(fd), 1000 * 1000);
	UNTIL(world.n_disconnects == 1);
	close(fd);
}

static void a_server_that_has_ended_can_still_be_told_something(void **state)
{
	int fd = connect_to_it();

	world.says = 5;
	world.ends = true;
	assert_int_equal(read_all(fd), 5);
	assert_int_equal(write(fd, "more", 4), 4);
	UNTIL(world.got.n == 4);
	assert_int_equal(world.n_disconnects, 0);
	close(fd);
	UNTIL(world.n_disconnects == 1);
}

static void a_port_where_nobody_listens_is_a_reset_and_the_next_one_is_tried(void **state)
{
	world.refusal = ECONNREFUSED;
	assert_is_reset(connect_to_it());
	UNTIL(world.n_disconnects == 1);
	world.refusal = 0;
	world.says = 3;
	world.ends = true;
	int fd = connect_to_it();
	assert_int_equal(read_all(fd), 3);
	close(fd);
}

static void an_agent_that_cannot_do_it_is_asked_once(void **state)
{
	world.refusal = ENOSYS;
	assert_is_reset(connect_to_it());
	assert_int_equal(try_connect(), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(world.n_connects, 1);
}

static void a_reader_that_is_slow_holds_the_server_up(void **state)
{
	int fd = connect_to_it();
	unsigned reads;

	world.says = 1024 * 1024 * 1024;
	do {
		reads = world.n_reads;
		for (int i = 0; i < 100; i++)
			turn();
	} while (world.n_reads != reads);
	assert_true(world.says > 900 * 1024 * 1024);
	world.says = 0;
	world.ends = true;
	assert_true(read_all(fd) < 124 * 1024 * 1024);
	close(fd);
}

static void a_server_that_reads_nothing_holds_the_writer_up(void **state)
{
	static const uint8_t bytes[64 * 1024];
	int fd = connect_to_it();
	size_t sent = 0;

	world.deaf = true;
	for (int still = 0; still < 100;) {
		ssize_t n = write(fd, bytes, sizeof(bytes));
		sent += n > 0 ? (size_t)n : 0;
		still = n > 0 ? 0 : still + 1;
		turn();
	}
	assert_true(sent < 124 * 1024 * 1024);
	close(fd);
}

static void who_goes_is_noticed_while_nothing_is_said(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	int fd = connect_to_it();

	UNTIL(world.reading);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	UNTIL(world.n_disconnects == 1);
}

static void who_goes_is_noticed_while_the_guest_connects(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	int fd = connect_to_it();

	world.silent = true;
	UNTIL(world.writing);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	UNTIL(world.n_disconnects == 1);
}

/* Its bytes wait for a server that reads nothing, and its end would come behind them. */
static void who_goes_is_noticed_while_the_guest_takes_nothing(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	int fd = connect_to_it();

	world.deaf = true;
	assert_int_equal(write(fd, "x", 1), 1);
	UNTIL(world.writing && world.reading);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	UNTIL(world.n_disconnects == 1);
}

static void there_are_64_connections_and_no_more(void **state)
{
	int fds[FORWARDS_MAX];

	world.ends = true; /* the server has said all, and goes on listening */
	for (size_t i = 0; i < FORWARDS_MAX; i++)
		fds[i] = connect_to_it();
	UNTIL(world.n_connects == FORWARDS_MAX && world.n_reads == FORWARDS_MAX);
	assert_is_reset(connect_to_it());
	assert_int_equal(world.n_connects, FORWARDS_MAX);
	close(fds[0]);
	UNTIL(world.n_disconnects == 1);
	fds[0] = connect_to_it();
	UNTIL(world.n_connects == FORWARDS_MAX + 1);
	for (size_t i = 0; i < FORWARDS_MAX; i++)
		close(fds[i]);
	UNTIL(world.n_disconnects == FORWARDS_MAX + 1);
}

static void the_end_of_the_vm_resets_all_and_nobody_listens(void **state)
{
	int idle = connect_to_it();

	UNTIL(world.reading);
	forwards_close(TAKE_PTR(world.forwards));
	assert_is_reset(idle);
	assert_int_equal(try_connect(), -1);
	assert_int_equal(world.n_disconnects, 0);
}

static void a_lost_agent_resets_all(void **state)
{
	int fd = connect_to_it();

	UNTIL(world.reading);
	end_waiting(&world.reading);
	ttrpc_server_stop(TAKE_PTR(world.scripted.server));
	assert_is_reset(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guest_is_asked_for_the_port_that_was_meant),
		TEST(both_directions_carry_and_end_by_themselves),
		TEST(a_server_that_has_ended_can_still_be_told_something),
		TEST(a_port_where_nobody_listens_is_a_reset_and_the_next_one_is_tried),
		TEST(an_agent_that_cannot_do_it_is_asked_once),
		TEST(a_reader_that_is_slow_holds_the_server_up),
		TEST(a_server_that_reads_nothing_holds_the_writer_up),
		TEST(who_goes_is_noticed_while_nothing_is_said),
		TEST(who_goes_is_noticed_while_the_guest_connects),
		TEST(who_goes_is_noticed_while_the_guest_takes_nothing),
		TEST(there_are_64_connections_and_no_more),
		TEST(the_end_of_the_vm_resets_all_and_nobody_listens),
		TEST(a_lost_agent_resets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
