// SPDX-License-Identifier: Apache-2.0
/*
 * The endpoint on a loop of its own, asked by libcurl in a thread and by bare sockets. The loop runs until the client is done.
 */
#include "tests/unit/common/cmocka_all.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/http/endpoint.h"
#include "common/http/metrics.h"

static struct fixture {
	uv_loop_t loop;
	struct http_endpoint *endpoint;
	char base[64];
	bool ready, metrics_too_large, closed;
} fixture;

static void write_metrics(void *context, struct buf *out)
{
	metrics_family(out, "up", METRIC_GAUGE, "Is it up?");
	metrics_sample(out, "up", 1);
	while (fixture.metrics_too_large && !out->failed)
		buf_string(out, "# much text\n");
}

static bool is_ready(void *context, struct buf *why)
{
	if (!fixture.ready)
		buf_printf(why, "the source has not synced");
	return fixture.ready;
}

static const struct http_handlers handlers = { .metrics = write_metrics, .ready = is_ready };

static void start(const char *address)
{
	struct error err = {};

	if (http_endpoint_start(&fixture.loop, address, &handlers, &fixture.endpoint, &err) < 0)
		fail_msg("%s", err.message);
}

static int set_up(void **state)
{
	fixture = (struct fixture){};
	assert_int_equal(uv_loop_init(&fixture.loop), 0);
	start("127.0.0.1:0");
	snprintf(fixture.base, sizeof(fixture.base), "http://127.0.0.1:%u", http_endpoint_port(fixture.endpoint));
	return 0;
}

static void note_closed(void *context)
{
	*(bool *)context = true;
}

static int tear_down(void **state)
{
	http_endpoint_stop(fixture.endpoint, note_closed, &fixture.closed);
	uv_run(&fixture.loop, UV_RUN_DEFAULT);
	assert_true(fixture.closed || !fixture.endpoint);
	assert_int_equal(uv_loop_close(&fixture.loop), 0);
	return 0;
}

struct exchange {
	const char *path, *method; /* method NULL: GET */
	const char *upload;
	long status;
	char type[100], allow[100];
	struct buf body;
	CURLcode result;
	uv_async_t done;
};

static size_t take_body(char *p, size_t size, size_t n, void *context)
{
	struct exchange *exchange = context;

	buf_append(&exchange->body, p, size * n);
	return size * n;
}

static size_t take_header(char *p, size_t size, size_t n, void *context)
{
	struct exchange *exchange = context;

	if (strncasecmp(p, "Allow: ", 7) == 0)
		snprintf(exchange->allow, sizeof(exchange->allow), "%.*s", (int)(n - 9), p + 7);
	return size * n;
}

