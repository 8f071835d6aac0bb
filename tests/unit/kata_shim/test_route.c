// SPDX-License-Identifier: Apache-2.0
/* Which sandbox a pod gets: the table of decisions. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/cli/settings.h"
#include "kata-shim/route/route.h"

#define UNTRUSTED(value) "\"io.kubernetes.cri.untrusted-workload\":\"" value "\""
#define IMAGE "\"io.kubernetes.cri.podsandbox.image-name\":\"registry.k8s.io/pause:3.10\""

struct row {
	const char *name;
	const char *rules;                                   /* a list of YAML */
	const char *handler, *namespace, *pod, *annotations; /* the last: members of an object */
	enum backend backend;
	const char *why;
};

static void load_rules(const char *rules, struct settings *ret)
{
	char text[1024];
	struct error err;

	snprintf(text, sizeof(text), "sandbox: {rules: %s}", rules ? rules : "[]");
	if (settings_parse(slice_string(text), ret, &err) < 0)
		fail_msg("%s", err.message);
}

/* A container that is not of a pod, if it has no namespace. */
static void make_spec(const struct row *row, struct spec *ret)
{
	const char *more = row->annotations ? row->annotations : "\"x\":\"y\"";
	char text[1024];
	struct error err;

	if (row->namespace)
		snprintf(text, sizeof(text),
			 "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"5f3a\","
			 "\"io.kubernetes.cri.sandbox-namespace\":\"%s\",\"io.kubernetes.cri.sandbox-name\":\"%s\",%s}}",
			 row->namespace, row->pod, more);
	else
		snprintf(text, sizeof(text), "{\"annotations\":{%s}}", more);
	if (spec_parse(slice_string(text), ret, &err) < 0)
		fail_msg("%s", err.message);
}

static int decide(const struct row *row, struct route *ret, struct buf *explained, struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = {};
	_cleanup_(spec_clear) struct spec spec = {};

	load_rules(row->rules, &settings);
	make_spec(row, &spec);
	const struct route_question question = { row->handler, &spec };
	if (explained)
		route_explain(&settings.rules, &question, explained);
	return route_decide(&settings.rules, &question, ret, err);
}

static void expect_decisions(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct route route;
		struct error err;
		if (decide(&rows[i], &route, NULL, &err) < 0)
			fail_msg("%s: %s", rows[i].name, err.message);
		if (route.backend != rows[i].backend || strcmp(route.why, rows[i].why) != 0)
			fail_msg("%s: %s (%s)", rows[i].name, backend_names[route.backend], route.why);
	}
}

static void test_without_rules_only_those_who_ask_get_a_vm(void **state)
{
	static const struct row rows[] = {
		{ "default", NULL, "holdfast", "shop", "db-0", NULL, BACKEND_RUNC, "nothing selects it" },
		{ "in the place of runc's", NULL, "runc", "shop", "db-0", NULL, BACKEND_RUNC, "nothing selects it" },
		{ "no pod", NULL, "holdfast", NULL, NULL, NULL, BACKEND_RUNC, "nothing selects it" },
		{ "RuntimeClass", NULL, "holdfast-kata", "shop", "db-0", NULL, BACKEND_VM, "handler holdfast-kata" },
		{ "no pod, but the handler", NULL, "holdfast-kata", NULL, NULL, NULL, BACKEND_VM, "handler holdfast-kata" },
		{ "untrusted handler", NULL, "untrusted", "shop", "db-0", NULL, BACKEND_VM, "handler untrusted" },
		{ "untrusted annotation", NULL, "holdfast", "shop", "db-0", UNTRUSTED("true"), BACKEND_VM,
		  "annotation io.kubernetes.cri.untrusted-workload" },
		{ "trusted annotation", NULL, "holdfast", "shop", "db-0", UNTRUSTED("false"), BACKEND_RUNC, "nothing selects it" },
		{ "other annotation", NULL, "holdfast", "shop", "db-0", UNTRUSTED("True"), BACKEND_RUNC, "nothing selects it" },
	};

	expect_decisions(rows, ELEMENTS_OF(rows));
}

