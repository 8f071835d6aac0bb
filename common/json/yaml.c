// SPDX-License-Identifier: Apache-2.0
/*
 * libyaml's events become a tree as they come, with a stack of the containers that are open. There is no recursion, and
 * nothing refers to anything else in the text, so neither depth nor "billion laughs" can grow beyond the limits.
 */
#include "common/json/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "common/json/json_text.h"
#include "common/json/yaml_scalar.h"

const struct yaml_limits yaml_limits_manifests = { .bytes = 4 * 1024 * 1024, .depth = 64, .values = 200 * 1000, .documents = 1000 };

struct level {
	cJSON *container; /* belongs to the one below, or is the root */
	char *key;	  /* of the value that comes next; NULL in a sequence and before a key */
	size_t first_key; /* in builder.keys */
	yaml_mark_t key_mark;
};

struct key {
	const char *text; /* the tree's */
	size_t line, column;
};

struct builder {
	const struct yaml_limits *limits;
	cJSON *root;
	struct level levels[JSON_DEPTH_MAX];
	size_t depth;
	struct key *keys; /* of all open mappings, outermost first */
	size_t n_keys, keys_capacity;
	size_t values, documents;
	unsigned document_line;
	int (*document)(void *context, cJSON *tree, unsigned line, struct error *err);
	void *context;
};

static void forget_tree(struct builder *b)
{
	for (; b->depth > 0; b->depth--)
		free(b->levels[b->depth - 1].key);
	cJSON_Delete(TAKE_PTR(b->root));
	b->n_keys = 0;
}

static void builder_free(struct builder *b)
{
	forget_tree(b);
	free(b->keys);
}

static int fail(yaml_mark_t mark, int code, struct error *err, const char *what)
{
	return error_set(err, code, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1, what);
}

static int fail_limit(yaml_mark_t mark, const char *what, size_t limit, struct error *err)
{
	return error_set(err, E2BIG, "line %zu, column %zu: %s than the limit of %zu", mark.line + 1, mark.column + 1, what, limit);
}

static int remember_key(struct builder *b, const struct level *level, const char *text, struct error *err)
{
	if (!array_room((void **)&b->keys, b->n_keys, &b->keys_capacity, sizeof(*b->keys)))
		return error_nomem(err);
	b->keys[b->n_keys++] = (struct key){ .text = text, .line = level->key_mark.line, .column = level->key_mark.column };
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *key_a = a, *key_b = b;
	int r = strcmp(key_a->text, key_b->text);

	if (r != 0)
		return r;
	if (key_a->line != key_b->line)
		return key_a->line < key_b->line ? -1 : 1;
	return key_a->column < key_b->column ? -1 : key_a->column > key_b->column;
}

/* Forgets the keys of the mapping that closes. */
static int close_keys(struct builder *b, const struct level *level, struct error *err)
{
	size_t n = b->n_keys - level->first_key;

	if (n == 0)
		return 0;
	struct key *keys = b->keys + level->first_key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(keys[i - 1].text, keys[i].text) == 0)
			return error_set(err, EINVAL, "line %zu, column %zu: duplicate key \"%s\"", keys[i].line + 1, keys[i].column + 1,
					 SHOW(slice_string(keys[i].text)));
	}
	b->n_keys = level->first_key;
	return 0;
}

/* Puts `node` where the text has it. Takes ownership always. */
static int add_node(struct builder *b, cJSON *node, yaml_mark_t mark, struct error *err)
{
	struct level *level = b->depth ? &b->levels[b->depth - 1] : NULL;

	if (!node)
		return error_nomem(err);
	if (b->values == b->limits->values) {
		cJSON_Delete(node);
		return fail_limit(mark, "more values", b->limits->values, err);
	}
	b->values++;
	if (!level) {
		b->root = node;
		return 0;
	}
	if (cJSON_IsArray(level->container)) {
		cJSON_AddItemToArray(level->container, node);
		return 0;
	}
	if (!cJSON_AddItemToObject(level->container, level->key, node)) {
		cJSON_Delete(node);
		return error_nomem(err);
	}
	free(TAKE_PTR(level->key));
	return remember_key(b, level, node->string, err);
}

static bool expects_key(const struct builder *b)
{
	const struct level *level = b->depth ? &b->levels[b->depth - 1] : NULL;

	return level && cJSON_IsObject(level->container) && !level->key;
}

static int open_container(struct builder *b, cJSON *container, yaml_mark_t mark, struct error *err)
{
	size_t limit = b->limits->depth < JSON_DEPTH_MAX ? b->limits->depth : JSON_DEPTH_MAX;
	bool allowed = b->depth < limit && !expects_key(b);

	if (container && !allowed) {
		cJSON_Delete(container);
		return b->depth < limit ? fail(mark, EINVAL, err, "a key must be a scalar") : fail_limit(mark, "nested deeper", limit, err);
	}
	int r = add_node(b, container, mark, err);
	if (r < 0)
		return r;
	b->levels[b->depth++] = (struct level){ .container = container, .first_key = b->n_keys };
	return 0;
}

static int close_container(struct builder *b, struct error *err)
{
	struct level *level = &b->levels[b->depth - 1];
	int r = cJSON_IsObject(level->container) ? close_keys(b, level, err) : 0;

	if (r == 0)
		b->depth--;
	return r;
}

