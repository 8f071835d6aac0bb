// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm_task/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/proto/message.h"
#include "kata-shim/task/events.pb-c.h"
#include "tests/unit/vm_task/vm_double.h"

struct world world;

/* ── containerd's events ── */

static void note_event(const Events__Envelope *envelope)
{
	/* All events begin with the container's id; those of processes have theirs in field 2, which is a number in others. */
	_cleanup_(message_freep) Events__TaskContainer *event = NULL;
	_cleanup_(message_freep) Events__TaskExecAdded *exec = NULL;
	const struct slice bytes = slice_from(envelope->event->value.data, envelope->event->value.len);
	const char *type = strrchr(envelope->event->type_url, '.') + 1;
	struct error err;

	assert_string_equal(envelope->namespace_, "k8s.io");
	assert_memory_equal(envelope->event->type_url, "containerd.events.", 18);
	assert_non_null(envelope->timestamp);
	assert_int_equal(message_read(&events__task_container__descriptor, bytes, &event, &err), 0);
	strcat(strcat(strcat(world.events, type), " "), event->container_id);
	if ((strncmp(type, "TaskExec", 8) == 0 || strcmp(type, "TaskExit") == 0) &&
	    message_read(&events__task_exec_added__descriptor, bytes, &exec, &err) == 0)
		strcat(strcat(world.events, " "), exec->exec_id);
	strcat(world.events, "\n");
}

static void handle_forward(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Events__ForwardRequest *request = NULL;
	struct error err;
	struct slice namespace;

	assert_true(ttrpc_call_metadata(call, "containerd-namespace-ttrpc", &namespace));
	assert_true(slice_equals_string(namespace, "k8s.io"));
	assert_int_equal(message_read(&events__forward_request__descriptor, bytes, &request, &err), 0);
	if (world.refuse_events) {
		world.refuse_events--;
		ttrpc_call_finish(call, RPC_INTERNAL, "not now");
		return;
	}
	note_event(request->envelope);
	ttrpc_call_answer(call, slice_from(NULL, 0));
}

static const struct ttrpc_method event_methods[] = { { "Forward", handle_forward } };
static const struct ttrpc_service event_service = { "containerd.services.events.ttrpc.v1.Events", event_methods, 1, NULL };
static const struct ttrpc_services event_services = { &event_service, 1 };

void events_server_start(void)
{
	struct error err;

	if (ttrpc_server_start(&world.loop, world.events_path, getuid(), &event_services, &world.events_server, &err) < 0)
		fail_msg("%s", err.message);
}

const char *events(void)
{
	static char shown[sizeof(world.events)];

	memcpy(shown, world.events, sizeof(shown));
	world.events[0] = 0;
	return shown;
}

static void on_late(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void run_until(bool (*reached)(const void *context), const void *context, const char *what)
{
	uv_timer_t timer;
	bool late = false;

	uv_timer_init(&world.loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, on_late, 5000, 0);
	while (!late && !reached(context))
		uv_run(&world.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&world.loop, UV_RUN_NOWAIT);
	if (late)
		fail_msg("waited in vain for %s; events are:\n%s", what, world.events);
}

static bool is_told(const void *context)
{
	return strstr(world.events, context);
}

void wait_for_event(const char *text)
{
	run_until(is_told, text, text);
}

/* ── The service ── */

static void on_shutdown(void *context)
{
	world.n_shutdowns++;
}

int world_set_up(void **state)
{
	const struct service_options options = { .sandbox = SANDBOX, .shutdown = on_shutdown };
	struct service_options with = options;
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	double_set_up();
	world = (struct world){ .directory = "/tmp/holdfast-task.XXXXXX" };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.path, sizeof(world.path), "%s/s", world.directory);
	snprintf(world.events_path, sizeof(world.events_path), "%s/e", world.directory);
	events_server_start();
	assert_int_equal(publisher_new(&world.loop, world.events_path, "k8s.io", &world.publisher, &err), 0);
	with.publisher = world.publisher;
	assert_int_equal(service_new(&world.loop, &with, &world.service, &err), 0);
	assert_int_equal(ttrpc_server_start(&world.loop, world.path, getuid(), service_list(world.service), &world.server, &err), 0);
	assert_int_equal(ttrpc_client_new(&world.loop, world.path, &world.client, &err), 0);
	return 0;
}

static void on_done(void *context)
{
	*(bool *)context = true;
}

static bool is_true(const void *context)
{
	return *(const bool *)context;
}

int world_tear_down(void **state)
{
	bool stopped = false, finished = false;

	service_stop(world.service, on_done, &stopped);
	run_until(is_true, &stopped, "the end of the service");
	publisher_finish(world.publisher, 2000, on_done, &finished);
	run_until(is_true, &finished, "the end of the publisher");
	ttrpc_client_close(world.client);
	ttrpc_server_stop(world.server);
	ttrpc_server_stop(world.events_server);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	service_free(world.service);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	assert_int_equal(double_living(), 0);
	assert_int_equal(rmdir(world.directory), 0);
	return 0;
}

/* ── Calls ── */

