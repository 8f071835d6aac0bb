// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_EVENT_H
#define HOLDFAST_KUBE_API_EVENT_H

#include "common/base/slice.h"
#include "common/kube/limits.h"
#include "common/kube/objects.h"

/* What an API server says, one piece of text at a time: events of a watch, items and metadata of a list. Pure. */

/*
 * What the server's JSON of one object may measure. etcd stores at most 1.5 MiB of protobuf; escaped as JSON that can be six times as
 * much. A smaller limit would let one huge object stop the list for ever.
 */
#define API_OBJECT_BYTES_MAX (16 * 1024 * 1024)
#define API_VERSION_MAX 128
#define API_CONTINUE_MAX 8192

/* `object` is NULL if the text could not be read as one: `refused` says why. The names are known nevertheless, if they stand in it. */
struct api_object {
	struct kube_object *object;
	char namespace[64];
	char name[KUBE_TEXT_MAX + 1]; /* "" if unknown */
	char version[API_VERSION_MAX + 1];
	struct error refused;
};

enum api_event_type { API_EVENT_PUT, API_EVENT_DELETED, API_EVENT_BOOKMARK, API_EVENT_ERROR };

struct api_event {
	enum api_event_type type;
	struct api_object object; /* BOOKMARK: only the version */
	bool initial_events_end;  /* BOOKMARK: every object that there was has been sent */
	unsigned status;          /* ERROR: as an HTTP status; 410: the version is too old */
	char message[256];        /* ERROR */
};

/* What is asked for, as kube_object_read_kind takes it. */
struct api_wanted {
	enum kube_kind kind;
	bool with_identity;
};

/* What was read must be cleared with api_object_clear. EINVAL: no event at all; ENOMEM. */
int api_event_read(struct api_wanted what, struct slice text, struct api_event *ret, struct error *err) must_check;

/* An item of a list. Only -ENOMEM. */
int api_item_read(struct api_wanted what, struct slice text, struct api_object *ret, struct error *err) must_check;

void api_object_clear(struct api_object *object);

/* A list's metadata: `version` and `token` ("" if there is no next page) hold the maximum above and a NUL. */
int api_list_metadata_read(struct slice text, char *version, char *token, struct error *err) must_check;

#endif
