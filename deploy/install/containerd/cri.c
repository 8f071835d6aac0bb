// SPDX-License-Identifier: Apache-2.0
/*
 * The list of handlers is in no field of CRI's own that every version fills: containerd's own configuration, as JSON, is what it adds to an
 * answer to Status(verbose), from 1.6 to 2.x with the same names for what is read here.
 */
#include "deploy/install/containerd/cri.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/show.h"
#include "common/json/json.h"
#include "common/proto/cri.pb-c.h"
#include "common/proto/message.h"
#include "common/rpc/grpc.h"
#include "common/rpc/unix_socket.h"

#define SERVICE "/runtime.v1.RuntimeService/"

static const struct json_limits config_limits = { .bytes = GRPC_MESSAGE_MAX, .depth = 64, .values = 100000 };

struct exchange {
	uv_loop_t loop;
	struct grpc_client *client;
	struct buf *answer;
	enum rpc_status status;
	char words[ERROR_MESSAGE_MAX];
};

static void take_answer(void *context, struct slice bytes)
{
	struct exchange *exchange = context;

	buf_slice(exchange->answer, bytes);
}

static void take_end(void *context, enum rpc_status status, const char *words)
{
	struct exchange *exchange = context;

	exchange->status = status;
	show_sentence(slice_string(words), exchange->words, sizeof(exchange->words));
	grpc_client_close(exchange->client);
}

static int start(struct exchange *exchange, const char *socket, const struct grpc_request *request, struct error *err)
{
	const struct grpc_receiver receiver = { take_answer, take_end, exchange };
	struct grpc_client_call *ignored;

	int r = grpc_client_new(&exchange->loop, socket, &exchange->client, err);
	if (r < 0)
		return r;
	r = grpc_client_call(exchange->client, request, &receiver, &ignored, err);
	if (r < 0)
		grpc_client_close(exchange->client);
	return r;
}

/* The loop ends by itself when the client is closed and nothing of it is left. */
static int call(const char *socket, const struct grpc_request *request, struct buf *answer, struct error *err)
{
	struct exchange exchange = { .answer = answer };

	int r = uv_loop_init(&exchange.loop);
	if (r < 0)
		return error_set(err, -r, "cannot make an event loop: %s", uv_strerror(r));
	void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* libuv writes with write(2) */
	r = start(&exchange, socket, request, err);
	uv_run(&exchange.loop, UV_RUN_DEFAULT);
	signal(SIGPIPE, before);
	uv_loop_close(&exchange.loop);
	if (r < 0)
		return r;
	if (exchange.status == RPC_UNIMPLEMENTED)
		return error_set(err, ENOTSUP, "what listens on %s has no plugin for Kubernetes, or not yet: %s", socket, exchange.words);
	if (exchange.status != RPC_OK)
		return error_set(err, EAGAIN, "containerd is not ready on %s: %s", socket, exchange.words);
	return buf_check(answer, "containerd's answer", err);
}

static int ask_version(const char *socket, uint64_t timeout_ms, struct cri_runtime *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf answer = BUF_MAX(GRPC_MESSAGE_MAX);
	_cleanup_(message_freep) Cri__VersionResponse *version = NULL;
	const struct grpc_request request = { .path = SERVICE "Version", .timeout_ms = timeout_ms };

	int r = call(socket, &request, &answer, err);
	r = r < 0 ? r : message_read(&cri__version_response__descriptor, buf_view(&answer), &version, err);
	if (r < 0)
		return r;
	if (strcmp(version->runtime_name, "containerd") != 0)
		return error_set(err, ENOTSUP, "what listens on %s is \"%s\": Holdfast's sandboxes need containerd", socket,
				 SHOW(slice_string(version->runtime_name)));
	snprintf(ret->version, sizeof(ret->version), "%s", version->runtime_version);
	return 0;
}

static int check_ready(const Cri__StatusResponse *status, struct error *err)
{
	for (size_t i = 0; status->status && i < status->status->n_conditions; i++) {
		const Cri__RuntimeCondition *condition = status->status->conditions[i];

		if (strcmp(condition->type, "RuntimeReady") == 0 && !condition->status)
			return error_set(err, EAGAIN, "containerd says that it is not ready: %s", SHOW(slice_string(condition->message)));
	}
	return 0;
}

static int take_runtimes(const cJSON *config, struct cri_runtime *ret, struct error *err)
{
	const cJSON *containerd = cJSON_GetObjectItemCaseSensitive(config, "containerd");
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(containerd, "defaultRuntimeName");
	const cJSON *runtimes = cJSON_GetObjectItemCaseSensitive(containerd, "runtimes"), *runtime;
	_cleanup_(json_freep) cJSON *handlers = cJSON_CreateArray();

	if (!cJSON_IsObject(runtimes))
		return error_set(err, ENOTSUP, "containerd %s does not say which runtimes it has", ret->version);
	cJSON_ArrayForEach(runtime, runtimes)
	{
		cJSON *item = cJSON_CreateString(runtime->string);

		if (!item || !cJSON_AddItemToArray(handlers, item)) {
			json_free(item);
			return error_nomem(err);
		}
	}
	snprintf(ret->default_handler, sizeof(ret->default_handler), "%s", cJSON_IsString(name) ? name->valuestring : "");
	ret->handlers = TAKE_PTR(handlers);
	return 0;
}

static int read_status(const Cri__StatusResponse *status, struct cri_runtime *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *config = NULL;
	const char *text = "{}";

	for (size_t i = 0; i < status->n_info; i++) {
		if (strcmp(status->info[i]->key, "config") == 0)
			text = status->info[i]->value;
	}
	int r = json_parse(slice_string(text), &config_limits, &config, err);
	return r < 0 ? error_wrap(err, "the configuration that containerd says it has") : take_runtimes(config, ret, err);
}

static int ask_status(const char *socket, uint64_t timeout_ms, struct cri_runtime *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf answer = BUF_MAX(GRPC_MESSAGE_MAX), question = BUF_MAX(64);
	_cleanup_(message_freep) Cri__StatusResponse *status = NULL;
	Cri__StatusRequest verbose = CRI__STATUS_REQUEST__INIT;

	verbose.verbose = true;
	message_write(&verbose.base, &question);
	int r = buf_check(&question, "question", err);
	const struct grpc_request request = { .path = SERVICE "Status", .message = buf_view(&question), .timeout_ms = timeout_ms };
	r = r < 0 ? r : call(socket, &request, &answer, err);
	r = r < 0 ? r : message_read(&cri__status_response__descriptor, buf_view(&answer), &status, err);
	r = r < 0 ? r : check_ready(status, err);
	return r < 0 ? r : read_status(status, ret, err);
}

int cri_ask(const char *socket, uint64_t timeout_ms, struct cri_runtime *ret, struct error *err)
{
	struct cri_runtime runtime = { 0 };

	int r = unix_socket_try(socket);
	if (r < 0)
		return error_errno(err, -r, "containerd does not answer on %s", socket);
	r = ask_version(socket, timeout_ms, &runtime, err);
	r = r < 0 ? r : ask_status(socket, timeout_ms, &runtime, err);
	if (r == 0)
		*ret = runtime;
	return r;
}

void cri_runtime_clear(struct cri_runtime *runtime)
{
	json_free(runtime->handlers);
	*runtime = (struct cri_runtime){ 0 };
}

bool cri_has_handler(const cJSON *handlers, const char *name)
{
	const cJSON *handler;

	cJSON_ArrayForEach(handler, handlers)
	{
		if (cJSON_IsString(handler) && strcmp(handler->valuestring, name) == 0)
			return true;
	}
	return false;
}
