// SPDX-License-Identifier: Apache-2.0
/*
 * The strict parser refuses what a server may well send: a NUL in an annotation is enough, and any tenant can write one to freeze what
 * we know of his pod. NULs are therefore replaced and the text read again. What is still refused must be known by name: a
 * NetworkPolicy that cannot be read has to isolate, and a deleted object has to go. So the splitter, which follows
 * only strings and brackets, cuts the names out of it.
 */
#include "common/kube/api_event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/json/stream.h"
#include "common/kube/read.h"

#define INITIAL_EVENTS_END "k8s.io/initial-events-end" /* KEP-3157 */

static const struct json_limits object_limits = { .bytes = API_OBJECT_BYTES_MAX, .depth = 128, .values = 400000 };

static const struct {
	const char *name;
	enum api_event_type type;
} event_types[] = {
	{ "ADDED", API_EVENT_PUT },         { "MODIFIED", API_EVENT_PUT }, { "DELETED", API_EVENT_DELETED },
	{ "BOOKMARK", API_EVENT_BOOKMARK }, { "ERROR", API_EVENT_ERROR },
};

void api_object_clear(struct api_object *object)
{
	kube_object_free(object->object);
	object->object = NULL;
}

static bool copy_text(char *to, size_t size, const char *text)
{
	size_t n = strlen(text);

	if (n >= size)
		return false;
	memcpy(to, text, n + 1);
	return true;
}

static void copy_member(const struct json_view *object, const char *key, char *to, size_t size)
{
	struct json_view at;
	const char *text;

	if (json_member(object, key, &at) && json_expect_string(&at, &text, NULL) == 0)
		copy_text(to, size, text);
}

static void read_names(enum kube_kind kind, const struct json_view *at, struct api_object *object)
{
	const char *namespace, *name;
	struct json_view metadata;

	if (json_member(at, "metadata", &metadata))
		copy_member(&metadata, "resourceVersion", object->version, sizeof(object->version));
	if (kube_read_name(kind, at, &namespace, &name, NULL) < 0)
		return;
	copy_text(object->namespace, sizeof(object->namespace), namespace);
	copy_text(object->name, sizeof(object->name), name);
}

/* Replaces each escaped NUL by U+FFFD, which is as long. False if there is none. */
static bool replace_nuls(char *text, size_t n)
{
	bool replaced = false;

	for (size_t i = 0; i + 6 <= n; i++) {
		if (text[i] != '\\')
			continue;
		if (memcmp(text + i, "\\u0000", 6) == 0) {
			memcpy(text + i, "\\ufffd", 6);
			replaced = true;
		}
		i++;
	}
	return replaced;
}

static int parse(struct slice text, cJSON **ret, struct error *err)
{
	_cleanup_free_ char *copy = NULL;
	int r = json_parse(text, &object_limits, ret, err);

	if (r != -EINVAL || !memmem(text.p, text.n, "\\u0000", 6))
		return r;
	copy = malloc(text.n);
	if (!copy)
		return error_nomem(err);
	memcpy(copy, text.p, text.n);
	if (!replace_nuls(copy, text.n))
		return r;
	return json_parse(slice_from(copy, text.n), &object_limits, ret, err);
}

/* Calls `found` with each top-level member of a text that the parser refuses. What cannot be split either has no members. */
static void for_each_raw_member(struct slice text, int (*found)(void *context, const struct json_piece *piece, struct error *err),
				void *context)
{
	_cleanup_(json_stream_freep) struct json_stream *stream = json_stream_new(JSON_STREAM_LIST, API_OBJECT_BYTES_MAX);

	if (stream && json_stream_feed(stream, text, found, context, NULL) < 0)
		return;
}

static void copy_raw_string(struct slice text, char *to, size_t size)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (text.n <= size + 2 && json_parse(text, &object_limits, &tree, NULL) == 0 && cJSON_IsString(tree))
		copy_text(to, size, tree->valuestring);
}

static int take_raw_name(void *context, const struct json_piece *piece, struct error *err)
{
	struct api_object *object = context;

	if (slice_equals_string(piece->key, "name"))
		copy_raw_string(piece->text, object->name, sizeof(object->name));
	else if (slice_equals_string(piece->key, "namespace"))
		copy_raw_string(piece->text, object->namespace, sizeof(object->namespace));
	else if (slice_equals_string(piece->key, "resourceVersion"))
		copy_raw_string(piece->text, object->version, sizeof(object->version));
	return 0;
}

static int take_raw_metadata(void *context, const struct json_piece *piece, struct error *err)
{
	if (slice_equals_string(piece->key, "metadata"))
		for_each_raw_member(piece->text, take_raw_name, context);
	return 0;
}