static void *ask_thread(void *context)
{
	struct exchange *exchange = context;
	char url[128];
	char *type = NULL;
	CURL *curl = curl_easy_init();

	snprintf(url, sizeof(url), "%s%s", fixture.base, exchange->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
	if (exchange->method && strcmp(exchange->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else if (exchange->method)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, exchange->method);
	if (exchange->upload)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->upload);
	exchange->result = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange->status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	snprintf(exchange->type, sizeof(exchange->type), "%s", type ? type : "");
	curl_easy_cleanup(curl);
	uv_async_send(&exchange->done);
	return NULL;
}

static void on_done(uv_async_t *async)
{
	uv_close((uv_handle_t *)async, NULL);
	uv_stop(async->loop);
}

static void ask(struct exchange *exchange)
{
	pthread_t thread;

	exchange->body = BUF_MAX(2 * HTTP_BODY_MAX);
	assert_int_equal(uv_async_init(&fixture.loop, &exchange->done, on_done), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask_thread, exchange), 0);
	uv_run(&fixture.loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	uv_run(&fixture.loop, UV_RUN_NOWAIT);
	assert_int_equal(exchange->result, CURLE_OK);
}

static void expect(const char *method, const char *path, long status, const char *body)
{
	struct exchange exchange = { .path = path, .method = method };

	ask(&exchange);
	assert_int_equal(exchange.status, status);
	assert_string_equal(buf_text(&exchange.body), body);
	buf_free(&exchange.body);
}

static void test_metrics_are_prometheus_text(void **state)
{
	struct exchange exchange = { .path = "/metrics" };

	ask(&exchange);
	assert_int_equal(exchange.status, 200);
	assert_string_equal(exchange.type, "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(buf_text(&exchange.body), "# HELP up Is it up?\n# TYPE up gauge\nup 1\n");
	buf_free(&exchange.body);
}

static void test_health_is_ok_without_a_handler(void **state)
{
	expect(NULL, "/healthz", 200, "ok\n");
}

static void test_readiness_says_why_not(void **state)
{
	expect(NULL, "/readyz", 503, "the source has not synced\n");
	fixture.ready = true;
	expect(NULL, "/readyz", 200, "ok\n");
}

static void test_head_answers_without_a_body(void **state)
{
	expect("HEAD", "/metrics", 200, "");
	expect("HEAD", "/readyz", 503, "");
	expect("HEAD", "/nothing", 404, "");
}

static void test_other_paths_are_not_found(void **state)
{
	static const char *const paths[] = { "/", "/metrics/", "/metricsx", "/healthz/x", "/..", "/%2e%2e/etc" };

	for (size_t i = 0; i < ELEMENTS_OF(paths); i++)
		expect(NULL, paths[i], 404, "there are only /metrics, /healthz and /readyz\n");
	expect(NULL, "/healthz?verbose=1", 200, "ok\n");
}

static void test_other_methods_are_not_allowed(void **state)
{
	static const char *const methods[] = { "DELETE", "PUT", "POST", "OPTIONS" };

	for (size_t i = 0; i < ELEMENTS_OF(methods); i++) {
		struct exchange exchange = { .path = "/metrics", .method = methods[i], .upload = i == 2 ? "some=body" : NULL };
		ask(&exchange);
		assert_int_equal(exchange.status, 405);
		assert_string_equal(exchange.allow, "GET, HEAD");
		buf_free(&exchange.body);
	}
}

static void test_metrics_that_do_not_fit_are_an_error_and_not_cut(void **state)
{
	fixture.metrics_too_large = true;
	expect(NULL, "/metrics", 500, "the metrics text is larger than the limit of 1048576 bytes\n");
}

static int connect_bare(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(http_endpoint_port(fixture.endpoint)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Turns the loop until `fd` has an answer or its end. */
static ssize_t read_turning(int fd, char *text, size_t size)
{
	ssize_t n;

	while ((n = recv(fd, text, size, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	return n;
}

static void test_a_request_that_never_ends_is_refused_at_the_limit(void **state)
{
	char text[4096] = "GET /metrics HTTP/1.1\r\nX: ";
	size_t sent = 0;
	int fd = connect_bare();

	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	memset(text, 'x', sizeof(text));
	while (sent < 4 * HTTP_CONNECTION_BYTES) {
		ssize_t n = send(fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		uv_run(&fixture.loop, UV_RUN_NOWAIT);
	}
	ssize_t n = read_turning(fd, text, sizeof(text) - 1);
	close(fd);
	if (n > 0) {
		text[n] = 0;
		assert_non_null(strstr(text, " 431 "));
	}
	expect(NULL, "/healthz", 200, "ok\n");
}

static void test_more_connections_than_the_limit_wait_and_are_served_later(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
	int fds[HTTP_CONNECTIONS_MAX + 1];
	char text[1000];

	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		fds[i] = connect_bare();
	for (int turn = 0; turn < 50; turn++)
		uv_run(&fixture.loop, UV_RUN_NOWAIT);
	size_t last = ELEMENTS_OF(fds) - 1;
	assert_int_equal(send(fds[last], request, strlen(request), 0), strlen(request));
	for (int turn = 0; turn < 50; turn++)
		uv_run(&fixture.loop, UV_RUN_NOWAIT);
	assert_true(recv(fds[last], text, sizeof(text), MSG_DONTWAIT) < 0);
	for (size_t i = 0; i < last; i++)
		close(fds[i]);
	ssize_t n = read_turning(fds[last], text, sizeof(text));
	assert_true(n > 12);
	assert_memory_equal(text + 9, "200", 3);
	close(fds[last]);
}

static void count_turn(uv_prepare_t *prepare)
{
	++*(unsigned *)prepare->data;
}

static void stop_loop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void test_idle_clients_cost_no_turns_of_the_loop(void **state)
{
	int fds[HTTP_CONNECTIONS_MAX + 1];
	unsigned turns = 0;
	uv_prepare_t prepare = { .data = &turns };
	uv_timer_t timer;

	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		fds[i] = connect_bare();
	uv_prepare_init(&fixture.loop, &prepare);
	uv_timer_init(&fixture.loop, &timer);
	uv_prepare_start(&prepare, count_turn);
	uv_timer_start(&timer, stop_loop, 200, 0);
	uv_run(&fixture.loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&fixture.loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		close(fds[i]);
	assert_in_range(turns, 1, 40);
}

static void test_stops_while_a_client_is_connected(void **state)
{
	char byte;
	int fd = connect_bare();

	uv_run(&fixture.loop, UV_RUN_NOWAIT);
	http_endpoint_stop(fixture.endpoint, note_closed, &fixture.closed);
	fixture.endpoint = NULL;
	uv_run(&fixture.loop, UV_RUN_DEFAULT);
	assert_true(fixture.closed);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

static void test_listens_on_ipv6_too(void **state)
{
	tear_down(state);
	set_up(state);
	http_endpoint_stop(fixture.endpoint, NULL, NULL);
	uv_run(&fixture.loop, UV_RUN_DEFAULT);
	start("[::1]:0");
	snprintf(fixture.base, sizeof(fixture.base), "http://[::1]:%u", http_endpoint_port(fixture.endpoint));
	expect(NULL, "/healthz", 200, "ok\n");
}

static void test_off_listens_nowhere(void **state)
{
	struct http_endpoint *endpoint = (struct http_endpoint *)state;

	assert_int_equal(http_endpoint_start(&fixture.loop, "off", &handlers, &endpoint, NULL), 0);
	assert_null(endpoint);
	http_endpoint_stop(endpoint, note_closed, &fixture.closed);
	assert_false(fixture.closed);
}

static void test_refuses_what_is_no_address(void **state)
{
	static const char *const addresses[] = { "",
						 ":9470",
						 "9470",
						 "localhost:9470",
						 "127.0.0.1",
						 "127.0.0.1:",
						 "127.0.0.1:70000",
						 "::1:9470",
						 "[::1]",
						 "[::1]9470",
						 "[127.0.0.1]:9470",
						 "[]:1",
						 "[:1",
						 "127.0.0.1:09",
						 "1.2.3.4.5:1",
						 "127.0.0.1:80 " };

	for (size_t i = 0; i < ELEMENTS_OF(addresses); i++) {
		struct http_endpoint *endpoint = NULL;
		struct error err = {};
		int r = http_endpoint_start(&fixture.loop, addresses[i], &handlers, &endpoint, &err);
		if (r >= 0 || !strstr(err.message, addresses[i]))
			fail_msg("%s: %d %s", addresses[i], r, err.message);
	}
}

static void test_an_address_in_use_is_named(void **state)
{
	struct http_endpoint *endpoint = NULL;
	struct error err = {};
	char address[32], expected[100];

	snprintf(address, sizeof(address), "127.0.0.1:%u", http_endpoint_port(fixture.endpoint));
	snprintf(expected, sizeof(expected), "cannot listen on %s: Address already in use", address);
	assert_int_equal(http_endpoint_start(&fixture.loop, address, &handlers, &endpoint, &err), -EADDRINUSE);
	assert_string_equal(err.message, expected);
}

int main(void)
{
#define WITH_ENDPOINT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_ENDPOINT(test_metrics_are_prometheus_text),
		WITH_ENDPOINT(test_health_is_ok_without_a_handler),
		WITH_ENDPOINT(test_readiness_says_why_not),
		WITH_ENDPOINT(test_head_answers_without_a_body),
		WITH_ENDPOINT(test_other_paths_are_not_found),
		WITH_ENDPOINT(test_other_methods_are_not_allowed),
		WITH_ENDPOINT(test_metrics_that_do_not_fit_are_an_error_and_not_cut),
		WITH_ENDPOINT(test_a_request_that_never_ends_is_refused_at_the_limit),
		WITH_ENDPOINT(test_more_connections_than_the_limit_wait_and_are_served_later),
		WITH_ENDPOINT(test_idle_clients_cost_no_turns_of_the_loop),
		WITH_ENDPOINT(test_stops_while_a_client_is_connected),
		WITH_ENDPOINT(test_listens_on_ipv6_too),
		WITH_ENDPOINT(test_off_listens_nowhere),
		WITH_ENDPOINT(test_refuses_what_is_no_address),
		WITH_ENDPOINT(test_an_address_in_use_is_named),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	int failed = cmocka_run_group_tests_name("http", tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
