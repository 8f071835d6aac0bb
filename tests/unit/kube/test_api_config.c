// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/kube/api_config.h"
#include "common/kube/backoff.h"
#include "common/base/base64.h"
#include "tests/unit/kube/source_fixture.h"

static void write_file(const char *directory, const char *name, const char *content)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
	fclose(file);
}

struct place {
	char directory[64], kubeconfig[96];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	strcpy(place->directory, "/tmp/holdfast-test-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->kubeconfig, sizeof(place->kubeconfig), "%s/config", place->directory);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", place->directory);
	free(place);
	return system(command);
}

#define HEAD                                                                                                                               \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: other, context: {cluster: x}}, {name: c, context: {cluster: " \
	"k, user: u}}]\n"
#define CLUSTER(fields) "clusters: [{name: k, cluster: {" fields "}}]\n"
#define USER(fields) "users: [{name: u, user: {" fields "}}]\n"
#define SERVER "server: 'https://10.9.0.1:6443'"

static int load(const struct place *place, const char *text, struct api_config *ret, struct error *err)
{
	const struct kube_source_options options = { .kubeconfig = place->kubeconfig };

	write_file(place->directory, "config", text);
	return api_config_load(&options, ret, err);
}

static void test_reads_the_current_context(void **state)
{
	_cleanup_(api_config_clear) struct api_config config = {};
	const struct place *place = *state;
	struct error err;
	char path[128];

	assert_int_equal(
		load(place,
		     HEAD CLUSTER("server: 'https://10.9.0.1:6443/', certificate-authority-data: Q0E=, tls-server-name: kubernetes")
			     USER("client-certificate: pki/me.crt, client-key: /abs/me.key, tokenFile: token"),
		     &config, &err),
		0);
	assert_string_equal(config.server, "https://10.9.0.1:6443");
	assert_string_equal(config.server_name, "kubernetes");
	assert_string_equal((char *)config.ca.p, "CA");
	assert_false(config.insecure);
	snprintf(path, sizeof(path), "%s/pki/me.crt", place->directory);
	assert_string_equal(config.certificate_file, path);
	assert_string_equal(config.key_file, "/abs/me.key");
	snprintf(path, sizeof(path), "%s/token", place->directory);
	assert_string_equal(config.token_file, path);
}

static void test_a_context_without_a_user_has_no_credentials(void **state)
{
	_cleanup_(api_config_clear) struct api_config config = {};
	_cleanup_(secret_free) struct secret token = {};
	struct error err;

	assert_int_equal(load(*state, "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n" CLUSTER(SERVER), &config, &err),
			 0);
	assert_int_equal(api_config_token(&config, &token, &err), 0);
	assert_null(token.p);
}

static void test_certificates_are_checked_unless_the_file_says_no(void **state)
{
	_cleanup_(api_config_clear) struct api_config config = {};
	struct error err;

	assert_int_equal(load(*state, HEAD CLUSTER(SERVER ", insecure-skip-tls-verify: true") USER(""), &config, &err), 0);
	assert_true(config.insecure);
}

static const struct {
	const char *name, *text, *message;
} refusals[] = {
	{ "no context", "clusters: []\n", "\"current-context\" is missing" },
	{ "unknown context", "current-context: x\ncontexts: []\n", "contexts: nothing in it is called \"x\"" },
	{ "unknown cluster", HEAD "clusters: []\n", "clusters: nothing in it is called \"k\"" },
	{ "unknown user", HEAD CLUSTER(SERVER) "users: []\n", "users: nothing in it is called \"u\"" },
	{ "no server", HEAD CLUSTER("x: y") USER(""), "clusters[0].cluster: \"server\" is missing" },
	{ "exec plugin", HEAD CLUSTER(SERVER) USER("exec: {command: aws}"), "users[0].user.exec: Holdfast does not support this" },
	{ "proxy", HEAD CLUSTER(SERVER ", proxy-url: 'http://p'") USER(""),
	  "clusters[0].cluster.proxy-url: Holdfast does not support this" },
	{ "bad data", HEAD CLUSTER(SERVER ", certificate-authority-data: '***'") USER(""),
	  "clusters[0].cluster.certificate-authority-data: is not base64 (byte 1)" },
	{ "plain http", HEAD CLUSTER("server: 'http://10.9.0.1'") USER(""), "plain http goes to this machine only" },
	{ "other scheme", HEAD CLUSTER("server: 'ftp://10.9.0.1'") USER(""), "use https" },
	{ "insecure is a word", HEAD CLUSTER(SERVER ", insecure-skip-tls-verify: 'true'") USER(""), "must be true or false" },
	{ "empty", "", "is empty" },
	{ "two documents", "a: b\n---\nc: d\n", "a kubeconfig is one document" },
};

static void test_says_what_is_wrong_with_a_kubeconfig(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(refusals); i++) {
		struct api_config config;
		struct error err;
		if (load(*state, refusals[i].text, &config, &err) == 0)
			fail_msg("%s: accepted", refusals[i].name);
		if (!strstr(err.message, refusals[i].message))
			fail_msg("%s: says \"%s\"", refusals[i].name, err.message);
	}
}

