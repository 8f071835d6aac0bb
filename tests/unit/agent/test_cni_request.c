// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "common/base/array.h"
#include "common/base/cleanup.h"

#define POD "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web"
#define CONFIG(version, more) "{\"cniVersion\":\"" version "\",\"name\":\"net\"" more "}"
#define RESULT ",\"prevResult\":{\"ips\":[ ],\"unknown\":1.50}"

static const struct cni_environment pod = {
	.container_id = "c1", .netns = "/run/netns/x", .ifname = "eth0", .args = POD, .path = "/opt/cni/bin"
};

static int read_request(const char *command, const char *args, const char *input, struct cni_request *ret, struct error *err)
{
	struct cni_environment environment = pod;

	environment.command = command;
	environment.args = args;
	return cni_request_read(&environment, slice_string(input), ret, err);
}

static void test_reads_the_pod_from_arguments_in_any_order(void **state)
{
	static const char *const cases[] = {
		"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u-1",
		"K8S_POD_UID=u-1;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_NAMESPACE=shop;IgnoreUnknown=1",
		"K8S_POD_UID=u-1;K8S_POD_NAME=web;OTHER=;K8S_POD_NAMESPACE=shop;",
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(cni_request_clear) struct cni_request request;
		struct error err;
		assert_int_equal(read_request("ADD", cases[i], CONFIG("1.1.0", RESULT), &request, &err), 0);
		assert_int_equal(request.verb, CNI_ADD);
		assert_string_equal(request.pod_namespace, "shop");
		assert_string_equal(request.pod_name, "web");
		assert_string_equal(request.pod_uid, "u-1");
	}
}

static void test_a_runtime_without_a_pod_uid_gives_an_empty_one(void **state)
{
	_cleanup_(cni_request_clear) struct cni_request request;
	struct error err;

	assert_int_equal(read_request("ADD", POD, CONFIG("0.3.1", RESULT), &request, &err), 0);
	assert_string_equal(request.pod_uid, "");
}

static void test_keeps_the_previous_result_byte_for_byte(void **state)
{
	_cleanup_(cni_request_clear) struct cni_request request;
	struct error err;

	assert_int_equal(read_request("ADD", POD, CONFIG("1.0.0", RESULT), &request, &err), 0);
	assert_true(slice_equals_string(request.prev_result, "{\"ips\":[ ],\"unknown\":1.50}"));
}

static void test_only_add_needs_a_pod_and_a_previous_result(void **state)
{
	static const char *const verbs[] = { "DEL", "CHECK", "GC", "STATUS" };

	for (size_t i = 0; i < ELEMENTS_OF(verbs); i++) {
		_cleanup_(cni_request_clear) struct cni_request request;
		struct error err;
		if (read_request(verbs[i], "", CONFIG("1.1.0", ",\"prevResult\":null"), &request, &err) < 0)
			fail_msg("%s: %s", verbs[i], err.message);
		assert_int_equal(request.prev_result.n, 0);
	}
}

