// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "tests/unit/kube/source_fixture.h"

#define PATH "/apis/tpm.holdfast/v1alpha1/tpmnodes/edge-1"
#define SAYS(path, text)                                                                                                                   \
	.expect = { "PATCH " path "?fieldManager=holdfast-tpm%40edge-1&force=true ", "Content-Type: application/apply-patch+yaml\r\n",     \
		    text }
#define OK .status = 200, .body = "{}", .after = END
#define REFUSES(code, message) .status = code, .body = "{\"kind\":\"Status\",\"message\":\"" message "\"}"

static const struct api_tuning quick = {
	.idle_timeout_ms = 5000,
	.first_backoff_ms = 4,
	.backoff_cap_ms = 40,
	.tell_pause_ms = 1,
	.publish_refresh_ms = 3600 * 1000,
};

/* A source that follows nothing: all requests are the publisher's. */
static void start_with(struct source_fixture *f, const struct step *steps, size_t n, const struct api_tuning *tuning)
{
	struct error err;
	char url[64];

	fixture_open(f, 0);
	f->server = server_start(&f->loop, steps, n, f);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server_port(f->server));
	const struct kube_source_options options = { .api_server = url };
	if (kube_source_api_start(&f->loop, &options, tuning, f->store, &f->source, &err) < 0)
		fail_msg("%s", err.message);
}

#define START(f, steps) start_with((f), (steps), ELEMENTS_OF(steps), &quick)

static void say(struct source_fixture *f, const char *path, const char *body)
{
	const struct kube_publication what = { .path = path, .body = body, .reporter = "holdfast-tpm", .node = "edge-1" };
	struct error err;

	if (kube_source_publish(f->source, &what, &err) < 0)
		fail_msg("%s", err.message);
}

static struct kube_source_status status_of(const struct source_fixture *f)
{
	struct kube_source_status status;

	kube_source_status(f->source, &status);
	return status;
}

static bool has_published(struct source_fixture *f, const void *context)
{
	return status_of(f).published >= *(const uint64_t *)context;
}

static void wait_published(struct source_fixture *f, uint64_t n)
{
	fixture_run_until(f, has_published, &n);
}

static void test_what_is_said_is_applied_once(void **state)
{
	static const struct step steps[] = { { SAYS(PATH, "{\"a\":1}"), OK }, { SAYS(PATH, "{\"a\":2}"), .status = 201, .body = "{}" } };
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, PATH, "{\"a\":1}");
	assert_int_equal(status_of(&f).unpublished, 1);
	wait_published(&f, 1);
	say(&f, PATH, "{\"a\":1}");
	assert_int_equal(status_of(&f).unpublished, 0);
	say(&f, PATH, "{\"a\":2}");
	wait_published(&f, 2);
	assert_int_equal(server_requests(f.server), 2);
	assert_string_equal(status_of(&f).publish_error, "");
	fixture_close(&f);
}

/* An apply does not take away what others say, too. */
static void test_a_merge_patch_is_sent_as_one_and_forces_nothing(void **state)
{
	static const struct step steps[] = { {
		.expect = { "PATCH /api/v1/nodes/edge-1?fieldManager=holdfast-node%40edge-1 ", "Content-Type: application/merge-patch+json\r\n",
			    "{\"a\":null}" },
		OK,
	} };
	const struct kube_publication what = {
		.path = "/api/v1/nodes/edge-1", .body = "{\"a\":null}", .reporter = "holdfast-node", .node = "edge-1", .merge = true
	};
	struct source_fixture f = {};
	struct error err;

	START(&f, steps);
	assert_int_equal(kube_source_publish(f.source, &what, &err), 0);
	wait_published(&f, 1);
	fixture_close(&f);
}

static void test_a_text_that_is_replaced_before_it_was_sent_is_never_sent(void **state)
{
	static const struct step steps[] = { { SAYS(PATH, "{\"a\":3}"), OK } };
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, PATH, "{\"a\":1}");
	say(&f, PATH, "{\"a\":2}");
	say(&f, PATH, "{\"a\":3}");
	wait_published(&f, 1);
	fixture_close(&f);
}

