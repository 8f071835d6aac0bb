// SPDX-License-Identifier: Apache-2.0
/*
 * The Task service asked for anything in any order, while its VM (a double) answers, hangs, lets processes end, and is lost. One line of
 * input for each step: a letter, then bytes.
 *
 *	a…q  a call of that method, with the rest of the line as its message ('\\' and a letter: that letter's value less 64, so '\A' is 1)
 *	X Y  the process …/…, named by the line, ends: "c1 e1"
 *	O    the container named by the line has too little memory;   L: the VM is lost
 *	H    the VM's answers to what begins so wait;                 R: they come
 *	F    the next thing that begins so fails
 */
#include <errno.h>
#include <string.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/rpc/ttrpc_session.h"
#include "kata-shim/task/service.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/vm_task/vm_double.h"

#define LINE_MAX_BYTES 1024

static const char *const methods[] = { "State", "Create", "Start", "Delete", "Pids", "Pause", "Resume", "Checkpoint", "Kill",
				       "Exec", "ResizePty", "CloseIO", "Update", "Wait", "Stats", "Connect", "Shutdown" };
#define METHODS (sizeof(methods) / sizeof(methods[0]))

static uv_loop_t loop;
static struct service *service;
static struct ttrpc_session *client, *server;
static unsigned n_begun, n_ended;
static bool stopped;

static uint64_t now_ms(void *context)
{
	return 1000;
}

static void move(struct ttrpc_session *from, struct ttrpc_session *to)
{
	struct slice out;
	struct error err;

	while (ttrpc_session_output(from, &out, &err) == 0 && out.n > 0) {
		while (out.n > 0)
			ttrpc_session_feed(to, &out);
		ttrpc_session_sent(from);
	}
}

static void settle(void)
{
	for (unsigned i = 0; i < 3; i++) {
		move(client, server);
		uv_run(&loop, UV_RUN_NOWAIT);
		move(server, client);
	}
	double_asked();
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	n_ended++;
}

static void call(const char *method, struct slice message)
{
	const struct ttrpc_receiver receiver = { .end = on_end };
	const struct ttrpc_request request = { .service = "containerd.task.v3.Task", .method = method, .message = message };
	struct ttrpc_client_call *ignored;
	struct error err;

	if (ttrpc_session_call(client, &request, &receiver, &ignored, &err) == 0)
		n_begun++;
}

/* Returns the bytes behind the letter, with escapes taken out, and a NUL. */
static size_t read_line(const uint8_t *from, size_t n, char ret[static LINE_MAX_BYTES])
{
	size_t used = 0;

	for (size_t i = 0; i < n && used < LINE_MAX_BYTES - 1; i++) {
		const bool escaped = from[i] == '\\' && i + 1 < n;
		ret[used++] = (char)(escaped ? from[++i] - 64 : from[i]);
	}
	ret[used] = 0;
	return used;
}

static void step(char letter, char *line, size_t n)
{
	char *space = strchr(line, ' ');

	if (letter >= 'a' && letter < (char)('a' + METHODS)) {
		call(methods[letter - 'a'], slice_from(line, n));
		return;
	}
	if (letter == 'H')
		double_hold(line);
	if (letter == 'F')
		double_fail(line, n % 2 ? ENOENT : ETIMEDOUT, "as asked");
	if (!double_living())
		return;
	if (letter == 'X') {
		if (space)
			*space = 0;
		double_exit(line, space ? space + 1 : "", (uint32_t)n);
	} else if (letter == 'O') {
		double_oom(line);
	} else if (letter == 'L') {
		double_lose(line);
	} else if (letter == 'R') {
		double_release();
	}
}

static void steps(const uint8_t *data, size_t size)
{
	char line[LINE_MAX_BYTES];

	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		const size_t n = end ? (size_t)(end - data) : size;
		if (n > 0)
			step((char)data[0], line, read_line(data + 1, n - 1, line));
		settle();
		data += n + (end != NULL);
		size -= n + (end != NULL);
	}
}

static void on_stopped(void *context)
{
	stopped = true;
}

static void on_shutdown(void *context)
{
}

static void on_told(void *context)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service_options options = { .sandbox = "5f3a", .shutdown = on_shutdown };
	struct ttrpc_session_options sides = { .now_ms = now_ms };
	struct publisher *publisher;
	struct error err;

	log_setup(LOG_LEVEL_ERROR + 1, LOG_FORMAT_LOGFMT);
	double_set_up();
	uv_loop_init(&loop);
	n_begun = n_ended = 0;
	stopped = false;
	ABORT_ON(publisher_new(&loop, "", "k8s.io", &publisher, &err) < 0);
	options.publisher = publisher;
	ABORT_ON(service_new(&loop, &options, &service, &err) < 0);
	ABORT_ON(ttrpc_session_new(&sides, &client, &err) < 0);
	sides.services = service_list(service);
	ABORT_ON(ttrpc_session_new(&sides, &server, &err) < 0);
	steps(data, size);
	if (double_living())
		double_release();
	double_hold("");
	service_stop(service, on_stopped, NULL);
	settle();
	ABORT_ON(!stopped || double_living() != 0);
	ttrpc_session_free(server, NULL);
	ttrpc_session_free(client, NULL);
	ABORT_ON(n_begun != n_ended); /* every call ends exactly once */
	publisher_finish(publisher, 0, on_told, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	service_free(service);
	ABORT_ON(uv_loop_close(&loop) != 0);
	return 0;
}