static void test_refuses_an_add_that_it_could_not_judge(void **state)
{
	static const struct {
		const char *name, *args, *input;
		int code;
		const char *message;
	} cases[] = {
		{ "no pod name", "K8S_POD_NAMESPACE=shop", CONFIG("1.1.0", RESULT), EDESTADDRREQ,
		  "CNI_ARGS has no K8S_POD_NAME: this is not a Kubernetes pod, and Holdfast can judge only those; take it out of this "
		  "network's plugins" },
		{ "no pod namespace", "K8S_POD_NAME=web", CONFIG("1.1.0", RESULT), EDESTADDRREQ,
		  "CNI_ARGS has no K8S_POD_NAMESPACE: this is not a Kubernetes pod, and Holdfast can judge only those; take it out of this "
		  "network's plugins" },
		{ "an empty name", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=", CONFIG("1.1.0", RESULT), EDESTADDRREQ,
		  "CNI_ARGS: K8S_POD_NAME \"\" is no name of a Kubernetes object" },
		{ "a name with a slash", "K8S_POD_NAMESPACE=../x;K8S_POD_NAME=web", CONFIG("1.1.0", RESULT), EDESTADDRREQ,
		  "CNI_ARGS: K8S_POD_NAMESPACE \"../x\" is no name of a Kubernetes object" },
		{ "a name twice", POD ";K8S_POD_NAME=db", CONFIG("1.1.0", RESULT), EDESTADDRREQ, "CNI_ARGS: K8S_POD_NAME is there twice" },
		{ "no pair", POD ";IgnoreUnknown", CONFIG("1.1.0", RESULT), EDESTADDRREQ, "CNI_ARGS: \"IgnoreUnknown\" is no KEY=VALUE" },
		{ "no previous result", POD, CONFIG("1.1.0", ""), EINVAL,
		  "prevResult is missing: holdfast must come after the plugin that makes the pod's interface" },
		{ "a null previous result", POD, CONFIG("1.1.0", ",\"prevResult\":null"), EINVAL,
		  "prevResult is missing: holdfast must come after the plugin that makes the pod's interface" },
		{ "a previous result that is no object", POD, CONFIG("1.1.0", ",\"prevResult\":[]"), EINVAL,
		  "prevResult: expected an object" },
		{ "an old version", POD, CONFIG("0.2.0", RESULT), EPROTONOSUPPORT,
		  "cniVersion \"0.2.0\" is not supported; supported are 0.3.1, 0.4.0, 1.0.0 and 1.1.0" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(cni_request_clear) struct cni_request request;
		struct error err = { 0 };
		if (read_request("ADD", cases[i].args, cases[i].input, &request, &err) != -cases[i].code)
			fail_msg("%s: %s", cases[i].name, err.message);
		assert_string_equal(err.message, cases[i].message);
	}
}

static void test_reads_the_list_of_valid_attachments(void **state)
{
	static const char input[] = CONFIG("1.1.0", ",\"cni.dev/valid-attachments\":[{\"containerID\":\"a\",\"ifname\":\"eth0\"},"
						    "{\"containerID\":\"b\",\"ifname\":\"net1\"}],\"cni.dev/attachments\":[]");
	_cleanup_(cni_request_clear) struct cni_request request;
	struct error err;

	assert_int_equal(read_request("GC", "", input, &request, &err), 0);
	assert_true(request.valid_known);
	assert_int_equal(request.n_valid, 2);
	assert_string_equal(request.valid[1].container_id, "b");
	assert_string_equal(request.valid[1].ifname, "net1");
}

static void test_takes_the_older_key_where_the_new_one_is_absent(void **state)
{
	_cleanup_(cni_request_clear) struct cni_request request;
	struct error err;

	assert_int_equal(read_request("GC", "", CONFIG("1.1.0", ",\"cni.dev/attachments\":[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]"),
				      &request, &err),
			 0);
	assert_int_equal(request.n_valid, 1);
}

static void test_a_list_that_is_absent_or_null_is_unknown_and_an_empty_one_is_empty(void **state)
{
	static const struct {
		const char *input;
		bool known;
	} cases[] = {
		{ CONFIG("1.1.0", ""), false },
		{ CONFIG("1.1.0", ",\"cni.dev/valid-attachments\":null"), false },
		{ CONFIG("1.1.0", ",\"cni.dev/valid-attachments\":[]"), true },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(cni_request_clear) struct cni_request request;
		struct error err;
		assert_int_equal(read_request("GC", "", cases[i].input, &request, &err), 0);
		assert_int_equal(request.valid_known, cases[i].known);
		assert_int_equal(request.n_valid, 0);
	}
}

static void test_refuses_a_list_that_would_remove_the_wrong_pods(void **state)
{
	static const struct {
		const char *list, *message;
	} cases[] = {
		{ "{}", "cni.dev/valid-attachments: must be a list, not an object" },
		{ "[{\"containerID\":\"a\"}]", "cni.dev/valid-attachments: [0]: \"ifname\" is missing" },
		{ "[{\"containerID\":7,\"ifname\":\"eth0\"}]", "cni.dev/valid-attachments: [0].containerID: must be " },
		{ "[{\"containerID\":\"a/b\",\"ifname\":\"eth0\"}]", "cni.dev/valid-attachments: container ID \"a/b\" may have letters and "
								     "digits, and after the first of them also _ . and -" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(cni_request_clear) struct cni_request request;
		char input[256];
		struct error err;
		snprintf(input, sizeof(input), CONFIG("1.1.0", ",\"cni.dev/valid-attachments\":%s"), cases[i].list);
		assert_int_equal(read_request("GC", "", input, &request, &err), -EINVAL);
		assert_int_equal(strncmp(err.message, cases[i].message, strlen(cases[i].message)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_the_pod_from_arguments_in_any_order),
		cmocka_unit_test(test_a_runtime_without_a_pod_uid_gives_an_empty_one),
		cmocka_unit_test(test_keeps_the_previous_result_byte_for_byte),
		cmocka_unit_test(test_only_add_needs_a_pod_and_a_previous_result),
		cmocka_unit_test(test_refuses_an_add_that_it_could_not_judge),
		cmocka_unit_test(test_reads_the_list_of_valid_attachments),
		cmocka_unit_test(test_takes_the_older_key_where_the_new_one_is_absent),
		cmocka_unit_test(test_a_list_that_is_absent_or_null_is_unknown_and_an_empty_one_is_empty),
		cmocka_unit_test(test_refuses_a_list_that_would_remove_the_wrong_pods),
	};

	return cmocka_run_group_tests_name("cni request", tests, NULL, NULL);
}
