// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/offer.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/show.h"
#include "common/proto/deviceplugin.pb-c.h"
#include "common/proto/message.h"

#define API_VERSION "v1beta1"
#define PATH_BYTES_MAX 4096
#define NO_SLOT DEVICE_SLOTS_MAX

int offer_set_slots(struct offer *offer, unsigned slots, struct error *err)
{
	if (slots < 1 || slots > DEVICE_SLOTS_MAX)
		return error_set(err, EINVAL, "cannot offer secret \"%s\" in %u slots: 1 to %d are possible", offer->secret, slots,
				 DEVICE_SLOTS_MAX);
	if (slots > offer->listed) {
		uint64_t *given = realloc(offer->given, slots * sizeof(*given));
		if (!given)
			return error_nomem(err);
		memset(given + offer->listed, 0, (slots - offer->listed) * sizeof(*given));
		offer->given = given;
		offer->listed = slots;
	}
	offer->slots = slots;
	return 0;
}

static int write_message(const ProtobufCMessage *message, struct buf *out, struct error *err)
{
	message_write(message, out);
	return buf_check(out, message->descriptor->name, err);
}

static int read_request(const ProtobufCMessageDescriptor *type, struct slice request, ProtobufCMessage **ret, struct error *err)
{
	if (request.n > OFFER_REQUEST_MAX)
		return error_set(err, EINVAL, "a request of %zu bytes is above %d", request.n, OFFER_REQUEST_MAX);
	return message_unpack(type, request, ret, err);
}

/* ── What we say of ourselves ── */

int offer_registration(const struct offer *offer, const char *endpoint, struct buf *out, struct error *err)
{
	_cleanup_(buf_free) struct buf resource = BUF_MAX(PATH_BYTES_MAX);
	Deviceplugin__DevicePluginOptions options = DEVICEPLUGIN__DEVICE_PLUGIN_OPTIONS__INIT;
	Deviceplugin__RegisterRequest request = DEVICEPLUGIN__REGISTER_REQUEST__INIT;

	device_print_resource(offer->secret, &resource);
	int r = buf_check(&resource, "the resource's name", err);
	if (r < 0)
		return r;
	options.pre_start_required = options.get_preferred_allocation_available = true;
	request.version = (char *)API_VERSION;
	request.endpoint = (char *)endpoint;
	request.resource_name = (char *)resource.p;
	request.options = &options;
	return write_message(&request.base, out, err);
}

int offer_options(struct buf *out, struct error *err)
{
	Deviceplugin__DevicePluginOptions options = DEVICEPLUGIN__DEVICE_PLUGIN_OPTIONS__INIT;

	options.pre_start_required = options.get_preferred_allocation_available = true;
	return write_message(&options.base, out, err);
}

int offer_list(const struct offer *offer, struct buf *out, struct error *err)
{
	_cleanup_free_ struct device_id *ids = calloc(offer->listed, sizeof(*ids));
	_cleanup_free_ Deviceplugin__Device *devices = calloc(offer->listed, sizeof(*devices));
	_cleanup_free_ Deviceplugin__Device **list = calloc(offer->listed, sizeof(*list));
	Deviceplugin__ListAndWatchResponse response = DEVICEPLUGIN__LIST_AND_WATCH_RESPONSE__INIT;

	if (!ids || !devices || !list)
		return error_nomem(err);
	for (unsigned slot = 0; slot < offer->listed; slot++) {
		bool healthy = offer->healthy && slot < offer->slots;

		ids[slot] = device_id(&offer->hash, slot);
		devices[slot] = (Deviceplugin__Device)DEVICEPLUGIN__DEVICE__INIT;
		devices[slot].id = ids[slot].text;
		devices[slot].health = (char *)(healthy ? "Healthy" : "Unhealthy");
		list[slot] = &devices[slot];
	}
	response.devices = list;
	response.n_devices = offer->listed;
	return write_message(&response.base, out, err);
}

/* ── What kubelet asks ── */

/* NO_SLOT: not a device of this resource. */
static unsigned slot_of(const struct offer *offer, const char *id)
{
	struct device_hash hash;
	unsigned slot;

	return device_id_parse(slice_string(id), &hash, &slot) && strcmp(hash.text, offer->hash.text) == 0 ? slot : NO_SLOT;
}

static int lowest_slot(const struct offer *offer, char **ids, size_t n, unsigned *ret, struct error *err)
{
	unsigned lowest = NO_SLOT;

	if (n == 0)
		return error_set(err, EINVAL, "a request for " DEVICE_DOMAIN "/%s names no device", offer->secret);
	for (size_t i = 0; i < n; i++) {
		unsigned slot = slot_of(offer, ids[i]);
		if (slot == NO_SLOT)
			return error_set(err, ENOENT, "\"%s\" is no device of " DEVICE_DOMAIN "/%s", SHOW(slice_string(ids[i])),
					 offer->secret);
		if (slot < lowest)
			lowest = slot;
	}
	*ret = lowest;
	return 0;
}

static void note_given(struct offer *offer, char **ids, size_t n)
{
	offer->n_given++;
	for (size_t i = 0; i < n; i++) {
		unsigned slot = slot_of(offer, ids[i]);
		if (slot < offer->listed)
			offer->given[slot] = offer->n_given;
	}
}