static void say_two(void *context)
{
	say(context, PATH, "{\"a\":2}");
}

static void test_a_text_that_changes_while_it_is_sent_is_sent_again(void **state)
{
	static const struct step steps[] = { { SAYS(PATH, "{\"a\":1}"), OK, .before = say_two }, { SAYS(PATH, "{\"a\":2}"), OK } };
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, PATH, "{\"a\":1}");
	wait_published(&f, 2);
	assert_int_equal(status_of(&f).unpublished, 0);
	fixture_close(&f);
}

static void test_a_server_that_is_away_is_asked_again_less_and_less_often(void **state)
{
	static const struct step steps[] = {
		{ SAYS(PATH, ""), .status = 0, .after = CUT },
		{ SAYS(PATH, ""), REFUSES(503, "busy") },
		{ SAYS(PATH, ""), REFUSES(503, "busy") },
		{ SAYS(PATH, ""), REFUSES(503, "busy") },
		{ SAYS(PATH, ""), OK },
		{ SAYS("/b", ""), OK },
	};
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, PATH, "{}");
	say(&f, "/b", "{}");
	fixture_wait_requests(&f, 3);
	assert_int_equal(status_of(&f).unpublished, 2);
	wait_published(&f, 2);
	/* 2 to 4 ms before the second try, 16 to 32 before the fifth: by the loop's clock, and at least. */
	assert_true(server_request_time(f.server, 4) - server_request_time(f.server, 3) >= 15);
	fixture_close(&f);
}

static void test_a_text_that_is_refused_says_why_and_stops_no_other(void **state)
{
	static const struct step steps[] = {
		{ SAYS("/a", ""), REFUSES(422, "spec.hold: Required value") },
		{ SAYS("/b", ""), OK },
		{ SAYS("/a", ""), REFUSES(403, "tpmnodes is forbidden") },
		{ SAYS("/a", "better"), OK },
	};
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, "/a", "{}");
	fixture_wait_requests(&f, 1);
	say(&f, "/b", "{}");
	fixture_wait_requests(&f, 3);
	say(&f, "/a", "{\"better\":true}");
	wait_published(&f, 2);
	assert_string_equal(status_of(&f).publish_error, "");
	fixture_close(&f);
}

static bool says_forbidden(struct source_fixture *f, const void *context)
{
	return strcmp(status_of(f).publish_error, "the server answers 403: tpmnodes is forbidden") == 0;
}

static void test_the_reason_shows_in_the_status(void **state)
{
	static const struct step steps[] = { { SAYS("/a", ""), REFUSES(403, "tpmnodes is forbidden") } };
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, "/a", "{}");
	fixture_run_until(&f, says_forbidden, NULL);
	assert_int_equal(status_of(&f).unpublished, 1);
	fixture_close(&f);
}

static void test_what_is_there_is_applied_again_now_and_then(void **state)
{
	static const struct step steps[] = { { SAYS(PATH, ""), OK }, { SAYS(PATH, ""), OK }, { SAYS(PATH, ""), OK } };
	struct api_tuning tuning = quick;
	struct source_fixture f = {};

	tuning.publish_refresh_ms = 10;
	start_with(&f, steps, ELEMENTS_OF(steps), &tuning);
	say(&f, PATH, "{}");
	wait_published(&f, 3);
	fixture_close(&f);
}

static void test_what_is_lost_is_said_again(void **state)
{
	static const struct step steps[] = {
		{ SAYS(PATH, "spec"), OK },
		{ SAYS(PATH, "spec"), OK },
		{ SAYS(PATH "/status", "state"), REFUSES(404, "tpmnodes \\\"edge-1\\\" not found") },
		{ SAYS(PATH, "spec"), .status = 201, .body = "{}" },
		{ SAYS(PATH "/status", "state"), OK },
	};
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, PATH, "{\"spec\":{}}");
	wait_published(&f, 1);
	kube_source_publish_again(f.source, PATH);
	kube_source_publish_again(f.source, "/nothing/is/known/of/this");
	wait_published(&f, 2);
	say(&f, PATH "/status", "{\"state\":\"Ready\"}");
	wait_published(&f, 4);
	assert_int_equal(status_of(&f).unpublished, 0);
	fixture_close(&f);
}