static void test_an_error_never_shows_a_token(void **state)
{
	struct api_config config;
	struct error err;

	assert_true(load(*state, HEAD CLUSTER(SERVER) "users: [{name: u, user: {token: {s3cret: s3cret}}}]\n", &config, &err) < 0);
	assert_null(strstr(err.message, "s3cret"));
}

static void test_in_a_pod_the_environment_gives_the_address(void **state)
{
	_cleanup_(api_config_clear) struct api_config config = {};
	const struct place *place = *state;
	const struct kube_source_options options = { .in_cluster = true, .service_account = place->directory };
	struct error err;

	setenv("KUBERNETES_SERVICE_HOST", "fd96::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(api_config_load(&options, &config, &err), -ENOENT);
	write_file(place->directory, "token", " abc\n");
	write_file(place->directory, "ca.crt", "");
	assert_int_equal(api_config_load(&options, &config, &err), 0);
	assert_string_equal(config.server, "https://[fd96::1]:443");
	unsetenv("KUBERNETES_SERVICE_HOST");
	struct api_config none;
	assert_int_equal(api_config_load(&options, &none, &err), -EINVAL);
	assert_non_null(strstr(err.message, "KUBERNETES_SERVICE_HOST"));
}

static void test_the_token_file_is_read_each_time(void **state)
{
	const struct place *place = *state;
	_cleanup_(api_config_clear) struct api_config config = {};
	_cleanup_(secret_free) struct secret first = {};
	_cleanup_(secret_free) struct secret second = {};
	struct secret none;
	struct error err;

	assert_int_equal(load(place, HEAD CLUSTER(SERVER) USER("tokenFile: token"), &config, &err), 0);
	write_file(place->directory, "token", " abc\n");
	assert_int_equal(api_config_token(&config, &first, &err), 0);
	assert_string_equal((char *)first.p, "abc");
	write_file(place->directory, "token", "def");
	assert_int_equal(api_config_token(&config, &second, &err), 0);
	assert_string_equal((char *)second.p, "def");
	write_file(place->directory, "token", "a\r\nX-Evil: b");
	assert_int_equal(api_config_token(&config, &none, &err), -EINVAL);
	write_file(place->directory, "token", "\n");
	assert_int_equal(api_config_token(&config, &none, &err), -EINVAL);
}

static const struct {
	const char *text, *bytes; /* NULL: refused */
} base64_cases[] = {
	{ "", "" },           { "Zg==", "f" },   { "Zm8=", "fo" },  { "Zm9v", "foo" }, { "Zm9v\nYmFy\n", "foobar" },
	{ "Zg", NULL },       { "Zg=", NULL },   { "Zg===", NULL }, { "Z===", NULL },  { "Zm9v====", NULL },
	{ "Zg==Zg==", NULL }, { "Zm 9v", NULL }, { "Zm9-", NULL },
};

static void test_decodes_base64_and_nothing_else(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(base64_cases); i++) {
		_cleanup_(secret_free) struct secret bytes = {};
		struct error err;
		int r = base64_decode(slice_string(base64_cases[i].text), &bytes, &err);
		if ((r == 0) != (base64_cases[i].bytes != NULL))
			fail_msg("\"%s\": %d", base64_cases[i].text, r);
		if (r == 0)
			assert_string_equal((char *)bytes.p, base64_cases[i].bytes);
	}
}

static void test_back_off_doubles_within_jitter_up_to_its_cap(void **state)
{
	struct backoff backoff = { .first_ms = 100, .cap_ms = 1500 };
	static const uint64_t longest[] = { 100, 200, 400, 800, 1500, 1500, 1500 };

	for (size_t i = 0; i < ELEMENTS_OF(longest); i++) {
		struct backoff copy = backoff;
		assert_int_equal(backoff_next_ms(&copy, 0), longest[i]);
		assert_in_range(backoff_next_ms(&backoff, UINT64_MAX - i), longest[i] / 2 + 1, longest[i]);
	}
	for (int i = 0; i < 1000; i++)
		assert_in_range(backoff_next_ms(&backoff, (uint64_t)i), 751, 1500);
	backoff_reset(&backoff);
	assert_int_equal(backoff_next_ms(&backoff, 0), 100);
}

static void test_exactly_one_source_is_chosen(void **state)
{
	const struct kube_source_options rows[] = {
		{},
		{ .kubeconfig = "a", .in_cluster = true },
		{ .directory = "/tmp", .in_cluster = true },
		{ .directory = "/tmp", .api_server = "x" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct kube_source *source;
		struct error err;
		assert_int_equal(kube_source_start(NULL, &rows[i], NULL, &source, &err), -EINVAL);
	}
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(test_reads_the_current_context),
		PLACE_TEST(test_a_context_without_a_user_has_no_credentials),
		PLACE_TEST(test_certificates_are_checked_unless_the_file_says_no),
		PLACE_TEST(test_says_what_is_wrong_with_a_kubeconfig),
		PLACE_TEST(test_an_error_never_shows_a_token),
		PLACE_TEST(test_in_a_pod_the_environment_gives_the_address),
		PLACE_TEST(test_the_token_file_is_read_each_time),
		cmocka_unit_test(test_decodes_base64_and_nothing_else),
		cmocka_unit_test(test_back_off_doubles_within_jitter_up_to_its_cap),
		cmocka_unit_test(test_exactly_one_source_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
