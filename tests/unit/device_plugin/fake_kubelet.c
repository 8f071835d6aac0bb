// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/unit/device_plugin/fake_kubelet.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/proto/deviceplugin.pb-c.h"
#include "common/proto/message.h"

struct fake_kubelet {
	uv_loop_t *loop;
	char directory[128];
	struct grpc_server *server;
	const char *refusal;
	bool ignore_lists;
	struct fake_resource *resources[FAKE_KUBELET_RESOURCES_MAX];
	size_t n_resources;
	struct fake_answer *answers;
};

static void *read_message(const ProtobufCMessageDescriptor *type, struct slice bytes)
{
	ProtobufCMessage *message;
	struct error err;

	if (message_unpack(type, bytes, &message, &err) < 0)
		fail_msg("%s", err.message);
	return message;
}

static struct grpc_client_call *call(struct fake_resource *resource, const char *path, const ProtobufCMessage *message, bool streaming,
				     const struct grpc_receiver *receiver)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(GRPC_MESSAGE_MAX);
	struct grpc_client_call *ret;
	struct error err;

	message_write(message, &bytes);
	assert_int_equal(bytes.failed, 0);
	const struct grpc_request request = { path, buf_view(&bytes), streaming, 0 };
	if (grpc_client_call(resource->client, &request, receiver, &ret, &err) < 0)
		fail_msg("%s", err.message);
	return ret;
}

/* ── A resource registers ── */

struct fake_resource *fake_kubelet_find(struct fake_kubelet *kubelet, const char *name)
{
	for (size_t i = 0; i < kubelet->n_resources; i++) {
		if (strcmp(kubelet->resources[i]->name, name) == 0)
			return kubelet->resources[i];
	}
	return NULL;
}

size_t fake_kubelet_count_connected(const struct fake_kubelet *kubelet)
{
	size_t n = 0;

	for (size_t i = 0; i < kubelet->n_resources; i++)
		n += kubelet->resources[i]->connected;
	return n;
}

static void on_list(void *context, struct slice message)
{
	struct fake_resource *resource = context;
	_cleanup_(message_freep) Deviceplugin__ListAndWatchResponse *list =
		read_message(&deviceplugin__list_and_watch_response__descriptor, message);

	resource->connected = true;
	resource->n_lists++;
	resource->n_devices = (unsigned)list->n_devices;
	resource->n_healthy = 0;
	for (size_t i = 0; i < list->n_devices; i++) {
		if (i < FAKE_KUBELET_IDS_KEPT)
			snprintf(resource->ids[i], sizeof(resource->ids[i]), "%s", list->devices[i]->id);
		resource->n_healthy += strcmp(list->devices[i]->health, "Healthy") == 0;
	}
}

static void on_list_end(void *context, enum rpc_status status, const char *words)
{
	struct fake_resource *resource = context;

	resource->watch = NULL;
	resource->connected = false;
}

static void watch(struct fake_resource *resource)
{
	const struct grpc_receiver receiver = { on_list, on_list_end, resource };
	Deviceplugin__Empty empty = DEVICEPLUGIN__EMPTY__INIT;

	resource->watch = call(resource, "/v1beta1.DevicePlugin/ListAndWatch", &empty.base, true, &receiver);
}

static void on_options(void *context, struct slice message)
{
	struct fake_resource *resource = context;
	_cleanup_(message_freep) Deviceplugin__DevicePluginOptions *options =
		read_message(&deviceplugin__device_plugin_options__descriptor, message);

	resource->pre_start_required = options->pre_start_required;
	resource->preferred_available = options->get_preferred_allocation_available;
}

static void on_options_end(void *context, enum rpc_status status, const char *words)
{
	struct fake_resource *resource = context;
	struct grpc_call *registering = TAKE_PTR(resource->registering);

	if (!registering)
		return;
	if (status == RPC_OK)
		grpc_call_answer(registering, (struct slice){ 0 });
	else
		grpc_call_finish(registering, status, words);
	if (status == RPC_OK && !resource->kubelet->ignore_lists)
		watch(resource);
}

static struct fake_resource *find_or_add(struct fake_kubelet *kubelet, const char *name)
{
	struct fake_resource *resource = fake_kubelet_find(kubelet, name);

