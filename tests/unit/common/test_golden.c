// SPDX-License-Identifier: Apache-2.0
/*
 * Every file in tests/golden/{json,yaml,config}/accept is read and printed, and the print must be what stands in <file>.expected; every
 * file in reject must be refused with exactly the words of <file>.err. Each file is a test of its own.
 */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/json/json.h"
#include "common/json/yaml.h"
#include "tests/unit/common/sample_config.h"

#define FILE_MAX (1024 * 1024)

struct golden {
	const char *folder;
	int (*print)(struct slice text, struct buf *out, struct error *err);
};

static int print_json(struct slice text, struct buf *out, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = json_check(text, &json_limits_object, err);
	struct error err_parse = {};
	int r_parse = json_parse(text, &json_limits_object, &tree, &err_parse);
	assert_int_equal(r, r_parse);
	if (r < 0) {
		assert_string_equal(err->message, err_parse.message);
		return r;
	}
	_cleanup_free_ char *printed = cJSON_PrintUnformatted(tree);
	buf_printf(out, "%s\n", printed);
	return 0;
}

static int print_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	_cleanup_free_ char *printed = cJSON_PrintUnformatted(owned);

	buf_printf(context, "line %u: %s\n", line, printed);
	return 0;
}

static int print_yaml(struct slice text, struct buf *out, struct error *err)
{
	return yaml_parse(text, &yaml_limits_manifests, print_document, out, err);
}

static int print_config(struct slice text, struct buf *out, struct error *err)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct sample_config values;

	int r = config_parse(text, &sample_section, &values, &config, err);
	if (r == 0)
		sample_config_print(&values, out);
	return r;
}

static const struct golden goldens[] = {
	{ "json", print_json },
	{ "yaml", print_yaml },
	{ "config", print_config },
};

struct golden_file {
	const struct golden *golden;
	bool accept;
	char path[512];
	char promise[512];
};

static void read_file(const char *path, struct buf *out)
{
	struct error err;

	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.message);
}

static void read_expected(const struct golden_file *file, struct buf *out)
{
	char path[600];

	snprintf(path, sizeof(path), "%s%s", file->path, file->accept ? ".expected" : ".err");
	read_file(path, out);
}

static void check_golden_file(void **state)
{
	const struct golden_file *file = *state;
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX), expected = BUF_MAX(FILE_MAX), printed = BUF_MAX(FILE_MAX);
	struct error err = {};

	read_file(file->path, &text);
	int r = file->golden->print(buf_view(&text), &printed, &err);
	if (file->accept && r < 0)
		fail_msg("refused: %s", err.message);
	if (!file->accept) {
		assert_true(r < 0);
		assert_int_equal(-r, err.code);
		buf_clear(&printed);
		buf_printf(&printed, "%s\n", err.message);
	}
	read_expected(file, &expected);
	assert_string_equal(buf_text(&printed), buf_text(&expected));
}

static int is_input(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".err") != 0 && strcmp(dot, ".expected") != 0;
}

static struct CMUnitTest tests[512];
static size_t n_tests;

static void add_file(const struct golden *golden, bool accept, const char *directory, const char *name)
{
	struct golden_file *file = calloc(1, sizeof(*file));

	assert_non_null(file);
	assert_true(n_tests < ELEMENTS_OF(tests));
	file->golden = golden;
	file->accept = accept;
	snprintf(file->path, sizeof(file->path), "%s/%s", directory, name);
	snprintf(file->promise, sizeof(file->promise), "%s %s/%s", accept ? "accepts" : "refuses with a reason", golden->folder, name);
	tests[n_tests++] = (struct CMUnitTest){ .name = file->promise, .test_func = check_golden_file, .initial_state = file };
}

static bool add_folder(const struct golden *golden, bool accept)
{
	char directory[256];
	struct dirent **entries = NULL;

	snprintf(directory, sizeof(directory), "%s/golden/%s/%s", TEST_DATA, golden->folder, accept ? "accept" : "reject");
	int n = scandir(directory, &entries, is_input, alphasort);
	for (int i = 0; i < n; i++) {
		add_file(golden, accept, directory, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (n <= 0)
		fprintf(stderr, "%s holds no golden files\n", directory);
	return n > 0;
}

int main(void)
{
	bool complete = true;

	for (size_t i = 0; i < ELEMENTS_OF(goldens); i++)
		complete = add_folder(&goldens[i], true) && add_folder(&goldens[i], false) && complete;
	if (!complete)
		return 1;
	int failed = _cmocka_run_group_tests("golden", tests, n_tests, NULL, NULL);
	for (size_t i = 0; i < n_tests; i++)
		free(tests[i].initial_state);
	return failed;
}
