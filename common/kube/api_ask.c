// SPDX-License-Identifier: Apache-2.0
#include "common/kube/api_ask.h"

struct asking {
	struct buf *body;
	struct api_result result;
	bool is_over, is_closed;
};

static void on_opened(void *context)
{
}

static int on_received(void *context, struct slice bytes, struct error *err)
{
	struct asking *asking = context;

	buf_slice(asking->body, bytes);
	return buf_check(asking->body, "the server's answer", err);
}

static void on_finished(void *context, const struct api_result *result)
{
	struct asking *asking = context;

	asking->result = *result;
	asking->is_over = true;
}

static void on_closed(void *context)
{
	((struct asking *)context)->is_closed = true;
}

static void run_until(uv_loop_t *loop, const bool *done)
{
	while (!*done)
		uv_run(loop, UV_RUN_ONCE);
}

static int ask(uv_loop_t *loop, struct api_client *client, const char *path, struct asking *asking, struct error *err)
{
	const struct api_handler handler = { on_opened, on_received, on_finished, asking };
	struct api_request *request;

	int r = api_client_get(client, path, &handler, &request, err);
	if (r < 0)
		return r;
	run_until(loop, &asking->is_over);
	if (asking->result.err.code)
		*err = asking->result.err;
	return -asking->result.err.code;
}

int api_ask(uv_loop_t *loop, const struct kube_source_options *options, const char *path, struct buf *body, unsigned *ret_status,
	    struct error *err)
{
	struct asking asking = { .body = body };
	struct api_config config = {};
	struct api_client *client;

	*ret_status = 0;
	int r = api_config_load(options, &config, err);
	if (r == 0)
		r = api_client_new(loop, &config, API_ASK_IDLE_MS, &client, err);
	if (r < 0)
		return r;
	r = ask(loop, client, path, &asking, err);
	*ret_status = asking.result.status;
	api_client_close(client, on_closed, &asking);
	run_until(loop, &asking.is_closed);
	return r;
}
