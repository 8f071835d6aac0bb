// SPDX-License-Identifier: Apache-2.0
/* What a server must do, seen by our client. ttrpc-peer/check.go has the same names for Go's. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "tests/node/ttrpc_peer.h"

#define OVERHEAD 36 /* of a request to Echo, around a value of megabytes */
#define TOO_LARGE "message length 4194305 exceed maximum message size of 4194304"

static uv_loop_t loop;
static struct ttrpc_client *client;
static struct buf order = { .maximum = 1024 }; /* the answers, one after the other */
static bool good;

/* One call and what came of it. */
struct one {
	const char *method;
	struct slice request; /* a value */
	struct ttrpc_request options;
	struct ttrpc_client_call *call;
	struct buf answer; /* a value: the last one */
	unsigned n_answers;
	bool ended;
	enum rpc_status status;
	char words[1024];
};

#define ONE(name, value) ((struct one){ .method = (name), .request = slice_string(value), .answer = BUF_MAX(2 * TTRPC_MESSAGE_MAX) })

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
	va_list args;

	good = false;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void on_message(void *context, struct slice message)
{
	struct one *one = context;

	if (!good)
		return; /* who began it is gone */
	one->n_answers++;
	buf_clear(&one->answer);
	buf_slice(&one->answer, peer_value(message));
	if (one->answer.n < 8)
		buf_slice(&order, buf_view(&one->answer));
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct one *one = context;

	if (!good)
		return;
	one->ended = true;
	one->status = status;
	snprintf(one->words, sizeof(one->words), "%s", words);
}

static int begin_on(struct ttrpc_client *on, struct one *one, struct error *err)
{
	const struct ttrpc_receiver receiver = { on_message, on_end, one };
	_cleanup_(buf_free) struct buf message = BUF_MAX(2 * TTRPC_MESSAGE_MAX);

	peer_write_value(one->request, &message);
	one->options.method = one->method;
	one->options.message = buf_view(&message);
	if (!one->options.service)
		one->options.service = PEER_SERVICE;
	return ttrpc_client_call(on, &one->options, &receiver, &one->call, err);
}

static void begin(struct one *one)
{
	struct error err;

	if (begin_on(client, one, &err) < 0)
		complain("%s", err.message);
}

static void await(const struct one *one)
{
	while (good && !one->ended)
		uv_run(&loop, UV_RUN_ONCE);
}

static void expect_end(const struct one *one, enum rpc_status status, const char *words)
{
	await(one);
	if (one->status != status || strcmp(one->words, words) != 0)
		complain("%s ends with %s \"%s\", not with %s \"%s\"", one->method, rpc_status_name(one->status), one->words,
			 rpc_status_name(status), words);
}

static void expect_answer(const struct one *one, struct slice answer)
{
	expect_end(one, RPC_OK, "");
	if (one->n_answers != 1 || !slice_equals(buf_view(&one->answer), answer))
		complain("%s has %u answers, the last of %zu bytes: %.100s", one->method, one->n_answers, one->answer.n,
			 buf_text(&one->answer));
}

static void end(struct one *one)
{
	buf_free(&one->answer);
}

static void expect(const char *method, const char *request, const char *answer)
{
	_cleanup_(end) struct one one = ONE(method, request);

	begin(&one);
	expect_answer(&one, slice_string(answer));
}

static void check_unary(void)
{
	expect("Echo", "hello", "hello");
}

static void check_empty(void)
{
	expect("Echo", "", "");
}

static void check_statuses(void)
{
	for (int status = 1; status < RPC_STATUS_COUNT; status++) {
		char request[128];

		snprintf(request, sizeof(request), "%d 100 %% of \"disk\" %d is full:\n\tr\303\251essayez", status, status);
		_cleanup_(end) struct one one = ONE("Fail", request);
		begin(&one);
		expect_end(&one, (enum rpc_status)status, strchr(request, ' ') + 1);
	}
	check_unary();
}

static void check_order(void)
{
	struct one held[] = { ONE("Hold", "a"), ONE("Hold", "b"), ONE("Hold", "c") };
	static const char *const keys[] = { "b", "c", "a" };

	for (size_t i = 0; i < ELEMENTS_OF(held); i++)
		begin(&held[i]);
	for (size_t i = 0; i < ELEMENTS_OF(keys); i++) {
		expect("Release", keys[i], "");
		await(&held[keys[i][0] - 'a']);
	}
	if (strcmp(buf_text(&order), "bca") != 0)
		complain("the answers came as %s", buf_text(&order));
	for (size_t i = 0; i < ELEMENTS_OF(held); i++)
		end(&held[i]);
}

