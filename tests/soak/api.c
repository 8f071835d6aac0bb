// SPDX-License-Identifier: Apache-2.0
/*
 * A thread accepts; each request is read, answered with all objects and a bookmark, and becomes a watch that api_put and api_remove write
 * to. One lock guards everything: what the agent sees is what the test did, in its order. A watch that wants to go on from an
 * older version gets 410, since nothing old is kept: so what changes while a connection is lost ends in a new list.
 */
#include "tests/soak/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/json/json.h"
#include "common/json/yaml.h"

#define WATCHES_MAX 16
#define REQUEST_MAX 8192
#define EVENT_MAX (4 * 1024 * 1024)

static const struct kind {
	const char *name, *version, *resource;
} kinds[] = {
	[KUBE_POD] = { "Pod", "v1", "/pods?" },
	[KUBE_NAMESPACE] = { "Namespace", "v1", "/namespaces?" },
	[KUBE_NETWORK_POLICY] = { "NetworkPolicy", "networking.k8s.io/v1", "/networkpolicies?" },
	[KUBE_NODE] = { "Node", "v1", "/nodes?" },
	[KUBE_SERVICE] = { "Service", "v1", "/services?" },
};

struct entry {
	size_t kind;
	char *namespace, *name;
	cJSON *object;
};

struct watch {
	size_t kind;
	int fd;
};

struct api {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener;
	uint16_t port;
	bool away;
	uint64_t version, changed[KUBE_KIND_COUNT]; /* the last of all, and of each kind */
	struct entry *entries;
	size_t n_entries, capacity;
	struct watch watches[WATCHES_MAX];
	size_t n_watches;
};

/* ── streams ── */

static bool send_all(int fd, const void *bytes, size_t n)
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

static bool send_event(int fd, const char *type, const cJSON *object)
{
	_cleanup_(buf_free) struct buf event = BUF_MAX(EVENT_MAX);
	_cleanup_free_ char *text = cJSON_PrintUnformatted(object);
	char head[16];

	buf_printf(&event, "{\"type\":\"%s\",\"object\":%s}\n", type, text ? text : "null");
	int n = snprintf(head, sizeof(head), "%zx\r\n", event.n);
	buf_string(&event, "\r\n");
	return send_all(fd, head, (size_t)n) && send_all(fd, event.p, event.n);
}

static bool send_made(int fd, const char *type, struct buf *text)
{
	_cleanup_(json_freep) cJSON *object = cJSON_Parse(buf_text(text));

	return send_event(fd, type, object);
}

static bool send_bookmark(struct api *api, int fd, size_t kind)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_printf(&text,
		   "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\",\"annotations\":"
		   "{\"k8s.io/initial-events-end\":\"true\"}}}",
		   kinds[kind].name, kinds[kind].version, (unsigned long long)api->version);
	return send_made(fd, "BOOKMARK", &text);
}

static bool send_gone(int fd)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_string(&text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410}");
	return send_made(fd, "ERROR", &text) && send_all(fd, "0\r\n\r\n", 5);
}

static bool send_list(struct api *api, int fd, size_t kind)
{
	for (size_t i = 0; i < api->n_entries; i++) {
		if (api->entries[i].kind == kind && !send_event(fd, "ADDED", api->entries[i].object))
			return false;
	}
	return send_bookmark(api, fd, kind);
}

/* A client that has had a streaming list broken may ask the old way; all on one page. */
static bool send_page(struct api *api, int fd, size_t kind)
{
	_cleanup_(buf_free) struct buf page = BUF_MAX(EVENT_MAX);
	char head[128];

	buf_printf(&page, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\"},\"items\":[",
		   kinds[kind].name, kinds[kind].version, (unsigned long long)api->version);
	for (size_t i = 0, n = 0; i < api->n_entries; i++) {
		if (api->entries[i].kind != kind)
			continue;
		_cleanup_free_ char *text = cJSON_PrintUnformatted(api->entries[i].object);
		buf_printf(&page, "%s%s", n++ ? "," : "", text ? text : "null");
	}
	buf_string(&page, "]}");
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", page.n);
	return send_all(fd, head, (size_t)n) && send_all(fd, page.p, page.n);
}

