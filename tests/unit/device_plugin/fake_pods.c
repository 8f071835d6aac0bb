// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/unit/device_plugin/fake_pods.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/proto/core_v1.pb-c.h"
#include "common/proto/message.h"
#include "common/proto/podresources.pb-c.h"
#include "common/proto/pods.pb-c.h"

#define PODS_MAX 128

static void answer(struct grpc_call *call, const ProtobufCMessage *message)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(GRPC_MESSAGE_MAX);

	message_write(message, &bytes);
	assert_int_equal(bytes.failed, 0);
	grpc_call_answer(call, buf_view(&bytes));
}

static void hung_up(void *context, struct grpc_call *call)
{
	struct fake_service *service = context;

	for (size_t i = 0; i < service->n_hanging; i++) {
		if (service->hanging[i] == call)
			service->hanging[i] = service->hanging[--service->n_hanging];
	}
	grpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void keep(struct fake_service *service, struct grpc_call *call)
{
	assert_true(service->n_hanging < ELEMENTS_OF(service->hanging));
	service->hanging[service->n_hanging++] = call;
	grpc_call_on_gone(call, hung_up, service);
}

/* Whether it is to be answered in earnest. */
static bool behaves(struct fake_service *service, struct grpc_call *call)
{
	service->n_calls++;
	switch (service->manner) {
	case FAKE_ANSWERS:
	case FAKE_MIXES_UP:
		return true;
	case FAKE_HANGS:
		keep(service, call);
		return false;
	case FAKE_TALKS_NONSENSE:
		grpc_call_answer(call, slice_string("\xff\xff\xff nonsense"));
		return false;
	case FAKE_IS_BUSY:
		if (service->n_busy == 0)
			return true;
		service->n_busy--;
		grpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "rejected by rate limit");
		return false;
	}
	return false;
}

/* ── PodResources ── */

struct listed {
	Podresources__ContainerDevices devices, *devices_list;
	Podresources__ContainerResources container, *container_list;
	Podresources__PodResources pod;
	char *id;
};

static void list(const struct fake_pod *pod, struct listed *to)
{
	to->id = (char *)pod->device;
	podresources__container_devices__init(&to->devices);
	to->devices.resource_name = (char *)pod->resource;
	to->devices.device_ids = &to->id;
	to->devices.n_device_ids = 1;
	to->devices_list = &to->devices;
	podresources__container_resources__init(&to->container);
	to->container.name = (char *)"main";
	to->container.devices = &to->devices_list;
	to->container.n_devices = pod->device ? 1 : 0;
	to->container_list = &to->container;
	podresources__pod_resources__init(&to->pod);
	to->pod.name = (char *)pod->name;
	to->pod.namespace_ = (char *)pod->namespace;
	to->pod.containers = &to->container_list;
	to->pod.n_containers = 1;
}

static void answer_list(const struct fake_service *service, struct grpc_call *call)
{
	Podresources__ListResponse response = PODRESOURCES__LIST_RESPONSE__INIT;
	Podresources__PodResources *pods[PODS_MAX];
	static struct listed listed[PODS_MAX];

	assert_true(service->n_pods <= PODS_MAX);
	for (size_t i = 0; i < service->n_pods; i++) {
		list(&service->pods[i], &listed[i]);
		pods[i] = &listed[i].pod;
	}
	response.pod_resources = pods;
	response.n_pod_resources = service->n_pods;
	answer(call, &response.base);
}

static void handle_list(void *context, struct grpc_call *call, struct slice request)
{
	struct fake_service *service = context;

	if (behaves(service, call))
		answer_list(service, call);
}

void fake_pod_resources_wake(struct fake_service *service)
{
	service->manner = FAKE_ANSWERS;
	while (service->n_hanging > 0)
		answer_list(service, service->hanging[--service->n_hanging]);
}

/* ── The Pods API ── */

#define ENTRIES_MAX 8

struct entries {
	CoreV1__StringEntry items[ENTRIES_MAX], *list[ENTRIES_MAX];
	size_t n;
};