static void test_the_first_rule_that_matches_decides(void **state)
{
	static const struct row rows[] = {
		{ "namespace", "[{namespace: 'tenant-*', backend: kata}]", "holdfast", "tenant-a", "db-0", NULL, BACKEND_KATA,
		  "sandbox.rules[0]" },
		{ "another namespace", "[{namespace: 'tenant-*', backend: kata}]", "holdfast", "shop", "db-0", NULL, BACKEND_RUNC,
		  "nothing selects it" },
		{ "pod", "[{pod: 'db-?', name: dbs, backend: vm}]", "holdfast", "shop", "db-0", NULL, BACKEND_VM,
		  "sandbox.rules[0] \"dbs\"" },
		{ "all conditions", "[{namespace: shop, pod: web, backend: vm}]", "holdfast", "shop", "db-0", NULL, BACKEND_RUNC,
		  "nothing selects it" },
		{ "first", "[{pod: web, backend: vm}, {namespace: shop, backend: kata}, {backend: vm}]", "holdfast", "shop", "db-0", NULL,
		  BACKEND_KATA, "sandbox.rules[1]" },
		{ "annotation", "[{annotations: {x: 'y*'}, backend: vm}]", "holdfast", "shop", "db-0", "\"x\":\"yes\"", BACKEND_VM,
		  "sandbox.rules[0]" },
		{ "annotation of another value", "[{annotations: {x: z}, backend: vm}]", "holdfast", "shop", "db-0", NULL, BACKEND_RUNC,
		  "nothing selects it" },
		{ "annotation that is missing", "[{annotations: {z: '*'}, backend: vm}]", "holdfast", "shop", "db-0", NULL, BACKEND_RUNC,
		  "nothing selects it" },
		{ "image", "[{sandboxImage: '*/pause:*', backend: vm}]", "holdfast", "shop", "db-0", IMAGE, BACKEND_VM,
		  "sandbox.rules[0]" },
		{ "handler", "[{handler: gold, backend: kata}]", "gold", "shop", "db-0", NULL, BACKEND_KATA, "sandbox.rules[0]" },
		{ "all", "[{backend: vm}]", "holdfast", NULL, NULL, NULL, BACKEND_VM, "sandbox.rules[0]" },
		{ "no pod is in no namespace", "[{namespace: '*', backend: vm}]", "holdfast", NULL, NULL, NULL, BACKEND_RUNC,
		  "nothing selects it" },
		{ "no pod has no image", "[{sandboxImage: '*', backend: vm}]", "holdfast", NULL, NULL, NULL, BACKEND_RUNC,
		  "nothing selects it" },
	};

	expect_decisions(rows, ELEMENTS_OF(rows));
}

static void test_a_rule_chooses_between_vms_and_never_takes_one_away(void **state)
{
	static const struct row rows[] = {
		{ "kata", "[{handler: holdfast-kata, backend: kata}]", "holdfast-kata", "shop", "db-0", NULL, BACKEND_KATA,
		  "sandbox.rules[0]" },
		{ "not away", "[{namespace: shop, backend: runc}]", "holdfast-kata", "shop", "db-0", NULL, BACKEND_VM,
		  "handler holdfast-kata" },
		{ "not even by name", "[{handler: untrusted, backend: runc}]", "untrusted", "shop", "db-0", NULL, BACKEND_VM,
		  "handler untrusted" },
		{ "not from the annotation", "[{backend: runc}, {backend: kata}]", "holdfast", "shop", "db-0", UNTRUSTED("true"),
		  BACKEND_KATA, "sandbox.rules[1]" },
		{ "an exception from a later rule", "[{pod: 'node-*', backend: runc}, {backend: vm}]", "holdfast", "shop", "node-exporter",
		  NULL, BACKEND_RUNC, "sandbox.rules[0]" },
	};

	expect_decisions(rows, ELEMENTS_OF(rows));
}

static void test_katas_configuration_is_that_of_the_rule(void **state)
{
	const struct row with = {
		.rules = "[{backend: kata, kataConfig: /etc/fc.toml}]", .handler = "holdfast", .namespace = "a", .pod = "b"
	};
	const struct row without = { .rules = "[{backend: kata}]", .handler = "holdfast", .namespace = "a", .pod = "b" };
	_cleanup_(settings_clear) struct settings settings = {};
	_cleanup_(spec_clear) struct spec spec = {};
	struct route route;
	struct error err;

	load_rules(with.rules, &settings);
	make_spec(&with, &spec);
	const struct route_question question = { "holdfast", &spec };
	assert_int_equal(route_decide(&settings.rules, &question, &route, &err), 0);
	assert_string_equal(route.kata_config, "/etc/fc.toml");
	assert_int_equal(decide(&without, &route, NULL, &err), 0);
	assert_null(route.kata_config);
}

