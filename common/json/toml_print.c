// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>

#include "common/json/json.h"
#include "common/json/toml.h"

#define PATH_MAX_BYTES (64 * 1024)

static void print_value(struct buf *out, const cJSON *value);

static void print_string(struct buf *out, const char *text)
{
	buf_byte(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_printf(out, "\\%c", *text);
		else if ((uint8_t)*text < 0x20 || *text == 0x7f)
			buf_printf(out, "\\u%04x", (unsigned)(uint8_t)*text);
		else
			buf_byte(out, (uint8_t)*text);
	}
	buf_byte(out, '"');
}

void toml_key(struct buf *out, const char *key)
{
	bool bare = *key != 0;

	for (const char *c = key; *c; c++)
		bare &= isalnum((uint8_t)*c) || *c == '_' || *c == '-';
	if (out->n)
		buf_byte(out, '.');
	if (bare)
		buf_string(out, key);
	else
		print_string(out, key);
}

/* A container on one line: TOML allows no line's end in an inline table. */
static void print_items(struct buf *out, const cJSON *container)
{
	bool table = cJSON_IsObject(container);
	const cJSON *item;

	buf_string(out, table ? "{" : "[");
	cJSON_ArrayForEach(item, container)
	{
		buf_string(out, item != container->child ? ", " : table ? " " : "");
		if (table) {
			_cleanup_(buf_free) struct buf key = BUF_MAX(PATH_MAX_BYTES);

			toml_key(&key, item->string);
			buf_slice(out, buf_view(&key));
			buf_string(out, " = ");
		}
		print_value(out, item);
	}
	buf_string(out, table ? " }" : "]");
}

static void print_value(struct buf *out, const cJSON *value)
{
	if (cJSON_IsObject(value) || cJSON_IsArray(value))
		print_items(out, value);
	else if (cJSON_IsString(value))
		print_string(out, value->valuestring);
	else if (cJSON_IsRaw(value))
		buf_string(out, value->valuestring);
	else
		buf_string(out, cJSON_IsTrue(value) ? "true" : "false");
}

static bool has_lines(const cJSON *table)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, table)
	{
		if (!cJSON_IsObject(item))
			return true;
	}
	return !table->child;
}

/* Lines first: what stands behind a sub-table's header belongs to that one. */
static void print_table(struct buf *out, const char *path, const cJSON *table)
{
	const cJSON *item;

	if (has_lines(table))
		buf_printf(out, "%s[%s]\n", out->n ? "\n" : "", path);
	cJSON_ArrayForEach(item, table)
	{
		if (!cJSON_IsObject(item))
			toml_print(out, path, item);
	}
	cJSON_ArrayForEach(item, table)
	{
		if (cJSON_IsObject(item))
			toml_print(out, path, item);
	}
}

void toml_print(struct buf *out, const char *prefix, const cJSON *member)
{
	_cleanup_(buf_free) struct buf key = BUF_MAX(PATH_MAX_BYTES);

	if (cJSON_IsObject(member))
		buf_string(&key, prefix);
	toml_key(&key, member->string);
	if (cJSON_IsObject(member)) {
		print_table(out, buf_text(&key), member);
		return;
	}
	buf_slice(out, buf_view(&key));
	buf_string(out, " = ");
	print_value(out, member);
	buf_byte(out, '\n');
}
