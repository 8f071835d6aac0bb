// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "tests/unit/kube/source_fixture.h"

#define META(name, version) "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"shop\",\"uid\":\"u\",\"resourceVersion\":\"" version "\"}"
#define POD(name, version, phase) "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"," META(name, version) ",\"status\":{\"phase\":\"" phase "\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define ADDED(name, version) EVENT("ADDED", POD(name, version, "Running"))
#define MODIFIED(name, version) EVENT("MODIFIED", POD(name, version, "Failed"))
#define DELETED(name, version) EVENT("DELETED", POD(name, version, "Running"))
#define BOOKMARK(version) EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define LIST_END(version)                                                                                                                  \
	EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" version                                                 \
			  "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}")
#define GONE EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old resource version\"}")
#define STATUS(code, message) "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" message "\",\"code\":" #code "}"
#define ITEM(name) "{" META(name, "5") ",\"status\":{\"phase\":\"Running\"}}"
#define LIST(metadata, items) "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{" metadata "},\"items\":[" items "]}"
#define VERSION(version) "\"resourceVersion\":\"" version "\""

#define STREAMS                                                                                                                            \
	.expect = { "GET /api/v1/pods?", "watch=1", "sendInitialEvents=true", "resourceVersionMatch=NotOlderThan",                         \
		    "allowWatchBookmarks=true" }
#define LISTS .expect = { "GET /api/v1/pods?limit=2" }, .forbid = "watch"
#define WATCHES(version)                                                                                                                   \
	.expect = { "GET /api/v1/pods?watch=1", "allowWatchBookmarks=true", "resourceVersion=" version " " }, .forbid = "sendInitialEvent" \
															"s"
#define OK(text, then) .status = 200, .body = text, .after = then
#define REFUSES(code, message) .status = code, .body = STATUS(code, message)

static struct api_tuning quick = {
	.idle_timeout_ms = 5000,
	.first_backoff_ms = 4,
	.backoff_cap_ms = 40,
	.stable_ms = 60000,
	.watch_s_min = 300,
	.watch_s_max = 600,
	.page_size = 2,
	.tell_pause_ms = 4,
	.publish_refresh_ms = 60000,
};

static void start_with(struct source_fixture *f, unsigned kinds, const struct step *steps, size_t n, struct kube_source_options options,
		       const struct api_tuning *tuning)
{
	struct error err;
	char url[64];

	if (!f->directory[0])
		fixture_open(f, kinds);
	f->server = server_start(&f->loop, steps, n, f);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server_port(f->server));
	options.api_server = url;
	if (kube_source_api_start(&f->loop, &options, tuning, f->store, &f->source, &err) < 0)
		fail_msg("%s", err.message);
}

#define START(f, kinds, steps) start_with((f), (kinds), (steps), ELEMENTS_OF(steps), (struct kube_source_options){}, &quick)

static struct kube_source_status status_of(struct source_fixture *f)
{
	struct kube_source_status status;

	kube_source_status(f->source, &status);
	return status;
}

static void test_streams_the_list_and_goes_on_as_a_watch(void **state)
{
	static const struct step steps[] = { { STREAMS, OK(ADDED("a", "1") ADDED("b", "2") LIST_END("7"), HOLD) } };
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\n+ shop/b\nsynced\n");
	assert_true(status_of(&f).connected);
	server_push(f.server, MODIFIED("a", "8") DELETED("b", "9"));
	fixture_wait_log(&f, "~ shop/a\n- shop/b\n");
	assert_int_equal(server_requests(f.server), 1);
	fixture_close(&f);
}

static void test_is_not_synced_before_the_bookmark(void **state)
{
	static const struct step steps[] = { { STREAMS, OK(ADDED("a", "1") BOOKMARK("6"), HOLD) } };
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\n");
	assert_false(kube_store_synced(f.store));
	assert_false(status_of(&f).connected);
	server_push(f.server, LIST_END("7"));
	fixture_wait_log(&f, "synced\n");
	fixture_close(&f);
}

