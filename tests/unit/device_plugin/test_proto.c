// SPDX-License-Identifier: Apache-2.0
/* Our .proto files against bytes that Kubernetes' own types wrote (tests/golden/proto/messages.go). */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/file.h"
#include "common/proto/core_v1.pb-c.h"
#include "common/proto/deviceplugin.pb-c.h"
#include "common/proto/message.h"
#include "common/proto/podresources.pb-c.h"
#include "common/proto/pods.pb-c.h"

static void *read_golden(const char *name, const ProtobufCMessageDescriptor *type)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(1024), bytes = BUF_MAX(4096);
	ProtobufCMessage *message = NULL;
	struct error err;

	buf_printf(&path, TEST_DATA "/golden/proto/%s", name);
	int r = file_read(buf_text(&path), &bytes, &err);
	if (r == 0)
		r = message_unpack(type, buf_view(&bytes), &message, &err);
	if (r < 0)
		fail_msg("%s", err.message);
	return message;
}

static void a_pod_of_the_kubelet_pods_api_is_read(void **state)
{
	_cleanup_(message_freep) Pods__WatchEvent *event = read_golden("pods-watch-event", &pods__watch_event__descriptor);
	_cleanup_(message_freep) CoreV1__Pod *pod = NULL;
	struct error err;

	assert_int_equal(event->type, PODS__EVENT_TYPE__MODIFIED);
	assert_int_equal(message_read(&core_v1__pod__descriptor, slice_from(event->pod.data, event->pod.len), &pod, &err), 0);
	assert_string_equal(pod->metadata->name, "web-7d4b");
	assert_string_equal(pod->metadata->namespace_, "shop");
	assert_string_equal(pod->metadata->uid, "0f0e0d0c-0b0a-0908-0706-050403020100");
	assert_string_equal(pod->metadata->resource_version, "4711");
	assert_int_equal(pod->metadata->deletion_timestamp->seconds, 1790000000);
	assert_int_equal(pod->metadata->n_labels, 1);
	assert_string_equal(pod->metadata->labels[0]->key, "app");
	assert_string_equal(pod->metadata->labels[0]->value, "web");
	assert_int_equal(pod->metadata->n_annotations, 1);
	assert_string_equal(pod->metadata->annotations[0]->value, "db-password,api-key");
	assert_string_equal(pod->spec->service_account_name, "web");
	assert_string_equal(pod->spec->node_name, "edge-1");
	assert_string_equal(pod->status->phase, "Running");
}

static void devices_of_a_pod_are_read(void **state)
{
	_cleanup_(message_freep) Podresources__ListResponse *list =
		read_golden("podresources-list", &podresources__list_response__descriptor);

	assert_int_equal(list->n_pod_resources, 1);
	const Podresources__PodResources *pod = list->pod_resources[0];
	assert_string_equal(pod->name, "web-7d4b");
	assert_string_equal(pod->namespace_, "shop");
	assert_string_equal(pod->containers[0]->name, "web");
	assert_string_equal(pod->containers[0]->devices[0]->resource_name, "tpm.holdfast/db-password");
	assert_string_equal(pod->containers[0]->devices[0]->device_ids[0], "47facce2-3");
}

static void what_kubelet_asks_a_plugin_is_read(void **state)
{
	_cleanup_(message_freep) Deviceplugin__PreferredAllocationRequest *preferred =
		read_golden("deviceplugin-preferred", &deviceplugin__preferred_allocation_request__descriptor);
	_cleanup_(message_freep) Deviceplugin__AllocateRequest *allocate =
		read_golden("deviceplugin-allocate", &deviceplugin__allocate_request__descriptor);

	const Deviceplugin__ContainerPreferredAllocationRequest *container = preferred->container_requests[0];
	assert_int_equal(container->n_available_device_ids, 3);
	assert_string_equal(container->must_include_device_ids[0], "47facce2-2");
	assert_int_equal(container->allocation_size, 2);
	assert_string_equal(allocate->container_requests[0]->devices_ids[1], "47facce2-0");
}

static void bytes_that_are_no_message_are_refused(void **state)
{
	ProtobufCMessage *message;
	struct error err;

	assert_int_equal(message_unpack(&core_v1__pod__descriptor, slice_string("\x0a\xff"), &message, &err), -EINVAL);
	assert_string_equal(err.message, "2 bytes are no core_v1.Pod of protobuf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_of_the_kubelet_pods_api_is_read),
		cmocka_unit_test(devices_of_a_pod_are_read),
		cmocka_unit_test(what_kubelet_asks_a_plugin_is_read),
		cmocka_unit_test(bytes_that_are_no_message_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
