// SPDX-License-Identifier: Apache-2.0
/* The shim as a process: how it comes to be, what it keeps of its parents, and how it ends. With a double of the VM. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/proto/message.h"
#include "common/rpc/ttrpc.h"
#include "common/rpc/unix_socket.h"
#include "kata-shim/task/daemon.h"
#include "kata-shim/task/shim.h"
#include "kata-shim/task/task.pb-c.h"

static char directory[64], socket_path[SHIM_SOCKET_MAX + 1], log_path[96];
static struct daemon daemon_;
static struct shim shim = { .sandbox = "5f3a", .namespace = "k8s.io", .events = "" };

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0); /* NOLINT: our own directory */
}

static int set_up(void **state)
{
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof(directory), "/tmp/holdfast-shim.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	assert_int_equal(shim_socket_path(directory, "5f3a", socket_path, &err), 0);
	shim.socket = socket_path;
	shim.hang_max_ms = 0;
	daemon_ = (struct daemon){ 0, -1 };
	return 0;
}

static int tear_down(void **state)
{
	if (daemon_.pid > 0) {
		kill(daemon_.pid, SIGKILL);
		waitpid(daemon_.pid, NULL, 0);
	}
	if (daemon_.channel >= 0)
		close(daemon_.channel);
	remove_directory();
	return 0;
}

static void begin(const char *log)
{
	struct error err;

	if (daemon_start(log, shim_run, &shim, &daemon_, &err) < 0)
		fail_msg("%s", err.message);
}

/* Its exit status, within 5 s. */
static int end_of_shim(void)
{
	int status;

	for (unsigned i = 0; i < 500; i++) {
		if (waitpid(daemon_.pid, &status, WNOHANG) == daemon_.pid) {
			daemon_.pid = 0;
			return status;
		}
		poll(NULL, 0, 10);
	}
	fail_msg("the shim does not end");
	return -1;
}

static void read_proc(const char *name, struct buf *out)
{
	char path[64];
	struct error err;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)daemon_.pid, name);
	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.message);
}

/* ── Beginning ── */

static void test_it_listens_for_root_alone_as_soon_as_it_stands(void **state)
{
	struct stat st;

	begin(NULL);
	assert_int_equal(unix_socket_try(socket_path), 0);
	assert_int_equal(stat(socket_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_it_keeps_nothing_of_who_started_it(void **state)
{
	_cleanup_(buf_free) struct buf score = BUF_MAX(64), own = BUF_MAX(64);
	struct error err;
	char path[64], target[256];
	const int secret = open("/dev/zero", O_RDONLY); /* not close-on-exec, as containerd's descriptors may be */

	assert_true(secret >= 0);
	begin(NULL);
	assert_int_equal(getsid(daemon_.pid), daemon_.pid);
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)daemon_.pid, fd);
		const ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		if (fd < 3)
			assert_string_equal(target, "/dev/null");
		assert_string_not_equal(target, "/dev/zero");
	}
	close(secret);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)getppid());
	assert_int_equal(file_read(path, &own, &err), 0);
	read_proc("oom_score_adj", &score);
	const int expected = atoi(buf_text(&own)) + 1;
	assert_int_equal(atoi(buf_text(&score)), expected > 1000 ? 1000 : expected);
}

static void test_its_log_goes_where_containerd_reads_it_and_never_blocks(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	char target[128], path[64];

	assert_int_equal(mkfifo(log_path, 0600), 0);
	begin(log_path);
	daemon_release(&daemon_);
	snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)daemon_.pid);
	const ssize_t n = readlink(path, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = 0;
	assert_string_equal(target, log_path);
	read_proc("fdinfo/2", &text);
	const char *flags = strstr(buf_text(&text), "flags:");
	assert_non_null(flags);
	assert_true(strtol(flags + 6, NULL, 8) & O_NONBLOCK);
	/* Nobody has ever read: it is not blocked, and not killed. */
	kill(daemon_.pid, SIGTERM);
	assert_int_equal(end_of_shim(), 0);
}