/* An answer to several containers is the answers to each one after the other: so protobuf joins repeated fields. */
static int write_mount(const struct offer *offer, unsigned slot, struct buf *out, struct error *err)
{
	_cleanup_(buf_free) struct buf host = BUF_MAX(PATH_BYTES_MAX), inside = BUF_MAX(PATH_BYTES_MAX);
	Deviceplugin__Mount mount = DEVICEPLUGIN__MOUNT__INIT, *mounts = &mount;
	Deviceplugin__ContainerAllocateResponse container = DEVICEPLUGIN__CONTAINER_ALLOCATE_RESPONSE__INIT, *containers = &container;
	Deviceplugin__AllocateResponse response = DEVICEPLUGIN__ALLOCATE_RESPONSE__INIT;

	device_print_volume(offer->volumes, device_id(&offer->hash, slot).text, offer->secret, &host);
	device_print_container_path(offer->secret, &inside);
	int r = buf_check(&host, "the volume's path", err);
	if (r == 0)
		r = buf_check(&inside, "the secret's path", err);
	if (r < 0)
		return r;
	mount.host_path = (char *)host.p;
	mount.container_path = (char *)inside.p;
	mount.read_only = true;
	container.mounts = &mounts;
	response.container_responses = &containers;
	container.n_mounts = response.n_container_responses = 1;
	return write_message(&response.base, out, err);
}

int offer_allocate(struct offer *offer, struct slice request, struct buf *out, struct error *err)
{
	_cleanup_(message_freep) ProtobufCMessage *message = NULL;

	int r = read_request(&deviceplugin__allocate_request__descriptor, request, &message, err);
	if (r < 0)
		return r;
	const Deviceplugin__AllocateRequest *allocate = (const Deviceplugin__AllocateRequest *)message;
	for (size_t i = 0; i < allocate->n_container_requests && r == 0; i++) {
		const Deviceplugin__ContainerAllocateRequest *container = allocate->container_requests[i];
		unsigned slot;

		r = lowest_slot(offer, container->devices_ids, container->n_devices_ids, &slot, err);
		if (r == 0)
			r = write_mount(offer, slot, out, err);
		if (r == 0)
			note_given(offer, container->devices_ids, container->n_devices_ids);
		if (r == 0 && offer->allocated)
			offer->allocated(offer->context, device_id(&offer->hash, slot).text);
	}
	return r;
}

int offer_read_start(const struct offer *offer, struct slice request, struct device_id *ret, struct error *err)
{
	_cleanup_(message_freep) ProtobufCMessage *message = NULL;
	unsigned slot;

	int r = read_request(&deviceplugin__pre_start_container_request__descriptor, request, &message, err);
	if (r < 0)
		return r;
	const Deviceplugin__PreStartContainerRequest *start = (const Deviceplugin__PreStartContainerRequest *)message;
	r = lowest_slot(offer, start->devices_ids, start->n_devices_ids, &slot, err);
	if (r == 0)
		*ret = device_id(&offer->hash, slot);
	return r;
}

/* ── Which devices kubelet should choose ── */

struct candidates {
	bool wanted[DEVICE_SLOTS_MAX];
	unsigned slots[DEVICE_SLOTS_MAX];
	size_t n;
};

static void add_candidates(const struct offer *offer, char **ids, size_t n, struct candidates *candidates)
{
	for (size_t i = 0; i < n; i++) {
		unsigned slot = slot_of(offer, ids[i]);
		if (slot >= offer->listed || candidates->wanted[slot])
			continue;
		candidates->wanted[slot] = true;
		candidates->slots[candidates->n++] = slot;
	}
}

static int compare_rest(const void *a, const void *b, void *context)
{
	const struct offer *offer = context;
	unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
	uint64_t left_given = offer->given[left], right_given = offer->given[right];

	if (left_given != right_given)
		return left_given < right_given ? -1 : 1;
	return left < right ? -1 : left > right;
}

static int write_preferred(const struct offer *offer, const struct candidates *candidates, size_t n, struct buf *out, struct error *err)
{
	Deviceplugin__ContainerPreferredAllocationResponse container = DEVICEPLUGIN__CONTAINER_PREFERRED_ALLOCATION_RESPONSE__INIT;
	Deviceplugin__ContainerPreferredAllocationResponse *containers = &container;
	Deviceplugin__PreferredAllocationResponse response = DEVICEPLUGIN__PREFERRED_ALLOCATION_RESPONSE__INIT;
	struct device_id ids[DEVICE_SLOTS_MAX];
	char *list[DEVICE_SLOTS_MAX];

	for (size_t i = 0; i < n; i++) {
		ids[i] = device_id(&offer->hash, candidates->slots[i]);
		list[i] = ids[i].text;
	}
	container.device_ids = list;
	container.n_device_ids = n;
	response.container_responses = &containers;
	response.n_container_responses = 1;
	return write_message(&response.base, out, err);
}

static int answer_preferred(const struct offer *offer, const Deviceplugin__ContainerPreferredAllocationRequest *request, struct buf *out,
			    struct error *err)
{
	struct candidates candidates = { 0 };
	size_t size = request->allocation_size > 0 ? (size_t)request->allocation_size : 0;

	add_candidates(offer, request->must_include_device_ids, request->n_must_include_device_ids, &candidates);
	size_t n_fixed = candidates.n;
	add_candidates(offer, request->available_device_ids, request->n_available_device_ids, &candidates);
	qsort_r(candidates.slots + n_fixed, candidates.n - n_fixed, sizeof(candidates.slots[0]), compare_rest, (void *)offer);
	return write_preferred(offer, &candidates, size < candidates.n ? size : candidates.n, out, err);
}

int offer_preferred(const struct offer *offer, struct slice request, struct buf *out, struct error *err)
{
	_cleanup_(message_freep) ProtobufCMessage *message = NULL;

	int r = read_request(&deviceplugin__preferred_allocation_request__descriptor, request, &message, err);
	if (r < 0)
		return r;
	const Deviceplugin__PreferredAllocationRequest *preferred = (const Deviceplugin__PreferredAllocationRequest *)message;
	for (size_t i = 0; i < preferred->n_container_requests && r == 0; i++)
		r = answer_preferred(offer, preferred->container_requests[i], out, err);
	return r;
}
