// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/unit/kube/print.h"

#define GOLDEN TEST_DATA "/golden/kube"

static void read_text(const char *path, struct buf *out)
{
	struct error err;

	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.message);
}

static int is_json(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".json") == 0;
}

/* Calls `check` with the input's text and the text of the file beside it. */
static void for_each_golden(const char *directory, const char *suffix,
			    void (*check)(const char *name, const char *input, const char *expected))
{
	struct dirent **entries;
	int n = scandir(directory, &entries, is_json, alphasort);

	assert_true(n > 10);
	for (int i = 0; i < n; i++) {
		_cleanup_(buf_free) struct buf input = BUF_MAX(1 << 20);
		_cleanup_(buf_free) struct buf expected = BUF_MAX(1 << 20);
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		read_text(path, &input);
		snprintf(path + strlen(path) - strlen(".json"), 16, "%s", suffix);
		read_text(path, &expected);
		check(entries[i]->d_name, buf_text(&input), buf_text(&expected));
		free(entries[i]);
	}
	free(entries);
}

static void check_accepted(const char *name, const char *input, const char *expected)
{
	_cleanup_(kube_object_freep) struct kube_object *object = NULL;
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);
	struct error err;

	if (read_object_text(input, &object, &err) < 0)
		fail_msg("%s: refused: %s", name, err.message);
	print_object(object, &text);
	if (strcmp(buf_text(&text), expected) != 0)
		fail_msg("%s: prints\n%sinstead of\n%s", name, buf_text(&text), expected);
	assert_true(kube_object_equals(object, object));
}

static void check_printed(const char *name, const char *input, const char *expected)
{
	_cleanup_(kube_object_freep) struct kube_object *object = object_of(input), *again = NULL;
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err;

	if (kube_kind_is_optional(object->kind))
		return;
	kube_object_print(object, &text);
	if (json_parse(buf_view(&text), &json_limits_object, &tree, &err) < 0)
		fail_msg("%s: %s\n%s", name, err.message, buf_text(&text));
	struct json_view root = json_root(tree);
	bool is_refused = object->kind == KUBE_NETWORK_POLICY && object->policy.invalid;
	int r = is_refused ? kube_object_read_refused(&root, object->policy.invalid, &again, &err) : kube_object_read(&root, &again, &err);
	if (r < 0)
		fail_msg("%s: refused: %s\n%s", name, err.message, buf_text(&text));
	if (!kube_object_equals(object, again))
		fail_msg("%s: reads differently\n%s", name, buf_text(&text));
}

static void test_every_accepted_object_prints_as_json_that_reads_the_same(void **state)
{
	for_each_golden(GOLDEN "/accept", ".expected", check_printed);
}

static void test_prints_every_accepted_object_as_its_golden_file(void **state)
{
	for_each_golden(GOLDEN "/accept", ".expected", check_accepted);
}

static void check_refused(const char *name, const char *input, const char *expected)
{
	_cleanup_(kube_object_freep) struct kube_object *object = NULL;
	struct error err;
	const char *message = err.message;
	char line[1024];

	if (read_object_text(input, &object, &err) == 0) {
		if (object->kind != KUBE_NETWORK_POLICY || !object->policy.invalid)
			fail_msg("%s: accepted", name);
		message = object->policy.invalid;
		assert_int_equal(object->policy.n_ingress + object->policy.n_egress, 0);
		assert_true(object->policy.isolates_ingress || object->policy.isolates_egress);
	}
	snprintf(line, sizeof(line), "%s\n", message);
	if (strcmp(line, expected) != 0)
		fail_msg("%s: says\n%sinstead of\n%s", name, line, expected);
}

static void test_says_why_it_refuses_every_reject_file(void **state)
{
	for_each_golden(GOLDEN "/reject", ".err", check_refused);
}

static void test_a_kind_that_is_not_read_differs_from_a_broken_object(void **state)
{
	struct kube_object *object;
	struct error err;

	assert_int_equal(read_object_text("{\"kind\":\"Secret\",\"apiVersion\":\"v1\"}", &object, &err), -ENOTSUP);
	assert_int_equal(read_object_text("{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", &object, &err), -EINVAL);
}