static void on_message(void *context, struct slice message)
{
	struct told *told = context;

	assert_true(message.n <= sizeof(told->bytes));
	if (message.n > 0)
		memcpy(told->bytes, message.p, message.n);
	told->n = message.n;
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct told *told = context;

	told->ended = true;
	told->status = status;
	snprintf(told->words, sizeof(told->words), "%s", words);
}

/* Every second one by the older name of the service. */
void begin(struct told *told, const char *method, const ProtobufCMessage *message)
{
	static unsigned n;
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(TTRPC_MESSAGE_MAX);
	struct ttrpc_client_call *ignored;
	struct error err;

	message_write(message, &bytes);
	const struct ttrpc_request request = { .service = n++ % 2 ? "containerd.task.v2.Task" : "containerd.task.v3.Task",
					       .method = method,
					       .message = buf_view(&bytes) };
	const struct ttrpc_receiver receiver = { on_message, on_end, told };
	*told = (struct told){};
	if (ttrpc_client_call(world.client, &request, &receiver, &ignored, &err) < 0)
		fail_msg("%s: %s", method, err.message);
}

static bool has_ended(const void *context)
{
	return ((const struct told *)context)->ended;
}

void wait_for(const struct told *told)
{
	run_until(has_ended, told, "an answer");
}

/* A call that is answered from memory: what was sent before it has arrived. */
void settle(void)
{
	Task__ContainerRequest request = TASK__CONTAINER_REQUEST__INIT;

	for (unsigned i = 0; i < 3; i++)
		call("Connect", &request.base, RPC_OK);
}

struct told call(const char *method, const ProtobufCMessage *request, enum rpc_status expected)
{
	struct told told;

	begin(&told, method, request);
	wait_for(&told);
	if (told.status != expected)
		fail_msg("%s: %s (%s), and not %s", method, rpc_status_name(told.status), told.words, rpc_status_name(expected));
	return told;
}

static bool names_process(const char *method)
{
	static const char *const names[] = { "State", "Start", "Delete", "Wait" };

	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		if (strcmp(method, names[i]) == 0)
			return true;
	}
	return false;
}

void begin_ask(struct told *told, const char *method, const char *id, const char *exec)
{
	Task__ProcessRequest process = TASK__PROCESS_REQUEST__INIT;
	Task__ContainerRequest container = TASK__CONTAINER_REQUEST__INIT;

	process.id = container.id = (char *)id;
	process.exec_id = (char *)exec;
	begin(told, method, names_process(method) ? &process.base : &container.base);
}

struct told ask(const char *method, const char *id, const char *exec, enum rpc_status expected)
{
	struct told told;

	begin_ask(&told, method, id, exec);
	wait_for(&told);
	if (told.status != expected)
		fail_msg("%s %s %s: %s (%s), and not %s", method, id, exec, rpc_status_name(told.status), told.words,
			 rpc_status_name(expected));
	return told;
}

void begin_create(struct told *told, const char *id)
{
	Task__CreateRequest request = TASK__CREATE_REQUEST__INIT;
	Task__Mount mount = TASK__MOUNT__INIT;
	Task__Mount *mounts = &mount;
	char *options[] = { (char *)"lowerdir=/l" };

	mount.type = (char *)"overlay";
	mount.source = (char *)"overlay";
	mount.options = options;
	mount.n_options = 1;
	request.id = (char *)id;
	request.bundle = (char *)"/b";
	request.rootfs = &mounts;
	request.n_rootfs = 1;
	request.stdout = (char *)"/o";
	begin(told, "Create", &request.base);
}

void create(const char *id, enum rpc_status expected)
{
	struct told told;

	begin_create(&told, id);
	wait_for(&told);
	if (told.status != expected)
		fail_msg("Create %s: %s (%s)", id, rpc_status_name(told.status), told.words);
}

void start(const char *id, const char *exec)
{
	ask("Start", id, exec, RPC_OK);
}

struct told add_exec(const char *id, const char *exec, enum rpc_status expected)
{
	Task__ExecRequest request = TASK__EXEC_REQUEST__INIT;
	Task__Any spec = TASK__ANY__INIT;

	spec.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	spec.value = (ProtobufCBinaryData){ 2, (uint8_t *)"{}" };
	request.id = (char *)id;
	request.exec_id = (char *)exec;
	request.spec = &spec;
	return call("Exec", &request.base, expected);
}

struct told kill_it(const char *id, const char *exec, uint32_t signal, bool all, enum rpc_status expected)
{
	Task__KillRequest request = TASK__KILL_REQUEST__INIT;

	request.id = (char *)id;
	request.exec_id = (char *)exec;
	request.signal = signal;
	request.all = all;
	return call("Kill", &request.base, expected);
}

Task__Status status_of(const char *id, const char *exec)
{
	const struct told told = ask("State", id, exec, RPC_OK);
	_cleanup_(message_freep) Task__StateResponse *state = NULL;
	struct error err;

	assert_int_equal(message_read(&task__state_response__descriptor, slice_from(told.bytes, told.n), &state, &err), 0);
	assert_int_equal(state->pid, DOUBLE_PID);
	return state->status;
}

void container_up(const char *id)
{
	create(id, RPC_OK);
	start(id, "");
}

void sandbox_up(void)
{
	container_up(SANDBOX);
	wait_for_event("TaskStart " SANDBOX);
	events();
	double_asked();
}
