// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/publisher.h"

#include <stdlib.h>
#include <time.h>

#include "common/base/log.h"
#include "common/rpc/ttrpc.h"
#include "kata-shim/task/events.pb-c.h"

#define SERVICE "containerd.services.events.ttrpc.v1.Events"
#define NAMESPACE_KEY "containerd-namespace-ttrpc"
#define EVENT_MAX (64 * 1024)
#define TIMEOUT_MS 5000
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 2000

struct item {
	struct item *next;
	const char *topic; /* for the log */
	size_t n;
	uint8_t bytes[];
};

struct publisher {
	uv_timer_t pause; /* the first: before another try */
	uv_timer_t patience; /* of publisher_finish */
	struct ttrpc_client *client;
	char *namespace;
	struct item *first, **last;
	size_t n_items, n_bytes;
	struct ttrpc_client_call *call; /* that of `first` */
	unsigned refusals;
	uint64_t pause_ms;
	void (*done)(void *context);
	void *done_context;
};

static void send_first(struct publisher *publisher);

static void drop_first(struct publisher *publisher)
{
	struct item *item = publisher->first;

	publisher->first = item->next;
	if (!publisher->first)
		publisher->last = &publisher->first;
	publisher->n_items--;
	publisher->n_bytes -= item->n;
	free(item);
}

static void on_pause_closed(uv_handle_t *handle)
{
	struct publisher *publisher = (struct publisher *)handle;

	while (publisher->first)
		drop_first(publisher);
	publisher->done(publisher->done_context);
	free(publisher->namespace);
	free(publisher);
}

static void on_patience_closed(uv_handle_t *handle)
{
	struct publisher *publisher = handle->data;

	uv_close((uv_handle_t *)&publisher->pause, on_pause_closed);
}

static void finish(struct publisher *publisher)
{
	if (uv_is_closing((uv_handle_t *)&publisher->patience))
		return;
	uv_timer_stop(&publisher->pause);
	if (publisher->call)
		ttrpc_client_cancel(publisher->call);
	publisher->call = NULL;
	ttrpc_client_close(publisher->client);
	uv_close((uv_handle_t *)&publisher->patience, on_patience_closed);
}

static void on_patience_over(uv_timer_t *timer)
{
	struct publisher *publisher = timer->data;

	log_warn("events are lost: containerd does not take them", "first", publisher->first->topic, "count",
		 LOG_NUMBER(publisher->n_items));
	finish(publisher);
}

static void on_pause_over(uv_timer_t *timer)
{
	send_first((struct publisher *)timer);
}

static void try_again(struct publisher *publisher)
{
	publisher->pause_ms = publisher->pause_ms ? publisher->pause_ms * 2 : PAUSE_MIN_MS;
	if (publisher->pause_ms > PAUSE_MAX_MS)
		publisher->pause_ms = PAUSE_MAX_MS;
	uv_timer_start(&publisher->pause, on_pause_over, publisher->pause_ms, 0);
}

/* containerd has understood the call and says no; everything else can be otherwise after a restart. */
static bool is_refusal(enum rpc_status status)
{
	return status != RPC_UNAVAILABLE && status != RPC_CANCELLED && status != RPC_DEADLINE_EXCEEDED && status != RPC_RESOURCE_EXHAUSTED;
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct publisher *publisher = context;

	publisher->call = NULL;
	if (status != RPC_OK && (!is_refusal(status) || ++publisher->refusals < PUBLISHER_REFUSALS_MAX)) {
		log_debug("containerd has not taken an event", "topic", publisher->first->topic, "status", rpc_status_name(status), "reason",
			  words);
		try_again(publisher);
		return;
	}
	if (status != RPC_OK)
		log_error("an event is lost: containerd refuses it", "topic", publisher->first->topic, "status", rpc_status_name(status),
			  "reason", words);
	publisher->refusals = 0;
	publisher->pause_ms = 0;
	drop_first(publisher);
	send_first(publisher);
}