static void test_falls_back_to_pages_where_streaming_lists_are_refused(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, REFUSES(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled") },
		{ LISTS, OK(LIST(VERSION("10") ",\"continue\":\"to+ken=\"", ITEM("a") "," ITEM("b")), END) },
		{ .expect = { "limit=2&continue=to%2Bken%3D " }, OK(LIST(VERSION("10"), ITEM("c")), END) },
		{ WATCHES("10"), OK(ADDED("d", "11"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\n+ shop/b\n+ shop/c\nsynced\n+ shop/d\n");
	assert_true(status_of(&f).connected);
	fixture_close(&f);
}

static void test_an_empty_list_is_a_list(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, REFUSES(400, "no") },
		{ LISTS, OK("{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"3\"},\"items\":null}", END) },
		{ WATCHES("3"), OK("", HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_requests(&f, 3);
	fixture_wait_log(&f, "synced\n");
	fixture_close(&f);
}

static void test_an_expired_page_restarts_the_list_without_pages(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, REFUSES(400, "no") },
		{ LISTS, OK(LIST(VERSION("10") ",\"continue\":\"t\"", ITEM("old")), END) },
		{ .expect = { "continue=t " }, REFUSES(410, "The provided continue parameter is too old") },
		{ .expect = { "GET /api/v1/pods HTTP" }, OK(LIST(VERSION("12"), ITEM("new")), END) },
		{ WATCHES("12"), OK("", HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/old\n+ shop/new\n- shop/old\nsynced\n");
	fixture_close(&f);
}

static void test_gone_lists_anew_and_removes_only_at_the_end(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") ADDED("b", "2") LIST_END("7"), END) },
		{ WATCHES("7"), REFUSES(410, "too old resource version") },
		{ STREAMS, OK(ADDED("b", "2"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_requests(&f, 3);
	server_push(f.server, ADDED("c", "9"));
	fixture_wait_log(&f, "synced\n+ shop/c\n");
	assert_int_equal(kube_store_count(f.store, KUBE_POD), 3);
	server_push(f.server, LIST_END("10"));
	fixture_wait_log(&f, "+ shop/c\n- shop/a\n");
	fixture_close(&f);
}

static void test_an_error_event_lists_anew(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") LIST_END("7"), HOLD) },
		{ STREAMS, OK(LIST_END("20"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	server_push(f.server, GONE);
	fixture_wait_log(&f, "synced\n- shop/a\n");
	fixture_close(&f);
}

static void test_a_bookmark_moves_the_version_of_the_next_watch(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") LIST_END("7") BOOKMARK("99"), END) },
		{ WATCHES("99"), OK("", HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_requests(&f, 2);
	fixture_close(&f);
}

static void test_a_stream_cut_in_an_event_goes_on_from_the_last_whole_one(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(LIST_END("7"), END) },
		{ WATCHES("7"), OK(ADDED("a", "8") "{\"type\":\"ADDED\",\"object\":{\"me", CUT) },
		{ WATCHES("8"), OK(ADDED("b", "9"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n+ shop/a\n+ shop/b\n");
	fixture_close(&f);
}

static void test_a_list_cut_before_its_end_is_streamed_again(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1"), CUT) },
		{ STREAMS, OK(ADDED("b", "2") LIST_END("7"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\n+ shop/b\n- shop/a\nsynced\n");
	fixture_close(&f);
}

static void test_a_list_that_is_cut_twice_is_asked_for_in_pages(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1"), CUT) },
		{ STREAMS, OK(ADDED("a", "1"), END) },
		{ LISTS, OK(LIST(VERSION("10"), ITEM("a")), END) },
		{ WATCHES("10"), OK(GONE, HOLD) },
		{ STREAMS, OK(LIST_END("20"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\nsynced\n- shop/a\n");
	fixture_close(&f);
}

static void test_a_server_that_comes_back_does_not_pay_for_its_absence(void **state)
{
#define NO_ANSWER                                                                                                                          \
	{                                                                                                                                  \
		.status = 0, .after = CUT                                                                                                  \
	}
	static const struct step steps[] = {
		NO_ANSWER,
		NO_ANSWER,
		NO_ANSWER,
		NO_ANSWER,
		NO_ANSWER,
		NO_ANSWER,
		{ STREAMS, OK(GONE, HOLD) },
		{ STREAMS, OK(LIST_END("7"), HOLD) },
	};
	struct api_tuning tuning = quick;
	struct source_fixture f = {};

	tuning.first_backoff_ms = 8;
	tuning.backoff_cap_ms = 256;
	start_with(&f, POD_KIND, steps, ELEMENTS_OF(steps), (struct kube_source_options){}, &tuning);
	fixture_wait_log(&f, "synced\n");
	uint64_t away = server_request_time(f.server, 6) - server_request_time(f.server, 5);
	assert_true(away >= 128);
	assert_true(server_request_time(f.server, 7) - server_request_time(f.server, 6) < away);
	fixture_close(&f);
}

/* Each restart cuts the watch, and the last one forgets the version too: what it was refused before does not delay the list. */
static void test_a_server_that_was_restarted_often_is_listed_at_once(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(LIST_END("7"), CUT) },        { WATCHES("7"), OK(ADDED("a", "8"), CUT) },
		{ WATCHES("8"), OK(ADDED("b", "9"), CUT) }, { WATCHES("9"), OK(ADDED("c", "10"), CUT) },
		{ WATCHES("10"), OK(GONE, HOLD) },          { STREAMS, OK(ADDED("a", "11") LIST_END("11"), HOLD) },
	};
	struct api_tuning tuning = quick;
	struct source_fixture f = {};

	tuning.first_backoff_ms = 64;
	tuning.backoff_cap_ms = 4096;
	start_with(&f, POD_KIND, steps, ELEMENTS_OF(steps), (struct kube_source_options){}, &tuning);
	fixture_wait_requests(&f, ELEMENTS_OF(steps));
	uint64_t restarted = server_request_time(f.server, 4) - server_request_time(f.server, 3);
	assert_true(restarted >= 256);
	assert_true(server_request_time(f.server, 5) - server_request_time(f.server, 4) < restarted);
	fixture_close(&f);
}

static void test_a_page_cut_in_the_middle_is_asked_for_again(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, REFUSES(400, "no") },
		{ LISTS, OK("{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"3\"},\"items\":[" ITEM("a"), CUT) },
		{ LISTS, OK("{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"3\"},\"items\":[" ITEM("a"), END) },
		{ LISTS, OK(LIST(VERSION("4"), ITEM("a")), END) },
		{ WATCHES("4"), OK("", HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\nsynced\n");
	fixture_wait_requests(&f, 5);
	fixture_close(&f);
}

static void test_survives_garbage_and_says_so(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK("<html>maintenance</html>", END) },
		{ STREAMS, .status = 502, .body = "<html>bad gateway</html>" },
		{ STREAMS, .status = 0, .after = CUT },
		{ STREAMS, OK("{\"type\":\"UNHEARD\",\"object\":{}}", HOLD) },
		{ LISTS, .status = 0 },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_error(&f, "the server answers 502: <html>bad gateway</html>");
	fixture_wait_error(&f, "\"UNHEARD\" is no type of event");
	fixture_wait_requests(&f, 5);
	assert_false(status_of(&f).connected);
	fixture_close(&f);
}

static void test_waits_as_long_as_the_server_asks(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, .status = 429, .header = "Retry-After: 1\r\n", .body = STATUS(429, "too many requests") },
		{ STREAMS, OK(LIST_END("7"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	assert_in_range(server_request_time(f.server, 1) - server_request_time(f.server, 0), 1000, 5000);
	fixture_close(&f);
}

static void test_names_the_right_that_the_role_lacks(void **state)
{
	static const struct step steps[] = { { .expect = { "GET /apis/networking.k8s.io/v1/networkpolicies?watch=1" },
					       REFUSES(403, "networkpolicies is forbidden") } };
	struct source_fixture f = {};

	START(&f, POLICY_KIND, steps);
	fixture_wait_error(&f, "the role lacks the verb \"watch\" on networkpolicies.networking.k8s.io: the server answers 403: "
			       "networkpolicies is forbidden");
	fixture_close(&f);
}

static void test_a_kind_that_only_explains_is_said_to_be_missing_and_no_more(void **state)
{
	static const struct step steps[] = { { .expect = { "GET /api/v1/services?watch=1" }, REFUSES(403, "services is forbidden") } };
	struct kube_source_status status;
	struct source_fixture f = {};

	START(&f, 1u << KUBE_SERVICE, steps);
	fixture_wait_error(&f, "the role lacks the verb \"watch\" on services: the server answers 403: services is forbidden");
	kube_source_status(f.source, &status);
	assert_true(status.connected);
	fixture_close(&f);
}

#define SEALED_STREAMS .expect = { "GET /apis/tpm.holdfast/v1alpha1/tpmsecrets?watch=1", "sendInitialEvents=true" }
#define SEALED(name) EVENT("ADDED", "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"1\"},\"spec\":{}}")

/* As long as the definition is missing; and when it is removed and installed again, what was known is not lost in between. */
static void test_a_kind_that_the_cluster_does_not_know_is_waited_for_by_nobody(void **state)
{
	static const struct step steps[] = {
		{ SEALED_STREAMS, .status = 404, .body = "404 page not found\n" },
		{ SEALED_STREAMS, .status = 404, .body = "404 page not found\n" },
		{ SEALED_STREAMS, OK(SEALED("a") LIST_END("7"), CUT) },
		{ .expect = { "/tpmsecrets?watch=1", "resourceVersion=7 " }, .status = 404, .body = "404 page not found\n" },
		{ SEALED_STREAMS, OK(SEALED("b") LIST_END("9"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, 1u << KUBE_TPM_SECRET, steps);
	fixture_wait_log(&f, "synced\n");
	fixture_wait_error(&f, "the cluster has no tpmsecrets.tpm.holdfast: apply Holdfast's CustomResourceDefinitions");
	assert_true(status_of(&f).connected);
	fixture_wait_log(&f, "+ /a\n");
	fixture_wait_error(&f, "the cluster has no tpmsecrets.tpm.holdfast");
	assert_int_equal(kube_store_count(f.store, KUBE_TPM_SECRET), 1);
	fixture_wait_log(&f, "+ /b\n- /a\n");
	fixture_close(&f);
}

static void test_a_kind_that_every_cluster_has_is_waited_for_whatever_the_server_says(void **state)
{
	static const struct step steps[] = { { STREAMS, REFUSES(404, "not found") }, { STREAMS, OK(LIST_END("7"), HOLD) } };
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_error(&f, "the server answers 404: not found");
	assert_int_equal(f.log.n, 0);
	assert_false(status_of(&f).connected);
	fixture_wait_log(&f, "synced\n");
	fixture_close(&f);
}

static void test_asks_only_for_what_belongs_to_the_node(void **state)
{
	static const struct step pods[] = {
		{ .expect = { "GET /api/v1/pods?watch=1", "&fieldSelector=spec.nodeName%3Dedge-1 " }, REFUSES(422, "no") },
		{ .expect = { "GET /api/v1/pods?limit=2&fieldSelector=spec.nodeName%3Dedge-1 " },
		  OK(LIST(VERSION("10") ",\"continue\":\"t\"", ITEM("a")), END) },
		{ .expect = { "?limit=2&continue=t&fieldSelector=spec.nodeName%3Dedge-1 " }, REFUSES(410, "expired") },
		{ .expect = { "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dedge-1 " }, OK(LIST(VERSION("11"), ITEM("b")), END) },
		{ .expect = { "watch=1", "resourceVersion=11&fieldSelector=spec.nodeName%3Dedge-1 " }, OK("", HOLD) },
	};
	static const struct step nodes[] = {
		{ .expect = { "/tpmnodes?watch=1", "&fieldSelector=metadata.name%3Dedge-1 " }, OK(LIST_END("7"), HOLD) },
	};
	static const struct step secrets[] = { { SEALED_STREAMS, .forbid = "fieldSelector", OK(LIST_END("7"), HOLD) } };
	const struct kube_source_options options = { .node = "edge-1" };
	struct source_fixture f = {}, g = {}, h = {};

	start_with(&f, POD_KIND, pods, ELEMENTS_OF(pods), options, &quick);
	fixture_wait_log(&f, "synced\n");
	fixture_wait_requests(&f, 5);
	fixture_close(&f);
	start_with(&g, 1u << KUBE_TPM_NODE, nodes, ELEMENTS_OF(nodes), options, &quick);
	fixture_wait_log(&g, "synced\n");
	fixture_close(&g);
	start_with(&h, 1u << KUBE_TPM_SECRET, secrets, ELEMENTS_OF(secrets), options, &quick);
	fixture_wait_log(&h, "synced\n");
	fixture_close(&h);
}

static void rotate_token(void *context)
{
	fixture_write(context, "token", "new-token\n");
}

static void test_reads_the_token_again_when_it_is_refused(void **state)
{
	static const struct step steps[] = {
		{ .expect = { "Authorization: Bearer old-token\r\n" }, REFUSES(401, "Unauthorized"), .before = rotate_token },
		{ .expect = { "Authorization: Bearer new-token\r\n", "sendInitialEvents" }, OK(LIST_END("7"), HOLD) },
	};
	struct source_fixture f = {};

	fixture_open(&f, POD_KIND);
	fixture_write(&f, "token", "old-token\n");
	fixture_write(&f, "ca.crt", "");
	start_with(&f, POD_KIND, steps, ELEMENTS_OF(steps),
		   (struct kube_source_options){ .in_cluster = true, .service_account = f.directory }, &quick);
	fixture_wait_log(&f, "synced\n");
	fixture_close(&f);
}

static void test_gives_up_a_connection_on_which_nothing_is_heard(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") LIST_END("7"), HOLD) },
		{ WATCHES("7"), OK(ADDED("b", "8"), HOLD) },
	};
	struct api_tuning tuning = quick;
	struct source_fixture f = {};

	tuning.idle_timeout_ms = 100;
	start_with(&f, POD_KIND, steps, ELEMENTS_OF(steps), (struct kube_source_options){}, &tuning);
	fixture_wait_error(&f, "nothing was heard for 100 ms");
	fixture_wait_log(&f, "+ shop/b\n");
	assert_true(status_of(&f).restarts >= 1);
	fixture_close(&f);
}

static void test_many_fruitless_watches_end_in_a_new_list(void **state)
{
#define NO_WATCH                                                                                                                           \
	{                                                                                                                                  \
		WATCHES("7"), REFUSES(500, "etcd has lost its data")                                                                       \
	}
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") LIST_END("7"), END) },
		NO_WATCH,
		NO_WATCH,
		NO_WATCH,
		NO_WATCH,
		NO_WATCH,
		{ STREAMS, OK(LIST_END("2"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n- shop/a\n");
	fixture_close(&f);
}

static void test_an_overloaded_server_is_not_asked_for_a_list(void **state)
{
#define BUSY                                                                                                                               \
	{                                                                                                                                  \
		WATCHES("7"), REFUSES(503, "busy")                                                                                         \
	}
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") LIST_END("7"), END) }, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY,
		{ WATCHES("7"), OK(ADDED("b", "8"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n+ shop/b\n");
	fixture_close(&f);
}

#define BROKEN_POD "{" META("a", "8") ",\"status\":{\"podIPs\":[{\"ip\":\"x\"}]}}"

static void test_a_pod_that_cannot_be_read_stays_as_it_was(void **state)
{
	static const struct step steps[] = { { STREAMS, OK(ADDED("a", "1") ADDED("b", "2") LIST_END("7"), HOLD) },
					     { STREAMS, OK(EVENT("ADDED", BROKEN_POD) LIST_END("20"), HOLD) } };
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	server_push(f.server, EVENT("MODIFIED", BROKEN_POD) GONE);
	fixture_wait_log(&f, "synced\n- shop/b\n");
	assert_int_equal(kube_store_get(f.store, KUBE_POD, "shop", "a")->pod.phase, KUBE_PHASE_RUNNING);
	assert_int_equal(status_of(&f).refused, 1);
	fixture_close(&f);
}

#define POLICY_EVENT(type, rest) EVENT(type, "{" META("deny", "8") rest "}")
#define POLICY_STREAMS .expect = { "networkpolicies?watch=1" }

/* A number that no parser of ours takes: the object is known by its name only. */
#define TOO_LONG_NUMBER ",\"spec\":{\"x\":1111111111111111111111111111111111111111111111111111111111111111111111111}"

static void test_a_policy_that_cannot_be_read_isolates_its_namespace(void **state)
{
	static const struct step steps[] = { { POLICY_STREAMS, OK(POLICY_EVENT("ADDED", TOO_LONG_NUMBER) LIST_END("7"), HOLD) } };
	struct source_fixture f = {};

	START(&f, POLICY_KIND, steps);
	fixture_wait_log(&f, "+ shop/deny\nsynced\n");
	const struct kube_network_policy *policy = &kube_store_get(f.store, KUBE_NETWORK_POLICY, "shop", "deny")->policy;
	assert_non_null(policy->invalid);
	assert_true(policy->isolates_ingress && policy->isolates_egress);
	assert_int_equal(policy->pod_selector.n, 0);
	server_push(f.server, POLICY_EVENT("DELETED", TOO_LONG_NUMBER));
	fixture_wait_log(&f, "- shop/deny\n");
	fixture_close(&f);
}

static void test_a_nul_in_an_annotation_hides_nothing(void **state)
{
	static const struct step steps[] = {
		{ STREAMS,
		  OK(EVENT("ADDED", "{\"metadata\":{\"name\":\"a\",\"namespace\":\"shop\",\"resourceVersion\":\"1\",\"annotations\":"
				    "{\"x\":\"\\\\\\u0000\"},\"labels\":{\"app\":\"db\"}}}") LIST_END("7"),
		     HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\nsynced\n");
	assert_string_equal(kube_labels_get(&kube_store_get(f.store, KUBE_POD, "shop", "a")->labels, "app"), "db");
	fixture_close(&f);
}

static bool is_listening(struct source_fixture *f, const void *context)
{
	return server_requests(f->server) >= 4;
}

/* What comes twice or too late changes nothing that it should not, and the list that follows settles it. */
static void test_duplicate_and_out_of_order_events_converge(void **state)
{
	static const struct step steps[] = {
		{ STREAMS,
		  OK(DELETED("ghost", "1") MODIFIED("a", "3") ADDED("a", "3") ADDED("a", "3") ADDED("b", "2") LIST_END("7"), HOLD) },
		{ STREAMS, OK(ADDED("a", "12") LIST_END("13"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/b\nsynced\n");
	assert_int_equal(kube_store_count(f.store, KUBE_POD), 2);
	server_push(f.server, DELETED("b", "9") DELETED("b", "9") MODIFIED("b", "8") BOOKMARK("1") GONE);
	fixture_wait_log(&f, "- shop/b\n");
	assert_int_equal(kube_store_count(f.store, KUBE_POD), 1);
	fixture_wait_requests(&f, 2);
	fixture_wait_error(&f, "");
	fixture_close(&f);
}

/* Each answer says that the version is too old: nothing that is known is given up, and the server is not asked faster and faster. */
static void test_a_storm_of_gone_keeps_everything_and_backs_off(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(ADDED("a", "1") LIST_END("7"), HOLD) },
		{ STREAMS, OK(GONE, HOLD) },
		{ LISTS, REFUSES(410, "gone") },
		{ LISTS, REFUSES(410, "gone") },
		{ LISTS, REFUSES(410, "gone") },
		{ LISTS, OK(LIST(VERSION("20"), ITEM("a")), END) },
		{ WATCHES("20"), OK(BOOKMARK("21"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	server_push(f.server, GONE);
	fixture_wait_requests(&f, ELEMENTS_OF(steps));
	fixture_wait_error(&f, "");
	assert_string_equal(buf_text(&f.log), "+ shop/a\nsynced\n");
	assert_in_range(server_request_time(f.server, 5) - server_request_time(f.server, 1), 4 + 8, 10000);
	fixture_close(&f);
}

/* Bookmarks without a version, with a strange one or a second end of the list are passed over. */
static void test_odd_bookmarks_break_nothing(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(EVENT("BOOKMARK", "{}") ADDED("a", "1") BOOKMARK("") LIST_END("7"), HOLD) },
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\nsynced\n");
	server_push(f.server, LIST_END("8") EVENT("BOOKMARK", "{\"metadata\":{}}") ADDED("b", "9"));
	fixture_wait_log(&f, "+ shop/b\n");
	assert_int_equal(server_requests(f.server), 1);
	assert_int_equal(kube_store_count(f.store, KUBE_POD), 2);
	fixture_close(&f);
}

static struct kube_object *refused_policy(void)
{
	return kube_object_refused_policy("shop", "web", "port 70000 is above 65535");
}

static void tell(struct source_fixture *f, const struct kube_object *about, const char *message)
{
	const struct kube_notice notice = {
		.about = about, .reason = "PolicyRefused", .message = message, .reporter = "holdfast-net", .node = "edge-1"
	};

	kube_source_tell(f->source, &notice);
}

static bool has_told(struct source_fixture *f, const void *context)
{
	return status_of(f).told + status_of(f).dropped == *(const uint64_t *)context;
}

static void wait_told(struct source_fixture *f, uint64_t n)
{
	fixture_run_until(f, has_told, &n);
}

#define TELLS(text)                                                                                                                        \
	.expect = { "POST /api/v1/namespaces/shop/events ", "Content-Type: application/json", "\"kind\":\"NetworkPolicy\"",                \
		    "\"reason\":\"PolicyRefused\"", text }

/* What a node tells twice, and what others have told, is one event. */
static void test_tells_of_an_object_once_and_is_content_if_somebody_else_has(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(LIST_END("7"), HOLD) },
		{ TELLS("\"message\":\"first\""), .status = 201, .body = "{}", .after = END },
		{ TELLS("\"message\":\"second\""), REFUSES(409, "AlreadyExists") },
	};
	_cleanup_(kube_object_freep) struct kube_object *policy = refused_policy();
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	tell(&f, policy, "first");
	tell(&f, policy, "first");
	tell(&f, policy, "second");
	wait_told(&f, 2);
	assert_int_equal(server_requests(f.server), 3);
	assert_int_equal(status_of(&f).dropped, 0);
	fixture_close(&f);
}

#define TELLS_OF_NODE(text)                                                                                                                \
	.expect = { "POST /api/v1/namespaces/default/events ", "\"metadata\":{\"namespace\":\"default\",",                                 \
		    "\"involvedObject\":{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"name\":\"edge-1\",\"uid\":\"edge-1\"}", text }

static void test_an_event_at_a_node_is_in_the_default_namespace_and_is_told_on_each_occasion(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(LIST_END("7"), HOLD) },
		{ TELLS_OF_NODE("\"type\":\"Normal\""), .status = 201, .body = "{}", .after = END },
		{ TELLS_OF_NODE("\"type\":\"Normal\""), .status = 201, .body = "{}", .after = END },
	};
	char none[] = "", name[] = "edge-1";
	const struct kube_object node = { .kind = KUBE_NODE, .namespace = none, .name = name, .uid = name, .resource_version = none };
	struct kube_notice notice = {
		.about = &node, .reason = "Ready", .message = "m", .reporter = "holdfast-node", .node = "edge-1", .good_news = true
	};
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	notice.occasion = "1";
	kube_source_tell(f.source, &notice);
	kube_source_tell(f.source, &notice);
	notice.occasion = "2";
	kube_source_tell(f.source, &notice);
	wait_told(&f, 2);
	assert_int_equal(server_requests(f.server), 3);
	fixture_close(&f);
}

static void test_an_event_waits_for_a_server_that_is_away_and_goes_if_it_is_refused(void **state)
{
	static const struct step steps[] = {
		{ STREAMS, OK(LIST_END("7"), HOLD) },
		{ TELLS("\"message\":\"first\""), .status = 0, .after = CUT },
		{ TELLS("\"message\":\"first\""), REFUSES(503, "busy") },
		{ TELLS("\"message\":\"first\""), .status = 201, .body = "{}", .after = END },
		{ TELLS("\"message\":\"second\""), REFUSES(403, "events is forbidden") },
		{ TELLS("\"message\":\"third\""), .status = 201, .body = "{}", .after = END },
	};
	_cleanup_(kube_object_freep) struct kube_object *policy = refused_policy();
	struct source_fixture f = {};

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "synced\n");
	tell(&f, policy, "first");
	tell(&f, policy, "second");
	tell(&f, policy, "third");
	wait_told(&f, 3);
	assert_int_equal(status_of(&f).told, 2);
	assert_int_equal(status_of(&f).dropped, 1);
	assert_true(status_of(&f).connected);
	fixture_close(&f);
}

static void test_a_flood_of_events_is_bounded_and_delays_nothing(void **state)
{
	static const struct step steps[] = { { STREAMS, OK(ADDED("a", "1"), HOLD) }, { TELLS("first"), .status = 0, .after = HOLD } };
	_cleanup_(kube_object_freep) struct kube_object *policy = refused_policy();
	struct source_fixture f = {};
	char text[32];

	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\n");
	tell(&f, policy, "first");
	fixture_wait_requests(&f, 2);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "message %u", i);
		tell(&f, policy, text);
	}
	assert_int_equal(status_of(&f).dropped, 1000 - 63);
	fixture_close(&f);
}

static void test_follows_every_kind_and_is_synced_when_all_are(void **state)
{
	/* The order in which the four requests arrive is the connections' affair, so every answer suits every kind. */
	static const struct step steps[] = {
		{ OK(LIST_END("1"), HOLD) },
		{ OK(LIST_END("1"), HOLD) },
		{ OK(LIST_END("1"), HOLD) },
		{ OK("", HOLD) },
	};
	struct source_fixture f = {};

	START(&f, 1u << KUBE_POD | 1u << KUBE_NAMESPACE | 1u << KUBE_NODE | 1u << KUBE_NETWORK_POLICY, steps);
	fixture_run_until(&f, is_listening, NULL);
	assert_int_equal(f.log.n, 0);
	server_push(f.server, LIST_END("1"));
	fixture_wait_log(&f, "synced\n");
	fixture_close(&f);
}

static void test_stops_in_the_middle_of_everything(void **state)
{
	static const struct step steps[] = { { OK(ADDED("a", "1"), HOLD) } };
	struct source_fixture f = {};

	START(&f, 1u << KUBE_POD | 1u << KUBE_NODE, steps);
	fixture_wait_requests(&f, 1);
	fixture_close(&f);
}

static void test_takes_an_object_of_15_mib(void **state)
{
	_cleanup_(buf_free) struct buf body = BUF_MAX(1 << 24);

	buf_string(&body, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"namespace\":\"shop\",\"resourceVersion\":\"1\","
			  "\"annotations\":{\"x\":\"");
	while (body.n < 15u * 1024 * 1024)
		buf_string(&body, "0123456789012345678901234567890123456789012345678901234567890123456789");
	buf_string(&body, "\"}}}}" LIST_END("7"));
	const struct step steps[] = { { STREAMS, OK(buf_text(&body), HOLD) } };
	struct source_fixture f = {};
	START(&f, POD_KIND, steps);
	fixture_wait_log(&f, "+ shop/a\nsynced\n");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_the_list_and_goes_on_as_a_watch),
		cmocka_unit_test(test_is_not_synced_before_the_bookmark),
		cmocka_unit_test(test_falls_back_to_pages_where_streaming_lists_are_refused),
		cmocka_unit_test(test_an_empty_list_is_a_list),
		cmocka_unit_test(test_an_expired_page_restarts_the_list_without_pages),
		cmocka_unit_test(test_gone_lists_anew_and_removes_only_at_the_end),
		cmocka_unit_test(test_an_error_event_lists_anew),
		cmocka_unit_test(test_a_bookmark_moves_the_version_of_the_next_watch),
		cmocka_unit_test(test_a_stream_cut_in_an_event_goes_on_from_the_last_whole_one),
		cmocka_unit_test(test_a_list_cut_before_its_end_is_streamed_again),
		cmocka_unit_test(test_a_list_that_is_cut_twice_is_asked_for_in_pages),
		cmocka_unit_test(test_a_server_that_comes_back_does_not_pay_for_its_absence),
		cmocka_unit_test(test_a_server_that_was_restarted_often_is_listed_at_once),
		cmocka_unit_test(test_a_page_cut_in_the_middle_is_asked_for_again),
		cmocka_unit_test(test_survives_garbage_and_says_so),
		cmocka_unit_test(test_waits_as_long_as_the_server_asks),
		cmocka_unit_test(test_names_the_right_that_the_role_lacks),
		cmocka_unit_test(test_a_kind_that_only_explains_is_said_to_be_missing_and_no_more),
		cmocka_unit_test(test_a_kind_that_the_cluster_does_not_know_is_waited_for_by_nobody),
		cmocka_unit_test(test_a_kind_that_every_cluster_has_is_waited_for_whatever_the_server_says),
		cmocka_unit_test(test_asks_only_for_what_belongs_to_the_node),
		cmocka_unit_test(test_reads_the_token_again_when_it_is_refused),
		cmocka_unit_test(test_gives_up_a_connection_on_which_nothing_is_heard),
		cmocka_unit_test(test_many_fruitless_watches_end_in_a_new_list),
		cmocka_unit_test(test_an_overloaded_server_is_not_asked_for_a_list),
		cmocka_unit_test(test_a_pod_that_cannot_be_read_stays_as_it_was),
		cmocka_unit_test(test_a_policy_that_cannot_be_read_isolates_its_namespace),
		cmocka_unit_test(test_a_nul_in_an_annotation_hides_nothing),
		cmocka_unit_test(test_duplicate_and_out_of_order_events_converge),
		cmocka_unit_test(test_a_storm_of_gone_keeps_everything_and_backs_off),
		cmocka_unit_test(test_odd_bookmarks_break_nothing),
		cmocka_unit_test(test_tells_of_an_object_once_and_is_content_if_somebody_else_has),
		cmocka_unit_test(test_an_event_at_a_node_is_in_the_default_namespace_and_is_told_on_each_occasion),
		cmocka_unit_test(test_an_event_waits_for_a_server_that_is_away_and_goes_if_it_is_refused),
		cmocka_unit_test(test_a_flood_of_events_is_bounded_and_delays_nothing),
		cmocka_unit_test(test_follows_every_kind_and_is_synced_when_all_are),
		cmocka_unit_test(test_stops_in_the_middle_of_everything),
		cmocka_unit_test(test_takes_an_object_of_15_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