static void test_what_keeps_it_from_standing_is_told(void **state)
{
	char missing[SHIM_SOCKET_MAX + 1];
	struct error err;

	assert_int_equal(shim_socket_path("/no/such/place", "5f3a", missing, &err), 0);
	shim.socket = missing;
	assert_true(daemon_start(NULL, shim_run, &shim, &daemon_, &err) < 0);
	assert_non_null(strstr(err.message, "/no/such/place/holdfast-5f3a"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and nothing is left */
}

static int die(void *context, int channel)
{
	return 3;
}

static void test_one_that_dies_at_once_is_told(void **state)
{
	struct error err;

	assert_int_equal(daemon_start(NULL, die, NULL, &daemon_, &err), -EPIPE);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ── Ending ── */

static void test_it_ends_unless_containerd_has_been_told_of_it(void **state)
{
	begin(NULL);
	daemon_drop(&daemon_);
	assert_int_equal(end_of_shim(), 0);
	assert_int_equal(access(socket_path, F_OK), -1);
}

static void test_it_ends_when_who_started_it_is_killed_before(void **state)
{
	int report[2];
	pid_t pid = 0;

	assert_int_equal(pipe(report), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	const pid_t parent = fork();
	if (parent == 0) {
		begin(NULL);
		if (write(report[1], &daemon_.pid, sizeof(daemon_.pid)) < 0)
			_exit(1);
		pause();
	}
	close(report[1]);
	assert_int_equal(read(report[0], &pid, sizeof(pid)), sizeof(pid));
	close(report[0]);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	daemon_.pid = pid; /* ours now, as of a subreaper */
	assert_int_equal(end_of_shim(), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	*(enum rpc_status *)context = status;
}

static enum rpc_status ask_to_shut_down(void)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(256);
	Task__ContainerRequest request = TASK__CONTAINER_REQUEST__INIT;
	enum rpc_status status = RPC_UNKNOWN;
	struct ttrpc_client *client;
	struct ttrpc_client_call *ignored;
	struct error err;
	uv_loop_t loop;

	request.id = (char *)"5f3a";
	message_write(&request.base, &bytes);
	const struct ttrpc_request call = { .service = "containerd.task.v3.Task", .method = "Shutdown", .message = buf_view(&bytes) };
	const struct ttrpc_receiver receiver = { .end = on_end, .context = &status };
	uv_loop_init(&loop);
	assert_int_equal(ttrpc_client_new(&loop, socket_path, &client, &err), 0);
	assert_int_equal(ttrpc_client_call(client, &call, &receiver, &ignored, &err), 0);
	while (status == RPC_UNKNOWN)
		uv_run(&loop, UV_RUN_ONCE);
	ttrpc_client_close(client);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return status;
}

/* By a process that then ends: shims are started by ones that have never used libuv. */
static enum rpc_status shut_down(void)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0)
		_exit((int)ask_to_shut_down());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (enum rpc_status)WEXITSTATUS(status);
}

static void test_released_it_lives_until_containerd_says_so_and_takes_its_socket_along(void **state)
{
	begin(NULL);
	daemon_release(&daemon_);
	assert_int_equal(waitpid(daemon_.pid, NULL, WNOHANG), 0);
	assert_int_equal(shut_down(), RPC_OK);
	assert_int_equal(end_of_shim(), 0);
	assert_int_equal(access(socket_path, F_OK), -1);
}

static void test_one_that_hangs_is_killed_and_one_that_only_waits_is_not(void **state)
{
	shim.hang_max_ms = 1200;
	begin(NULL);
	daemon_release(&daemon_);
	poll(NULL, 0, 2 * (int)shim.hang_max_ms);
	assert_int_equal(waitpid(daemon_.pid, NULL, WNOHANG), 0);
	kill(daemon_.pid, SIGSTOP);
	const int status = end_of_shim();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_delete_kills_one_that_does_not_end_and_takes_its_socket_away(void **state)
{
	struct error err;

	begin(NULL);
	daemon_release(&daemon_);
	kill(daemon_.pid, SIGSTOP); /* it hangs */
	assert_int_equal(shim_end(socket_path, &err), 1);
	const int status = end_of_shim();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(access(socket_path, F_OK), -1);
	assert_int_equal(shim_end(socket_path, &err), 0); /* again: nobody is there */
}

static void test_delete_takes_away_the_socket_of_one_that_was_killed(void **state)
{
	struct error err;

	begin(NULL);
	kill(daemon_.pid, SIGKILL);
	end_of_shim();
	assert_int_equal(access(socket_path, F_OK), 0);
	assert_int_equal(shim_end(socket_path, &err), 1);
	assert_int_equal(access(socket_path, F_OK), -1);
	assert_int_equal(shim_end(socket_path, &err), 0); /* it is said once */
}

/* ── Where it is ── */

static void test_an_address_is_read_as_it_was_written_and_nothing_else_is(void **state)
{
	static const char *const bad[] = { "", "unix://", "unix://relative", "http://x", "/run/x",
					   ("unix:///0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
					    "0123456789") };
	_cleanup_close_ int bundle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char got[SHIM_SOCKET_MAX + 1], path[128];
	struct error err;

	assert_int_equal(shim_read_address(bundle, got, &err), -ENOENT);
	assert_int_equal(shim_write_address(bundle, socket_path, &err), 0);
	assert_int_equal(shim_read_address(bundle, got, &err), 0);
	assert_string_equal(got, socket_path);
	snprintf(path, sizeof(path), "%s/" SHIM_ADDRESS_FILE, directory);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(file_write_atomic(path, slice_string(bad[i]), 0600, &err), 0);
		if (shim_read_address(bundle, got, &err) == 0)
			fail_msg("\"%s\" was read", bad[i]);
	}
}

static void test_a_socket_that_containerd_could_not_reach_is_refused(void **state)
{
	char got[SHIM_SOCKET_MAX + 1], id[77];
	struct error err;

	memset(id, 'a', sizeof(id) - 1);
	id[sizeof(id) - 1] = 0;
	assert_int_equal(shim_socket_path("", id, got, &err), 0); /* the longest there can be, in the usual place */
	assert_int_equal(shim_socket_path("/run/somewhere-else/s", id, got, &err), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_listens_for_root_alone_as_soon_as_it_stands),
		TEST(test_it_keeps_nothing_of_who_started_it),
		TEST(test_its_log_goes_where_containerd_reads_it_and_never_blocks),
		TEST(test_what_keeps_it_from_standing_is_told),
		TEST(test_one_that_dies_at_once_is_told),
		TEST(test_it_ends_unless_containerd_has_been_told_of_it),
		TEST(test_it_ends_when_who_started_it_is_killed_before),
		TEST(test_released_it_lives_until_containerd_says_so_and_takes_its_socket_along),
		TEST(test_one_that_hangs_is_killed_and_one_that_only_waits_is_not),
		TEST(test_delete_kills_one_that_does_not_end_and_takes_its_socket_away),
		TEST(test_delete_takes_away_the_socket_of_one_that_was_killed),
		TEST(test_an_address_is_read_as_it_was_written_and_nothing_else_is),
		TEST(test_a_socket_that_containerd_could_not_reach_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
