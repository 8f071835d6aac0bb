// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/json/json.h"
#include "tests/soak/api_internal.h"

bool api_send(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

bool api_send_head(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

	return api_send(fd, head, sizeof(head) - 1);
}

bool api_send_chunk(int fd, struct slice bytes)
{
	char head[24];
	int n = snprintf(head, sizeof(head), "%zx\r\n", bytes.n);

	return api_send(fd, head, (size_t)n) && api_send(fd, bytes.p, bytes.n) && api_send(fd, "\r\n", 2);
}

bool api_send_end(int fd)
{
	return api_send(fd, "0\r\n\r\n", 5);
}

bool api_send_event(int fd, const char *type, const cJSON *object)
{
	_cleanup_(buf_free) struct buf event = BUF_MAX(API_EVENT_MAX);
	_cleanup_free_ char *text = cJSON_PrintUnformatted(object);

	buf_printf(&event, "{\"type\":\"%s\",\"object\":%s}\n", type, text ? text : "null");
	return api_send_chunk(fd, buf_view(&event));
}

static bool send_made(int fd, const char *type, struct buf *text)
{
	_cleanup_(json_freep) cJSON *object = cJSON_Parse(buf_text(text));

	return api_send_event(fd, type, object);
}

bool api_send_bookmark(const struct api *api, int fd, size_t kind)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_printf(&text,
		   "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\",\"annotations\":"
		   "{\"k8s.io/initial-events-end\":\"true\"}}}",
		   api_kinds[kind].name, api_kinds[kind].version, (unsigned long long)api->version);
	return send_made(fd, "BOOKMARK", &text);
}

bool api_send_gone(int fd)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_string(&text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410}");
	return send_made(fd, "ERROR", &text) && api_send_end(fd);
}

bool api_send_list(const struct api *api, int fd, size_t kind)
{
	for (size_t i = 0; i < api->n_entries; i++) {
		if (api->entries[i].kind == kind && !api_send_event(fd, "ADDED", api->entries[i].object))
			return false;
	}
	return api_send_bookmark(api, fd, kind);
}

/* A client that has had a streaming list broken may ask the old way; all on one page. */
bool api_send_page(const struct api *api, int fd, size_t kind)
{
	_cleanup_(buf_free) struct buf page = BUF_MAX(API_EVENT_MAX);
	char head[128];

	buf_printf(&page, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\"},\"items\":[",
		   api_kinds[kind].name, api_kinds[kind].version, (unsigned long long)api->version);
	for (size_t i = 0, n = 0; i < api->n_entries; i++) {
		if (api->entries[i].kind != kind)
			continue;
		_cleanup_free_ char *text = cJSON_PrintUnformatted(api->entries[i].object);
		buf_printf(&page, "%s%s", n++ ? "," : "", text ? text : "null");
	}
	buf_string(&page, "]}");
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", page.n);
	return api_send(fd, head, (size_t)n) && api_send(fd, page.p, page.n);
}