/* Reads a policy with one peer per CIDR: what generated block lists look like. */
static struct kube_object *policy_with_cidrs(unsigned n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);

	buf_string(&text, "{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"networking.k8s.io/v1\",\"metadata\":{\"name\":\"a\"},"
			  "\"spec\":{\"podSelector\":{},\"ingress\":[{\"from\":[");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text, "%s{\"ipBlock\":{\"cidr\":\"10.%u.%u.0/24\"}}", i ? "," : "", i / 256, i % 256);
	buf_string(&text, "]}]}}");
	return object_of(buf_text(&text));
}

static void test_reads_5000_cidrs_in_one_policy(void **state)
{
	_cleanup_(kube_object_freep) struct kube_object *object = policy_with_cidrs(5000);

	assert_null(object->policy.invalid);
	assert_int_equal(object->policy.ingress[0].n_peers, 5000);
}

static void test_a_policy_above_the_limit_of_peers_isolates(void **state)
{
	_cleanup_(kube_object_freep) struct kube_object *object = policy_with_cidrs(16385);

	assert_non_null(object->policy.invalid);
	assert_true(object->policy.isolates_ingress);
	assert_int_equal(object->policy.n_ingress, 0);
}

/* One rule with so many selectors and named ports. */
static struct kube_object *policy_with_selectors(unsigned selectors, unsigned names)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);

	buf_string(&text, "{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"networking.k8s.io/v1\",\"metadata\":{\"name\":\"a\"},"
			  "\"spec\":{\"podSelector\":{},\"egress\":[{},{\"to\":[");
	for (unsigned i = 0; i < selectors; i++)
		buf_printf(&text, "%s{\"podSelector\":{\"matchLabels\":{\"a\":\"%u\"}}}", i ? "," : "", i);
	buf_string(&text, "],\"ports\":[{\"port\":1},{\"port\":2}");
	for (unsigned i = 0; i < names; i++)
		buf_printf(&text, ",{\"port\":\"p%u\"}", i);
	buf_string(&text, "]}]}}");
	return object_of(buf_text(&text));
}

static void test_selectors_times_named_ports_are_limited(void **state)
{
	_cleanup_(kube_object_freep) struct kube_object *most = policy_with_selectors(23, 88);
	_cleanup_(kube_object_freep) struct kube_object *more = policy_with_selectors(23, 89);
	_cleanup_(kube_object_freep) struct kube_object *many = policy_with_selectors(2048, 0);

	assert_null(most->policy.invalid);
	assert_int_equal(most->policy.n_egress, 2);
	assert_string_equal(more->policy.invalid,
			    "spec.egress[1]: up to here there are 2071 combinations of a selector with a named port or protocol, above "
			    "the limit of 2048: use fewer selectors (with more values) or numeric ports");
	assert_non_null(many->policy.invalid);
	assert_true(many->policy.isolates_egress);
	assert_int_equal(many->policy.n_egress, 0);
}

/* What a tenant may write on his own pod must not freeze what we know of it. */
static void test_a_pod_stays_readable_whatever_its_annotations_and_labels(void **state)
{
	_cleanup_(kube_object_freep) struct kube_object *object = NULL;
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);

	buf_printf(&text,
		   "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"annotations\":{"
		   "\"kubernetes.io/config.hash\":\"%0300d\"},\"labels\":{\"a\":\"\"",
		   0);
	for (unsigned i = 0; i < 5000; i++)
		buf_printf(&text, ",\"a%u\":\"\"", i);
	buf_string(&text, "}}}");
	object = object_of(buf_text(&text));
	assert_null(object->pod.config_hash);
	assert_int_equal(object->labels.n, 5001);
}

#define POD(fields) "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\"" fields "}"
#define POLICY(spec)                                                                                                                       \
	"{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"networking.k8s.io/v1\",\"metadata\":{\"name\":\"a\"},\"spec\":{" spec "}}"
#define TPM_SECRET(spec, rest)                                                                                                             \
	"{\"kind\":\"TPMSecret\",\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"metadata\":{\"name\":\"a\"},\"spec\":" spec rest "}"
#define PEER(peer) POLICY("\"ingress\":[{\"from\":[" peer "]}]")
#define PORT(port) POLICY("\"ingress\":[{\"ports\":[" port "]}]")

