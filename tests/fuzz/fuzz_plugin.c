// SPDX-License-Identifier: Apache-2.0
/* Requests as kubelet would send them; the first byte says which. What is answered names devices of this resource and nothing else. */
#include <stdlib.h>
#include <string.h>

#include "common/proto/deviceplugin.pb-c.h"
#include "common/proto/message.h"
#include "device-plugin/plugin/offer.h"
#include "tests/fuzz/fuzz.h"

#define SLOTS 16
#define VOLUME "/v/47facce2-"

static bool is_ours(const char *id)
{
	struct device_hash hash;
	unsigned slot;

	return device_id_parse(slice_string(id), &hash, &slot) && strcmp(hash.text, "47facce2") == 0;
}

static void check_mounts(const struct buf *answer)
{
	_cleanup_(message_freep) Deviceplugin__AllocateResponse *response = NULL;
	struct error err;

	ABORT_ON(message_read(&deviceplugin__allocate_response__descriptor, buf_view(answer), &response, &err) < 0);
	for (size_t i = 0; i < response->n_container_responses; i++) {
		const Deviceplugin__ContainerAllocateResponse *container = response->container_responses[i];

		ABORT_ON(container->n_mounts != 1 || !container->mounts[0]->read_only);
		ABORT_ON(strncmp(container->mounts[0]->host_path, VOLUME, strlen(VOLUME)) != 0);
		ABORT_ON(strstr(container->mounts[0]->host_path, ".."));
	}
}

static void check_preferred(const struct buf *answer)
{
	_cleanup_(message_freep) Deviceplugin__PreferredAllocationResponse *response = NULL;
	struct error err;

	ABORT_ON(message_read(&deviceplugin__preferred_allocation_response__descriptor, buf_view(answer), &response, &err) < 0);
	for (size_t i = 0; i < response->n_container_responses; i++) {
		ABORT_ON(response->container_responses[i]->n_device_ids > SLOTS);
		for (size_t j = 0; j < response->container_responses[i]->n_device_ids; j++)
			ABORT_ON(!is_ours(response->container_responses[i]->device_ids[j]));
	}
}

static void try_request(struct offer *offer, uint8_t which, struct slice request)
{
	_cleanup_(buf_free) struct buf answer = BUF_MAX(16 * 1024 * 1024);
	struct device_id device;
	struct error err;

	if (which == 'a' && offer_allocate(offer, request, &answer, &err) == 0)
		check_mounts(&answer);
	else if (which == 'p' && offer_preferred(offer, request, &answer, &err) == 0)
		check_preferred(&answer);
	else if (which == 's' && offer_read_start(offer, request, &device, &err) == 0)
		ABORT_ON(!is_ours(device.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct offer offer = { .secret = "db-password", .volumes = "/v", .hash = { "47facce2" }, .healthy = true };
	struct error err;

	if (size < 1)
		return 0;
	ABORT_ON(offer_set_slots(&offer, SLOTS, &err) < 0);
	try_request(&offer, data[0], slice_from(data + 1, size - 1));
	free(offer.given);
	return 0;
}
