// SPDX-License-Identifier: Apache-2.0
/* Real fifos on one side, an agent that follows a script on the other. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tests/unit/kata_shim/scripted_agent.h"
#include "kata-shim/vm/agent/stdio.h"

#define PIPE_SIZE (64 * 1024)

static struct world {
	uv_loop_t loop;
	struct scripted_agent scripted;
	struct stdio *stdio;
	char directory[64], in[96], out[96], err[96];
	size_t out_bytes, err_bytes; /* that the process still writes */
	uint8_t next_out;
	unsigned n_reads, n_drained, n_closed;
	size_t takes; /* bytes of one WriteStdin */
	struct buf got;
} world;

static void answer_read(struct ttrpc_call *call, struct slice request, size_t *left, bool counts)
{
	_cleanup_(message_freep) Agent__ReadStreamRequest *asked = NULL;
	Agent__ReadStreamResponse response = AGENT__READ_STREAM_RESPONSE__INIT;
	static uint8_t bytes[AGENT_READ_MAX];
	struct error err;

	assert_int_equal(message_read(&agent__read_stream_request__descriptor, request, &asked, &err), 0);
	assert_string_equal(asked->container_id, "c1");
	assert_string_equal(asked->exec_id, "e1");
	size_t n = *left < asked->len ? *left : asked->len;
	for (size_t i = 0; i < n; i++)
		bytes[i] = counts ? world.next_out++ % 251 : 'e';
	*left -= n;
	response.data.data = bytes;
	response.data.len = n;
	scripted_answer(call, &response.base);
}

static void answer_write(struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__WriteStreamRequest *asked = NULL;
	Agent__WriteStreamResponse response = AGENT__WRITE_STREAM_RESPONSE__INIT;
	struct error err;

	assert_int_equal(message_read(&agent__write_stream_request__descriptor, request, &asked, &err), 0);
	response.len = (uint32_t)(asked->data.len < world.takes ? asked->data.len : world.takes);
	buf_append(&world.got, asked->data.data, response.len);
	scripted_answer(call, &response.base);
}

static void handle(void *context, const char *method, struct ttrpc_call *call, struct slice request)
{
	if (strcmp(method, "ReadStdout") == 0) {
		world.n_reads++;
		answer_read(call, request, &world.out_bytes, true);
	} else if (strcmp(method, "ReadStderr") == 0) {
		answer_read(call, request, &world.err_bytes, false);
	} else if (strcmp(method, "WriteStdin") == 0) {
		answer_write(call, request);
	} else if (strcmp(method, "CloseStdin") == 0) {
		world.n_closed++;
		ttrpc_call_answer(call, slice_string(""));
	} else {
		fail_msg("%s", method);
	}
}