static const struct {
	const char *name, *a, *b;
	bool equal;
} equality_cases[] = {
	{ "resource versions do not count", POD(",\"resourceVersion\":\"1\"}"), POD(",\"resourceVersion\":\"2\"}"), true },
	{ "annotations do not count", POD("}"), POD(",\"annotations\":{\"a\":\"b\"}}"), true },
	{ "order of labels", POD(",\"labels\":{\"a\":\"1\",\"b\":\"2\"}}"), POD(",\"labels\":{\"b\":\"2\",\"a\":\"1\"}}"), true },
	{ "label value", POD(",\"labels\":{\"a\":\"1\"}}"), POD(",\"labels\":{\"a\":\"2\"}}"), false },
	{ "label added", POD("}"), POD(",\"labels\":{\"a\":\"1\"}}"), false },
	{ "phase", POD("},\"status\":{\"phase\":\"Running\"}"), POD("},\"status\":{\"phase\":\"Failed\"}"), false },
	{ "address", POD("},\"status\":{\"podIP\":\"10.0.0.1\"}"), POD("},\"status\":{\"podIP\":\"10.0.0.2\"}"), false },
	{ "node", POD("},\"spec\":{\"nodeName\":\"a\"}"), POD("},\"spec\":{}"), false },
	{ "host network", POD("},\"spec\":{\"hostNetwork\":true}"), POD("},\"spec\":{}"), false },
	{ "policy types", POLICY("\"policyTypes\":[\"Ingress\"]"), POLICY("\"policyTypes\":[\"Egress\"]"), false },
	{ "default types", POLICY("\"policyTypes\":[\"Ingress\"]"), POLICY(""), true },
	{ "nil and empty namespace selector", PEER("{\"podSelector\":{}}"), PEER("{\"podSelector\":{},\"namespaceSelector\":{}}"), false },
	{ "masked cidr", PEER("{\"ipBlock\":{\"cidr\":\"10.0.0.5/24\"}}"), PEER("{\"ipBlock\":{\"cidr\":\"10.0.0.0/24\"}}"), true },
	{ "cidr prefix", PEER("{\"ipBlock\":{\"cidr\":\"10.0.0.0/25\"}}"), PEER("{\"ipBlock\":{\"cidr\":\"10.0.0.0/24\"}}"), false },
	{ "except", PEER("{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":[\"10.1.0.0/16\"]}}"),
	  PEER("{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\"}}"), false },
	{ "port and its protocol", PORT("{\"port\":80}"), PORT("{\"port\":80,\"protocol\":\"UDP\"}"), false },
	{ "end port", PORT("{\"port\":80}"), PORT("{\"port\":80,\"endPort\":81}"), false },
	{ "end port that adds nothing", PORT("{\"port\":80}"), PORT("{\"port\":80,\"endPort\":80}"), true },
	{ "service account", POD("},\"spec\":{\"serviceAccountName\":\"db\"}"), POD("}"), false },
	{ "default service account", POD("},\"spec\":{\"serviceAccountName\":\"default\"}"), POD("}"), true },
	{ "annotation with secrets", POD(",\"annotations\":{\"holdfast/secrets\":\"a\"}}"), POD("}"), false },
	{ "spec of a sealed secret", TPM_SECRET("{\"version\":\"1\"}", ""), TPM_SECRET("{\"version\":\"2\"}", ""), false },
	{ "status of a sealed secret", TPM_SECRET("{\"version\":\"1\"}", ",\"status\":{\"nodes\":[]}"),
	  TPM_SECRET("{ \"version\" : \"1\" }", ""), true },
	{ "reason of refusal", PORT("{\"port\":0}"), PORT("{\"port\":70000}"), false },
};

static void test_objects_are_equal_if_nothing_that_is_used_differs(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(equality_cases); i++) {
		_cleanup_(kube_object_freep) struct kube_object *a = object_of(equality_cases[i].a);
		_cleanup_(kube_object_freep) struct kube_object *b = object_of(equality_cases[i].b);
		if (kube_object_equals(a, b) != equality_cases[i].equal)
			fail_msg("%s: %s", equality_cases[i].name, equality_cases[i].equal ? "differ" : "are equal");
	}
}