static void check_deadline(void)
{
	_cleanup_(end) struct one one = ONE("Hold", "deadline");
	bool gone = false;

	one.options.timeout_ms = 50;
	begin(&one);
	await(&one);
	if (one.status != RPC_DEADLINE_EXCEEDED)
		complain("no timeout: %s", one.words);
	while (good && !gone) { /* the server counts it at its own time */
		_cleanup_(end) struct one asked = ONE("Gone", "");
		begin(&asked);
		await(&asked);
		gone = strcmp(buf_text(&asked.answer), "1") == 0;
	}
}

static void check_left(void)
{
	_cleanup_(end) struct one one = ONE("Left", "");

	one.options.timeout_ms = 90000;
	begin(&one);
	await(&one);
	long left = strtol(buf_text(&one.answer), NULL, 10);
	if (left > 90000 || left < 60000)
		complain("of 90 s it has %ld ms left", left);
	expect("Left", "", "none");
}

static void check_metadata(void)
{
	static const struct ttrpc_metadata pairs[] = {
		{ { (const uint8_t *)"other", 5 }, { (const uint8_t *)"x", 1 } },
		{ { (const uint8_t *)"containerd-namespace-ttrpc", 26 }, { (const uint8_t *)"k8s.io", 6 } },
	};
	_cleanup_(end) struct one there = ONE("Metadata", "containerd-namespace-ttrpc"), not_there = ONE("Metadata", "none");

	there.options.metadata = not_there.options.metadata = pairs;
	there.options.n_metadata = not_there.options.n_metadata = ELEMENTS_OF(pairs);
	begin(&there);
	begin(&not_there);
	expect_answer(&there, slice_string("k8s.io"));
	expect_end(&not_there, RPC_NOT_FOUND, "no metadata none");
}

static void check_unknown(void)
{
	_cleanup_(end) struct one method = ONE("Other", ""), service = ONE("Echo", "");

	service.options.service = "no.such";
	begin(&method);
	begin(&service);
	expect_end(&method, RPC_UNIMPLEMENTED, "method Other");
	expect_end(&service, RPC_UNIMPLEMENTED, "service no.such");
}

static void check_largest(void)
{
	size_t n = TTRPC_MESSAGE_MAX - OVERHEAD;
	_cleanup_free_ uint8_t *bytes = malloc(n);
	_cleanup_(end) struct one echo = ONE("Echo", ""), size = ONE("Size", "4194294"); /* a response of 4 MiB */

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7);
	echo.request = slice_from(bytes, n);
	begin(&echo);
	expect_answer(&echo, echo.request);
	begin(&size);
	await(&size);
	if (size.status != RPC_OK || size.answer.n != TTRPC_MESSAGE_MAX - 10)
		complain("%zu bytes came: %s", size.answer.n, size.words);
}

static void check_too_large_request(void)
{
	size_t n = TTRPC_MESSAGE_MAX - OVERHEAD + 1;
	_cleanup_free_ uint8_t *bytes = calloc(1, n);
	_cleanup_(end) struct one echo = ONE("Echo", "");
	struct error err;

	echo.request = slice_from(bytes, n);
	if (begin_on(client, &echo, &err) != -ENOBUFS || !strstr(err.message, TOO_LARGE))
		complain("it is sent, or refused for another reason");
	check_unary();
}

/* The Go server closes the connection; ours answers. */
static void check_too_large_answer(void)
{
	_cleanup_(end) struct one size = ONE("Size", "4194295");

	begin(&size);
	await(&size);
	if (size.status != RPC_UNAVAILABLE)
		expect_end(&size, RPC_RESOURCE_EXHAUSTED, TOO_LARGE);
	check_unary();
}

#define MANY 1000

/* Each has its number as the key. */
static struct one *begin_many(const char *method, char (*keys)[8])
{
	struct one *all = calloc(MANY, sizeof(*all));

	for (int i = 0; i < MANY; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%d", i);
		all[i] = ONE(method, keys[i]);
		begin(&all[i]);
	}
	return all;
}

static void end_many(struct one *all, char (*keys)[8])
{
	for (int i = 0; i < MANY; i++) {
		expect_answer(&all[i], slice_string(keys[i]));
		end(&all[i]);
	}
	free(all);
}

static void check_concurrent(void)
{
	char keys[MANY][8];
	struct one *all = begin_many("Echo", keys);

	end_many(all, keys);
}

/* A thousand at once, answered last to first. */
static void check_held(void)
{
	char keys[MANY][8];
	struct one *all = begin_many("Hold", keys);

	for (int i = MANY - 1; i >= 0; i--)
		expect("Release", keys[i], "");
	end_many(all, keys);
}

