// SPDX-License-Identifier: Apache-2.0
/*
 * A call that cannot even be begun (no memory, the connection is lost) ends from the loop as any other, so that callers have one way to
 * hear of a failure. The agent lives until the last of its calls has ended.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/show.h"
#include "common/proto/message.h"
#include "kata-shim/vm/agent/methods.h"

#define WORDS_MAX 300
#define REQUEST_MAX (TTRPC_MESSAGE_MAX - 1024)

struct agent {
	struct ttrpc_client *client;
	uv_idle_t idle; /* while calls failed to begin */
	struct agent_call *failed, **failed_last;
	size_t n_calls;
	bool closed, closing;
};

static int errno_of(enum rpc_status status)
{
	static const int codes[RPC_STATUS_COUNT] = {
		[RPC_CANCELLED] = ECANCELED,    [RPC_INVALID_ARGUMENT] = EINVAL, [RPC_DEADLINE_EXCEEDED] = ETIMEDOUT,
		[RPC_NOT_FOUND] = ENOENT,       [RPC_ALREADY_EXISTS] = EEXIST,   [RPC_UNIMPLEMENTED] = ENOSYS,
		[RPC_UNAVAILABLE] = ECONNRESET,
	};

	return codes[status] ? codes[status] : EIO;
}

/* ttrpc-rust, and so Kata's agent, says of a method that it has it not, but of a service that the request is wrong. */
static bool is_unknown_service(enum rpc_status status, const char *words)
{
	static const char end[] = " service does not exist";
	const size_t n = strlen(words);

	return status == RPC_INVALID_ARGUMENT && n >= sizeof(end) && strcmp(words + n - (sizeof(end) - 1), end) == 0;
}

static void on_agent_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void free_if_done(struct agent *agent)
{
	if (!agent->closed || agent->n_calls > 0 || agent->closing)
		return;
	agent->closing = true;
	uv_close((uv_handle_t *)&agent->idle, on_agent_closed);
}

/* ── The end of a call ── */

static int name_call(const struct agent_call *call, struct error *err)
{
	const char *of = *call->subject ? " of " : "";

	return error_wrap(err, "guest agent: %s%s%s", agent_method_name(call->method), of, call->subject);
}

/* Of those that wait for something to happen nobody wants to know how long. */
static void log_time(const struct agent_call *call, const struct error *err)
{
	if (agent_method_row(call->method)->timeout_ms && log_enabled(LOG_LEVEL_DEBUG))
		log_debug("the guest's agent answered", "method", agent_method_name(call->method), "container", call->subject, "us",
			  LOG_NUMBER((uv_hrtime() - call->began_ns) / 1000), "error", err ? err->message : NULL);
}

static void finish(struct agent_call *call, struct error *err)
{
	struct agent *agent = call->agent;
	_cleanup_(message_freep) ProtobufCMessage *answer = TAKE_PTR(call->answer);
	struct error *why = TAKE_PTR(call->why);

	call->agent = NULL;
	call->call = NULL;
	log_time(call, err);
	if (err)
		name_call(call, err);
	call->done(call, err, err ? NULL : answer); /* which may free the call */
	free(why);
	agent->n_calls--;
	free_if_done(agent);
}

static void on_answer(void *context, struct slice bytes)
{
	struct agent_call *call = context;
	struct error err;

	if (agent_answer_read(call->method, bytes, &call->answer, &err) == 0)
		return;
	call->why = malloc(sizeof(*call->why));
	if (call->why)
		*call->why = err;
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct agent_call *call = context;
	char text[WORDS_MAX];
	struct error err;

	show_sentence(slice_string(words), text, sizeof(text));
	if (is_unknown_service(status, words))
		status = RPC_UNIMPLEMENTED;
	if (status != RPC_OK)
		error_set(&err, errno_of(status), "%s", *text ? text : rpc_status_name(status));
	else if (call->why)
		err = *call->why;
	else if (agent_method_row(call->method)->answer && !call->answer)
		error_nomem(&err);
	else
		return finish(call, NULL);
	finish(call, &err);
}

/* ── The beginning ── */