static void test_a_sealed_secret_above_the_limit_is_refused(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4 << 20);
	struct kube_object *object;
	struct error err;

	buf_string(&text, TPM_SECRET("{\"data\":\"", ""));
	text.n -= strlen("}");
	while (text.n < 1500 * 1024)
		buf_string(&text, "0123456789012345678901234567890123456789");
	buf_string(&text, "\"}}");
	assert_int_equal(read_object_text(buf_text(&text), &object, &err), -EINVAL);
	assert_non_null(strstr(err.message, "above the limit of 1433600"));
}

static void test_addresses_print_as_they_were_read(void **state)
{
	static const char *const rows[][2] = {
		{ "10.0.0.1", "10.0.0.1" },          { "fd00::1", "fd00::1" }, { "FD00:0:0::1", "fd00::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" }, { "::", "::" },           { "0.0.0.0", "0.0.0.0" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		char text[INET6_ADDRSTRLEN];
		struct kube_address address;
		struct error err;
		assert_int_equal(kube_address_parse(rows[i][0], &address, &err), 0);
		kube_address_format(&address, text);
		assert_string_equal(text, rows[i][1]);
	}
}

static void test_refuses_what_is_no_address(void **state)
{
	static const char *const rows[] = { "", "10.0.0", "010.0.0.1", "10.0.0.1/32", "fe80::1%eth0", " 10.0.0.1", "[::1]", "1.2.3.4.5" };

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct kube_address address;
		struct error err;
		if (kube_address_parse(rows[i], &address, &err) != -EINVAL)
			fail_msg("accepts \"%s\"", rows[i]);
	}
}

static void test_masks_a_cidr_at_any_bit(void **state)
{
	static const char *const rows[][2] = {
		{ "10.255.255.255/9", "10.128.0.0" }, { "10.0.0.5/32", "10.0.0.5" }, { "255.255.255.255/0", "0.0.0.0" },
		{ "fd00:ffff::1/17", "fd00:8000::" }, { "fd00::1/128", "fd00::1" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		char text[INET6_ADDRSTRLEN];
		struct kube_cidr cidr;
		struct error err;
		assert_int_equal(kube_cidr_parse(rows[i][0], &cidr, &err), 0);
		kube_address_format(&cidr.address, text);
		assert_string_equal(text, rows[i][1]);
	}
}

static void test_a_usual_pod_costs_less_than_half_a_kibibyte(void **state)
{
	_cleanup_(kube_object_freep) struct kube_object *pod = object_of(
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"checkout-6d4b75cb6d-hx2kp\",\"namespace\":\"production\","
		"\"uid\":\"0f3c9f64-7d5e-4b0c-9a43-2f1f0a6f8f11\",\"resourceVersion\":\"123456789\",\"labels\":{\"app\":\"checkout\","
		"\"tier\":\"backend\",\"pod-template-hash\":\"6d4b75cb6d\"}},\"spec\":{\"nodeName\":\"edge-node-0042\",\"containers\":[{"
		"\"ports\":"
		"[{\"name\":\"http\",\"containerPort\":8080}]}]},\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.1.2.3\"},"
		"{\"ip\":\"fd00::1:2:3\"}]}}");

	print_message("a usual pod takes %zu bytes\n", malloc_usable_size(pod));
	assert_true(malloc_usable_size(pod) < 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prints_every_accepted_object_as_its_golden_file),
		cmocka_unit_test(test_every_accepted_object_prints_as_json_that_reads_the_same),
		cmocka_unit_test(test_says_why_it_refuses_every_reject_file),
		cmocka_unit_test(test_a_kind_that_is_not_read_differs_from_a_broken_object),
		cmocka_unit_test(test_reads_5000_cidrs_in_one_policy),
		cmocka_unit_test(test_a_policy_above_the_limit_of_peers_isolates),
		cmocka_unit_test(test_selectors_times_named_ports_are_limited),
		cmocka_unit_test(test_a_pod_stays_readable_whatever_its_annotations_and_labels),
		cmocka_unit_test(test_objects_are_equal_if_nothing_that_is_used_differs),
		cmocka_unit_test(test_a_sealed_secret_above_the_limit_is_refused),
		cmocka_unit_test(test_addresses_print_as_they_were_read),
		cmocka_unit_test(test_refuses_what_is_no_address),
		cmocka_unit_test(test_masks_a_cidr_at_any_bit),
		cmocka_unit_test(test_a_usual_pod_costs_less_than_half_a_kibibyte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