static void check_connections(const char *path)
{
	struct ttrpc_client *others[50];
	struct one all[ELEMENTS_OF(others)];
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(others); i++) {
		all[i] = ONE("Echo", "x");
		if (ttrpc_client_new(&loop, path, &others[i], &err) < 0 || begin_on(others[i], &all[i], &err) < 0)
			complain("%s", err.message);
	}
	for (size_t i = 0; i < ELEMENTS_OF(others); i++) {
		expect_answer(&all[i], slice_string("x"));
		end(&all[i]);
		ttrpc_client_close(others[i]);
	}
}

static void check_lost(void)
{
	_cleanup_(end) struct one leave = ONE("Exit", "");
	struct one held[10];

	for (size_t i = 0; i < ELEMENTS_OF(held); i++) {
		held[i] = ONE("Hold", "x");
		begin(&held[i]);
	}
	check_unary();
	begin(&leave);
	for (size_t i = 0; i < ELEMENTS_OF(held); i++) {
		await(&held[i]);
		if (held[i].status != RPC_UNAVAILABLE || !strstr(held[i].words, "the connection was lost"))
			complain("it ends with %s: %s", rpc_status_name(held[i].status), held[i].words);
		end(&held[i]);
	}
	await(&leave);
}

static void check_count(void)
{
	_cleanup_(end) struct one three = ONE("Count", "3"), two = ONE("Count", "-2");

	three.options.streaming = two.options.streaming = true;
	begin(&three);
	expect_end(&three, RPC_OK, "");
	begin(&two);
	expect_end(&two, RPC_ABORTED, "enough");
	if (strcmp(buf_text(&order), "12312") != 0)
		complain("the answers are %s", buf_text(&order));
}

static void send_value(struct one *one, const char *text)
{
	_cleanup_(buf_free) struct buf message = BUF_MAX(1024);
	struct error err;

	peer_write_value(slice_string(text), &message);
	if (ttrpc_client_send(one->call, buf_view(&message), &err) < 0)
		complain("%s", err.message);
}

static void check_sum(void)
{
	_cleanup_(end) struct one one = ONE("Sum", "");

	one.options.open = true;
	begin(&one);
	send_value(&one, "one");
	send_value(&one, "");
	send_value(&one, "three");
	ttrpc_client_end_sending(one.call);
	expect_answer(&one, slice_string("3 8"));
}

static void check_chat(void)
{
	_cleanup_(end) struct one one = ONE("Chat", "");

	one.options.open = one.options.streaming = true;
	begin(&one);
	for (unsigned i = 0; i < 1000 && good; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%u", i);
		send_value(&one, text);
		while (!one.ended && one.n_answers == i)
			uv_run(&loop, UV_RUN_ONCE);
		if (one.ended || strcmp(buf_text(&one.answer), text) != 0)
			complain("%u came back as \"%s\": %s", i, buf_text(&one.answer), one.words);
	}
	if (!good)
		return;
	ttrpc_client_end_sending(one.call);
	expect_end(&one, RPC_OK, "");
	if (one.n_answers != 1000)
		complain("%u answers came", one.n_answers);
	check_unary();
}

static const struct {
	const char *name;
	void (*check)(void);
} checks[] = {
	{ "unary", check_unary },
	{ "empty", check_empty },
	{ "statuses", check_statuses },
	{ "order", check_order },
	{ "deadline", check_deadline },
	{ "left", check_left },
	{ "metadata", check_metadata },
	{ "unknown", check_unknown },
	{ "largest", check_largest },
	{ "too-large-request", check_too_large_request },
	{ "too-large-answer", check_too_large_answer },
	{ "concurrent", check_concurrent },
	{ "held", check_held },
	{ "lost", check_lost },
	{ "count", check_count },
	{ "sum", check_sum },
	{ "chat", check_chat },
};

static void run_check(const char *path, const char *name)
{
	if (strcmp(name, "connections") == 0) {
		check_connections(path);
		return;
	}
	for (size_t i = 0; i < ELEMENTS_OF(checks); i++) {
		if (strcmp(checks[i].name, name) == 0) {
			checks[i].check();
			return;
		}
	}
	complain("there is no such check");
}

bool peer_check(const char *path, const char *name)
{
	struct error err;

	good = true;
	uv_loop_init(&loop);
	if (ttrpc_client_new(&loop, path, &client, &err) < 0) {
		complain("%s", err.message);
		return false;
	}
	run_check(path, name);
	ttrpc_client_close(client);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) < 0)
		complain("something is left in the loop");
	buf_free(&order);
	return good;
}
