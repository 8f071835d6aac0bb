// SPDX-License-Identifier: Apache-2.0
/* Both ends of the daemon's socket: a server in a process of its own, asked as the command line asks. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "device-plugin/control/ask.h"

#define LONG_ANSWER (CONTROL_OUTPUT_MAX - 1)

static char directory[64], path[96];
static pid_t server;

/* ── The daemon ── */

static int show_words(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	buf_printf(out, "%s%s", request->command, request->json ? " as json" : "");
	for (size_t i = 0; i < request->n_arguments; i++)
		buf_printf(out, " [%s]", request->arguments[i]);
	return 7;
}

static int show_much(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < LONG_ANSWER; i++)
		buf_byte(out, (uint8_t)('a' + i % 26));
	return 0;
}

static int show_too_much(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	buf_reserve(out, CONTROL_OUTPUT_MAX);
	buf_commit(out, CONTROL_OUTPUT_MAX);
	buf_byte(out, 'x');
	return 0;
}

static int show_failure(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	buf_string(out, "half of an ans");
	return error_set(err, EBUSY, "secret \"db\" is busy");
}

static void answer_late(uv_timer_t *timer)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(16);

	buf_string(&out, "late");
	control_answer(timer->data, 0, &out, NULL);
	free(timer);
}

static void start_late(void *context, const struct control_request *request, struct grpc_call *call)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	timer->data = call;
	uv_timer_init(context, timer);
	uv_timer_start(timer, answer_late, 1, 0);
}

static void start_never(void *context, const struct control_request *request, struct grpc_call *call)
{
}

static void start_death(void *context, const struct control_request *request, struct grpc_call *call)
{
	raise(SIGKILL);
}

static const struct control_command commands[] = {
	{ "words", show_words },           { "much", show_much },           { "too-much", show_too_much },
	{ "failure", show_failure },       { "late", .start = start_late }, { "never", .start = start_never },
	{ "death", .start = start_death },
};

/* `ready` is closed when it listens. */
static void serve(uid_t uid, int ready)
{
	static uv_loop_t loop;
	const struct control_service service = { commands, ELEMENTS_OF(commands), "0.0.9", &loop };
	struct control *control;
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&loop) < 0 || control_start(&loop, path, uid, &service, &control, &err) < 0)
		_exit(EXIT_FAILURE);
	close(ready);
	uv_run(&loop, UV_RUN_DEFAULT);
	_exit(EXIT_FAILURE);
}

static void wait_for_end_of(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

static void start_server(uid_t uid)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		close(ends[0]);
		serve(uid, ends[1]);
	}
	close(ends[1]);
	wait_for_end_of(ends[0]);
}

static void stop_server(void)
{
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-control.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	return 0;
}