static void drop_watch(struct api *api, size_t i)
{
	close(api->watches[i].fd);
	api->watches[i] = api->watches[--api->n_watches];
}

static void tell(struct api *api, const struct entry *entry, const char *type)
{
	for (size_t i = api->n_watches; i-- > 0;) {
		if (api->watches[i].kind == entry->kind && !send_event(api->watches[i].fd, type, entry->object))
			drop_watch(api, i);
	}
}

/* Of an agent that was killed. */
static void drop_dead_watches(struct api *api)
{
	char byte;

	for (size_t i = api->n_watches; i-- > 0;) {
		ssize_t n = recv(api->watches[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			drop_watch(api, i);
	}
}

/* ── requests ── */

static int find_kind(const char *request, size_t *ret)
{
	for (size_t i = 0; i < ELEMENTS_OF(kinds); i++) {
		*ret = i;
		if (kinds[i].resource && strstr(request, kinds[i].resource))
			return 0;
	}
	return -1;
}

static bool read_request(int fd, char request[static REQUEST_MAX])
{
	size_t n = 0;

	request[0] = 0;
	while (!strstr(request, "\r\n\r\n")) {
		ssize_t more = recv(fd, request + n, REQUEST_MAX - 1 - n, 0);
		if (more <= 0)
			return false;
		n += (size_t)more;
		request[n] = 0;
	}
	return true;
}

static bool is_current(const struct api *api, size_t kind, const char *request)
{
	const char *version = strstr(request, "resourceVersion=");

	return version && strtoull(version + strlen("resourceVersion="), NULL, 10) >= api->changed[kind];
}

static bool begin_watch(struct api *api, int fd, size_t kind, const char *request)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

	drop_dead_watches(api);
	if (api->n_watches == WATCHES_MAX || !send_all(fd, head, sizeof(head) - 1))
		return false;
	if (strstr(request, "sendInitialEvents=true") ? !send_list(api, fd, kind) : !is_current(api, kind, request)) {
		send_gone(fd);
		return false;
	}
	api->watches[api->n_watches++] = (struct watch){ kind, fd };
	return true;
}

/* True if the connection is a watch now. */
static bool answer(struct api *api, int fd)
{
	char request[REQUEST_MAX];
	size_t kind;

	if (api->away || !read_request(fd, request) || find_kind(request, &kind) < 0)
		return false;
	if (strstr(request, "watch=1"))
		return begin_watch(api, fd, kind, request);
	send_page(api, fd, kind);
	return false;
}

/* Each connection is asked once; the agent's HTTP library opens another when it finds this one closed. */
static void *serve(void *context)
{
	struct api *api = context;
	int fd;

	while ((fd = accept4(api->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		pthread_mutex_lock(&api->lock);
		if (!answer(api, fd))
			close(fd);
		pthread_mutex_unlock(&api->lock);
	}
	return NULL;
}

static int listen_on_loopback(struct api *api, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	api->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (api->listener < 0 || bind(api->listener, (struct sockaddr *)&address, size) < 0 || listen(api->listener, 64) < 0 ||
	    getsockname(api->listener, (struct sockaddr *)&address, &size) < 0)
		return error_errno(err, errno, "cannot listen on loopback");
	api->port = ntohs(address.sin_port);
	return 0;
}

int api_start(struct api **ret, struct error *err)
{
	_cleanup_free_ struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return error_nomem(err);
	pthread_mutex_init(&api->lock, NULL);
	int r = listen_on_loopback(api, err);
	if (r < 0)
		return r;
	r = pthread_create(&api->thread, NULL, serve, api);
	if (r != 0)
		return error_errno(err, r, "cannot start a thread");
	*ret = TAKE_PTR(api);
	return 0;
}

static void entry_clear(struct entry *entry)
{
	free(entry->namespace);
	free(entry->name);
	json_free(entry->object);
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	shutdown(api->listener, SHUT_RDWR);
	pthread_join(api->thread, NULL);
	close(api->listener);
	while (api->n_watches > 0)
		drop_watch(api, 0);
	for (size_t i = 0; i < api->n_entries; i++)
		entry_clear(&api->entries[i]);
	free(api->entries);
	pthread_mutex_destroy(&api->lock);
	free(api);
}

uint16_t api_port(const struct api *api)
{
	return api->port;
}

/* ── objects ── */

static struct entry *find(struct api *api, size_t kind, const char *namespace, const char *name)
{
	for (size_t i = 0; i < api->n_entries; i++) {
		struct entry *entry = &api->entries[i];
		if (entry->kind == kind && strcmp(entry->name, name) == 0 && strcmp(entry->namespace, namespace) == 0)
			return entry;
	}
	return NULL;
}

static void stamp(struct api *api, size_t kind, cJSON *object)
{
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	char version[24];

	snprintf(version, sizeof(version), "%llu", (unsigned long long)++api->version);
	api->changed[kind] = api->version;
	cJSON_DeleteItemFromObjectCaseSensitive(metadata, "resourceVersion");
	cJSON_AddStringToObject(metadata, "resourceVersion", version);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

static int insert(struct api *api, size_t kind, cJSON *object, struct error *err)
{
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	struct entry *entry = find(api, kind, text_of(metadata, "namespace"), text_of(metadata, "name"));

	stamp(api, kind, object);
	if (entry) {
		json_free(entry->object);
		entry->object = object;
		tell(api, entry, "MODIFIED");
		return 0;
	}
	if (!array_room((void **)&api->entries, api->n_entries, &api->capacity, sizeof(*api->entries)))
		return error_nomem(err);
	entry = &api->entries[api->n_entries++];
	*entry = (struct entry){ kind, strdup(text_of(metadata, "namespace")), strdup(text_of(metadata, "name")), object };
	tell(api, entry, "ADDED");
	return 0;
}

static int put_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	struct api *api = context;
	const char *name = text_of(tree, "kind");

	for (size_t i = 0; i < ELEMENTS_OF(kinds); i++) {
		if (kinds[i].name && strcmp(kinds[i].name, name) == 0)
			return insert(api, i, tree, err);
	}
	json_free(tree);
	return 0;
}

int api_put(struct api *api, struct slice yaml, struct error *err)
{
	pthread_mutex_lock(&api->lock);
	int r = yaml_parse(yaml, &yaml_limits_manifests, put_document, api, err);
	pthread_mutex_unlock(&api->lock);
	return r;
}

void api_remove(struct api *api, enum kube_kind kind, const char *namespace, const char *name)
{
	pthread_mutex_lock(&api->lock);
	struct entry *entry = find(api, kind, namespace, name);
	if (entry) {
		stamp(api, kind, entry->object);
		tell(api, entry, "DELETED");
		entry_clear(entry);
		*entry = api->entries[--api->n_entries];
	}
	pthread_mutex_unlock(&api->lock);
}

void api_set_away(struct api *api, bool away)
{
	pthread_mutex_lock(&api->lock);
	api->away = away;
	while (away && api->n_watches > 0)
		drop_watch(api, 0);
	pthread_mutex_unlock(&api->lock);
}

size_t api_count(struct api *api, enum kube_kind kind)
{
	size_t n = 0;

	pthread_mutex_lock(&api->lock);
	for (size_t i = 0; i < api->n_entries; i++)
		n += api->entries[i].kind == (size_t)kind;
	pthread_mutex_unlock(&api->lock);
	return n;
}
