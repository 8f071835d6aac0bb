// SPDX-License-Identifier: Apache-2.0
/* What arrives for one kind → the store. */
#include <errno.h>
#include <stdio.h>

#include "common/kube/api_reflector.h"

static void move_version(struct reflector *reflector, const char *version)
{
	if (*version)
		snprintf(reflector->version, sizeof(reflector->version), "%s", version);
}

static int take_bookmark(struct reflector *reflector, const struct api_event *event)
{
	if (event->initial_events_end && reflector->state == REFLECTOR_STREAMING_LIST)
		reflector_end_list(reflector);
	return 0;
}

static int take_error(struct reflector *reflector, const struct api_event *event, struct error *err)
{
	reflector->expired = true;
	return error_set(err, ESTALE, "the server ends the watch with %u: %s", event->status, event->message);
}

static int put(struct reflector *reflector, struct api_object *object, struct error *err)
{
	int r = source_put(reflector->store, reflector->refusals, reflector_server(reflector), reflector->kind, object, err);

	reflector->expired |= r < 0; /* this event is lost: only a list brings it back */
	return r;
}

static int take_event(struct reflector *reflector, struct api_event *event, struct error *err)
{
	switch (event->type) {
	case API_EVENT_PUT:
		return put(reflector, &event->object, err);
	case API_EVENT_DELETED:
		kube_store_remove(reflector->store, reflector->kind, event->object.namespace, event->object.name);
		return 0;
	case API_EVENT_BOOKMARK:
		return take_bookmark(reflector, event);
	case API_EVENT_ERROR:
		return take_error(reflector, event, err);
	}
	return 0;
}

static struct api_wanted wanted(const struct reflector *reflector)
{
	return (struct api_wanted){ reflector->kind, kube_store_keeps_identities(reflector->store) };
}

static int take_event_text(struct reflector *reflector, struct slice text, struct error *err)
{
	struct api_event event;

	int r = api_event_read(wanted(reflector), text, &event, err);
	if (r < 0)
		return r;
	r = take_event(reflector, &event, err);
	if (r == 0)
		move_version(reflector, event.object.version);
	reflector->progress |= r == 0;
	api_object_clear(&event.object);
	return r;
}

static int take_item(struct reflector *reflector, struct slice text, struct error *err)
{
	struct api_object object;

	int r = api_item_read(wanted(reflector), text, &object, err);
	if (r < 0)
		return r;
	r = put(reflector, &object, err);
	api_object_clear(&object);
	return r;
}

int reflector_take_piece(void *context, const struct json_piece *piece, struct error *err)
{
	struct reflector *reflector = context;

	switch (piece->kind) {
	case JSON_PIECE_DOCUMENT:
		return take_event_text(reflector, piece->text, err);
	case JSON_PIECE_ITEM:
		return take_item(reflector, piece->text, err);
	case JSON_PIECE_MEMBER:
		if (slice_equals_string(piece->key, "metadata"))
			return api_list_metadata_read(piece->text, reflector->version, reflector->next_token, err);
		return 0;
	}
	return 0;
}
