// SPDX-License-Identifier: Apache-2.0
/*
 * The file becomes a tree, and the tree is walked next to the table: a member is a row, or the parent of rows, or unknown.
 * Values are set in a copy of the caller's struct, which sees them only if the whole section is good.
 */
#include "common/config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/nearest.h"
#include "common/base/show.h"
#include "common/config/value.h"
#include "common/json/json.h"
#include "common/json/yaml.h"

#define FILE_BYTES_MAX (256 * 1024)
#define KEY_PATH_MAX 128

static const struct yaml_limits limits = { .bytes = FILE_BYTES_MAX, .depth = 16, .values = 10 * 1000, .documents = 1 };
static const char *const section_names[] = { "network", "sandbox", "secrets", "install", NULL };

struct config {
	cJSON *tree;
};

struct walk {
	const struct config_section *section;
	void *values;
};

void config_free(struct config *config)
{
	if (!config)
		return;
	cJSON_Delete(config->tree);
	free(config);
}

/* The part of a row's key behind `prefix`, or NULL if it is elsewhere. */
static const char *key_below(const struct config_row *row, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(row->key, prefix, n) == 0 ? row->key + n : NULL;
}

struct guess {
	char key[KEY_PATH_MAX];
	size_t distance;
};

static void consider(struct guess *best, const char *written, struct slice name, const char *key, size_t key_n)
{
	char text[KEY_PATH_MAX];

	snprintf(text, sizeof(text), SLICE_FORMAT, SLICE_ARGS(name));
	size_t distance = name_distance(written, text);
	if (distance >= best->distance || !name_is_near(written, text, distance))
		return;
	best->distance = distance;
	snprintf(best->key, sizeof(best->key), "%.*s", (int)key_n, key);
}

/* The nearest key at this place, or with this name at another place. */
static struct guess guess_key(const struct config_section *section, const char *prefix, const char *written)
{
	struct guess best = { .distance = SIZE_MAX };

	for (size_t i = 0; i < section->n_rows; i++) {
		const char *key = section->rows[i].key;
		const char *below = key_below(&section->rows[i], prefix);
		const char *dot = strrchr(key, '.');
		const char *last = dot ? dot + 1 : key;
		if (below) {
			size_t n = strcspn(below, ".");
			consider(&best, written, slice_from(below, n), key, (size_t)(below - key) + n);
		}
		consider(&best, written, slice_string(last), key, strlen(key));
	}
	return best;
}

static int unknown_key(const struct walk *walk, const struct json_view *at, const char *prefix, struct error *err)
{
	if (strchr(at->key, '.'))
		return json_error(at, err, "unknown key; write keys with dots as mappings below each other");
	struct guess guess = guess_key(walk->section, prefix, at->key);
	if (guess.distance == SIZE_MAX)
		return json_error(at, err, "unknown key");
	return json_error(at, err, "unknown key; did you mean \"%s.%s\"?", walk->section->name, guess.key);
}

static bool is_parent(const struct config_row *row, const char *path)
{
	const char *below = key_below(row, path);

	return below && *below == '.';
}

static int walk_object(const struct walk *walk, const struct json_view *object, const char *prefix, struct error *err);

static int walk_member(const struct walk *walk, const struct json_view *member, const char *prefix, struct error *err)
{
	const struct config_section *section = walk->section;
	char path[KEY_PATH_MAX];

	int n = snprintf(path, sizeof(path) - 1, "%s%s", prefix, member->key);
	if (strchr(member->key, '.') || n >= (int)sizeof(path) - 1)
		return unknown_key(walk, member, prefix, err);
	for (size_t i = 0; i < section->n_rows; i++) {
		const struct config_row *row = &section->rows[i];
		if (strcmp(row->key, path) == 0)
			return cJSON_IsNull(member->value) ? 0 : config_set_value(row, member, walk->values, err);
		if (is_parent(row, path))
			return walk_object(walk, member, strcat(path, "."), err);
	}
	return unknown_key(walk, member, prefix, err);
}

static int walk_object(const struct walk *walk, const struct json_view *object, const char *prefix, struct error *err)
{
	int r = 0;

	if (cJSON_IsNull(object->value))
		return 0;
	r = json_expect_object(object, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(member, object) {
		r = walk_member(walk, &member, prefix, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int expect_sections(const struct json_view *root, struct error *err)
{
	int r = json_expect_object(root, err);

	if (r < 0)
		return r;
	JSON_FOR_EACH(section, root) {
		const char *nearest = name_nearest(section.key, section_names);
		if (nearest && strcmp(nearest, section.key) == 0)
			continue;
		if (nearest)
			return json_error(&section, err, "unknown section; did you mean \"%s\"?", nearest);
		return json_error(&section, err, "unknown section; there are network, sandbox, secrets and install");
	}
	return 0;
}

static int set_presets(const struct walk *walk, struct error *err)
{
	for (size_t i = 0; i < walk->section->n_rows; i++) {
		int r = config_set_preset(&walk->section->rows[i], walk->values, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_tree(const struct walk *walk, const cJSON *tree, struct error *err)
{
	struct json_view root = json_root(tree);
	struct json_view section;

	int r = set_presets(walk, err);
	if (r < 0 || !tree)
		return r;
	r = expect_sections(&root, err);
	if (r < 0)
		return r;
	if (!json_member(&root, walk->section->name, &section))
		return 0;
	return walk_object(walk, &section, "", err);
}

static int keep_tree(void *context, cJSON *tree, unsigned line, struct error *err)
{
	struct config *config = context;

	config->tree = tree;
	return 0;
}

int config_parse(struct slice text, const struct config_section *section, void *ret_values, struct config **ret, struct error *err)
{
	_cleanup_(config_freep) struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ void *values = calloc(1, section->size);

	if (!config || !values)
		return error_nomem(err);
	int r = yaml_parse(text, &limits, keep_tree, config, err);
	if (r < 0)
		return r;
	struct walk walk = { .section = section, .values = values };
	r = read_tree(&walk, config->tree, err);
	if (r < 0)
		return r;
	memcpy(ret_values, values, section->size);
	*ret = TAKE_PTR(config);
	return 0;
}

int config_load(const char *path, const struct config_section *section, void *ret_values, struct config **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_BYTES_MAX);

	if (!path && access(CONFIG_DEFAULT_PATH, F_OK) < 0 && errno == ENOENT)
		return config_parse(slice_from(NULL, 0), section, ret_values, ret, err);
	if (!path)
		path = CONFIG_DEFAULT_PATH;
	int r = file_read(path, &text, err);
	if (r < 0)
		return r;
	r = config_parse(buf_view(&text), section, ret_values, ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}
