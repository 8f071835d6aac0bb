// SPDX-License-Identifier: Apache-2.0
/*
 * The timer is that of the earliest deadline. What the socket does not take stays in the conversation, whose room is limited, and is tried
 * again whenever QEMU says something or a command is added: a QEMU that reads always has room.
 */
#include "kata-shim/vm/qemu/qmp_client.h"

#include <errno.h>
#include <stdlib.h>

#include "kata-shim/vm/qemu/paced.h"

struct qmp_client {
	struct paced *socket;
	struct qmp *qmp;
	uv_timer_t timer;
	const struct qmp_client_listener *listener;
	void *context;
	bool closed;
};

static void on_timer(uv_timer_t *timer);

/* After everything that can have changed what is to be sent or waited for. */
static void go_on(struct qmp_client *client)
{
	if (client->closed)
		return;
	qmp_sent(client->qmp, paced_write(client->socket, qmp_output(client->qmp)));
	const uint64_t deadline = qmp_deadline_ms(client->qmp), now = uv_now(client->timer.loop);
	if (deadline == UINT64_MAX)
		uv_timer_stop(&client->timer);
	else
		uv_timer_start(&client->timer, on_timer, deadline > now ? deadline - now : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct qmp_client *client = timer->data;

	qmp_expire(client->qmp, uv_now(timer->loop));
	go_on(client);
}

static void finish(struct qmp_client *client, const struct error *why)
{
	qmp_fail(client->qmp, why);
	if (!client->closed) {
		uv_timer_stop(&client->timer);
		client->listener->over(client->context, why);
	}
}

static void on_bytes(void *context, struct slice bytes)
{
	struct qmp_client *client = context;
	struct error err;

	if (qmp_feed(client->qmp, bytes, &err) == 0)
		go_on(client);
	else if (err.code != EPIPE) /* that has been said */
		finish(client, &err);
}

static void on_ended(void *context)
{
	struct error err;

	error_set(&err, EPIPE, "QEMU has closed its control connection");
	finish(context, &err);
}

static void on_ready(void *context)
{
	struct qmp_client *client = context;

	if (!client->closed)
		client->listener->ready(client->context);
}

static void on_event(void *context, const char *name, const struct json_view *data)
{
	struct qmp_client *client = context;

	if (!client->closed)
		client->listener->event(client->context, name, data);
}

static const struct qmp_listener qmp_listener = { on_ready, on_event };
static const struct paced_listener socket_listener = { on_bytes, on_ended };

static void on_closed(uv_handle_t *handle)
{
	struct qmp_client *client = handle->data;

	qmp_free(client->qmp);
	free(client);
}

void qmp_client_close(struct qmp_client *client)
{
	struct error why;

	if (!client || client->closed)
		return;
	client->closed = true;
	error_set(&why, ECANCELED, "QEMU is being ended");
	qmp_fail(client->qmp, &why);
	paced_close(client->socket);
	uv_close((uv_handle_t *)&client->timer, on_closed);
}

int qmp_client_open(uv_loop_t *loop, int fd, const struct qmp_client_listener *listener, void *context, struct qmp_client **ret,
		    struct error *err)
{
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct qmp_client *client = calloc(1, sizeof(*client));
	_cleanup_(qmp_freep) struct qmp *qmp = NULL;

	if (!client)
		return error_nomem(err);
	int r = qmp_new(&qmp_listener, client, &qmp, err);
	if (r == 0)
		r = paced_open(loop, TAKE_FD(owned), &socket_listener, client, &client->socket, err);
	if (r < 0)
		return r;
	uv_timer_init(loop, &client->timer);
	client->timer.data = client;
	client->qmp = TAKE_PTR(qmp);
	client->listener = listener;
	client->context = context;
	*ret = TAKE_PTR(client);
	return 0;
}

int qmp_client_execute(struct qmp_client *client, const char *command, const char *arguments, uint64_t timeout_ms, qmp_answer *answer,
		       void *context, struct error *err)
{
	int r = qmp_execute(client->qmp, command, arguments, uv_now(client->timer.loop) + timeout_ms, answer, context, err);

	if (r == 0)
		go_on(client);
	return r;
}
