// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "tests/node/ttrpc_peer.h"

struct held {
	struct ttrpc_call *call;
	struct held *next;
	char key[32];
};

static struct held *all_held;
static unsigned n_gone;

struct slice peer_value(struct slice message)
{
	size_t length = 0, at = 1;

	if (message.n < 2 || message.p[0] != 0x0a)
		return (struct slice){ 0 };
	for (unsigned shift = 0; at < message.n; shift += 7) {
		uint8_t byte = message.p[at++];
		length |= (size_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	return slice_from(message.p + at, length < message.n - at ? length : message.n - at);
}

void peer_write_value(struct slice value, struct buf *out)
{
	size_t length = value.n;

	if (length == 0)
		return;
	buf_byte(out, 0x0a);
	for (; length >= 0x80; length >>= 7)
		buf_byte(out, (uint8_t)(length | 0x80));
	buf_byte(out, (uint8_t)length);
	buf_slice(out, value);
}

static void answer(struct ttrpc_call *call, struct slice value)
{
	_cleanup_(buf_free) struct buf message = BUF_MAX(2 * TTRPC_MESSAGE_MAX);

	peer_write_value(value, &message);
	ttrpc_call_answer(call, buf_view(&message));
}

static bool send_value(struct ttrpc_call *call, struct slice value)
{
	_cleanup_(buf_free) struct buf message = BUF_MAX(2 * TTRPC_MESSAGE_MAX);

	peer_write_value(value, &message);
	return ttrpc_call_send(call, buf_view(&message));
}

/* Of a value that is a number, with anything behind it. */
static long number(struct slice request, struct slice *ret_rest)
{
	char text[32];
	struct slice value = peer_value(request);

	snprintf(text, sizeof(text), SLICE_FORMAT, SLICE_ARGS(value));
	char *end;
	long n = strtol(text, &end, 10);
	size_t used = (size_t)(end - text) + (*end == ' ');
	*ret_rest = slice_from(value.p + used, value.n - used);
	return n;
}

static void handle_echo(void *context, struct ttrpc_call *call, struct slice request)
{
	ttrpc_call_answer(call, request);
}

static void handle_fail(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(buf_free) struct buf words = BUF_MAX(TTRPC_MESSAGE_MAX);
	struct slice rest;
	enum rpc_status status = (enum rpc_status)number(request, &rest);

	buf_slice(&words, rest);
	ttrpc_call_finish(call, status, buf_text(&words));
}

static void handle_size(void *context, struct ttrpc_call *call, struct slice request)
{
	struct slice rest;
	size_t n = (size_t)number(request, &rest);
	_cleanup_free_ uint8_t *bytes = calloc(1, n);

	answer(call, slice_from(bytes, n));
}

static void handle_left(void *context, struct ttrpc_call *call, struct slice request)
{
	uint64_t left = ttrpc_call_left_ms(call);
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)left);
	answer(call, slice_string(left ? text : "none"));
}

static void handle_metadata(void *context, struct ttrpc_call *call, struct slice request)
{
	char key[64];
	struct slice value;
	struct error err;

	snprintf(key, sizeof(key), SLICE_FORMAT, SLICE_ARGS(peer_value(request)));
	if (ttrpc_call_metadata(call, key, &value)) {
		answer(call, value);
	} else {
		error_set(&err, ENOENT, "no metadata %s", key);
		ttrpc_call_fail(call, &err);
	}
}

static struct held *take_held(const struct ttrpc_call *call, struct slice key)
{
	for (struct held **at = &all_held; *at; at = &(*at)->next) {
		struct held *held = *at;

		if (call ? held->call == call : slice_equals_string(key, held->key)) {
			*at = held->next;
			return held;
		}
	}
	return NULL;
}

static void on_gone(void *context, struct ttrpc_call *call)
{
	free(take_held(call, (struct slice){ 0 }));
	n_gone++;
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void handle_hold(void *context, struct ttrpc_call *call, struct slice request)
{
	struct held *held = calloc(1, sizeof(*held));

	snprintf(held->key, sizeof(held->key), SLICE_FORMAT, SLICE_ARGS(peer_value(request)));
	held->call = call;
	held->next = all_held;
	all_held = held;
	ttrpc_call_on_gone(call, on_gone, NULL);
}

static void handle_release(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_free_ struct held *held = take_held(NULL, peer_value(request));

	if (!held) {
		ttrpc_call_finish(call, RPC_NOT_FOUND, "nothing is held by this key");
		return;
	}
	answer(held->call, slice_string(held->key));
	answer(call, (struct slice){ 0 });
}

static void handle_gone(void *context, struct ttrpc_call *call, struct slice request)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", n_gone);
	answer(call, slice_string(text));
}

static void handle_exit(void *context, struct ttrpc_call *call, struct slice request)
{
	exit(0);
}

static void handle_count(void *context, struct ttrpc_call *call, struct slice request)
{
	struct slice rest;
	long n = number(request, &rest);
	bool good = true;

	for (long i = 1; i <= labs(n) && good; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%ld", i);
		good = send_value(call, slice_string(text));
	}
	ttrpc_call_finish(call, n < 0 ? RPC_ABORTED : RPC_OK, "enough");
}

/* One at a time is enough for the checks. */
static struct {
	unsigned n;
	size_t bytes;
} sum;

static void receive_sum(void *context, struct ttrpc_call *call, const struct slice *message)
{
	char text[64];

	if (message) {
		sum.n++;
		sum.bytes += peer_value(*message).n;
	} else {
		snprintf(text, sizeof(text), "%u %zu", sum.n, sum.bytes);
		answer(call, slice_string(text));
	}
}

static void handle_sum(void *context, struct ttrpc_call *call, struct slice request)
{
	sum.n = 0;
	sum.bytes = 0;
	if (request.n > 0)
		receive_sum(context, call, &request);
}

static void receive_chat(void *context, struct ttrpc_call *call, const struct slice *message)
{
	if (!message || !ttrpc_call_send(call, *message))
		ttrpc_call_finish(call, RPC_OK, NULL);
}

static void finish(void *context, struct ttrpc_call *call)
{
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void handle_chat(void *context, struct ttrpc_call *call, struct slice request)
{
	ttrpc_call_on_gone(call, finish, NULL);
	if (request.n > 0)
		receive_chat(context, call, &request);
}

static const struct ttrpc_method methods[] = {
	{ "Echo", handle_echo },
	{ "Fail", handle_fail },
	{ "Size", handle_size },
	{ "Left", handle_left },
	{ "Metadata", handle_metadata },
	{ "Hold", handle_hold },
	{ "Release", handle_release },
	{ "Gone", handle_gone },
	{ "Exit", handle_exit },
	{ "Count", handle_count, .streams = true },
	{ "Sum", handle_sum, .receive = receive_sum },
	{ "Chat", handle_chat, .streams = true, .receive = receive_chat },
};
static const struct ttrpc_service service = { PEER_SERVICE, methods, ELEMENTS_OF(methods), NULL };
const struct ttrpc_services peer_services = { &service, 1 };
