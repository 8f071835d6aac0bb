// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/proto/pods.pb-c.h"
#include "device-plugin/plugin/identity_internal.h"

#define KUBELET_DIRECTORY "/var/lib/kubelet"
#define SANDBOXES "/run/holdfast/sandboxes"
#define PODS_SOCKET "pods-api/pods-api.sock"
#define GET_POD "/v1alpha1.Pods/GetPod"

static void identifier_unref(struct identifier *identifier)
{
	if (--identifier->references > 0)
		return;
	free(identifier->checkpoint);
	free(identifier->pod_directories);
	free(identifier->pods_socket);
	free(identifier->sandboxes);
	free(identifier);
}

static int join(const char *directory, const char *name, char **ret, struct error *err)
{
	if (asprintf(ret, "%s/%s", directory, name) >= 0)
		return 0;
	*ret = NULL;
	return error_nomem(err);
}

static int set_up(struct identifier *identifier, const struct identifier_options *options, struct error *err)
{
	const char *kubelet = options->kubelet_directory ? options->kubelet_directory : KUBELET_DIRECTORY;

	if (!kube_store_keeps_identities(options->store))
		return error_set(err, EINVAL, "the store of pods does not keep who they are");
	identifier->sandboxes = strdup(options->sandboxes ? options->sandboxes : SANDBOXES);
	int r = identifier->sandboxes ? 0 : error_nomem(err);
	if (r == 0)
		r = join(kubelet, "device-plugins/" CHECKPOINT_FILE, &identifier->checkpoint, err);
	if (r == 0)
		r = join(kubelet, "pods", &identifier->pod_directories, err);
	if (r == 0)
		r = join(kubelet, PODS_SOCKET, &identifier->pods_socket, err);
	if (r == 0)
		r = grpc_client_new(identifier->loop, identifier->pods_socket, &identifier->pods, err);
	return r < 0 ? r : pod_resources_open(&identifier->resources, identifier->loop, kubelet, list_timeout_ms(identifier), err);
}

int identifier_new(uv_loop_t *loop, const struct identifier_options *options, struct identifier **ret, struct error *err)
{
	struct identifier *identifier = calloc(1, sizeof(*identifier));

	if (!identifier)
		return error_nomem(err);
	*identifier = (struct identifier){
		.loop = loop,
		.store = options->store,
		.timeout_ms = options->timeout_ms ? options->timeout_ms : IDENTITY_TIMEOUT_MS,
		.references = 1,
	};
	int r = set_up(identifier, options, err);
	if (r < 0)
		identifier_close(identifier);
	else
		*ret = identifier;
	return r;
}

void identifier_close(struct identifier *identifier)
{
	if (!identifier)
		return;
	while (identifier->queries)
		identity_cancel(identifier->queries);
	pod_resources_close(&identifier->resources);
	grpc_client_close(TAKE_PTR(identifier->pods));
	identifier_unref(identifier);
}

/* ── Queries ── */

void query_start(struct identity_query *query, struct identifier *identifier, uv_timer_cb begin)
{
	uv_timer_init(identifier->loop, &query->timer);
	query->timer.data = query;
	query->identifier = identifier;
	query->deadline_ms = uv_now(identifier->loop) + identifier->timeout_ms;
	query->next = identifier->queries;
	identifier->queries = query;
	identifier->references++;
	uv_timer_start(&query->timer, begin, 0, 0);
}

static void timer_closed(uv_handle_t *handle)
{
	struct identity_query *query = handle->data;
	struct identifier *identifier = query->identifier;

	query->free(query);
	identifier_unref(identifier);
}

void query_end(struct identity_query *query)
{
	struct identity_query **at;

	for (at = &query->identifier->queries; *at != query; at = &(*at)->next)
		;
	*at = query->next;
	pod_resources_cancel(&query->listing);
	kubelet_call_cancel(TAKE_PTR(query->call));
	uv_close((uv_handle_t *)&query->timer, timer_closed);
}

void identity_cancel(struct identity_query *query)
{
	query_end(query);
}

uint64_t query_time_left_ms(const struct identity_query *query)
{
	const uint64_t now_ms = uv_now(query->timer.loop);

	return now_ms < query->deadline_ms ? query->deadline_ms - now_ms : 0;
}

/* ── The Kubelet Pods API ── */

bool pods_api_is_there(const struct identifier *identifier)
{
	return access(identifier->pods_socket, F_OK) == 0;
}

int pods_api_ask(struct identity_query *query, const char *uid,
		 void (*answered)(void *context, int r, struct slice answer, const struct error *err), struct error *err)
{
	const uint64_t left_ms = query_time_left_ms(query), most_ms = pods_timeout_ms(query->identifier);
	Pods__GetRequest request = PODS__GET_REQUEST__INIT;

	request.pod_uid = (char *)uid;
	const struct kubelet_question question = {
		.client = query->identifier->pods,
		.path = GET_POD,
		.message = &request.base,
		.timeout_ms = left_ms < most_ms ? left_ms : most_ms,
		.answered = answered,
		.context = query,
	};
	return kubelet_call(query->identifier->loop, &question, &query->call, err);
}
