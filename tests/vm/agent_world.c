// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/agent_world.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/rpc/ttrpc.h"
#include "tests/vm/agent_root.h"
#include "tests/vm/agent_launch.h"

static struct {
	uv_loop_t loop;
	char directory[64], socket[128];
	pid_t agent;
	struct ttrpc_client *client;
	struct answer *answers, *sandbox;
	bool ours, controllers;
	char made[256][32]; /* containers of this test; "": removed */
	size_t n_made;
} world;

/* ── Calls ── */

static void on_message(void *context, struct slice message)
{
	struct answer *answer = context;

	buf_slice(&answer->bytes, message);
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct answer *answer = context;

	answer->ended = true;
	answer->ended_ns = uv_hrtime();
	answer->status = status;
	snprintf(answer->words, sizeof(answer->words), "%s", words);
}

static struct answer *begin_within(const char *service, const char *method, struct slice message, uint64_t ms)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	struct ttrpc_client_call *call;
	struct error err;

	assert_non_null(answer);
	*answer = (struct answer){ .next = world.answers, .method = method, .bytes = BUF_MAX(TTRPC_MESSAGE_MAX) };
	world.answers = answer;
	answer->began_ns = uv_hrtime();
	const struct ttrpc_request request = { .service = service, .method = method, .message = message, .timeout_ms = ms };
	const struct ttrpc_receiver receiver = { on_message, on_end, answer };
	if (ttrpc_client_call(world.client, &request, &receiver, &call, &err) < 0)
		fail_msg("%s: %s", method, err.message);
	return answer;
}

static struct answer *begin(const char *service, const char *method, struct slice message)
{
	return begin_within(service, method, message, 0);
}

struct answer *agent_begin_within(const char *method, const ProtobufCMessage *request, uint64_t ms)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(TTRPC_MESSAGE_MAX);

	message_write(request, &bytes);
	return begin_within("grpc.AgentService", method, buf_view(&bytes), ms);
}

struct answer *agent_begin_ours(const char *method, const ProtobufCMessage *request, uint64_t ms)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(TTRPC_MESSAGE_MAX);

	message_write(request, &bytes);
	return begin_within("holdfast.Guest", method, buf_view(&bytes), ms);
}

struct answer *agent_begin(const char *method, const ProtobufCMessage *request)
{
	return agent_begin_within(method, request, 0);
}

struct answer *agent_begin_bytes(const char *method, struct slice request)
{
	return begin("grpc.AgentService", method, request);
}

