// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "common/base/array.h"
#include "tests/soak/api_internal.h"

#define LARGE_BYTES (17u * 1024 * 1024) /* above API_OBJECT_BYTES_MAX */
#define LARGE_CHUNK (256u * 1024)

/* A request gets the head of a stream first; a stream has had it. */
static bool begin(int fd, const char *request)
{
	return !request || api_send_head(fd);
}

static bool garbage(const struct api *api, int fd, size_t kind, const char *request)
{
	return begin(fd, request) && api_send_chunk(fd, slice_string("{\"type\":\"ADDED\",\"object\":\x01\xff]]}}\n"));
}

static const struct api_entry *first_of(const struct api *api, size_t kind)
{
	for (size_t i = 0; i < api->n_entries; i++) {
		if (api->entries[i].kind == kind)
			return &api->entries[i];
	}
	return NULL;
}

static bool cut(const struct api *api, int fd, size_t kind, const char *request)
{
	const struct api_entry *entry = first_of(api, kind);
	_cleanup_free_ char *object = entry ? cJSON_PrintUnformatted(entry->object) : NULL;
	_cleanup_(buf_free) struct buf event = BUF_MAX(API_EVENT_MAX);

	buf_printf(&event, "{\"type\":\"MODIFIED\",\"object\":%s", object ? object : "{}");
	struct slice half = { event.p, event.n / 2 };
	if (begin(fd, request))
		api_send_chunk(fd, half);
	return false;
}

/* Somebody else's object of this kind goes, which nobody has heard of. */
static bool send_ghost(int fd, size_t kind)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024);

	buf_printf(&text, "{\"type\":\"DELETED\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"name\":\"ghost\",",
		   api_kinds[kind].name, api_kinds[kind].version);
	buf_string(&text, "\"namespace\":\"ghosts\",\"uid\":\"ghost\",\"resourceVersion\":\"1\"}}}\n");
	return api_send_chunk(fd, buf_view(&text));
}

static bool disorder(const struct api *api, int fd, size_t kind, const char *request)
{
	if (request && !api_asks_for_watch(request)) {
		api_send_page(api, fd, kind);
		return false;
	}
	bool good = begin(fd, request) && send_ghost(fd, kind);
	for (size_t i = api->n_entries; good && i-- > 0;) {
		const struct api_entry *entry = &api->entries[i];
		if (entry->kind == kind)
			good = api_send_event(fd, "MODIFIED", entry->object) && api_send_event(fd, "ADDED", entry->object) &&
			       api_send_event(fd, "ADDED", entry->object);
	}
	return good && send_ghost(fd, kind) && api_send_bookmark(api, fd, kind);
}

static void refuse(int fd, const char *status)
{
	char head[160];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status);

	api_send(fd, head, (size_t)n);
}

static bool gone(const struct api *api, int fd, size_t kind, const char *request)
{
	if (request && !api_asks_for_watch(request))
		refuse(fd, "410 Gone");
	else if (begin(fd, request))
		api_send_gone(fd);
	return false;
}

static void send_half(const struct api *api, int fd, size_t kind)
{
	size_t n = 0, sent = 0;

	for (size_t i = 0; i < api->n_entries; i++)
		n += api->entries[i].kind == kind;
	for (size_t i = 0; i < api->n_entries && sent < n / 2; i++) {
		if (api->entries[i].kind != kind)
			continue;
		api_send_event(fd, "ADDED", api->entries[i].object);
		sent++;
	}
	api_send_end(fd);
}

/* Whoever goes on from a version must list first. */
static bool half_list(const struct api *api, int fd, size_t kind, const char *request)
{
	if (!request || (api_asks_for_watch(request) && !api_asks_for_streaming_list(request)))
		return gone(api, fd, kind, request);
	if (!api_send_head(fd))
		return false;
	if (api_asks_for_watch(request)) {
		send_half(api, fd, kind);
	} else {
		api_send_chunk(fd, slice_string("{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":["));
		api_send_end(fd);
	}
	return false;
}

static bool refused(const struct api *api, int fd, size_t kind, const char *request)
{
	static const char *const answers[API_FAULTS] = {
		[API_ERROR] = "500 Internal Server Error",
		[API_FORBIDDEN] = "403 Forbidden",
		[API_BUSY] = "429 Too Many Requests\r\nRetry-After: 1",
	};

	if (request)
		refuse(fd, answers[api->fault]);
	return false;
}

static bool too_large(const struct api *api, int fd, size_t kind, const char *request)
{
	static char filling[LARGE_CHUNK];

	memset(filling, 'x', sizeof(filling));
	bool good = begin(fd, request) &&
		    api_send_chunk(fd, slice_string("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"annotations\":{\"endless\":\""));
	for (size_t i = 0; good && i < LARGE_BYTES / LARGE_CHUNK; i++)
		good = api_send_chunk(fd, (struct slice){ (const uint8_t *)filling, sizeof(filling) });
	return good;
}

/* The streams that are open are lost, so that everything is asked for. */
static bool silent(const struct api *api, int fd, size_t kind, const char *request)
{
	return request;
}

/* The rest is api_tls.c's. */
static bool break_off(const struct api *api, int fd, size_t kind, const char *request)
{
	return false;
}

static bool (*const faults[API_FAULTS])(const struct api *api, int fd, size_t kind, const char *request) = {
	[API_GARBAGE] = garbage,     [API_CUT] = cut,       [API_DISORDER] = disorder, [API_GONE] = gone,
	[API_HALF_LIST] = half_list, [API_ERROR] = refused, [API_FORBIDDEN] = refused, [API_BUSY] = refused,
	[API_TOO_LARGE] = too_large, [API_SILENT] = silent, [API_TLS_CUT] = break_off,
};

bool api_misbehave(struct api *api, int fd, size_t kind, const char *request)
{
	api->n_faults++;
	return faults[api->fault](api, fd, kind, request);
}
