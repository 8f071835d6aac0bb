// SPDX-License-Identifier: Apache-2.0
/*
 * A thread accepts; each request is read, answered with all objects and a bookmark, and becomes a watch that api_put and api_remove write
 * to. One lock guards everything: what the agent sees is what the test did, in its order. A watch that wants to go on from an
 * older version gets 410, since nothing old is kept: so what changes while a connection is lost ends in a new list.
 */
#include "tests/soak/api_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/array.h"
#include "common/json/json.h"
#include "common/json/yaml.h"

#define REQUEST_MAX 8192

const struct api_kind api_kinds[] = {
	[KUBE_POD] = { "Pod", "v1", "/pods?" },
	[KUBE_NAMESPACE] = { "Namespace", "v1", "/namespaces?" },
	[KUBE_NETWORK_POLICY] = { "NetworkPolicy", "networking.k8s.io/v1", "/networkpolicies?" },
	[KUBE_NODE] = { "Node", "v1", "/nodes?" },
	[KUBE_SERVICE] = { "Service", "v1", "/services?" },
};

/* ── watches ── */

void api_drop_watch(struct api *api, size_t i)
{
	close(api->watches[i].fd);
	api->watches[i] = api->watches[--api->n_watches];
}

static void tell(struct api *api, const struct api_entry *entry, const char *type)
{
	for (size_t i = api->n_watches; i-- > 0;) {
		if (api->watches[i].kind == entry->kind && !api_send_event(api->watches[i].fd, type, entry->object))
			api_drop_watch(api, i);
	}
}

/* Of an agent that was killed. */
static void drop_dead_watches(struct api *api)
{
	char byte;

	for (size_t i = api->n_watches; i-- > 0;) {
		ssize_t n = recv(api->watches[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			api_drop_watch(api, i);
	}
}

/* ── requests ── */

static int find_kind(const char *request, size_t *ret)
{
	for (size_t i = 0; i < ELEMENTS_OF(api_kinds); i++) {
		*ret = i;
		if (api_kinds[i].resource && strstr(request, api_kinds[i].resource))
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
	if (!api_send_head(fd))
		return false;
	if (api_asks_for_streaming_list(request) ? !api_send_list(api, fd, kind) : !is_current(api, kind, request)) {
		api_send_gone(fd);
		return false;
	}
	return true;
}

static bool answer(struct api *api, int fd, size_t kind, const char *request)
{
	if (api->fault)
		return api_misbehave(api, fd, kind, request);
	if (api_asks_for_watch(request))
		return begin_watch(api, fd, kind, request);
	api_send_page(api, fd, kind);
	return false;
}

/* True if the connection is a watch now. */
static bool take(struct api *api, int fd)
{
	char request[REQUEST_MAX];
	size_t kind;

	if (api->away || !read_request(fd, request) || find_kind(request, &kind) < 0)
		return false;
	drop_dead_watches(api);
	if (api->n_watches == API_WATCHES_MAX || !answer(api, fd, kind, request))
		return false;
	api->watches[api->n_watches++] = (struct api_watch){ kind, fd };
	return true;
}

/* Each connection is asked once; the agent's HTTP library opens another when it finds this one closed. */
static void *serve(void *context)
{
	struct api *api = context;
	int fd;

	while ((fd = accept4(api->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ API_SEND_BUFFER }, sizeof(int));
		pthread_mutex_lock(&api->lock);
		if (!take(api, fd))
			close(fd);
		pthread_mutex_unlock(&api->lock);
	}
	return NULL;
}

int api_listen(int *ret, uint16_t *ret_port, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return error_errno(err, errno, "cannot listen on loopback");
	*ret = TAKE_FD(fd);
	*ret_port = ntohs(address.sin_port);
	return 0;
}

int api_start(struct api **ret, struct error *err)
{
	_cleanup_free_ struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return error_nomem(err);
	pthread_mutex_init(&api->lock, NULL);
	int r = api_listen(&api->listener, &api->port, err);
	if (r < 0)
		return r;
	r = pthread_create(&api->thread, NULL, serve, api);
	if (r != 0)
		return error_errno(err, r, "cannot start a thread");
	*ret = TAKE_PTR(api);
	return 0;
}

static void entry_clear(struct api_entry *entry)
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
		api_drop_watch(api, 0);
	api_tls_stop(api->tls);
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

static struct api_entry *find(struct api *api, size_t kind, const char *namespace, const char *name)
{
	for (size_t i = 0; i < api->n_entries; i++) {
		struct api_entry *entry = &api->entries[i];
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
	struct api_entry *entry = find(api, kind, text_of(metadata, "namespace"), text_of(metadata, "name"));

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
	*entry = (struct api_entry){ kind, strdup(text_of(metadata, "namespace")), strdup(text_of(metadata, "name")), object };
	tell(api, entry, "ADDED");
	return 0;
}

static int put_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	struct api *api = context;
	const char *name = text_of(tree, "kind");

	for (size_t i = 0; i < ELEMENTS_OF(api_kinds); i++) {
		if (api_kinds[i].name && strcmp(api_kinds[i].name, name) == 0)
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
	struct api_entry *entry = find(api, kind, namespace, name);
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
		api_drop_watch(api, 0);
	pthread_mutex_unlock(&api->lock);
}

/* Who has been left without an answer gets none when all is well again: the connection breaks, as with a server that is started anew. */
void api_set_fault(struct api *api, enum api_fault fault)
{
	pthread_mutex_lock(&api->lock);
	bool was_silent = api->fault == API_SILENT;
	api->fault = fault;
	api->n_faults = 0;
	for (size_t i = api->n_watches; i-- > 0;) {
		struct api_watch *watch = &api->watches[i];
		if (fault ? !api_misbehave(api, watch->fd, watch->kind, NULL) : was_silent)
			api_drop_watch(api, i);
	}
	pthread_mutex_unlock(&api->lock);
}

bool api_has_fault(struct api *api, enum api_fault fault)
{
	pthread_mutex_lock(&api->lock);
	bool has = api->fault == fault;
	pthread_mutex_unlock(&api->lock);
	return has;
}

size_t api_n_faults(struct api *api)
{
	pthread_mutex_lock(&api->lock);
	size_t n = api->n_faults;
	pthread_mutex_unlock(&api->lock);
	return n;
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
