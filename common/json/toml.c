// SPDX-License-Identifier: Apache-2.0
/*
 * The tree grows as the lines come. A table remembers how it came to be, in its node's valueint (which cJSON does not use for objects
 * and arrays): that is all that TOML's rules against defining something twice need.
 */
#include "common/json/toml.h"

#include <errno.h>
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "common/base/utf8.h"
#include "common/json/json.h"
#include "common/json/toml_scan.h"

const struct toml_limits toml_limits_config = { .bytes = 1024 * 1024, .depth = 64, .values = 10 * 1000 };

enum origin {
	IMPLIED,  /* a table on the way to another's header: may still get its own */
	DOTTED,   /* made by a key with dots */
	HEADED,   /* has had its header, or is an array of such tables */
	COMPLETE, /* inline table or array: nothing may be added */
};

struct parser {
	struct toml_scan scan;
	const struct toml_limits *limits;
	size_t values, depth;
	cJSON *root, *table; /* `table`: that of the last header */
};

static int parse_value(struct parser *p, cJSON **ret, struct error *err);

static int limit(const struct parser *p, const char *what, size_t most, struct error *err)
{
	return error_set(err, E2BIG, "line %u: %s than the limit of %zu", p->scan.line, what, most);
}

static int count(struct parser *p, struct error *err)
{
	return p->values++ < p->limits->values ? 0 : limit(p, "more values", p->limits->values, err);
}

/* Adds `node`, which it owns from then on, to `table` under the key in scan->text. */
static int add(struct parser *p, cJSON *table, cJSON *node, enum origin origin, struct error *err)
{
	if (!node)
		return error_nomem(err);
	if (cJSON_IsObject(node) || cJSON_IsArray(node))
		node->valueint = (int)origin;
	if (count(p, err) < 0) {
		cJSON_Delete(node);
		return -E2BIG;
	}
	if (!cJSON_AddItemToObject(table, buf_text(&p->scan.text), node)) {
		cJSON_Delete(node);
		return error_nomem(err);
	}
	return 0;
}

static cJSON *find(const struct parser *p, const cJSON *table)
{
	return cJSON_GetObjectItemCaseSensitive(table, buf_text(&p->scan.text));
}

static int fail_twice(const struct parser *p, struct error *err)
{
	return toml_fail(&p->scan, err, "\"%s\" is there already", SHOW(buf_view(&p->scan.text)));
}

/* Goes through all parts of a key but the last, which is then in scan->text; makes tables of `origin` that are missing. */
static int walk(struct parser *p, cJSON *table, enum origin origin, cJSON **ret, struct error *err)
{
	for (size_t parts = 0;; parts++) {
		if (parts >= p->limits->depth)
			return limit(p, "a key of more parts", p->limits->depth, err);
		toml_skip_blanks(&p->scan);
		int r = toml_scan_key(&p->scan, err);
		if (r < 0)
			return r;
		toml_skip_blanks(&p->scan);
		if (!toml_take(&p->scan, '.')) {
			*ret = table;
			return 0;
		}
		cJSON *next = find(p, table);
		if (!next) {
			r = add(p, table, cJSON_CreateObject(), origin, err);
			if (r < 0)
				return r;
			next = find(p, table);
		}
		if (cJSON_IsArray(next) && next->valueint == HEADED && origin == IMPLIED)
			next = next->child->prev; /* the last one: cJSON keeps it there */
		if (!cJSON_IsObject(next) || next->valueint == COMPLETE || (origin == DOTTED && next->valueint == HEADED))
			return fail_twice(p, err);
		table = next;
	}
}

/* [a.b]: `table` is a's. */
static int open_table(struct parser *p, cJSON *table, struct error *err)
{
	cJSON *node = find(p, table);

	if (!node) {
		int r = add(p, table, cJSON_CreateObject(), HEADED, err);
		if (r < 0)
			return r;
		node = find(p, table);
	} else if (!cJSON_IsObject(node) || node->valueint != IMPLIED) {
		return fail_twice(p, err);
	}
	node->valueint = HEADED;
	p->table = node;
	return 0;
}

/* [[a.b]] */
static int open_element(struct parser *p, cJSON *table, struct error *err)
{
	cJSON *array = find(p, table);

	if (!array) {
		int r = add(p, table, cJSON_CreateArray(), HEADED, err);
		if (r < 0)
			return r;
		array = find(p, table);
	} else if (!cJSON_IsArray(array) || array->valueint != HEADED) {
		return fail_twice(p, err);
	}
	int r = count(p, err);
	if (r < 0)
		return r;
	cJSON *node = cJSON_CreateObject();
	if (!node)
		return error_nomem(err);
	node->valueint = HEADED;
	cJSON_AddItemToArray(array, node);
	p->table = node;
	return 0;
}

static int parse_header(struct parser *p, struct error *err)
{
	bool element = toml_take(&p->scan, '[');
	cJSON *table;

	int r = walk(p, p->root, IMPLIED, &table, err);
	if (r < 0)
		return r;
	if (!toml_take(&p->scan, ']') || (element && !toml_take(&p->scan, ']')))
		return toml_fail(&p->scan, err, "the header of \"%s\" is not closed", SHOW(buf_view(&p->scan.text)));
	r = element ? open_element(p, table, err) : open_table(p, table, err);
	return r < 0 ? r : toml_end_line(&p->scan, err);
}