	if (resource)
		return resource;
	assert_true(kubelet->n_resources < FAKE_KUBELET_RESOURCES_MAX);
	resource = calloc(1, sizeof(*resource));
	assert_non_null(resource);
	snprintf(resource->name, sizeof(resource->name), "%s", name);
	resource->kubelet = kubelet;
	kubelet->resources[kubelet->n_resources++] = resource;
	return resource;
}

void fake_kubelet_disconnect(struct fake_resource *resource)
{
	if (resource->watch)
		grpc_client_cancel(TAKE_PTR(resource->watch));
	resource->connected = false;
	grpc_client_close(TAKE_PTR(resource->client));
}

static void dial(struct fake_resource *resource, const char *endpoint)
{
	const struct grpc_receiver receiver = { on_options, on_options_end, resource };
	Deviceplugin__Empty empty = DEVICEPLUGIN__EMPTY__INIT;
	char path[256];
	struct error err;

	snprintf(resource->endpoint, sizeof(resource->endpoint), "%s", endpoint);
	snprintf(path, sizeof(path), "%s/%s", resource->kubelet->directory, endpoint);
	if (grpc_client_new(resource->kubelet->loop, path, &resource->client, &err) < 0)
		fail_msg("%s", err.message);
	call(resource, "/v1beta1.DevicePlugin/GetDevicePluginOptions", &empty.base, false, &receiver);
}

static void handle_register(void *context, struct grpc_call *registering, struct slice message)
{
	struct fake_kubelet *kubelet = context;
	_cleanup_(message_freep) Deviceplugin__RegisterRequest *request =
		read_message(&deviceplugin__register_request__descriptor, message);

	assert_string_equal(request->version, "v1beta1");
	assert_non_null(request->options);
	if (kubelet->refusal) {
		grpc_call_finish(registering, RPC_UNKNOWN, kubelet->refusal);
		return;
	}
	struct fake_resource *resource = find_or_add(kubelet, request->resource_name);
	fake_kubelet_disconnect(resource);
	resource->n_registrations++;
	resource->registering = registering;
	dial(resource, request->endpoint);
}

static const struct grpc_method methods[] = { { "/v1beta1.Registration/Register", handle_register } };

/* ── Life ── */

static void remove_sockets(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	struct stat st;

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
			unlinkat(dirfd(stream), entry->d_name, 0);
	}
	closedir(stream);
}

struct fake_kubelet *fake_kubelet_start(uv_loop_t *loop, const char *directory)
{
	struct fake_kubelet *kubelet = calloc(1, sizeof(*kubelet));
	const struct grpc_service service = { methods, ELEMENTS_OF(methods), kubelet };
	char path[256];
	struct error err;

	assert_non_null(kubelet);
	kubelet->loop = loop;
	snprintf(kubelet->directory, sizeof(kubelet->directory), "%s", directory);
	snprintf(path, sizeof(path), "%s/kubelet.sock", directory);
	remove_sockets(directory);
	if (grpc_server_start(loop, path, geteuid(), &service, &kubelet->server, &err) < 0)
		fail_msg("%s", err.message);
	return kubelet;
}

void fake_kubelet_stop(struct fake_kubelet *kubelet)
{
	for (size_t i = 0; i < kubelet->n_resources; i++) {
		struct fake_resource *resource = kubelet->resources[i];

		if (resource->registering)
			grpc_call_finish(TAKE_PTR(resource->registering), RPC_UNAVAILABLE, "kubelet ends");
		fake_kubelet_disconnect(resource);
	}
	grpc_server_stop(TAKE_PTR(kubelet->server));
}

void fake_kubelet_free(struct fake_kubelet *kubelet)
{
	for (size_t i = 0; i < kubelet->n_resources; i++)
		free(kubelet->resources[i]);
	while (kubelet->answers) {
		struct fake_answer *answer = kubelet->answers;
		kubelet->answers = answer->next;
		free(answer);
	}
	free(kubelet);
}

void fake_kubelet_refuse(struct fake_kubelet *kubelet, const char *words)
{
	kubelet->refusal = words;
}

