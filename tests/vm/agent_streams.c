// SPDX-License-Identifier: Apache-2.0
/* What processes read and write. */
#include <signal.h>
#include <stdio.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

static void test_output_and_errors_come_apart(void **state)
{
	agent_run("web", "echo out; echo err >&2");
	assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "out\n");
	assert_string_equal(agent_read_all("ReadStderr", "web", "web"), "err\n");
	agent_wait("web", "web");
	agent_remove("web");
}

static void test_a_read_waits_until_there_is_something(void **state)
{
	agent_run("web", "read x; echo $x");
	struct answer *read = agent_begin_read("ReadStdout", "web", "web", 1000);
	assert_false(agent_ends_within(read, 300));
	agent_write("web", "web", "now\n");
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	const struct slice data = agent_data_of(read);
	assert_true(slice_equals_string(data, "now\n"));
	agent_remove("web");
}

static void test_a_read_gets_no_more_than_it_asks_for(void **state)
{
	agent_run("web", "echo 0123456789");
	static const char *const parts[] = { "012", "345", "678", "9\n", "" };

	agent_ends_within(NULL, 200);
	for (size_t i = 0; i < ELEMENTS_OF(parts); i++) {
		struct answer *read = agent_begin_read("ReadStdout", "web", "web", 3);
		assert_true(agent_ends_within(read, AGENT_TIME_MS));
		assert_true(slice_equals_string(agent_data_of(read), parts[i]));
	}
	agent_remove("web");
}

static void test_the_end_is_an_empty_answer_as_often_as_one_asks(void **state)
{
	agent_run("web", "echo one");
	assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "one\n");
	for (int i = 0; i < 3; i++)
		assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "");
	assert_string_equal(agent_read_all("ReadStderr", "web", "web"), "");
	agent_remove("web");
}

static void test_a_flood_of_output_comes_whole_and_in_order(void **state)
{
	const size_t lines = 200 * 1000, n = lines * 7;
	const char *text;

	agent_run("web", "i=100000; while [ $i -lt 300000 ]; do echo $i; i=$((i+1)); done");
	text = agent_read_all("ReadStdout", "web", "web");
	assert_int_equal(strlen(text), n);
	for (size_t i = 0; i < lines; i++) {
		char line[16];
		snprintf(line, sizeof(line), "%zu\n", 100000 + i);
		if (memcmp(text + i * 7, line, 7) != 0)
			fail_msg("line %zu is %.7s", i, text + i * 7);
	}
	assert_int_equal(agent_wait("web", "web"), 0);
	agent_remove("web");
}

static void test_output_of_a_process_that_has_ended_is_kept(void **state)
{
	agent_run("web", "read x");
	agent_exec("web", "big", "dd if=/dev/zero bs=1000 count=60 2>/dev/null | tr '\\0' x");
	agent_ends_within(NULL, 4000); /* longer than any grace */
	assert_int_equal(strlen(agent_read_all("ReadStdout", "web", "big")), 60000);
	assert_int_equal(agent_wait("web", "big"), 0);
	agent_remove("web");
}

static uint64_t resident_kb(const char *key)
{
	char path[64], line[256];
	uint64_t kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)agent_pid());
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) == 0)
			sscanf(line + strlen(key), " %lu", &kb);
	}
	fclose(file);
	return kb;
}

static void test_a_process_waits_while_nobody_reads_its_output(void **state)
{
	agent_run("web", "yes & echo started >&2; read x; kill %1; wait; echo yes ended >&2");
	struct answer *read = agent_begin_read("ReadStderr", "web", "web", 100);
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	if (agent_pid()) {
		const uint64_t before = resident_kb("Rss:");
		agent_ends_within(NULL, 1000);
		if (resident_kb("Rss:") > before + 64)
			fail_msg("from %lu to %lu KiB: it buffers what nobody reads", before, resident_kb("Rss:"));
	}
	agent_close_stdin("web", "web");
	assert_string_equal(agent_read_all("ReadStderr", "web", "web"), "yes ended\n");
	agent_remove("web");
}

static void test_a_background_job_that_holds_the_output_delays_nobody(void **state)
{
	agent_needs_ours("the end comes with that of the job");
	agent_run("web", "read x");
	agent_exec("web", "job", "sleep 1000 & echo begun");
	agent_read_until("web", "job", "begun");
	struct answer *out = agent_begin_read("ReadStdout", "web", "job", 100), *err = agent_begin_read("ReadStderr", "web", "job", 100);
	assert_true(agent_ends_within(out, 5000));
	assert_true(agent_ends_within(err, 5000));
	assert_int_equal(agent_data_of(out).n, 0);
	assert_int_equal(agent_data_of(err).n, 0);
	assert_int_equal(agent_wait("web", "job"), 0);
	agent_remove("web");
}