/* a.b = value, in `table`. */
static int parse_pair(struct parser *p, cJSON *table, struct error *err)
{
	_cleanup_(json_freep) cJSON *value = NULL;
	_cleanup_free_ char *key = NULL;

	int r = walk(p, table, DOTTED, &table, err);
	if (r < 0)
		return r;
	if (find(p, table))
		return fail_twice(p, err);
	key = strdup(buf_text(&p->scan.text));
	if (!key)
		return error_nomem(err);
	if (!toml_take(&p->scan, '='))
		return toml_fail(&p->scan, err, "\"=\" is missing behind \"%s\"", SHOW(slice_string(key)));
	toml_skip_blanks(&p->scan);
	r = parse_value(p, &value, err);
	if (r < 0)
		return r;
	buf_clear(&p->scan.text);
	buf_string(&p->scan.text, key);
	return add(p, table, TAKE_PTR(value), COMPLETE, err);
}

static int parse_inline_table(struct parser *p, cJSON **ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *table = cJSON_CreateObject();

	if (!table)
		return error_nomem(err);
	toml_skip_blanks(&p->scan);
	if (!toml_take(&p->scan, '}')) {
		do {
			int r = parse_pair(p, table, err);
			if (r < 0)
				return r;
			toml_skip_blanks(&p->scan);
		} while (toml_take(&p->scan, ','));
		if (!toml_take(&p->scan, '}'))
			return toml_fail(&p->scan, err, "an inline table is not closed on its line");
	}
	*ret = TAKE_PTR(table);
	return 0;
}

static int parse_array(struct parser *p, cJSON **ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *array = cJSON_CreateArray();

	if (!array)
		return error_nomem(err);
	for (;;) {
		cJSON *item;

		toml_skip_lines(&p->scan);
		if (toml_take(&p->scan, ']'))
			break;
		int r = count(p, err);
		r = r < 0 ? r : parse_value(p, &item, err);
		if (r < 0)
			return r;
		cJSON_AddItemToArray(array, item);
		toml_skip_lines(&p->scan);
		if (!toml_take(&p->scan, ',') && toml_peek(&p->scan) != ']')
			return toml_fail(&p->scan, err, "an array is not closed");
	}
	*ret = TAKE_PTR(array);
	return 0;
}

static int parse_container(struct parser *p, cJSON **ret, struct error *err)
{
	bool array = *p->scan.p++ == '[';

	if (p->depth >= p->limits->depth || p->depth >= JSON_DEPTH_MAX)
		return limit(p, "nested deeper", p->limits->depth, err);
	p->depth++;
	int r = array ? parse_array(p, ret, err) : parse_inline_table(p, ret, err);
	p->depth--;
	if (r == 0)
		(*ret)->valueint = COMPLETE;
	return r;
}

static int parse_value(struct parser *p, cJSON **ret, struct error *err)
{
	uint8_t c = toml_peek(&p->scan);
	cJSON *node;
	int r;

	if (c == '[' || c == '{')
		return parse_container(p, ret, err);
	if (c == '"' || c == '\'') {
		r = toml_scan_string(&p->scan, err);
		node = r == 0 ? cJSON_CreateString(buf_text(&p->scan.text)) : NULL;
	} else {
		r = toml_scan_plain(&p->scan, err);
		const char *text = buf_text(&p->scan.text);
		if (r == 0 && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
			node = cJSON_CreateBool(*text == 't');
		else
			node = r == 0 ? cJSON_CreateRaw(text) : NULL;
	}
	if (r < 0)
		return r;
	if (!node)
		return error_nomem(err);
	*ret = node;
	return 0;
}

static int check_text(struct slice text, const struct toml_limits *limits, struct error *err)
{
	unsigned line = 1;

	if (text.n > limits->bytes)
		return error_set(err, E2BIG, "%zu bytes are above the limit of %zu", text.n, limits->bytes);
	for (size_t i = 0; i < text.n;) {
		size_t n = utf8_length(text.p + i, text.n - i);

		if (n == 0 || text.p[i] == 0)
			return error_set(err, EINVAL, "line %u: a byte %02x is no text", line, text.p[i]);
		line += text.p[i] == '\n';
		i += n;
	}
	return 0;
}

int toml_parse(struct slice text, const struct toml_limits *limits, cJSON **ret_tree, struct error *err)
{
	_cleanup_(json_freep) cJSON *root = cJSON_CreateObject();
	struct parser p = { .limits = limits, .root = root, .table = root };

	if (!root)
		return error_nomem(err);
	if (text.n == 0)
		text = slice_string("");
	int r = check_text(text, limits, err);
	p.scan = (struct toml_scan){ .p = text.p, .end = text.p + text.n, .line = 1, .text = BUF_MAX(limits->bytes) };
	root->valueint = HEADED;
	while (r == 0) {
		toml_skip_lines(&p.scan);
		if (p.scan.p == p.scan.end)
			break;
		if (toml_take(&p.scan, '[')) {
			r = parse_header(&p, err);
		} else {
			r = parse_pair(&p, p.table, err);
			r = r < 0 ? r : toml_end_line(&p.scan, err);
		}
	}
	buf_free(&p.scan.text);
	if (r == 0)
		*ret_tree = TAKE_PTR(root);
	return r;
}

bool toml_integer(const cJSON *value, uint64_t *ret)
{
	return cJSON_IsRaw(value) && number_parse_u64(slice_string(value->valuestring), 0, UINT64_MAX, ret, NULL) == 0;
}
