// SPDX-License-Identifier: Apache-2.0
/* What a file may say and what is refused stands in tests/golden/config. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/unit/common/sample_config.h"

static void parse(const char *text, struct sample_config *values, struct config **config)
{
	struct error err = {};

	if (config_parse(slice_string(text), &sample_section, values, config, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_the_struct_is_untouched_if_anything_is_wrong(void **state)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct sample_config values = { .pods_max = 77 };
	struct error err = {};

	assert_int_equal(config_parse(slice_string("network: {podsMax: 5, logLevel: loud}"), &sample_section, &values, &config, &err),
			 -EINVAL);
	assert_int_equal(values.pods_max, 77);
	assert_null(config);
}

static void test_a_missing_default_file_gives_the_defaults(void **state)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct sample_config values;
	struct error err = {};

	if (access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		skip();
	assert_int_equal(config_load(NULL, &sample_section, &values, &config, &err), 0);
	assert_int_equal(values.pods_max, 250);
}

static void test_a_missing_file_that_was_asked_for_is_an_error(void **state)
{
	struct sample_config values;
	struct config *config;
	struct error err = {};

	assert_int_equal(config_load("/nowhere.yaml", &sample_section, &values, &config, &err), -ENOENT);
	assert_string_equal(err.message, "cannot open /nowhere.yaml: No such file or directory");
}

static void test_errors_name_the_file(void **state)
{
	char path[] = "/tmp/holdfast-test-XXXXXX";
	char expected[200];
	struct sample_config values;
	struct config *config;
	struct error err = {};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(file_write_atomic(path, slice_string("network: {podsMax: 0}"), 0600, &err), 0);
	int r = config_load(path, &sample_section, &values, &config, &err);
	unlink(path);
	assert_int_equal(r, -EINVAL);
	snprintf(expected, sizeof(expected), "%s: network.podsMax: 0 is below 1", path);
	assert_string_equal(err.message, expected);
}

static void test_strings_live_as_long_as_the_config(void **state)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct sample_config values;
	char text[] = "network: {nodeName: edge}";

	parse(text, &values, &config);
	memset(text, 'x', sizeof(text));
	assert_string_equal(values.node_name, "edge");
}

/* Removes the # in front of every key that has a value. */
static void uncomment(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		const char *rest = (const char *)text.p + i;
		bool key = *rest == '#' && rest[1] != ' ' && memchr(rest, ' ', strcspn(rest, "\n"));
		if (!key)
			buf_byte(out, text.p[i]);
	}
}

static void test_the_printed_file_is_the_defaults_commented_or_not(void **state)
{
	_cleanup_(buf_free) struct buf printed = BUF_MAX(10000), active = BUF_MAX(10000);
	_cleanup_(buf_free) struct buf from_nothing = BUF_MAX(1000), from_print = BUF_MAX(1000), from_active = BUF_MAX(1000);
	struct sample_config values;
	struct config *config;

	config_print(&sample_section, &printed);
	uncomment(buf_view(&printed), &active);
	assert_non_null(strstr(buf_text(&active), "\n  podsMax: 250\n"));
	parse("", &values, &config);
	sample_config_print(&values, &from_nothing);
	config_free(config);
	parse(buf_text(&printed), &values, &config);
	sample_config_print(&values, &from_print);
	config_free(config);
	parse(buf_text(&active), &values, &config);
	sample_config_print(&values, &from_active);
	config_free(config);
	assert_string_equal(buf_text(&from_print), buf_text(&from_nothing));
	assert_string_equal(buf_text(&from_active), buf_text(&from_nothing));
}

static void test_the_printed_file_explains_every_key(void **state)
{
	_cleanup_(buf_free) struct buf printed = BUF_MAX(10000);

	config_print(&sample_section, &printed);
	assert_string_equal(buf_text(&printed),
			    "# Every key stands with its default; remove the # in front of a key to change it.\n"
			    "network:\n"
			    "  # This node's name in Kubernetes; the host name if it is not given.\n"
			    "  #nodeName:\n"
			    "  source:\n"
			    "    # A kubeconfig that reaches the API server.\n"
			    "    #kubeconfig:\n"
			    "    # Use the pod's service account.\n"
			    "    #inCluster: true\n"
			    "  # Where /metrics, /healthz and /readyz are, or off.\n"
			    "  #metricsAddress: \"[::1]:9470\"\n"
			    "  pod:\n"
			    "    # How long ADD waits for the object of the pod before the pod starts in quarantine, where only its own\n"
			    "    # node reaches it. It opens when the object comes.\n"
			    "    #wait: 1s\n"
			    "    # How long to wait before the next try.\n"
			    "    #retry: 250ms\n"
			    "  # Pods that this node may have.\n"
			    "  # From 1 to 10000.\n"
			    "  #podsMax: 250\n"
			    "  # What is logged.\n"
			    "  # One of: debug, info, warn, error\n"
			    "  #logLevel: \"info\"\n");
}

static void test_a_default_that_does_not_fit_its_row_is_found(void **state)
{
	static const struct config_row rows[] = { { "wait", CONFIG_DURATION, 0, "soon" } };
	static const struct config_section section = { "network", rows, 1, sizeof(uint64_t) };
	struct config *config;
	struct error err = {};
	uint64_t wait;

	assert_int_equal(config_parse(slice_string(""), &section, &wait, &config, &err), -EINVAL);
	assert_string_equal(err.message, "default of wait: \"soon\" is no duration; write 500ms, 2s or 1m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_struct_is_untouched_if_anything_is_wrong),
		cmocka_unit_test(test_a_missing_default_file_gives_the_defaults),
		cmocka_unit_test(test_a_missing_file_that_was_asked_for_is_an_error),
		cmocka_unit_test(test_errors_name_the_file),
		cmocka_unit_test(test_strings_live_as_long_as_the_config),
		cmocka_unit_test(test_the_printed_file_is_the_defaults_commented_or_not),
		cmocka_unit_test(test_the_printed_file_explains_every_key),
		cmocka_unit_test(test_a_default_that_does_not_fit_its_row_is_found),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
