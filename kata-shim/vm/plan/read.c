// SPDX-License-Identifier: Apache-2.0
/*
 * The messages have the fields of OCI's JSON under the same names, but for '_' and case; so they are filled by their descriptors. That
 *reads every field that a message has, with its type, and sees each key that it has not.
 *
 *	"additionalGids": [ 1, 2 ]   →   repeated uint32 additional_gids
 *	"sysctl": { "a": "b" }       →   repeated StringEntry sysctl
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

const struct json_limits plan_json_limits = { .bytes = SPEC_BYTES_MAX, .depth = 64, .values = PLAN_VALUES_MAX };

void *plan_new(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
	void *message = arena_take(arena, 1, type->sizeof_message, _Alignof(max_align_t));

	if (message)
		protobuf_c_message_init(type, message);
	return message;
}

int plan_refuse(const struct json_view *at, struct error *err, const char *format, ...)
{
	char text[ERROR_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_error(at, err, "%s", text);
	if (err)
		err->code = EOPNOTSUPP;
	return -EOPNOTSUPP;
}

char *plan_print(struct arena *arena, const char *format, ...)
{
	va_list arguments, again;

	va_start(arguments, format);
	va_copy(again, arguments);
	const int n = vsnprintf(NULL, 0, format, arguments);
	char *text = n < 0 ? NULL : arena_take(arena, (size_t)n + 1, 1, 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	va_end(arguments);
	return text;
}

static bool same_name(const char *field, const char *key)
{
	for (; *field; field++) {
		if (*field != '_' && tolower((unsigned char)*field) != tolower((unsigned char)*key++))
			return false;
	}
	return !*key;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, const char *key)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (same_name(type->fields[i].name, key))
			return &type->fields[i];
	}
	return NULL;
}

static bool says_nothing(const cJSON *value)
{
	if (cJSON_IsArray(value) || cJSON_IsObject(value))
		return !value->child;
	return cJSON_IsNull(value) || cJSON_IsFalse(value) || (cJSON_IsNumber(value) && value->valuedouble == 0) ||
	       (cJSON_IsString(value) && !*value->valuestring);
}

/* ── one value ── */

static int read_integer(const struct json_view *at, int64_t minimum, uint64_t maximum, enum fate fate, uint64_t *ret, struct error *err)
{
	int64_t value;

	if (fate == FATE_SATURATES && cJSON_IsNumber(at->value) && at->value->valuedouble >= 9007199254740992.0) {
		*ret = maximum;
		return 0;
	}
	int r = json_expect_integer(at, minimum, maximum > INT64_MAX ? INT64_MAX : (int64_t)maximum, &value, err);
	if (r == 0)
		*ret = (uint64_t)value;
	return r;
}

static int read_value(struct arena *arena, const struct json_view *at, const ProtobufCFieldDescriptor *field, enum fate fate, void *ret,
		      struct error *err)
{
	uint64_t number;
	bool truth;
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return json_expect_string(at, ret, err);
	case PROTOBUF_C_TYPE_MESSAGE:
		return plan_read(arena, at, field->descriptor, ret, err);
	case PROTOBUF_C_TYPE_BOOL:
		r = json_expect_bool(at, &truth, err);
		if (r == 0)
			*(protobuf_c_boolean *)ret = truth;
		return r;
	case PROTOBUF_C_TYPE_UINT32:
		r = read_integer(at, 0, UINT32_MAX, fate, &number, err);
		if (r == 0)
			*(uint32_t *)ret = (uint32_t)number;
		return r;
	case PROTOBUF_C_TYPE_UINT64:
		return read_integer(at, 0, UINT64_MAX, fate, ret, err);
	case PROTOBUF_C_TYPE_INT64:
		return read_integer(at, INT64_MIN, INT64_MAX, fate, ret, err);
	default: /* of protobuf's types */
		return json_error(at, err, "no reader for the type of %s", field->name);
	}
}

static size_t value_size(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_UINT32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

/* ── several ── */

static int read_entry(struct arena *arena, const struct json_view *at, void *ret, struct error *err)
{
	Oci__StringEntry *entry = plan_new(arena, &oci__string_entry__descriptor);
	const char *value;

	if (!entry)
		return error_nomem(err);
	int r = json_expect_string(at, &value, err);
	if (r < 0)
		return r;
	entry->key = at->value->string;
	entry->value = (char *)value;
	*(Oci__StringEntry **)ret = entry;
	return 0;
}

static size_t count(const struct json_view *at)
{
	size_t n = 0;

	JSON_FOR_EACH(child, at)
		n++;
	return n;
}

static int read_list(struct arena *arena, const struct json_view *at, const ProtobufCFieldDescriptor *field, uint8_t *message,
		     struct error *err)
{
	const bool map = field->descriptor == &oci__string_entry__descriptor;
	const size_t n = count(at), size = value_size(field);
	size_t i = 0, ignored;

	int r = map ? json_expect_object(at, err) : json_expect_array(at, PLAN_VALUES_MAX, &ignored, err);
	if (r < 0 || n == 0)
		return r;
	uint8_t *items = arena_take(arena, n, size, _Alignof(uint64_t));
	if (!items)
		return error_nomem(err);
	JSON_FOR_EACH(child, at) {
		uint8_t *item = items + size * i++;
		r = map ? read_entry(arena, &child, item, err) : read_value(arena, &child, field, FATE_KEPT, item, err);
		if (r < 0)
			return r;
	}
	memcpy(message + field->offset, &items, sizeof(items));
	memcpy(message + field->quantifier_offset, &n, sizeof(n));
	return 0;
}

/* ── a message ── */

static int refuse_key(const struct json_view *at, const char *why, struct error *err)
{
	if (cJSON_IsString(at->value))
		return plan_refuse(at, err, "\"%s\": %s", SHOW(slice_string(at->value->valuestring)), why);
	if (cJSON_IsNumber(at->value))
		return plan_refuse(at, err, "%.17g: %s", at->value->valuedouble, why);
	return plan_refuse(at, err, "%s", why);
}

static int read_member(struct arena *arena, const struct json_view *member, const ProtobufCMessageDescriptor *type, void *message,
		       struct error *err)
{
	const ProtobufCFieldDescriptor *field = find_field(type, member->key);
	const char *why;
	const enum fate fate = fate_of(type, member->key, field != NULL, &why);

	if (fate == FATE_DROPPED || fate == FATE_ELSEWHERE || cJSON_IsNull(member->value))
		return 0;
	if (fate == FATE_REFUSED)
		return says_nothing(member->value) ? 0 : refuse_key(member, why, err);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_list(arena, member, field, message, err);
	int r = read_value(arena, member, field, fate, (uint8_t *)message + field->offset, err);
	if (r == 0 && field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		memcpy((uint8_t *)message + field->quantifier_offset, &field->id, sizeof(field->id));
	return r;
}

int plan_read(struct arena *arena, const struct json_view *at, const ProtobufCMessageDescriptor *type, void *ret, struct error *err)
{
	int r = json_expect_object(at, err);

	if (r < 0)
		return r;
	void *message = plan_new(arena, type);
	if (!message)
		return error_nomem(err);
	JSON_FOR_EACH(member, at) {
		r = read_member(arena, &member, type, message, err);
		if (r < 0)
			return r;
	}
	*(void **)ret = message;
	return 0;
}