static int set_key(struct builder *b, const yaml_event_t *event, struct error *err)
{
	struct level *level = &b->levels[b->depth - 1];
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0)
		return fail(event->start_mark, EINVAL, err, "merge keys are not supported");
	level->key = strdup(text);
	level->key_mark = event->start_mark;
	return level->key ? 0 : error_nomem(err);
}

static int add_plain(struct builder *b, struct slice text, yaml_mark_t mark, struct error *err)
{
	double number;

	switch (yaml_scalar_meaning(text, &number)) {
	case YAML_MEANS_STRING:
		return add_node(b, cJSON_CreateString((const char *)text.p), mark, err);
	case YAML_MEANS_NULL:
		return add_node(b, cJSON_CreateNull(), mark, err);
	case YAML_MEANS_FALSE:
		return add_node(b, cJSON_CreateFalse(), mark, err);
	case YAML_MEANS_TRUE:
		return add_node(b, cJSON_CreateTrue(), mark, err);
	case YAML_MEANS_NUMBER:
		return add_node(b, cJSON_CreateNumber(number), mark, err);
	case YAML_MEANS_NO_NUMBER:
		break;
	}
	return fail(mark, EINVAL, err, "infinity and NaN have no place in JSON");
}

static int add_scalar(struct builder *b, const yaml_event_t *event, struct error *err)
{
	struct slice text = slice_from(event->data.scalar.value, event->data.scalar.length);

	if (memchr(text.p, 0, text.n))
		return fail(event->start_mark, EINVAL, err, "NUL in a string");
	if (expects_key(b))
		return set_key(b, event, err);
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return add_plain(b, text, event->start_mark, err);
	return add_node(b, cJSON_CreateString((const char *)text.p), event->start_mark, err);
}

static int begin_document(struct builder *b, const yaml_event_t *event, struct error *err)
{
	if (b->documents == b->limits->documents)
		return fail_limit(event->start_mark, "more documents", b->limits->documents, err);
	b->documents++;
	b->document_line = (unsigned)event->start_mark.line + 1;
	return 0;
}

static int end_document(struct builder *b, struct error *err)
{
	cJSON *tree = TAKE_PTR(b->root);

	if (!tree || cJSON_IsNull(tree)) {
		cJSON_Delete(tree);
		return 0;
	}
	return b->document(b->context, tree, b->document_line, err);
}

/* Anchors and tags can stand before scalars, sequences and mappings. */
static int refuse_properties(const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag, struct error *err)
{
	if (anchor)
		return fail(event->start_mark, EINVAL, err, "anchors are not supported");
	if (tag)
		return fail(event->start_mark, EINVAL, err, "tags are not supported");
	return 0;
}

static int take_event(struct builder *b, const yaml_event_t *event, struct error *err)
{
	int r;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return begin_document(b, event, err);
	case YAML_DOCUMENT_END_EVENT:
		return end_document(b, err);
	case YAML_ALIAS_EVENT:
		return fail(event->start_mark, EINVAL, err, "aliases are not supported");
	case YAML_SCALAR_EVENT:
		r = refuse_properties(event, event->data.scalar.anchor, event->data.scalar.tag, err);
		return r < 0 ? r : add_scalar(b, event, err);
	case YAML_SEQUENCE_START_EVENT:
		r = refuse_properties(event, event->data.sequence_start.anchor, event->data.sequence_start.tag, err);
		return r < 0 ? r : open_container(b, cJSON_CreateArray(), event->start_mark, err);
	case YAML_MAPPING_START_EVENT:
		r = refuse_properties(event, event->data.mapping_start.anchor, event->data.mapping_start.tag, err);
		return r < 0 ? r : open_container(b, cJSON_CreateObject(), event->start_mark, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_container(b, err);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
		return 0;
	}
	return 0;
}

/* The reader knows only the offset of what it refuses. */
static yaml_mark_t mark_of_offset(struct slice text, size_t offset)
{
	yaml_mark_t mark = {};

	for (size_t i = 0; i < offset && i < text.n; i++) {
		mark.column++;
		if (text.p[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

static int fail_parser(const yaml_parser_t *parser, struct slice text, struct error *err)
{
	const char *problem = parser->problem ? parser->problem : "broken YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		return error_nomem(err);
	if (parser->error == YAML_READER_ERROR)
		return fail(mark_of_offset(text, parser->problem_offset), EINVAL, err, problem);
	return fail(parser->problem_mark, EINVAL, err, problem);
}

static int parse_events(yaml_parser_t *parser, struct slice text, struct builder *b, struct error *err)
{
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event))
			return fail_parser(parser, text, err);
		r = take_event(b, &event, err);
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	return r;
}

int yaml_parse(struct slice text, const struct yaml_limits *limits,
	       int (*document)(void *context, cJSON *tree, unsigned line, struct error *err), void *context, struct error *err)
{
	_cleanup_(builder_free) struct builder b = { .limits = limits, .document = document, .context = context };
	yaml_parser_t parser;

	if (text.n > limits->bytes)
		return error_set(err, E2BIG, "%zu bytes of YAML are above the limit of %zu", text.n, limits->bytes);
	if (!yaml_parser_initialize(&parser))
		return error_nomem(err);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, text.n ? text.p : (const uint8_t *)"", text.n);
	int r = parse_events(&parser, text, &b, err);
	yaml_parser_delete(&parser);
	return r;
}