static void test_a_background_job_that_floods_the_output_delays_nobody(void **state)
{
	agent_needs_ours("the end comes with that of the job");
	agent_run("web", "read x");
	agent_exec("web", "job", "yes & exit 0");
	struct answer *read;
	do {
		read = agent_begin_read("ReadStdout", "web", "job", 32 * 1024);
		assert_true(agent_ends_within(read, 5000));
	} while (agent_data_of(read).n > 0);
	assert_int_equal(agent_wait("web", "job"), 0);
	agent_remove("web");
}

/* ── Input ── */

static void test_input_arrives_and_its_end_too(void **state)
{
	agent_run("web", "cat; echo end");
	agent_write("web", "web", "one ");
	agent_write("web", "web", "two\n");
	agent_close_stdin("web", "web");
	assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "one two\nend\n");
	agent_remove("web");
}

static void test_more_input_than_a_pipe_holds_waits_until_it_is_read(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(2 * 1024 * 1024);
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;

	for (int i = 0; i < 100 * 1000; i++)
		buf_printf(&text, "%09d\n", i);
	agent_run("web", "read go; exec cat");
	request.container_id = request.exec_id = (char *)"web";
	request.data = (ProtobufCBinaryData){ text.n, text.p };
	struct answer *write = agent_begin("WriteStdin", &request.base);
	/* The first line is what it waits for. */
	const char *out = NULL;
	agent_ends_within(write, 500);
	_cleanup_(buf_free) struct buf all = BUF_MAX(2 * 1024 * 1024);
	while (all.n < text.n - 10) {
		struct answer *read = agent_begin_read("ReadStdout", "web", "web", 32 * 1024);
		assert_true(agent_ends_within(read, AGENT_TIME_MS));
		buf_slice(&all, agent_data_of(read));
	}
	out = buf_text(&all);
	assert_memory_equal(out, text.p + 10, text.n - 10);
	assert_true(agent_ends_within(write, AGENT_TIME_MS));
	agent_expect(write, RPC_OK, NULL);
	agent_close_stdin("web", "web");
	assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "");
	agent_remove("web");
}

static void test_closing_the_input_lets_what_waits_arrive_first(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024 * 1024);
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;

	for (int i = 0; i < 30 * 1000; i++)
		buf_printf(&text, "%09d\n", i);
	agent_run("web", "sleep 0.5; wc -c");
	request.container_id = request.exec_id = (char *)"web";
	request.data = (ProtobufCBinaryData){ text.n, text.p };
	struct answer *write = agent_begin("WriteStdin", &request.base);
	agent_close_stdin("web", "web");
	assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "300000\n");
	assert_true(agent_ends_within(write, AGENT_TIME_MS));
	agent_expect(write, RPC_OK, NULL);
	agent_remove("web");
}

static void test_writing_to_who_does_not_read_any_more_is_refused(void **state)
{
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;

	agent_needs_ours("has other words");
	request.container_id = request.exec_id = (char *)"web";
	request.data = (ProtobufCBinaryData){ 5, (uint8_t *)"hello" };
	agent_run("web", "exec <&-; echo closed; sleep 1000");
	agent_read_until("web", "web", "closed");
	agent_refuses("WriteStdin", &request.base, RPC_UNAVAILABLE, "nobody reads");
	agent_refuses("WriteStdin", &request.base, RPC_UNAVAILABLE, "closed");
	agent_remove("web");
}

/* ── Terminals ── */

static void create_terminal(const char *id, const char *script)
{
	static Oci__Box box = OCI__BOX__INIT;
	struct sample sample;

	sample_init(&sample, id, script);
	box.height = 24;
	box.width = 80;
	sample.process.terminal = true;
	sample.process.console_size = &box;
	agent_expect(sample_create(&sample), RPC_OK, NULL);
}

static void resize(const char *id, const char *exec_id, uint32_t rows, uint32_t columns)
{
	Agent__TtyWinResizeRequest request = AGENT__TTY_WIN_RESIZE_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.row = rows;
	request.column = columns;
	agent_do("TtyWinResize", &request.base);
}

