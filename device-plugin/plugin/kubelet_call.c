// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/kubelet_call.h"

#include <errno.h>
#include <stdlib.h>

#include "common/kube/backoff.h"
#include "common/proto/message.h"

#define REQUEST_BYTES_MAX 4096
#define FIRST_DELAY_MS 20
#define LAST_DELAY_MS 400
#define TRIES_MAX 8 /* also of an answer that is too large for us, which has the same status */

struct kubelet_call {
	uv_timer_t timer; /* of the next try */
	struct kubelet_question question;
	struct buf request, answer;
	struct grpc_client_call *try;
	struct backoff backoff;
	uint64_t deadline_ms;
};

static int send_request(struct kubelet_call *call, struct error *err);

static void timer_closed(uv_handle_t *handle)
{
	struct kubelet_call *call = handle->data;

	buf_free(&call->request);
	buf_free(&call->answer);
	free(call);
}

void kubelet_call_cancel(struct kubelet_call *call)
{
	if (!call)
		return;
	if (call->try)
		grpc_client_cancel(TAKE_PTR(call->try));
	uv_close((uv_handle_t *)&call->timer, timer_closed);
}

static void finish(struct kubelet_call *call, int r, const struct error *err)
{
	const struct kubelet_question *question = &call->question;

	uv_close((uv_handle_t *)&call->timer, timer_closed);
	question->answered(question->context, r, r == 0 ? buf_view(&call->answer) : (struct slice){ 0 }, err);
}

static void try_again(uv_timer_t *timer)
{
	struct kubelet_call *call = timer->data;
	struct error err;

	int r = send_request(call, &err);
	if (r < 0)
		finish(call, r, &err);
}

static bool is_worth_another_try(const struct kubelet_call *call, enum rpc_status status)
{
	return status == RPC_RESOURCE_EXHAUSTED && call->backoff.failures + 1 < TRIES_MAX &&
	       uv_now(call->timer.loop) + LAST_DELAY_MS < call->deadline_ms;
}

static void on_message(void *context, struct slice message)
{
	struct kubelet_call *call = context;

	buf_clear(&call->answer);
	buf_slice(&call->answer, message);
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct kubelet_call *call = context;
	struct error err;

	call->try = NULL;
	if (is_worth_another_try(call, status)) {
		uv_timer_start(&call->timer, try_again, backoff_next_ms(&call->backoff, uv_hrtime()), 0);
		return;
	}
	if (status == RPC_OK) {
		finish(call, buf_check(&call->answer, call->question.path, &err), &err);
		return;
	}
	error_set(&err, status == RPC_NOT_FOUND ? ENOENT : EAGAIN, "kubelet, %s: %s: %s", call->question.path, rpc_status_name(status),
		  words);
	finish(call, -err.code, &err);
}

static int send_request(struct kubelet_call *call, struct error *err)
{
	const uint64_t now_ms = uv_now(call->timer.loop);
	const struct grpc_request request = {
		.path = call->question.path,
		.message = buf_view(&call->request),
		.timeout_ms = now_ms < call->deadline_ms ? call->deadline_ms - now_ms : 1,
	};
	const struct grpc_receiver receiver = { on_message, on_end, call };

	return grpc_client_call(call->question.client, &request, &receiver, &call->try, err);
}

int kubelet_call(uv_loop_t *loop, const struct kubelet_question *question, struct kubelet_call **ret, struct error *err)
{
	struct kubelet_call *call = calloc(1, sizeof(*call));

	if (!call)
		return error_nomem(err);
	*call = (struct kubelet_call){
		.question = *question,
		.request = BUF_MAX(REQUEST_BYTES_MAX),
		.answer = BUF_MAX(GRPC_MESSAGE_MAX),
		.backoff = { .first_ms = FIRST_DELAY_MS, .cap_ms = LAST_DELAY_MS },
		.deadline_ms = uv_now(loop) + question->timeout_ms,
	};
	uv_timer_init(loop, &call->timer);
	call->timer.data = call;
	message_write(question->message, &call->request);
	int r = buf_check(&call->request, question->path, err);
	if (r == 0)
		r = send_request(call, err);
	if (r < 0)
		kubelet_call_cancel(call);
	else
		*ret = call;
	return r;
}