static void make_fifo(char *path, const char *name)
{
	snprintf(path, 96, "%.63s/%s", world.directory, name);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static int set_up(void **state)
{
	world = (struct world){ .directory = "/tmp/holdfast-stdio.XXXXXX", .takes = SIZE_MAX, .got = BUF_MAX(1024 * 1024) };
	assert_non_null(mkdtemp(world.directory));
	make_fifo(world.in, "in");
	make_fifo(world.out, "out");
	make_fifo(world.err, "err");
	assert_int_equal(uv_loop_init(&world.loop), 0);
	scripted_agent_start(&world.scripted, &world.loop, handle, NULL);
	return 0;
}

static int tear_down(void **state)
{
	stdio_close(world.stdio);
	scripted_agent_stop(&world.scripted);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	buf_free(&world.got);
	unlink(world.in);
	unlink(world.out);
	unlink(world.err);
	assert_int_equal(rmdir(world.directory), 0);
	return uv_loop_close(&world.loop);
}

static void on_drained(void *context)
{
	world.n_drained++;
}

static void start(const struct vm_stdio *paths)
{
	struct error err;

	if (stdio_open(&world.loop, paths, &world.stdio, &err) < 0)
		fail_msg("%s", err.message);
	stdio_start(world.stdio, world.scripted.agent, "c1", "e1", on_drained, NULL);
}

static void start_all(void)
{
	start(&(struct vm_stdio){ world.in, world.out, world.err, false });
}

/* As containerd: the open waits for a writer, who is there. */
static int open_reader(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static size_t fill(const char *path)
{
	int n = 0, fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	close(fd);
	return (size_t)n;
}

/* Until nothing more happens by itself: the process waits for a reader. */
static void run_until_full(void)
{
	while (fill(world.out) < PIPE_SIZE)
		uv_run(&world.loop, UV_RUN_ONCE);
}

/* At most `piece` bytes between two turns of the loop; until `n`, or the end (SIZE_MAX). */
static size_t read_counting(int fd, size_t n, size_t piece)
{
	uint8_t bytes[4096], next = 0;
	size_t total = 0;

	while (total < n) {
		ssize_t got = read(fd, bytes, piece < sizeof(bytes) ? piece : sizeof(bytes));

		if (got == 0)
			return total;
		for (ssize_t i = 0; i < got; i++)
			assert_int_equal(bytes[i], next++ % 251);
		total += got > 0 ? (size_t)got : 0;
		uv_run(&world.loop, UV_RUN_NOWAIT);
	}
	return total;
}

static void all_output_arrives_whatever_the_readers_pace(void **state)
{
	static const size_t paces[] = { 1000, 4096 };

	for (size_t i = 0; i < 2; i++) {
		if (i) {
			tear_down(NULL);
			set_up(NULL);
		}
		world.out_bytes = 256 * 1000;
		start_all();
		_cleanup_close_ int fd = open_reader(world.out);
		assert_int_equal(read_counting(fd, 256 * 1000, paces[i]), 256 * 1000);
	}
}

static void the_process_waits_while_nobody_reads(void **state)
{
	world.out_bytes = 256 * 1000;
	start_all();
	run_until_full();
	for (int i = 0; i < 20; i++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_reads, PIPE_SIZE / AGENT_READ_MAX + 1);
	assert_int_equal(world.n_drained, 0);
	_cleanup_close_ int fd = open_reader(world.out);
	assert_int_equal(read_counting(fd, 256 * 1000, 4096), 256 * 1000);
}

/* containerd was killed and is back. */
static void a_reader_that_goes_and_another_that_comes_lose_nothing(void **state)
{
	uint8_t bytes[100];

	world.out_bytes = 256 * 1000;
	start_all();
	int first = open_reader(world.out);
	run_until_full();
	assert_int_equal(read(first, bytes, sizeof(bytes)), sizeof(bytes));
	close(first);
	for (int i = 0; i < 20; i++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	_cleanup_close_ int second = open_reader(world.out);
	assert_int_equal(read(second, bytes, 1), 1);
	assert_int_equal(bytes[0], 100);
	size_t rest = 256 * 1000 - 101;
	while (rest > 0) {
		ssize_t n = read(second, bytes, sizeof(bytes));

		rest -= n > 0 ? (size_t)n : 0;
		uv_run(&world.loop, UV_RUN_NOWAIT);
	}
}

static void the_end_comes_after_all_output_and_waits_for_its_reader(void **state)
{
	world.out_bytes = 1000;
	world.err_bytes = 10;
	start_all();
	while (!world.n_drained)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_int_equal(fill(world.out), 1000);
	assert_int_equal(fill(world.err), 10);
	stdio_end(world.stdio);
	uv_run(&world.loop, UV_RUN_NOWAIT);
	_cleanup_close_ int fd = open_reader(world.out);
	assert_int_equal(read_counting(fd, SIZE_MAX, 100), 1000);
	assert_int_equal(world.n_drained, 1);
}

static void output_without_a_fifo_is_taken_all_the_same(void **state)
{
	world.out_bytes = world.err_bytes = 1000 * 1000;
	start(&(struct vm_stdio){ .in = world.in });
	while (!world.n_drained)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_int_equal(world.out_bytes + world.err_bytes, 0);
}

static void a_terminal_has_one_output_and_no_end_of_input(void **state)
{
	world.err_bytes = 1;
	start(&(struct vm_stdio){ .in = world.in, .out = world.out, .terminal = true });
	stdio_close_input(world.stdio);
	while (!world.n_drained)
		uv_run(&world.loop, UV_RUN_ONCE);
	for (int i = 0; i < 10; i++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.err_bytes, 1);
	assert_int_equal(world.n_closed, 0);
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void run_until_got(const char *text)
{
	while (world.got.n < strlen(text))
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_string_equal(buf_text(&world.got), text);
}

static void input_outlives_its_writer_and_ends_when_it_is_closed(void **state)
{
	world.takes = 2;
	start_all();
	int writer = open(world.in, O_WRONLY | O_CLOEXEC);
	put(writer, "hello");
	run_until_got("hello");
	close(writer);
	for (int i = 0; i < 10; i++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_closed, 0);
	writer = open(world.in, O_WRONLY | O_CLOEXEC);
	put(writer, " again");
	stdio_close_input(world.stdio);
	run_until_got("hello again");
	assert_int_equal(world.n_closed, 0);
	put(writer, "!");
	close(writer);
	run_until_got("hello again!");
	while (!world.n_closed)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static void a_process_without_input_is_told_at_once(void **state)
{
	start(&(struct vm_stdio){ .out = world.out });
	while (!world.n_closed || !world.n_drained)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static void an_agent_that_takes_no_input_is_not_asked_for_ever(void **state)
{
	world.takes = 0;
	start_all();
	_cleanup_close_ int writer = open(world.in, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	put(writer, "x");
	while (write(writer, "x", 1) == 1) /* EPIPE: its reader has gone */
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(errno, EPIPE);
}

static void a_connection_that_is_lost_is_the_end_of_output(void **state)
{
	world.out_bytes = 1000 * 1000;
	start_all();
	run_until_full();
	ttrpc_server_stop(TAKE_PTR(world.scripted.server));
	_cleanup_close_ int fd = open_reader(world.out);
	uint8_t bytes[4096];
	while (!world.n_drained) {
		(void)!read(fd, bytes, sizeof(bytes));
		uv_run(&world.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(world.n_drained, 1);
}

static void only_a_fifo_is_taken_for_one(void **state)
{
	struct error err;

	assert_int_equal(stdio_open(&world.loop, &(struct vm_stdio){ .out = "/dev/null" }, &world.stdio, &err), -EINVAL);
	assert_string_equal(err.message, "/dev/null is no fifo");
	assert_int_equal(stdio_open(&world.loop, &(struct vm_stdio){ .in = "binary:///log", .out = world.out }, &world.stdio, &err),
			 -ENOENT);
	assert_null(world.stdio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_output_arrives_whatever_the_readers_pace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_process_waits_while_nobody_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_that_goes_and_another_that_comes_lose_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_comes_after_all_output_and_waits_for_its_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(output_without_a_fifo_is_taken_all_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_terminal_has_one_output_and_no_end_of_input, set_up, tear_down),
		cmocka_unit_test_setup_teardown(input_outlives_its_writer_and_ends_when_it_is_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_process_without_input_is_told_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_agent_that_takes_no_input_is_not_asked_for_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_that_is_lost_is_the_end_of_output, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_a_fifo_is_taken_for_one, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
