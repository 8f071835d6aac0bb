// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the real executable. Every file in tests/golden/cni/{accept,reject} is an environment, an empty line and what comes on stdin; the
 * exit code and stdout must be what stands in <file>.expected or <file>.err. Then: what an agent does to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/unit/plugin/fake_agent.h"

#define TEXT_MAX (4 * 1024 * 1024)
#define VARIABLES_MAX 16

static char directory[] = "/tmp/holdfast-test-cni.XXXXXX";
static char socket_path[64];

/* ── running it ── */

static void run_child(char **environment, const char *input_path, int output)
{
	char *arguments[] = { (char *)"holdfast", NULL };

	if (!freopen(input_path, "r", stdin) || dup2(output, STDOUT_FILENO) < 0 || !freopen("/dev/null", "w", stderr))
		_exit(126);
	execve(CNI_EXECUTABLE, arguments, environment);
	_exit(127);
}

/* "exit N\n" and what it printed. */
static void run(char **environment, struct slice input, struct buf *result)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(TEXT_MAX);
	char path[64];
	struct error err;
	int fds[2], status;

	snprintf(path, sizeof(path), "%s/stdin", directory);
	assert_int_equal(file_write_atomic(path, input, 0600, &err), 0);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_child(environment, path, fds[1]);
	close(fds[1]);
	assert_int_equal(file_read_fd(fds[0], "output", &output, &err), 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	buf_printf(result, "exit %d\n", WEXITSTATUS(status));
	buf_slice(result, buf_view(&output));
}

/* ── golden files ── */

struct golden_file {
	char path[512];
	char promise[256];
	const char *suffix;
};

static void check_golden_file(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX), expected = BUF_MAX(TEXT_MAX), result = BUF_MAX(TEXT_MAX);
	const struct golden_file *file = *state;
	char *environment[VARIABLES_MAX + 1] = { NULL };
	char path[600];
	struct error err;

	if (file_read(file->path, &text, &err) < 0)
		fail_msg("%s", err.message);
	snprintf(path, sizeof(path), "%s%s", file->path, file->suffix);
	if (file_read(path, &expected, &err) < 0)
		fail_msg("%s", err.message);
	char *at = (char *)text.p;
	for (size_t i = 0; *at && *at != '\n' && i < VARIABLES_MAX; i++) {
		environment[i] = at;
		at += strcspn(at, "\n");
		*at++ = 0;
	}
	assert_int_equal(*at, '\n');
	run(environment, slice_string(at + 1), &result);
	assert_string_equal(buf_text(&result), buf_text(&expected));
}

static int is_input(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && strcmp(entry->d_name + n - 4, ".cni") == 0;
}

static size_t find_files(const char *folder, const char *suffix, struct golden_file *files, size_t n, size_t maximum)
{
	struct dirent **entries;
	char path[256];

	snprintf(path, sizeof(path), TEST_DATA "/golden/cni/%s", folder);
	int found = scandir(path, &entries, is_input, alphasort);
	for (int i = 0; i < found; i++) {
		if (n < maximum) {
			files[n].suffix = suffix;
			snprintf(files[n].path, sizeof(files[n].path), "%s/%.200s", path, entries[i]->d_name);
			snprintf(files[n].promise, sizeof(files[n].promise), "%ss %.200s", folder, entries[i]->d_name);
			n++;
		}
		free(entries[i]);
	}
	if (found >= 0)
		free(entries);
	return n;
}

/* ── with an agent ── */

static void ask_agent(const char *command, enum fake_answer answer, uint32_t exit_code, struct buf *result)
{
	char verb[32], input[256];
	char *environment[] = { verb,
				(char *)"CNI_CONTAINERID=c1",
				(char *)"CNI_NETNS=/run/netns/x",
				(char *)"CNI_IFNAME=eth0",
				(char *)"CNI_ARGS=K8S_POD_NAME=web",
				(char *)"CNI_PATH=/opt/cni/bin",
				NULL };

	snprintf(verb, sizeof(verb), "CNI_COMMAND=%s", command);
	snprintf(input, sizeof(input), "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"agentSocket\":\"%s\"}", socket_path);
	pid_t agent = fake_agent_start(socket_path, answer, exit_code);
	run(environment, slice_string(input), result);
	fake_agent_stop(agent, socket_path);
}