static void add_entry(struct entries *entries, const char *key, const char *value)
{
	CoreV1__StringEntry *entry = &entries->items[entries->n];

	assert_true(entries->n < ENTRIES_MAX);
	core_v1__string_entry__init(entry);
	entry->key = (char *)key;
	entry->value = (char *)value;
	entries->list[entries->n++] = entry;
}

static void marshal(const struct fake_pod *from, struct buf *out)
{
	CoreV1__Pod pod = CORE_V1__POD__INIT;
	CoreV1__ObjectMeta metadata = CORE_V1__OBJECT_META__INIT;
	CoreV1__PodSpec spec = CORE_V1__POD_SPEC__INIT;
	CoreV1__PodStatus status = CORE_V1__POD_STATUS__INIT;
	struct entries labels = {}, annotations = {};

	for (size_t i = 0; from->labels[i]; i += 2)
		add_entry(&labels, from->labels[i], from->labels[i + 1]);
	if (from->secrets)
		add_entry(&annotations, "holdfast/secrets", from->secrets);
	metadata.name = (char *)from->name;
	metadata.namespace_ = (char *)from->namespace;
	metadata.uid = (char *)from->uid;
	metadata.labels = labels.list;
	metadata.n_labels = labels.n;
	metadata.annotations = annotations.list;
	metadata.n_annotations = annotations.n;
	if (from->service_account)
		spec.service_account_name = (char *)from->service_account;
	if (from->phase)
		status.phase = (char *)from->phase;
	pod.metadata = &metadata;
	pod.spec = &spec;
	pod.status = &status;
	message_write(&pod.base, out);
	assert_int_equal(out->failed, 0);
}

static const struct fake_pod *find(const struct fake_service *service, const char *uid)
{
	for (size_t i = 0; i < service->n_pods; i++) {
		if (service->manner == FAKE_MIXES_UP || strcmp(service->pods[i].uid, uid) == 0)
			return &service->pods[i];
	}
	return NULL;
}

static void handle_get_pod(void *context, struct grpc_call *call, struct slice message)
{
	struct fake_service *service = context;
	_cleanup_(message_freep) Pods__GetRequest *request = NULL;
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(GRPC_MESSAGE_MAX);
	Pods__GetResponse response = PODS__GET_RESPONSE__INIT;
	struct error err;

	if (!behaves(service, call))
		return;
	if (message_read(&pods__get_request__descriptor, message, &request, &err) < 0)
		fail_msg("%s", err.message);
	const struct fake_pod *pod = find(service, request->pod_uid);
	if (!pod) {
		grpc_call_finish(call, RPC_NOT_FOUND, "pod not found");
		return;
	}
	marshal(pod, &bytes);
	response.pod.data = bytes.p;
	response.pod.len = bytes.n;
	answer(call, &response.base);
}

/* ── Life ── */

static const struct grpc_method pod_resources_methods[] = { { "/v1.PodResourcesLister/List", handle_list } };
static const struct grpc_method pods_api_methods[] = { { "/v1alpha1.Pods/GetPod", handle_get_pod } };

static void start(struct fake_service *service, uv_loop_t *loop, const char *kubelet, const char *folder, const char *socket,
		  const struct grpc_method *method)
{
	const struct grpc_service methods = { method, 1, service };
	char path[256];
	struct error err;

	snprintf(path, sizeof(path), "%s/%s", kubelet, folder);
	mkdir(path, 0750);
	snprintf(path, sizeof(path), "%s/%s/%s", kubelet, folder, socket);
	if (grpc_server_start(loop, path, geteuid(), &methods, &service->server, &err) < 0)
		fail_msg("%s", err.message);
}

void fake_pod_resources_start(struct fake_service *service, uv_loop_t *loop, const char *kubelet)
{
	start(service, loop, kubelet, "pod-resources", "kubelet.sock", pod_resources_methods);
}

void fake_pods_api_start(struct fake_service *service, uv_loop_t *loop, const char *kubelet)
{
	start(service, loop, kubelet, "pods-api", "pods-api.sock", pods_api_methods);
}

void fake_service_stop(struct fake_service *service)
{
	while (service->n_hanging > 0)
		grpc_call_finish(service->hanging[--service->n_hanging], RPC_UNAVAILABLE, "kubelet ends");
	grpc_server_stop(TAKE_PTR(service->server));
}
