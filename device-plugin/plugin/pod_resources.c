// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/pod_resources.h"

#include "common/proto/message.h"

#define LIST "/v1.PodResourcesLister/List"
#define PATH_BYTES_MAX 4096

static void begin_round(struct pod_resources *resources);

int pod_resources_open(struct pod_resources *resources, uv_loop_t *loop, const char *kubelet_directory, uint64_t timeout_ms,
		       struct error *err)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(PATH_BYTES_MAX);

	*resources = (struct pod_resources){ .loop = loop, .timeout_ms = timeout_ms };
	buf_printf(&path, "%s/" POD_RESOURCES_SOCKET, kubelet_directory);
	int r = buf_check(&path, "the path of kubelet's socket", err);
	return r < 0 ? r : grpc_client_new(loop, buf_text(&path), &resources->client, err);
}

void pod_resources_close(struct pod_resources *resources)
{
	kubelet_call_cancel(TAKE_PTR(resources->call));
	grpc_client_close(TAKE_PTR(resources->client));
}

void pod_resources_cancel(struct pod_resources_wait *wait)
{
	struct pod_resources *resources = TAKE_PTR(wait->resources);
	struct pod_resources_wait **at;

	if (!resources)
		return;
	for (at = &resources->waiting; *at != wait; at = &(*at)->next)
		;
	*at = wait->next;
}

static struct pod_resources_wait *first_of_round(const struct pod_resources *resources, unsigned round)
{
	struct pod_resources_wait *wait = resources->waiting;

	while (wait && wait->round != round)
		wait = wait->next;
	return wait;
}

/* Whoever is told may cancel others, and ask again. */
static void tell(struct pod_resources *resources, const Podresources__ListResponse *list, const struct error *err)
{
	const unsigned round = resources->round++;
	struct pod_resources_wait *wait;

	while ((wait = first_of_round(resources, round))) {
		pod_resources_cancel(wait);
		wait->listed(wait, list, err);
	}
	if (!resources->call && resources->waiting)
		begin_round(resources);
}

static void on_answer(void *context, int r, struct slice answer, const struct error *why)
{
	struct pod_resources *resources = context;
	_cleanup_(message_freep) Podresources__ListResponse *list = NULL;
	struct error err;

	resources->call = NULL;
	if (r == 0) {
		r = message_read(&podresources__list_response__descriptor, answer, &list, &err);
		why = &err;
	}
	tell(resources, r < 0 ? NULL : list, why);
}

static int ask(struct pod_resources *resources, struct error *err)
{
	Podresources__ListRequest request = PODRESOURCES__LIST_REQUEST__INIT;
	const struct kubelet_question question = {
		resources->client, LIST, &request.base, resources->timeout_ms, on_answer, resources,
	};

	return kubelet_call(resources->loop, &question, &resources->call, err);
}

static void begin_round(struct pod_resources *resources)
{
	struct error err;

	if (ask(resources, &err) < 0)
		tell(resources, NULL, &err);
}

int pod_resources_list(struct pod_resources *resources, struct pod_resources_wait *wait, struct error *err)
{
	const unsigned round = resources->call ? resources->round + 1 : resources->round;
	int r = resources->call ? 0 : ask(resources, err);

	if (r < 0)
		return r;
	wait->round = round;
	wait->resources = resources;
	wait->next = resources->waiting;
	resources->waiting = wait;
	return 0;
}
