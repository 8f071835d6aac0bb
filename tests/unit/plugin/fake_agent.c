// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plugin/fake_agent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cni-plugin/plugin/wire.h"

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		abort();
	return fd;
}

static void take_request(int fd, struct wire_request *request)
{
	char bytes[4096];
	struct error err;
	int r = 0;

	wire_request_init(request);
	while (r == 0) {
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			exit(1);
		r = wire_request_feed(request, slice_from(bytes, (size_t)n), &err);
	}
	if (r < 0)
		exit(1);
}

static void echo(const struct wire_request *request, struct buf *answer)
{
	_cleanup_(buf_free) struct buf lines = BUF_MAX(WIRE_INPUT_MAX);

	for (int i = 0; i < WIRE_FIELD_COUNT; i++)
		buf_printf(&lines, "%s\n", buf_text(&request->fields[i]));
	wire_answer_output(answer, buf_view(&lines));
}

static void serve(int listener, enum fake_answer kind, uint32_t exit_code)
{
	_cleanup_(buf_free) struct buf answer = BUF_MAX(2 * WIRE_INPUT_MAX);
	_cleanup_(wire_request_free) struct wire_request request;
	_cleanup_close_ int fd = accept(listener, NULL, NULL);

	take_request(fd, &request);
	if (kind == FAKE_SILENT)
		return;
	wire_answer_begin(&answer, exit_code);
	echo(&request, &answer);
	if (kind != FAKE_CUT)
		wire_answer_end(&answer);
	if (write(fd, answer.p, answer.n) != (ssize_t)answer.n)
		exit(1);
}

pid_t fake_agent_start(const char *path, enum fake_answer answer, uint32_t exit_code)
{
	int listener = listen_at(path);
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0) {
		serve(listener, answer, exit_code);
		_exit(0);
	}
	close(listener);
	return pid;
}

void fake_agent_stop(pid_t pid, const char *path)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
}