static void expect_refusal(const struct row *row, int code, const char *words)
{
	struct error err = {};
	struct route route;

	assert_int_equal(decide(row, &route, NULL, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void test_a_handler_that_nothing_speaks_of_is_refused(void **state)
{
	const struct row row = { .rules = "[{handler: silver, backend: runc}]", .handler = "gold", .namespace = "shop", .pod = "db-0" };

	expect_refusal(&row, EINVAL, "no rule says where pods of handler \"gold\" run");
}

static void test_a_rule_for_what_containerd_does_not_tell_refuses_whom_it_may_mean(void **state)
{
	struct row row = {
		.rules = "[{namespace: shop, sandboxImage: x, backend: vm}]", .handler = "holdfast", .namespace = "shop", .pod = "a"
	};
	struct route route;
	struct error err;

	expect_refusal(&row, ENODATA, "sandbox.rules[0] asks for sandboxImage");
	row.namespace = "other";
	assert_int_equal(decide(&row, &route, NULL, &err), 0);
	assert_int_equal(route.backend, BACKEND_RUNC);
}

/* `-info`: what is true of all pods of the handler. */
static void test_a_handler_as_such_is_decided_by_what_is_said_of_it_alone(void **state)
{
	_cleanup_(settings_clear) struct settings settings = {};
	struct route_question question = { .handler = "holdfast" };
	struct route route;
	struct error err;

	load_rules("[{namespace: '*', backend: vm}, {annotations: {a: '*'}, backend: vm}, {sandboxImage: '*', backend: vm},"
		   " {handler: gold, backend: kata}]",
		   &settings);
	assert_int_equal(route_decide(&settings.rules, &question, &route, &err), 0);
	assert_int_equal(route.backend, BACKEND_RUNC);
	question.handler = "gold";
	assert_int_equal(route_decide(&settings.rules, &question, &route, &err), 0);
	assert_int_equal(route.backend, BACKEND_KATA);
	question.handler = "holdfast-kata";
	assert_int_equal(route_decide(&settings.rules, &question, &route, &err), 0);
	assert_int_equal(route.backend, BACKEND_VM);
}

static void test_the_explanation_says_why_each_rule_does_not_match(void **state)
{
	static const struct {
		struct row row;
		const char *text;
	} rows[] = {
		{ { .rules = "[{name: tenants, namespace: 'tenant-*', backend: kata}, {pod: web, backend: vm}, {annotations: {a: b}, "
			     "backend: vm},"
			     " {namespace: shop, backend: runc}]",
		    .handler = "holdfast-kata",
		    .namespace = "shop",
		    .pod = "db-0" },
		  "  sandbox.rules[0] \"tenants\": namespace is \"shop\", not \"tenant-*\"\n"
		  "  sandbox.rules[1]: pod is \"db-0\", not \"web\"\n"
		  "  sandbox.rules[2]: there is no annotation a to be \"b\"\n"
		  "  sandbox.rules[3]: matches, and is left out: handler holdfast-kata asks for a VM\n"
		  "  built in: handler holdfast-kata → vm\n" },
		{ { .rules = "[{pod: web, backend: vm}, {pod: 'db-*', backend: vm}, {pod: x, backend: vm}]",
		    .handler = "holdfast",
		    .namespace = "shop",
		    .pod = "db-0" },
		  "  sandbox.rules[0]: pod is \"db-0\", not \"web\"\n"
		  "  sandbox.rules[1]: matches → vm\n" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
		struct route route;
		struct error err;
		assert_int_equal(decide(&rows[i].row, &route, &out, &err), 0);
		assert_string_equal(buf_text(&out), rows[i].text);
	}
}

static void test_the_name_of_the_program_is_the_handler(void **state)
{
	static const char *const good[][2] = {
		{ "containerd-shim-holdfast-v2", "holdfast" },
		{ "/opt/holdfast/bin/containerd-shim-holdfast-kata-v2", "holdfast-kata" },
		{ "/x/containerd-shim-runc-v2", "runc" },
		{ "containerd-shim-a-v2", "a" },
	};
	static const char *const bad[] = { "",
					   "/",
					   "holdfast",
					   "containerd-shim-v2",
					   "containerd-shim--v2",
					   "containerd-shim-runc-v1",
					   "containerd-shim-holdfast-v2/",
					   "containerd-shim-0123456789012345678901234567890123456789012345678901234567890123-v2" };
	char handler[ROUTE_HANDLER_MAX + 1];
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(good); i++) {
		assert_int_equal(route_handler(good[i][0], handler, &err), 0);
		assert_string_equal(handler, good[i][1]);
	}
	for (size_t i = 0; i < ELEMENTS_OF(bad); i++)
		assert_int_equal(route_handler(bad[i], handler, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_rules_only_those_who_ask_get_a_vm),
		cmocka_unit_test(test_the_first_rule_that_matches_decides),
		cmocka_unit_test(test_a_rule_chooses_between_vms_and_never_takes_one_away),
		cmocka_unit_test(test_katas_configuration_is_that_of_the_rule),
		cmocka_unit_test(test_a_handler_that_nothing_speaks_of_is_refused),
		cmocka_unit_test(test_a_rule_for_what_containerd_does_not_tell_refuses_whom_it_may_mean),
		cmocka_unit_test(test_a_handler_as_such_is_decided_by_what_is_said_of_it_alone),
		cmocka_unit_test(test_the_explanation_says_why_each_rule_does_not_match),
		cmocka_unit_test(test_the_name_of_the_program_is_the_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