static void forget(void *context)
{
	say(context, "/a", NULL);
}

static void test_what_is_said_no_more_is_not_sent(void **state)
{
	static const struct step steps[] = { { SAYS("/a", ""), .status = 0, .before = forget, .after = HOLD }, { SAYS("/c", ""), OK } };
	struct source_fixture f = {};

	START(&f, steps);
	say(&f, "/a", "{}");
	say(&f, "/b", "{}");
	say(&f, "/b", NULL);
	say(&f, "/unknown", NULL);
	fixture_wait_requests(&f, 1);
	say(&f, "/c", "{}");
	wait_published(&f, 1);
	assert_int_equal(status_of(&f).unpublished, 0);
	fixture_close(&f);
}

static void test_texts_have_a_limit(void **state)
{
	static const struct step steps[] = { { .status = 0, .after = HOLD } };
	static char large[70 * 1024];
	struct kube_publication what = { .path = "/a", .body = large, .reporter = "holdfast-tpm", .node = "edge-1" };
	struct source_fixture f = {};
	struct error err;
	char path[32];

	START(&f, steps);
	memset(large, ' ', sizeof(large) - 1);
	assert_int_equal(kube_source_publish(f.source, &what, &err), -E2BIG);
	for (unsigned i = 0; i < 2048; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		say(&f, path, "{}");
	}
	what.body = "{}";
	assert_int_equal(kube_source_publish(f.source, &what, &err), -E2BIG);
	assert_string_equal(err.message, "this node says more than 2048 things in the API server");
	fixture_close(&f);
}

static void test_a_node_with_the_longest_name_is_a_manager_of_its_own(void **state)
{
	static const struct step steps[] = { { .expect = { "?fieldManager=holdfast-tpm%40", "&force=true " }, OK, .forbid = "xxxxx" } };
	struct kube_publication what = { .path = "/a", .body = "{}", .reporter = "holdfast-tpm" };
	struct source_fixture f = {};
	char node[254];
	struct error err;

	memset(node, 'x', sizeof(node) - 1);
	node[sizeof(node) - 1] = 0;
	what.node = node;
	START(&f, steps);
	assert_int_equal(kube_source_publish(f.source, &what, &err), 0);
	wait_published(&f, 1);
	fixture_close(&f);
}

static void test_a_directory_takes_nothing_and_says_so(void **state)
{
	const struct kube_publication what = { .path = "/a", .body = "{}", .reporter = "holdfast-tpm", .node = "edge-1" };
	struct source_fixture f = {};
	struct error err;

	fixture_open(&f, 0);
	const struct kube_source_options options = { .directory = f.directory };
	assert_int_equal(kube_source_start(&f.loop, &options, f.store, &f.source, &err), 0);
	assert_int_equal(kube_source_publish(f.source, &what, &err), -ENOTSUP);
	assert_string_equal(err.message, "nothing can be published in a directory of manifests");
	kube_source_publish_again(f.source, "/a");
	assert_string_equal(status_of(&f).publish_error, "");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_said_is_applied_once),
		cmocka_unit_test(test_a_merge_patch_is_sent_as_one_and_forces_nothing),
		cmocka_unit_test(test_a_text_that_is_replaced_before_it_was_sent_is_never_sent),
		cmocka_unit_test(test_a_text_that_changes_while_it_is_sent_is_sent_again),
		cmocka_unit_test(test_a_server_that_is_away_is_asked_again_less_and_less_often),
		cmocka_unit_test(test_a_text_that_is_refused_says_why_and_stops_no_other),
		cmocka_unit_test(test_the_reason_shows_in_the_status),
		cmocka_unit_test(test_what_is_there_is_applied_again_now_and_then),
		cmocka_unit_test(test_what_is_lost_is_said_again),
		cmocka_unit_test(test_what_is_said_no_more_is_not_sent),
		cmocka_unit_test(test_texts_have_a_limit),
		cmocka_unit_test(test_a_node_with_the_longest_name_is_a_manager_of_its_own),
		cmocka_unit_test(test_a_directory_takes_nothing_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