static void on_time(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

bool agent_ends_within(const struct answer *answer, unsigned ms)
{
	bool late = false;
	uv_timer_t timer;

	uv_timer_init(&world.loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, on_time, ms, 0);
	while (!late && !(answer && answer->ended))
		uv_run(&world.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&world.loop, UV_RUN_NOWAIT);
	return answer && answer->ended;
}

static struct answer *finish(struct answer *answer)
{
	if (!agent_ends_within(answer, AGENT_TIME_MS))
		fail_msg("%s: no answer in %d s", answer->method, AGENT_TIME_MS / 1000);
	return answer;
}

struct answer *agent_ask(const char *method, const ProtobufCMessage *request)
{
	return finish(agent_begin(method, request));
}

struct answer *agent_ask_bytes(const char *method, struct slice request)
{
	return finish(begin("grpc.AgentService", method, request));
}

void agent_expect(const struct answer *answer, enum rpc_status status, const char *words)
{
	if (answer->status != status)
		fail_msg("%s: %s \"%s\", not %s", answer->method, rpc_status_name(answer->status), answer->words, rpc_status_name(status));
	if (words && !strstr(answer->words, words))
		fail_msg("%s: \"%s\" says nothing of \"%s\"", answer->method, answer->words, words);
}

struct answer *agent_do(const char *method, const ProtobufCMessage *request)
{
	struct answer *answer = agent_ask(method, request);

	agent_expect(answer, RPC_OK, NULL);
	return answer;
}

void agent_refuses(const char *method, const ProtobufCMessage *request, enum rpc_status status, const char *words)
{
	agent_expect(agent_ask(method, request), status, words);
}

/* ── What a test that failed has left ── */

void agent_note(const char *id, bool made)
{
	for (size_t i = 0; i < world.n_made && !made; i++) {
		if (strcmp(world.made[i], id) == 0)
			world.made[i][0] = 0;
	}
	if (made && world.n_made < sizeof(world.made) / sizeof(world.made[0]))
		snprintf(world.made[world.n_made++], sizeof(world.made[0]), "%s", id);
}

void agent_keep(void)
{
	world.n_made = 0;
}

int agent_test_teardown(void **state)
{
	Agent__RemoveContainerRequest request = AGENT__REMOVE_CONTAINER_REQUEST__INIT;

	for (size_t i = 0; i < world.n_made; i++) {
		request.container_id = world.made[i];
		if (world.made[i][0])
			agent_ask("RemoveContainer", &request.base);
	}
	world.n_made = 0;
	return 0;
}

/* ── Which agent it is ── */

const char *agent_stuck(void)
{
	static char path[80];

	snprintf(path, sizeof(path), "%s/stuck", world.directory);
	return path;
}

pid_t agent_pid(void)
{
	return world.agent;
}

struct answer *agent_sandbox_answer(void)
{
	return world.sandbox;
}

bool agent_is_ours(void)
{
	return world.ours;
}

void agent_needs_ours(const char *otherwise)
{
	if (world.ours || getenv("HOLDFAST_AGENT_ALL"))
		return;
	print_message("# Kata's agent: %s\n", otherwise);
	skip();
}

void agent_needs_controllers(void)
{
	if (!world.controllers)
		skip();
}

static void make_directory(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(world.directory, sizeof(world.directory), "%s/hf-agent-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.socket, sizeof(world.socket), "%s/agent", world.directory);
}

/* ── The sandbox ── */

static bool is_serving(void)
{
	Agent__CheckRequest request = AGENT__CHECK_REQUEST__INIT;
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(1024);

	message_write(&request.base, &bytes);
	const struct answer *answer = begin("grpc.Health", "Check", buf_view(&bytes));
	return agent_ends_within(answer, AGENT_TIME_MS) && answer->status == RPC_OK;
}

static void wait_until_it_serves(void)
{
	for (int i = 0; i < 500; i++) {
		if (is_serving())
			return;
		agent_ends_within(NULL, 20);
	}
	fail_msg("no agent serves %s", world.socket);
}

static void create_sandbox(void)
{
	Agent__CreateSandboxRequest request = AGENT__CREATE_SANDBOX_REQUEST__INIT;

	request.sandbox_id = (char *)AGENT_SANDBOX;
	request.hostname = (char *)AGENT_HOSTNAME;
	world.sandbox = agent_do("CreateSandbox", &request.base);
}

/* Only ours has a service of this name. Kata's says INVALID_ARGUMENT of one that it has not. */
static bool knows_our_service(void)
{
	const struct answer *answer = finish(begin("holdfast.Guest", "RemoveFile", slice_string("")));

	return answer->status != RPC_UNIMPLEMENTED && !strstr(answer->words, "service does not exist");
}

/* A limit can be set where one is seen. */
static bool has_controllers(void)
{
	struct sample sample;

	sample_init(&sample, "probe", "read x");
	sample.linux_.resources = &sample.resources;
	sample.resources.memory = &sample.memory;
	sample.memory.limit = 64 * 1024 * 1024;
	const struct answer *answer = sample_create(&sample);
	if (answer->status == RPC_OK)
		agent_remove("probe");
	return answer->status == RPC_OK;
}

void agent_choose_tests(void)
{
	if (getenv("HOLDFAST_AGENT_ONLY"))
		cmocka_set_test_filter(getenv("HOLDFAST_AGENT_ONLY"));
}

int agent_world_setup(void **state)
{
	const char *told = getenv("HOLDFAST_AGENT_SOCKET");
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	make_directory();
	if (told)
		snprintf(world.socket, sizeof(world.socket), "%s", told);
	else
		world.agent = agent_launch(world.directory, world.socket);
	uv_loop_init(&world.loop);
	if (ttrpc_client_new(&world.loop, world.socket, &world.client, &err) < 0)
		fail_msg("%s", err.message);
	wait_until_it_serves();
	world.ours = knows_our_service();
	create_sandbox();
	agent_root_make(world.directory, getenv("HOLDFAST_AGENT_COPIES") != NULL);
	world.controllers = has_controllers();
	if (getenv("HOLDFAST_AGENT_CONTROLLERS") && !world.controllers)
		fail_msg("no memory limit can be set there, although HOLDFAST_AGENT_CONTROLLERS says so");
	return 0;
}

static int remove_entry(const char *path, const struct stat *about, int flag, struct FTW *where)
{
	remove(path);
	return 0;
}

int agent_world_teardown(void **state)
{
	Agent__Empty empty = AGENT__EMPTY__INIT;

	agent_do("DestroySandbox", &empty.base);
	ttrpc_client_close(world.client);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	if (world.agent)
		agent_expect_end();
	while (world.answers) {
		struct answer *answer = world.answers;
		world.answers = answer->next;
		buf_free(&answer->bytes);
		free(answer);
	}
	nftw(world.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