static void test_hands_everything_to_the_agent_and_prints_its_answer(void **state)
{
	_cleanup_(buf_free) struct buf result = BUF_MAX(TEXT_MAX);
	char expected[512];

	ask_agent("ADD", FAKE_ECHO, 0, &result);
	snprintf(expected, sizeof(expected),
		 "exit 0\nADD\nc1\n/run/netns/x\neth0\nK8S_POD_NAME=web\n/opt/cni/bin\n"
		 "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"agentSocket\":\"%s\"}\n",
		 socket_path);
	assert_string_equal(buf_text(&result), expected);
}

static void test_ends_with_the_agents_exit_code(void **state)
{
	_cleanup_(buf_free) struct buf result = BUF_MAX(TEXT_MAX);

	ask_agent("ADD", FAKE_ECHO, 1, &result);
	assert_int_equal(strncmp(buf_text(&result), "exit 1\nADD\n", 11), 0);
}

static void test_del_succeeds_silently_though_the_agent_refuses(void **state)
{
	_cleanup_(buf_free) struct buf result = BUF_MAX(TEXT_MAX);

	ask_agent("DEL", FAKE_ECHO, 1, &result);
	assert_string_equal(buf_text(&result), "exit 0\n");
}

static void expect_failure(const char *command, enum fake_answer answer, const char *start)
{
	_cleanup_(buf_free) struct buf result = BUF_MAX(TEXT_MAX);

	ask_agent(command, answer, 0, &result);
	if (strncmp(buf_text(&result), start, strlen(start)) != 0)
		fail_msg("%s", buf_text(&result));
}

static void test_an_answer_that_is_cut_off_is_not_believed(void **state)
{
	expect_failure("ADD", FAKE_CUT, "exit 1\n{\"cniVersion\":\"1.1.0\",\"code\":11,");
	expect_failure("STATUS", FAKE_CUT, "exit 1\n{\"cniVersion\":\"1.1.0\",\"code\":50,");
}

static void test_an_agent_that_dies_is_one_that_does_not_answer(void **state)
{
	expect_failure("ADD", FAKE_SILENT, "exit 1\n{\"cniVersion\":\"1.1.0\",\"code\":11,");
	expect_failure("CHECK", FAKE_SILENT, "exit 1\n{\"cniVersion\":\"1.1.0\",\"code\":11,");
	expect_failure("GC", FAKE_SILENT, "exit 1\n{\"cniVersion\":\"1.1.0\",\"code\":11,");
	expect_failure("DEL", FAKE_SILENT, "exit 0\n");
}

static void test_input_above_the_limit_is_refused(void **state)
{
	_cleanup_(buf_free) struct buf result = BUF_MAX(TEXT_MAX), input = BUF_MAX(TEXT_MAX);
	char *environment[] = { (char *)"CNI_COMMAND=STATUS", (char *)"CNI_PATH=/opt/cni/bin", NULL };

	buf_string(&input, "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"x\":\"");
	while (input.n < 1024 * 1024)
		buf_string(&input, "0123456789abcdef");
	buf_string(&input, "\"}");
	run(environment, buf_view(&input), &result);
	assert_string_equal(buf_text(&result),
			    "exit 1\n{\"cniVersion\":\"1.1.0\",\"code\":5,\"msg\":\"network configuration on stdin is larger than the "
			    "limit of 1048576 bytes\"}\n");
}

#define AGENT_TESTS 6
#define TESTS_MAX 200

int main(void)
{
	static struct golden_file files[TESTS_MAX];
	static struct CMUnitTest tests[TESTS_MAX + AGENT_TESTS] = {
		cmocka_unit_test(test_hands_everything_to_the_agent_and_prints_its_answer),
		cmocka_unit_test(test_ends_with_the_agents_exit_code),
		cmocka_unit_test(test_del_succeeds_silently_though_the_agent_refuses),
		cmocka_unit_test(test_an_answer_that_is_cut_off_is_not_believed),
		cmocka_unit_test(test_an_agent_that_dies_is_one_that_does_not_answer),
		cmocka_unit_test(test_input_above_the_limit_is_refused),
	};

	if (!mkdtemp(directory))
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/agent.sock", directory);
	size_t n = find_files("reject", ".err", files, find_files("accept", ".expected", files, 0, TESTS_MAX), TESTS_MAX);
	for (size_t i = 0; i < n; i++)
		tests[AGENT_TESTS + i] =
			(struct CMUnitTest){ .name = files[i].promise, .test_func = check_golden_file, .initial_state = &files[i] };
	int failed = n == 0 ? 1 : _cmocka_run_group_tests("cni executable", tests, AGENT_TESTS + n, NULL, NULL);
	char path[64];
	snprintf(path, sizeof(path), "%s/stdin", directory);
	unlink(path);
	rmdir(directory);
	return failed;
}
