// SPDX-License-Identifier: Apache-2.0
/*
 * A view is a link in a chain that ends at the root, so a path costs nothing until an error asks for it. The path is then written
 * from its end to its front, in the order in which the chain is walked.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/nearest.h"
#include "common/base/show.h"
#include "common/json/json.h"

#define PATH_TEXT_MAX 256
#define EXACT_MAX 9007199254740992.0 /* 2^53: cJSON keeps numbers as double */

static bool is_plain_key(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++) {
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *key))
			return false;
	}
	return true;
}

static void format_step(const struct json_view *at, char *text, size_t size)
{
	if (!at->key)
		snprintf(text, size, "[%zu]", at->index);
	else if (is_plain_key(at->key))
		snprintf(text, size, "%s%s", at->up && at->up->up ? "." : "", SHOW(slice_string(at->key)));
	else
		snprintf(text, size, "[\"%s\"]", SHOW(slice_string(at->key)));
}

void json_path(const struct json_view *at, char *text, size_t size)
{
	size_t start = size - 1;

	text[start] = 0;
	for (; at->up; at = at->up) {
		char step[SHOW_MAX + 16];
		format_step(at, step, sizeof(step));
		size_t n = strlen(step);
		size_t spare = at->up->up ? 3 : 0; /* for the dots, if the next step does not fit */
		if (n + spare > start) {
			size_t dots = start < 3 ? start : 3;
			start -= dots;
			memcpy(text + start, "...", dots);
			break;
		}
		start -= n;
		memcpy(text + start, step, n);
	}
	memmove(text, text + start, size - start);
}

int json_error(const struct json_view *at, struct error *err, const char *format, ...)
{
	char path[PATH_TEXT_MAX];
	va_list args;
	char text[ERROR_MESSAGE_MAX];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_path(at, path, sizeof(path));
	return error_set(err, EINVAL, "%s%s%s", path, *path ? ": " : "", text);
}

static const char *type_name(const cJSON *value)
{
	switch (value->type & 0xff) {
	case cJSON_False:
	case cJSON_True:
		return "a boolean";
	case cJSON_NULL:
		return "null";
	case cJSON_Number:
		return "a number";
	case cJSON_String:
		return "a string";
	case cJSON_Array:
		return "a list";
	case cJSON_Object:
		return "an object";
	default:
		return "no JSON value";
	}
}

static int wrong_type(const struct json_view *at, const char *wanted, struct error *err)
{
	return json_error(at, err, "must be %s, not %s", wanted, type_name(at->value));
}

bool json_member(const struct json_view *object, const char *key, struct json_view *ret)
{
	if (!cJSON_IsObject(object->value))
		return false;
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object->value, key);
	if (!value || cJSON_IsNull(value))
		return false;
	*ret = (struct json_view){ .value = value, .up = object, .key = value->string };
	return true;
}

int json_require(const struct json_view *object, const char *key, struct json_view *ret, struct error *err)
{
	int r = json_expect_object(object, err);

	if (r < 0)
		return r;
	if (!json_member(object, key, ret))
		return json_error(object, err, "\"%s\" is missing", key);
	return 0;
}

int json_expect_object(const struct json_view *at, struct error *err)
{
	return cJSON_IsObject(at->value) ? 0 : wrong_type(at, "an object", err);
}

int json_expect_array(const struct json_view *at, size_t maximum, size_t *ret_n, struct error *err)
{
	size_t n = 0;

	if (!cJSON_IsArray(at->value))
		return wrong_type(at, "a list", err);
	for (const cJSON *child = at->value->child; child; child = child->next)
		n++;
	if (n > maximum)
		return json_error(at, err, "%zu elements are above the limit of %zu", n, maximum);
	*ret_n = n;
	return 0;
}

struct json_view json_element(const struct json_view *array, size_t index)
{
	struct json_view item = json_first(array);

	while (item.value && item.index < index)
		item = json_next(item);
	return item;
}

int json_expect_string(const struct json_view *at, const char **ret, struct error *err)
{
	if (!cJSON_IsString(at->value))
		return wrong_type(at, "a string", err);
	*ret = at->value->valuestring;
	return 0;
}

int json_expect_bool(const struct json_view *at, bool *ret, struct error *err)
{
	if (!cJSON_IsBool(at->value))
		return wrong_type(at, "true or false", err);
	*ret = cJSON_IsTrue(at->value);
	return 0;
}

int json_expect_integer(const struct json_view *at, int64_t minimum, int64_t maximum, int64_t *ret, struct error *err)
{
	if (!cJSON_IsNumber(at->value))
		return wrong_type(at, "a whole number", err);
	double number = at->value->valuedouble;
	if (!(fabs(number) <= EXACT_MAX) || trunc(number) != number)
		return json_error(at, err, "%.17g is no whole number up to 2^53", number);
	int64_t value = (int64_t)number;
	if (value < minimum)
		return json_error(at, err, "%" PRId64 " is below %" PRId64, value, minimum);
	if (value > maximum)
		return json_error(at, err, "%" PRId64 " is above %" PRId64, value, maximum);
	*ret = value;
	return 0;
}

static int unknown_key(const struct json_view *at, const char *const *known, struct error *err)
{
	const char *nearest = name_nearest(at->key, known);
	const char *key = at->key;

	if (!nearest)
		return json_error(at, err, "unknown key \"%s\"", SHOW(slice_string(key)));
	return json_error(at, err, "unknown key \"%s\"; did you mean \"%s\"?", SHOW(slice_string(key)), nearest);
}

int json_expect_keys(const struct json_view *object, const char *const *known, struct error *err)
{
	int r = json_expect_object(object, err);

	if (r < 0)
		return r;
	JSON_FOR_EACH(item, object) {
		size_t i = 0;
		while (known[i] && strcmp(known[i], item.key) != 0)
			i++;
		if (!known[i])
			return unknown_key(&item, known, err);
	}
	return 0;
}