/* One in each turn of the loop: what its caller begins anew comes after the others. */
static void on_idle(uv_idle_t *idle)
{
	struct agent *agent = idle->data;
	struct agent_call *call = agent->failed;
	struct error err;

	agent->failed = call->next;
	if (!agent->failed) {
		agent->failed_last = &agent->failed;
		uv_idle_stop(idle);
	}
	if (call->why)
		err = *call->why;
	else
		error_nomem(&err);
	finish(call, &err);
}

static void fail_later(struct agent *agent, struct agent_call *call, const struct error *err)
{
	call->why = malloc(sizeof(*call->why));
	if (call->why) {
		*call->why = *err;
		call->why->code = err->code == EPIPE ? ECONNRESET : err->code;
	}
	call->next = NULL;
	*agent->failed_last = call;
	agent->failed_last = &call->next;
	uv_idle_start(&agent->idle, on_idle);
}

/* The container's id is the first field of every request about one. */
static void note_subject(struct agent_call *call, const ProtobufCMessage *request)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "container_id");
	const char *id = field ? *(const char *const *)((const char *)request + field->offset) : NULL;

	snprintf(call->subject, sizeof(call->subject), "%s", id ? id : "");
}

static int begin(struct agent *agent, struct agent_call *call, const ProtobufCMessage *request, uint64_t timeout_ms, struct error *err)
{
	const struct agent_method_row *row = agent_method_row(call->method);
	const struct ttrpc_receiver receiver = { on_answer, on_end, call };
	_cleanup_(buf_free) struct buf bytes = BUF_SECRET(REQUEST_MAX); /* CopyFile brings secrets */

	if (agent->closed)
		return error_set(err, ECANCELED, "the connection was closed");
	message_write(request, &bytes);
	int r = buf_check(&bytes, "the request", err);
	if (r < 0)
		return r;
	const struct ttrpc_request asked = { row->service, row->name, buf_view(&bytes), timeout_ms };
	return ttrpc_client_call(agent->client, &asked, &receiver, &call->call, err);
}

void agent_call_within(struct agent *agent, struct agent_call *call, enum agent_method method, const void *request, uint64_t timeout_ms,
		       agent_done *done)
{
	const ProtobufCMessage *message = request;
	struct error err;

	assert(!call->agent && message->descriptor == agent_method_row(method)->request);
	call->agent = agent;
	call->method = method;
	call->done = done;
	call->began_ns = uv_hrtime();
	note_subject(call, message);
	agent->n_calls++;
	if (begin(agent, call, message, timeout_ms, &err) < 0)
		fail_later(agent, call, &err);
}

void agent_call(struct agent *agent, struct agent_call *call, enum agent_method method, const void *request, agent_done *done)
{
	agent_call_within(agent, call, method, request, agent_method_row(method)->timeout_ms, done);
}

static void forget_failed(struct agent *agent, const struct agent_call *call)
{
	struct agent_call **at = &agent->failed;

	while (*at && *at != call)
		at = &(*at)->next;
	if (*at)
		*at = call->next;
	if (!*at)
		agent->failed_last = at;
	if (!agent->failed)
		uv_idle_stop(&agent->idle);
}

void agent_cancel(struct agent_call *call)
{
	struct agent *agent = call->agent;

	if (!agent)
		return;
	if (call->call)
		ttrpc_client_cancel(TAKE_PTR(call->call));
	else
		forget_failed(agent, call);
	free(TAKE_PTR(call->why));
	call->agent = NULL;
	agent->n_calls--;
	free_if_done(agent);
}

/* ── Its life ── */

int agent_open(uv_loop_t *loop, int fd, struct agent **ret, struct error *err)
{
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct agent *agent = calloc(1, sizeof(*agent));

	if (!agent)
		return error_nomem(err);
	int r = ttrpc_client_open(loop, TAKE_FD(owned), &agent->client, err);
	if (r < 0)
		return r;
	uv_idle_init(loop, &agent->idle);
	agent->idle.data = agent;
	agent->failed_last = &agent->failed;
	*ret = TAKE_PTR(agent);
	return 0;
}

void agent_close(struct agent *agent)
{
	if (!agent || agent->closed)
		return;
	agent->closed = true;
	ttrpc_client_close(TAKE_PTR(agent->client));
	free_if_done(agent);
}