void fake_kubelet_ignore_lists(struct fake_kubelet *kubelet)
{
	kubelet->ignore_lists = true;
}

/* ── What kubelet asks of a resource ── */

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct fake_answer *answer = context;

	answer->status = status;
	snprintf(answer->words, sizeof(answer->words), "%s", words);
	answer->call = NULL;
	answer->ended = true;
}

static struct fake_answer *ask(struct fake_resource *resource, const char *path, const ProtobufCMessage *request,
			       void (*on_message)(void *context, struct slice message))
{
	struct fake_answer *answer = calloc(1, sizeof(*answer));
	const struct grpc_receiver receiver = { on_message, on_end, answer };

	assert_non_null(answer);
	answer->next = resource->kubelet->answers;
	resource->kubelet->answers = answer;
	answer->call = call(resource, path, request, false, &receiver);
	return answer;
}

static void on_allocated(void *context, struct slice message)
{
	struct fake_answer *answer = context;
	_cleanup_(message_freep) Deviceplugin__AllocateResponse *response =
		read_message(&deviceplugin__allocate_response__descriptor, message);

	assert_int_equal(response->n_container_responses, 1);
	assert_int_equal(response->container_responses[0]->base.n_unknown_fields, 0); /* no environment, no annotation */
	assert_int_equal(response->container_responses[0]->n_mounts, 1);
	const Deviceplugin__Mount *mount = response->container_responses[0]->mounts[0];
	snprintf(answer->host_path, sizeof(answer->host_path), "%s", mount->host_path);
	snprintf(answer->container_path, sizeof(answer->container_path), "%s", mount->container_path);
	answer->read_only = mount->read_only;
}

struct fake_answer *fake_kubelet_allocate(struct fake_resource *resource, const char *const *ids, size_t n)
{
	Deviceplugin__ContainerAllocateRequest container = DEVICEPLUGIN__CONTAINER_ALLOCATE_REQUEST__INIT, *containers = &container;
	Deviceplugin__AllocateRequest request = DEVICEPLUGIN__ALLOCATE_REQUEST__INIT;

	container.devices_ids = (char **)ids;
	container.n_devices_ids = n;
	request.container_requests = &containers;
	request.n_container_requests = 1;
	return ask(resource, "/v1beta1.DevicePlugin/Allocate", &request.base, on_allocated);
}

struct fake_answer *fake_kubelet_start_container(struct fake_resource *resource, const char *const *ids, size_t n)
{
	Deviceplugin__PreStartContainerRequest request = DEVICEPLUGIN__PRE_START_CONTAINER_REQUEST__INIT;

	request.devices_ids = (char **)ids;
	request.n_devices_ids = n;
	return ask(resource, "/v1beta1.DevicePlugin/PreStartContainer", &request.base, NULL);
}

static void on_preferred(void *context, struct slice message)
{
	struct fake_answer *answer = context;
	_cleanup_(message_freep) Deviceplugin__PreferredAllocationResponse *response =
		read_message(&deviceplugin__preferred_allocation_response__descriptor, message);

	assert_int_equal(response->n_container_responses, 1);
	answer->n_ids = response->container_responses[0]->n_device_ids;
	assert_true(answer->n_ids <= ELEMENTS_OF(answer->ids));
	for (size_t i = 0; i < answer->n_ids; i++)
		snprintf(answer->ids[i], sizeof(answer->ids[i]), "%s", response->container_responses[0]->device_ids[i]);
}

struct fake_answer *fake_kubelet_prefer(struct fake_resource *resource, const char *const *available, size_t n, int size)
{
	Deviceplugin__ContainerPreferredAllocationRequest container = DEVICEPLUGIN__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
	Deviceplugin__ContainerPreferredAllocationRequest *containers = &container;
	Deviceplugin__PreferredAllocationRequest request = DEVICEPLUGIN__PREFERRED_ALLOCATION_REQUEST__INIT;

	container.available_device_ids = (char **)available;
	container.n_available_device_ids = n;
	container.allocation_size = size;
	request.container_requests = &containers;
	request.n_container_requests = 1;
	return ask(resource, "/v1beta1.DevicePlugin/GetPreferredAllocation", &request.base, on_preferred);
}
