// SPDX-License-Identifier: Apache-2.0
/* Defaults go through the same readers as the file, so a table cannot hold a default that the file could not. */
#include "common/config/value.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/show.h"

#define INTEGER_MAX (INT64_C(1) << 53) /* exact in a JSON number */

static int64_t maximum_of(const struct config_row *row)
{
	return row->maximum ? row->maximum : INTEGER_MAX;
}

/* `off` and `7` are no strings in YAML, and that surprises people. */
static int expect_text(const struct json_view *at, const char **ret, struct error *err)
{
	if (cJSON_IsBool(at->value) || cJSON_IsNumber(at->value))
		return json_error(at, err, "must be a string, not a %s: put it in quotes", cJSON_IsBool(at->value) ? "boolean" : "number");
	return json_expect_string(at, ret, err);
}

static int set_string(const struct config_row *row, const struct json_view *at, const char **field, struct error *err)
{
	const char *text;
	int r = expect_text(at, &text, err);

	if (r < 0)
		return r;
	if (!*text)
		return json_error(at, err, "must not be empty");
	if (row->type == CONFIG_PATH && (*text != '/' || strlen(text) >= PATH_MAX))
		return json_error(at, err, "\"%s\" is no absolute path", SHOW(slice_string(text)));
	*field = text;
	return 0;
}

static bool unit_factor(struct slice unit, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 60 * 60 * 1000 } };

	for (size_t i = 0; i < ELEMENTS_OF(units); i++) {
		if (slice_equals_string(unit, units[i].name)) {
			*ret = units[i].factor;
			return true;
		}
	}
	return false;
}

bool config_parse_duration(const char *text, uint64_t *ret_ms)
{
	size_t n = strspn(text, "0123456789");
	uint64_t value, factor;

	return unit_factor(slice_string(text + n), &factor) && number_parse_u64(slice_from(text, n), 0, INTEGER_MAX, &value, NULL) == 0 &&
	       !__builtin_mul_overflow(value, factor, ret_ms);
}

static int set_duration(const struct config_row *row, const struct json_view *at, uint64_t *field, struct error *err)
{
	const char *text;
	uint64_t ms;

	if (!cJSON_IsString(at->value))
		return json_error(at, err, "must be a duration with its unit, such as 500ms, 2s or 1m");
	int r = expect_text(at, &text, err);
	if (r < 0)
		return r;
	if (!config_parse_duration(text, &ms))
		return json_error(at, err, "\"%s\" is no duration; write 500ms, 2s or 1m", SHOW(slice_string(text)));
	if (ms < (uint64_t)row->minimum)
		return json_error(at, err, "%s is below %lldms", SHOW(slice_string(text)), (long long)row->minimum);
	if (ms > (uint64_t)maximum_of(row))
		return json_error(at, err, "%s is above %lldms", SHOW(slice_string(text)), (long long)maximum_of(row));
	*field = ms;
	return 0;
}

static void list_names(const char *const *names, struct buf *out)
{
	for (size_t i = 0; names[i]; i++)
		buf_printf(out, "%s%s", i ? ", " : "", names[i]);
}

static int set_enum(const struct config_row *row, const struct json_view *at, int *field, struct error *err)
{
	_cleanup_(buf_free) struct buf list = BUF_MAX(256);
	const char *text;
	int r = expect_text(at, &text, err);

	if (r < 0)
		return r;
	for (int i = 0; row->names[i]; i++) {
		if (strcmp(text, row->names[i]) == 0) {
			*field = i;
			return 0;
		}
	}
	list_names(row->names, &list);
	const char *nearest = name_nearest(text, row->names);
	if (!nearest)
		return json_error(at, err, "\"%s\" is none of %s", SHOW(slice_string(text)), buf_text(&list));
	return json_error(at, err, "\"%s\" is none of %s; did you mean \"%s\"?", SHOW(slice_string(text)), buf_text(&list), nearest);
}

int config_set_value(const struct config_row *row, const struct json_view *at, void *values, struct error *err)
{
	void *field = (char *)values + row->offset;

	switch (row->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
		return set_string(row, at, field, err);
	case CONFIG_BOOL:
		return json_expect_bool(at, field, err);
	case CONFIG_INTEGER:
		return json_expect_integer(at, row->minimum, maximum_of(row), field, err);
	case CONFIG_DURATION:
		return set_duration(row, at, field, err);
	case CONFIG_ENUM:
		return set_enum(row, at, field, err);
	case CONFIG_CUSTOM:
		return row->read(at, field, err);
	}
	return error_set(err, EINVAL, "%s: the table gives no type", row->key);
}

/* Strings are not copied: the preset outlives everything. */
static cJSON preset_node(const struct config_row *row)
{
	uint64_t number = 0;
	int r;

	switch (row->type) {
	case CONFIG_BOOL:
		return (cJSON){ .type = strcmp(row->preset, "true") == 0 ? cJSON_True : cJSON_False };
	case CONFIG_INTEGER:
		r = number_parse_u64(slice_string(row->preset), 0, INTEGER_MAX, &number, NULL);
		return (cJSON){ .type = r < 0 ? cJSON_Invalid : cJSON_Number, .valuedouble = (double)number };
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_DURATION:
	case CONFIG_ENUM:
	case CONFIG_CUSTOM:
		break;
	}
	return (cJSON){ .type = cJSON_String, .valuestring = (char *)row->preset };
}

int config_set_preset(const struct config_row *row, void *values, struct error *err)
{
	if (!row->preset || row->type == CONFIG_CUSTOM)
		return 0;
	cJSON node = preset_node(row);
	struct json_view at = json_root(&node);
	int r = config_set_value(row, &at, values, err);
	return r < 0 ? error_wrap(err, "default of %s", row->key) : 0;
}