static void send_first(struct publisher *publisher)
{
	const struct ttrpc_metadata metadata = { slice_string(NAMESPACE_KEY), slice_string(publisher->namespace) };
	const struct ttrpc_receiver receiver = { .end = on_end, .context = publisher };
	struct error err;

	if (publisher->call)
		return;
	if (!publisher->first) {
		if (publisher->done)
			finish(publisher);
		return;
	}
	const struct ttrpc_request request = {
		.service = SERVICE, .method = "Forward", .message = slice_from(publisher->first->bytes, publisher->first->n),
		.timeout_ms = TIMEOUT_MS, .metadata = &metadata, .n_metadata = 1,
	};
	if (ttrpc_client_call(publisher->client, &request, &receiver, &publisher->call, &err) < 0)
		try_again(publisher);
}

static void append(struct publisher *publisher, struct item *item)
{
	const bool idle = !publisher->first;

	*publisher->last = item;
	publisher->last = &item->next;
	publisher->n_items++;
	publisher->n_bytes += item->n;
	if (idle)
		send_first(publisher);
}

/* The oldest that is not on its way. */
static bool drop_oldest(struct publisher *publisher)
{
	struct item **at = publisher->call ? &publisher->first->next : &publisher->first;
	struct item *item = *at;

	if (!item)
		return false;
	log_error("an event is lost: too many wait for containerd", "topic", item->topic);
	if (at == &publisher->first) {
		drop_first(publisher);
		return true;
	}
	*at = item->next;
	if (!item->next)
		publisher->last = at;
	publisher->n_items--;
	publisher->n_bytes -= item->n;
	free(item);
	return true;
}

static struct item *item_new(const struct publisher *publisher, const char *topic, const char *type, const ProtobufCMessage *event)
{
	_cleanup_(buf_free) struct buf value = BUF_MAX(EVENT_MAX), message = BUF_MAX(EVENT_MAX + 1024);
	Task__Timestamp time = TASK__TIMESTAMP__INIT;
	Task__Any any = TASK__ANY__INIT;
	Events__Envelope envelope = EVENTS__ENVELOPE__INIT;
	Events__ForwardRequest request = EVENTS__FORWARD_REQUEST__INIT;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	time.seconds = now.tv_sec;
	time.nanos = (int32_t)now.tv_nsec;
	message_write(event, &value);
	any.type_url = (char *)type;
	any.value = (ProtobufCBinaryData){ value.n, value.p };
	envelope.timestamp = &time;
	envelope.namespace_ = publisher->namespace;
	envelope.topic = (char *)topic;
	envelope.event = &any;
	request.envelope = &envelope;
	message_write(&request.base, &message);
	struct item *item = value.failed || message.failed ? NULL : malloc(sizeof(*item) + message.n);
	if (item) {
		*item = (struct item){ .topic = topic, .n = message.n };
		memcpy(item->bytes, message.p, message.n);
	}
	return item;
}

void publisher_send(struct publisher *publisher, const char *topic, const char *type, const ProtobufCMessage *event)
{
	if (!publisher->client || publisher->done)
		return;
	struct item *item = item_new(publisher, topic, type, event);
	if (!item) {
		log_error("an event is lost: it is too large, or there is no memory", "topic", topic);
		return;
	}
	while (publisher->n_items >= PUBLISHER_EVENTS_MAX || publisher->n_bytes + item->n > PUBLISHER_BYTES_MAX) {
		if (!drop_oldest(publisher))
			break;
	}
	append(publisher, item);
}

void publisher_finish(struct publisher *publisher, uint64_t timeout_ms, void (*done)(void *context), void *context)
{
	publisher->done = done;
	publisher->done_context = context;
	if (!publisher->first)
		finish(publisher);
	else
		uv_timer_start(&publisher->patience, on_patience_over, timeout_ms, 0);
}

int publisher_new(uv_loop_t *loop, const char *path, const char *namespace, struct publisher **ret, struct error *err)
{
	struct publisher *publisher = calloc(1, sizeof(*publisher));
	int r = 0;

	if (!publisher || !(publisher->namespace = strdup(namespace))) {
		free(publisher);
		return error_nomem(err);
	}
	if (path && *path)
		r = ttrpc_client_new(loop, path, &publisher->client, err);
	if (r < 0) {
		free(publisher->namespace);
		free(publisher);
		return error_wrap(err, "containerd's socket for events");
	}
	uv_timer_init(loop, &publisher->pause);
	uv_timer_init(loop, &publisher->patience);
	publisher->patience.data = publisher;
	publisher->last = &publisher->first;
	*ret = publisher;
	return 0;
}