static int tear_down(void **state)
{
	stop_server();
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

/* ── The command line ── */

static struct ask_answer answer;

static int ask_for(uint64_t timeout_ms, const char *command, char *const *arguments, size_t n, struct error *err)
{
	const struct ask ask = { path, { command, arguments, n, true }, timeout_ms };

	ask_answer_clear(&answer);
	answer = ASK_ANSWER_EMPTY;
	return ask_daemon(&ask, &answer, err);
}

static void ask(const char *command)
{
	struct error err;

	if (ask_for(0, command, NULL, 0, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_refusal(int code, const char *words, uint64_t timeout_ms, const char *command)
{
	struct error err;

	assert_int_equal(ask_for(timeout_ms, command, NULL, 0, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void a_command_gets_its_arguments_and_gives_its_output_and_exit_code(void **state)
{
	char secret[] = "db-password", all[] = "--all", empty[] = "";
	char *const arguments[] = { secret, all, empty };
	struct error err;

	start_server(getuid());
	assert_int_equal(ask_for(0, "words", arguments, ELEMENTS_OF(arguments), &err), 0);
	assert_string_equal(buf_text(&answer.text), "words as json [db-password] [--all] []");
	assert_int_equal(answer.exit_code, 7);
	assert_string_equal(answer.error, "");
}

static void an_answer_of_any_length_up_to_the_limit_arrives_whole(void **state)
{
	start_server(getuid());
	ask("much");
	assert_int_equal(answer.text.n, LONG_ANSWER);
	for (size_t i = 0; i < answer.text.n; i++)
		assert_int_equal(answer.text.p[i], 'a' + i % 26);
	ask("too-much");
	assert_int_equal(answer.exit_code, 1);
	assert_non_null(strstr(answer.error, "answer"));
	assert_int_equal(answer.text.n, 0);
}

static void a_command_that_fails_says_why_and_nothing_else(void **state)
{
	start_server(getuid());
	ask("failure");
	assert_int_equal(answer.exit_code, 1);
	assert_string_equal(answer.error, "secret \"db\" is busy");
	assert_int_equal(answer.text.n, 0);
}

static void a_command_may_take_its_time(void **state)
{
	start_server(getuid());
	ask("late");
	assert_string_equal(buf_text(&answer.text), "late");
	assert_int_equal(answer.exit_code, 0);
}

static void a_daemon_of_another_version_is_told_from_a_broken_one(void **state)
{
	start_server(getuid());
	expect_refusal(ENOSYS, "the daemon, of version 0.0.9, has no command \"new\"", 0, "new");
	expect_refusal(ENOSYS, "restart the daemon", 0, "new");
}

static void too_many_arguments_are_refused(void **state)
{
	char *arguments[CONTROL_ARGUMENTS_MAX + 1], argument[] = "a";
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(arguments); i++)
		arguments[i] = argument;
	start_server(getuid());
	assert_int_equal(ask_for(0, "words", arguments, CONTROL_ARGUMENTS_MAX, &err), 0);
	assert_int_equal(ask_for(0, "words", arguments, CONTROL_ARGUMENTS_MAX + 1, &err), -EPROTO);
	assert_non_null(strstr(err.message, "257 arguments are more than 256"));
}

static void a_daemon_that_does_not_run_is_away(void **state)
{
	expect_refusal(ENOENT, "is `holdfast-tpm serve` running on this node?", 0, "words");
	start_server(getuid());
	stop_server();
	expect_refusal(ECONNREFUSED, "is `holdfast-tpm serve` running on this node?", 0, "words");
	assert_true(ask_is_away(-ENOENT) && ask_is_away(-ECONNREFUSED) && !ask_is_away(-ECONNRESET) && !ask_is_away(0));
}

static void a_daemon_that_hangs_is_not_waited_for_longer_than_asked(void **state)
{
	start_server(getuid());
	expect_refusal(ETIMEDOUT, "has not answered", 1, "never");
}

static void a_daemon_that_dies_while_it_is_asked_is_no_answer(void **state)
{
	start_server(getuid());
	expect_refusal(ECONNRESET, "ended before it had answered", 0, "death");
}

static void another_user_is_not_let_in(void **state)
{
	start_server(getuid() + 1);
	expect_refusal(ECONNRESET, "does not let this user in", 0, "words");
}

static void the_socket_is_for_its_owner_only(void **state)
{
	struct stat status;

	start_server(getuid());
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void another_program_on_the_socket_is_no_daemon(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
	server = fork();
	assert_true(server >= 0);
	while (server == 0) {
		int peer = accept(listener, NULL, NULL);
		signal(SIGPIPE, SIG_IGN);
		dprintf(peer, "220 mail.example ESMTP\r\n");
	}
	close(listener);
	expect_refusal(ECONNRESET, "does not speak HTTP/2", 0, "words");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_command_gets_its_arguments_and_gives_its_output_and_exit_code),
		TEST(an_answer_of_any_length_up_to_the_limit_arrives_whole),
		TEST(a_command_that_fails_says_why_and_nothing_else),
		TEST(a_command_may_take_its_time),
		TEST(a_daemon_of_another_version_is_told_from_a_broken_one),
		TEST(too_many_arguments_are_refused),
		TEST(a_daemon_that_does_not_run_is_away),
		TEST(a_daemon_that_hangs_is_not_waited_for_longer_than_asked),
		TEST(a_daemon_that_dies_while_it_is_asked_is_no_answer),
		TEST(another_user_is_not_let_in),
		TEST(the_socket_is_for_its_owner_only),
		TEST(another_program_on_the_socket_is_no_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