static void test_a_terminal_is_one_and_has_the_size_it_is_given(void **state)
{
	create_terminal("tty", "tty; stty size; read x; stty size; echo bye");
	agent_start("tty");
	agent_read_until("tty", "tty",
			 agent_is_ours() ? "/dev/pts/0\r\n24 80\r\n" : "\r\n"); /* Kata's has no name for it, and no size yet */
	resize("tty", "tty", 50, 132);
	agent_write("tty", "tty", "go\n");
	agent_read_until("tty", "tty", "50 132\r\nbye");
	assert_int_equal(agent_wait("tty", "tty"), 0);
	if (agent_is_ours()) { /* Kata's has forgotten it */
		(void)agent_read_all("ReadStdout", "tty", "tty");
		assert_string_equal(agent_read_all("ReadStderr", "tty", "tty"), "");
	}
	agent_remove("tty");
}

static void test_an_executed_process_can_have_a_terminal_of_its_own(void **state)
{
	Agent__ExecProcessRequest request = AGENT__EXEC_PROCESS_REQUEST__INIT;
	struct sample sample;

	agent_run("web", "read x");
	sample_init(&sample, "web", "test -t 0 && echo yes; exec sh -i");
	sample.process.terminal = true;
	request.container_id = (char *)"web";
	request.exec_id = (char *)"shell";
	request.process = &sample.process;
	agent_do("ExecProcess", &request.base);
	agent_read_until("web", "shell", "yes\r\n");
	resize("web", "shell", 10, 20);
	agent_write("web", "shell", "stty size\n");
	agent_read_until("web", "shell", "10 20\r\n");
	agent_write("web", "shell", "exit 12\n");
	if (agent_is_ours())
		(void)agent_read_all("ReadStdout", "web", "shell"); /* Kata's end of a terminal is an error */
	assert_int_equal(agent_wait("web", "shell"), 12);
	agent_remove("web");
}

static void test_ctrl_c_interrupts_and_closing_the_input_changes_nothing(void **state)
{
	agent_needs_ours("takes nothing more, and is not asked to close it by our shim");
	create_terminal("tty", "trap 'echo interrupted; exit 3' INT; echo up; while :; do sleep 0.1; done");
	agent_start("tty");
	agent_read_until("tty", "tty", "up");
	agent_close_stdin("tty", "tty");
	agent_write("tty", "tty", "\003");
	agent_read_until("tty", "tty", "interrupted");
	assert_int_equal(agent_wait("tty", "tty"), 3);
	agent_remove("tty");
}

static void test_who_has_no_terminal_has_no_size(void **state)
{
	Agent__TtyWinResizeRequest request = AGENT__TTY_WIN_RESIZE_REQUEST__INIT;

	agent_needs_ours("has other words");
	agent_run("web", "read x");
	request.container_id = request.exec_id = (char *)"web";
	agent_refuses("TtyWinResize", &request.base, RPC_FAILED_PRECONDITION, "has no terminal");
	agent_remove("web");
}

/* ── Too many at once ── */

static void test_a_stream_serves_one_call_at_a_time(void **state)
{
	agent_needs_ours("serves both");
	agent_run("web", "read x; echo $x");
	struct answer *first = agent_begin_read("ReadStdout", "web", "web", 10), *second = agent_begin_read("ReadStdout", "web", "web", 10);
	assert_true(agent_ends_within(second, AGENT_TIME_MS));
	agent_expect(second, RPC_UNAVAILABLE, "another call");
	agent_write("web", "web", "hi\n");
	assert_true(agent_ends_within(first, AGENT_TIME_MS));
	assert_true(slice_equals_string(agent_data_of(first), "hi\n"));
	agent_remove("web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_output_and_errors_come_apart),
		agent_test(test_a_read_waits_until_there_is_something),
		agent_test(test_a_read_gets_no_more_than_it_asks_for),
		agent_test(test_the_end_is_an_empty_answer_as_often_as_one_asks),
		agent_test(test_a_flood_of_output_comes_whole_and_in_order),
		agent_test(test_output_of_a_process_that_has_ended_is_kept),
		agent_test(test_a_process_waits_while_nobody_reads_its_output),
		agent_test(test_a_background_job_that_holds_the_output_delays_nobody),
		agent_test(test_a_background_job_that_floods_the_output_delays_nobody),
		agent_test(test_input_arrives_and_its_end_too),
		agent_test(test_more_input_than_a_pipe_holds_waits_until_it_is_read),
		agent_test(test_closing_the_input_lets_what_waits_arrive_first),
		agent_test(test_writing_to_who_does_not_read_any_more_is_refused),
		agent_test(test_a_terminal_is_one_and_has_the_size_it_is_given),
		agent_test(test_an_executed_process_can_have_a_terminal_of_its_own),
		agent_test(test_ctrl_c_interrupts_and_closing_the_input_changes_nothing),
		agent_test(test_who_has_no_terminal_has_no_size),
		agent_test(test_a_stream_serves_one_call_at_a_time),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, agent_world_setup, agent_world_teardown);
}
