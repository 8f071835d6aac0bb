// SPDX-License-Identifier: Apache-2.0
/*
 * The first allocation fails, then the second, and so on until everything works: each time the caller gets ENOMEM, an untouched
 * output and no leak (under the address sanitizer). cJSON allocates by its hooks.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/json/json.h"
#include "common/json/stream.h"
#include "common/json/yaml.h"
#include "tests/support/few_allocations.h"
#include "tests/unit/common/sample_config.h"

#define ALLOCATIONS_MAX 2000 /* a run that needs more never ends */

/* Calls `work` with more and more allocations until it succeeds; returns how many times it had failed. */
static size_t fail_each_allocation(int (*work)(struct error *err))
{
	size_t failures = 0;

	for (;; failures++) {
		struct error err = {};
		assert_true(failures < ALLOCATIONS_MAX);
		allocations_allowed = failures;
		int r = work(&err);
		allocations_allowed = SIZE_MAX;
		if (r == 0)
			return failures;
		if (r != -ENOMEM || strcmp(err.message, "out of memory") != 0)
			fail_msg("allocation %zu: %d %s", failures, r, err.message);
	}
}

static struct slice many_keys(void)
{
	static struct buf text = BUF_MAX(100000);

	if (text.n == 0) {
		for (int i = 0; i < 140; i++)
			buf_printf(&text, "%c\"k%d\":[1,\"x\"]", i ? ',' : '{', i);
		buf_byte(&text, '}');
	}
	return buf_view(&text);
}

static int work_json(struct error *err)
{
	cJSON *tree = NULL;
	int r = json_parse(many_keys(), &json_limits_object, &tree, err);

	assert_int_equal(r == 0, tree != NULL);
	json_free(tree);
	return r;
}

static void test_json_survives_each_failing_allocation(void **state)
{
	assert_non_null(many_keys().p);
	assert_true(fail_each_allocation(work_json) > 500);
}

static int drop_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	++*(unsigned *)context;
	json_free(tree);
	return 0;
}

static int work_yaml(struct error *err)
{
	static const char text[] = "a: {b: [1, two, null, true], c: d}\n\"e\": |\n  text\n---\n- x: 1\n  y: 2\n  z: 3\n";
	unsigned documents = 0;
	int r = yaml_parse(slice_string(text), &yaml_limits_manifests, drop_document, &documents, err);

	assert_true(r < 0 || documents == 2);
	return r;
}

static void test_yaml_survives_each_failing_allocation(void **state)
{
	assert_true(fail_each_allocation(work_yaml) > 20);
}

static int work_config(struct error *err)
{
	struct sample_config values = { .pods_max = 77 };
	struct config *config = NULL;
	int r = config_parse(slice_string("network: {nodeName: a, source: {inCluster: true}}"), &sample_section, &values, &config, err);

	assert_int_equal(r == 0, config != NULL);
	assert_int_equal(values.pods_max, r == 0 ? 250 : 77);
	config_free(config);
	return r;
}

static void test_configuration_survives_each_failing_allocation(void **state)
{
	assert_true(fail_each_allocation(work_config) > 5);
}

static int drop_piece(void *context, const struct json_piece *piece, struct error *err)
{
	return 0;
}

static int work_stream(struct error *err)
{
	_cleanup_(json_stream_freep) struct json_stream *stream = json_stream_new(JSON_STREAM_DOCUMENTS, 100000);
	struct slice text = many_keys();

	if (!stream)
		return error_nomem(err);
	for (size_t i = 0; i < text.n; i++) {
		int r = json_stream_feed(stream, slice_from(text.p + i, 1), drop_piece, NULL, err);
		if (r < 0)
			return r;
	}
	return json_stream_finish(stream, err);
}

static void test_the_stream_survives_each_failing_allocation(void **state)
{
	assert_true(fail_each_allocation(work_stream) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_survives_each_failing_allocation),
		cmocka_unit_test(test_yaml_survives_each_failing_allocation),
		cmocka_unit_test(test_configuration_survives_each_failing_allocation),
		cmocka_unit_test(test_the_stream_survives_each_failing_allocation),
	};
	cJSON_Hooks hooks = { .malloc_fn = malloc, .free_fn = free };

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests_name("out_of_memory", tests, NULL, NULL);
}