static int take_raw_event_member(void *context, const struct json_piece *piece, struct error *err)
{
	struct api_event *event = context;
	char type[16] = "";

	if (slice_equals_string(piece->key, "object"))
		for_each_raw_member(piece->text, take_raw_metadata, &event->object);
	if (!slice_equals_string(piece->key, "type"))
		return 0;
	copy_raw_string(piece->text, type, sizeof(type));
	for (size_t i = 0; i < ELEMENTS_OF(event_types); i++) {
		if (strcmp(type, event_types[i].name) == 0)
			event->type = event_types[i].type;
	}
	return 0;
}

static int read_object(struct api_wanted what, const struct json_view *at, struct api_object *object, struct error *err)
{
	struct json_view root = json_root(at->value);

	read_names(what.kind, &root, object);
	int r = kube_object_read_kind(what.kind, what.with_identity, &root, &object->object, &object->refused);
	if (r == 0)
		object->refused.code = 0;
	return r == -ENOMEM ? error_nomem(err) : 0;
}

static int read_type(const struct json_view *event, enum api_event_type *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(event, "type", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTS_OF(event_types); i++) {
		if (strcmp(text, event_types[i].name) == 0) {
			*ret = event_types[i].type;
			return 0;
		}
	}
	return json_error(&at, err, "\"%s\" is no type of event", SHOW(slice_string(text)));
}

static void read_status(const struct json_view *object, struct api_event *event)
{
	struct json_view at;
	int64_t code;

	if (json_member(object, "code", &at) && json_expect_integer(&at, 100, 599, &code, NULL) == 0)
		event->status = (unsigned)code;
	if (json_member(object, "message", &at) && cJSON_IsString(at.value))
		snprintf(event->message, sizeof(event->message), "%s", at.value->valuestring);
}

static void read_bookmark(const struct json_view *object, struct api_event *event)
{
	struct json_view metadata, annotations, end;
	const char *text;

	if (!json_member(object, "metadata", &metadata))
		return;
	copy_member(&metadata, "resourceVersion", event->object.version, sizeof(event->object.version));
	event->initial_events_end = json_member(&metadata, "annotations", &annotations) &&
				    json_member(&annotations, INITIAL_EVENTS_END, &end) && json_expect_string(&end, &text, NULL) == 0 &&
				    strcmp(text, "true") == 0;
}

static int read_event_tree(struct api_wanted what, const struct json_view *root, struct api_event *event, struct error *err)
{
	struct json_view object;

	int r = read_type(root, &event->type, err);
	if (r == 0)
		r = json_require(root, "object", &object, err);
	if (r < 0)
		return r;
	switch (event->type) {
	case API_EVENT_PUT:
		return read_object(what, &object, &event->object, err);
	case API_EVENT_DELETED:
		read_names(what.kind, &object, &event->object);
		break;
	case API_EVENT_BOOKMARK:
		read_bookmark(&object, event);
		break;
	case API_EVENT_ERROR:
		read_status(&object, event);
		break;
	}
	return 0;
}

int api_event_read(struct api_wanted what, struct slice text, struct api_event *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct api_event event = {};

	int r = parse(text, &tree, &event.object.refused);
	if (r == 0) {
		struct json_view root = json_root(tree);
		event.object.refused.code = 0;
		r = read_event_tree(what, &root, &event, err);
	} else if (r == -ENOMEM) {
		return error_nomem(err);
	} else {
		for_each_raw_member(text, take_raw_event_member, &event);
		if (!event.object.name[0])
			return error_set(err, EINVAL, "an event that names no object: %s", event.object.refused.message);
		r = 0;
	}
	if (r == 0)
		*ret = event;
	return r;
}

int api_item_read(struct api_wanted what, struct slice text, struct api_object *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct api_object object = {};

	int r = parse(text, &tree, &object.refused);
	if (r == -ENOMEM)
		return error_nomem(err);
	if (r == 0) {
		struct json_view root = json_root(tree);
		r = read_object(what, &root, &object, err);
		if (r < 0)
			return r;
	} else {
		for_each_raw_member(text, take_raw_metadata, &object);
	}
	*ret = object;
	return 0;
}

int api_list_metadata_read(struct slice text, char *version, char *token, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = json_parse(text, &object_limits, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	version[0] = token[0] = 0;
	copy_member(&root, "resourceVersion", version, API_VERSION_MAX + 1);
	copy_member(&root, "continue", token, API_CONTINUE_MAX + 1);
	return version[0] ? 0 : error_set(err, EINVAL, "the list has no resourceVersion");
}
