// SPDX-License-Identifier: Apache-2.0
/*
 *	BEGIN ──checkpoint──► LISTING ──PodResources, or none──► ASKING ──Pods API──► found
 *	                                                           │ none
 *	                                                           ▼
 *	                                                         WAITING ──the store has the pod──► found
 *	                                                           └─ every LOOK_AGAIN_MS, until the time is up
 *
 * Each step has less time than what is left, so that a source that hangs costs that time and not the answer. What cannot be settled is said
 * with EAGAIN: kubelet asks again, and by then it has purged its checkpoint, or our watch has caught up.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "device-plugin/plugin/identity_internal.h"
#include "device-plugin/plugin/sandbox_record.h"

#define LOOK_AGAIN_MS 50
#define CONTAINERS_BYTES_MAX 1024
#define ASK_AGAIN "kubelet will ask again"

struct pod_name {
	const char *namespace, *name;
};

struct find {
	struct identity_query query;
	char *resource, *device;
	char *uid, *containers;  /* by the checkpoint */
	struct pod_name *claims; /* pods that have the device by PodResources; without UIDs */
	size_t n_claims, capacity;
	struct kube_arena arena; /* of the claims */
	void (*found)(void *context, int r, struct identity *identity, const struct error *err);
	void *context;
};

static void find_free(struct identity_query *query)
{
	struct find *find = (struct find *)query;

	kube_arena_clear(&find->arena);
	free(find->claims);
	free(find->containers);
	free(find->uid);
	free(find->resource);
	free(find->device);
	free(find);
}

static void finish(struct find *find, int r, struct identity *identity, const struct error *err)
{
	query_end(&find->query);
	find->found(find->context, r, identity, err);
}

static void refuse(struct find *find, const struct error *err)
{
	finish(find, -err->code, NULL, err);
}

/* ── The checkpoint: which pod ── */

static bool is_it(const struct find *find, const struct checkpoint_device *device)
{
	return strcmp(device->device, find->device) == 0 && strcmp(device->resource, find->resource) == 0;
}

/* A pod's later container may get the device of an init container before it; and each NUMA node has its own entry. */
static int take_owner(struct find *find, const struct checkpoint_device *owner, struct buf *containers, struct error *err)
{
	if (find->uid && strcmp(find->uid, owner->pod_uid) != 0)
		return error_set(err, EAGAIN, "device %s stands in kubelet's checkpoint for two pods, of UID %s and %s; " ASK_AGAIN,
				 find->device, find->uid, owner->pod_uid);
	if (!find->uid)
		find->uid = strdup(owner->pod_uid);
	if (!find->uid)
		return error_nomem(err);
	if (containers->n == 0)
		buf_string(containers, owner->container);
	else if (strcmp(buf_text(containers), owner->container) != 0)
		buf_printf(containers, ", %s", owner->container);
	return 0;
}

static int find_owner(struct find *find, const struct checkpoint *checkpoint, struct error *err)
{
	_cleanup_(buf_free) struct buf containers = BUF_MAX(CONTAINERS_BYTES_MAX);
	int r = 0;

	for (size_t i = 0; i < checkpoint->n && r == 0; i++) {
		if (is_it(find, &checkpoint->devices[i]))
			r = take_owner(find, &checkpoint->devices[i], &containers, err);
	}
	if (r == 0 && !find->uid)
		return error_set(err, EAGAIN, "device %s of %s stands for no pod in kubelet's checkpoint %s; " ASK_AGAIN, find->device,
				 find->resource, find->query.identifier->checkpoint);
	if (r == 0)
		r = buf_check(&containers, "the names of the containers that have the device", err);
	find->containers = r == 0 ? buf_take_text(&containers) : NULL;
	return r < 0 || find->containers ? r : error_nomem(err);
}

static int read_checkpoint(struct find *find, struct error *err)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};

	int r = checkpoint_load(find->query.identifier->checkpoint, &checkpoint, err);
	if (r == 0)
		return find_owner(find, &checkpoint, err);
	if (r == -ENOMEM)
		return r;
	error_wrap(err, "whose device %s is, is not known", find->device);
	err->code = EAGAIN;
	return -EAGAIN;
}

/* ── PodResources: what it is called ── */

static bool container_has(const Podresources__ContainerResources *container, const struct find *find)
{
	for (size_t i = 0; i < container->n_devices; i++) {
		const Podresources__ContainerDevices *devices = container->devices[i];
		for (size_t j = 0; strcmp(devices->resource_name, find->resource) == 0 && j < devices->n_device_ids; j++) {
			if (strcmp(devices->device_ids[j], find->device) == 0)
				return true;
		}
	}
	return false;
}

static bool pod_has(const Podresources__PodResources *pod, const struct find *find)
{
	for (size_t i = 0; i < pod->n_containers; i++) {
		if (container_has(pod->containers[i], find))
			return true;
	}
	return false;
}

static int add_claim(struct find *find, const Podresources__PodResources *pod, struct error *err)
{
	struct pod_name claim = {
		.namespace = kube_arena_string(&find->arena, pod->namespace_),
		.name = kube_arena_string(&find->arena, pod->name),
	};

	if (!claim.namespace || !claim.name || !array_room((void **)&find->claims, find->n_claims, &find->capacity, sizeof(claim)))
		return error_nomem(err);
	find->claims[find->n_claims++] = claim;
	return 0;
}

static int take_claims(struct find *find, const Podresources__ListResponse *list, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < list->n_pod_resources && r == 0; i++) {
		if (pod_has(list->pod_resources[i], find))
			r = add_claim(find, list->pod_resources[i], err);
	}
	return r;
}

/* Nobody, where PodResources is away or does not show this kind of container, contradicts nothing. */
static int check_claims(const struct find *find, const struct pod_facts *pod, struct error *err)
{
	for (size_t i = 0; i < find->n_claims; i++) {
		if (strcmp(find->claims[i].namespace, pod->namespace) == 0 && strcmp(find->claims[i].name, pod->name) == 0)
			return 0;
	}
	if (find->n_claims == 0)
		return 0;
	return error_set(err, EAGAIN,
			 "device %s is pod \"%s/%s\"'s by kubelet's checkpoint and pod \"%s/%s\"'s by PodResources; " ASK_AGAIN,
			 find->device, pod->namespace, pod->name, find->claims[0].namespace, find->claims[0].name);
}

/* ── The pod is known ── */

static int add_backend(const struct find *find, struct identity *identity, struct error *err)
{
	enum sandbox_backend backend;
	struct error why;

	int r = sandbox_record_find(find->query.identifier->sandboxes, identity->uid, identity->namespace, identity->name, &backend, &why);
	if (r == 0) {
		identity->backend = sandbox_backend_name(backend);
		return 0;
	}
	identity->backend_why = kube_arena_string(&identity->arena, why.message);
	return identity->backend_why ? 0 : error_nomem(err);
}

static int judge(const struct find *find, const struct pod_facts *pod, struct identity **ret, struct error *err)
{
	_cleanup_(identity_freep) struct identity *identity = NULL;

	int r = check_claims(find, pod, err);
	if (r < 0)
		return r;
	if (kube_phase_has_ended(pod->phase))
		return error_set(err, EAGAIN, "pod \"%s/%s\" has ended, by %s: its phase is %s", pod->namespace, pod->name, pod->source,
				 kube_phase_name(pod->phase));
	r = identity_of(pod, find->containers, &identity, err);
	if (r == 0)
		r = add_backend(find, identity, err);
	if (r == 0)
		*ret = TAKE_PTR(identity);
	return r;
}

static void settle(struct find *find, const struct pod_facts *pod)
{
	struct identity *identity;
	struct error err;

	if (judge(find, pod, &identity, &err) < 0)
		refuse(find, &err);
	else
		finish(find, 0, identity, NULL);
}

/* ── The store ── */

static const struct kube_object *named_in_store(const struct find *find)
{
	const struct pod_name *claim = &find->claims[0];

	return find->n_claims == 1 ? kube_store_get(find->query.identifier->store, KUBE_POD, claim->namespace, claim->name) : NULL;
}

/* Objects from files have no UIDs: whoever writes those decides here anyway. */
static const struct kube_object *look_in_store(const struct find *find)
{
	const struct kube_object *pod = pod_in_store(find->query.identifier->store, find->uid);
	const struct kube_object *named = pod ? NULL : named_in_store(find);

	return named && !*named->uid ? named : pod;
}

static void say_unknown(const struct find *find, struct error *err)
{
	const struct kube_object *named = named_in_store(find);

	if (named)
		error_set(err, EAGAIN,
			  "device %s is of the pod with UID %s, and the pod \"%s/%s\" that this node's daemon knows has UID %s: one has "
			  "taken the other's place; " ASK_AGAIN,
			  find->device, find->uid, named->namespace, named->name, named->uid);
	else if (find->n_claims == 1)
		error_set(err, EAGAIN, "the pod \"%s/%s\" is not known to this node's daemon yet; " ASK_AGAIN, find->claims[0].namespace,
			  find->claims[0].name);
	else
		error_set(err, EAGAIN, "the pod of UID %s is not known to this node's daemon yet; " ASK_AGAIN, find->uid);
}

static void look(uv_timer_t *timer)
{
	struct find *find = timer->data;
	const struct kube_object *object = look_in_store(find);
	struct error err;

	if (object) {
		const struct pod_facts pod = pod_of_object(object, find->uid);
		settle(find, &pod);
		return;
	}
	if (query_time_left_ms(&find->query) <= LOOK_AGAIN_MS) {
		say_unknown(find, &err);
		refuse(find, &err);
		return;
	}
	uv_timer_start(timer, look, LOOK_AGAIN_MS, 0);
}

/* ── The steps ── */

static void on_pod(void *context, int r, struct slice answer, const struct error *why)
{
	struct find *find = context;
	_cleanup_(pod_facts_clear) struct pod_facts pod = {};
	struct error err;

	find->query.call = NULL;
	if (r == -ENOENT) {
		error_set(&err, EAGAIN, "device %s was of the pod with UID %s, which kubelet does not know any more", find->device,
			  find->uid);
		refuse(find, &err);
		return;
	}
	if (r == 0 && pod_of_answer(answer, find->uid, &pod, &err) == 0)
		settle(find, &pod);
	else
		look(&find->query.timer);
}

static void ask_who_it_is(struct find *find)
{
	if (!pods_api_is_there(find->query.identifier) || pods_api_ask(&find->query, find->uid, on_pod, NULL) < 0)
		look(&find->query.timer);
}

static void on_list(struct pod_resources_wait *wait, const Podresources__ListResponse *list, const struct error *why)
{
	struct find *find = (struct find *)((char *)wait - offsetof(struct find, query.listing));
	struct error err;

	uv_timer_stop(&find->query.timer);
	if (list && take_claims(find, list, &err) < 0)
		refuse(find, &err);
	else
		ask_who_it_is(find);
}

static void list_is_late(uv_timer_t *timer)
{
	struct find *find = timer->data;

	pod_resources_cancel(&find->query.listing);
	ask_who_it_is(find);
}

static void begin(uv_timer_t *timer)
{
	struct find *find = timer->data;
	struct error err;

	if (read_checkpoint(find, &err) < 0) {
		refuse(find, &err);
		return;
	}
	find->query.listing.listed = on_list;
	if (pod_resources_list(&find->query.identifier->resources, &find->query.listing, NULL) < 0)
		ask_who_it_is(find);
	else
		uv_timer_start(timer, list_is_late, POD_RESOURCES_TIMEOUT_MS, 0);
}

int identity_find(struct identifier *identifier, const char *resource, const char *device,
		  void (*found)(void *context, int r, struct identity *identity, const struct error *err), void *context,
		  struct identity_query **ret, struct error *err)
{
	struct find *find = calloc(1, sizeof(*find));

	if (!find)
		return error_nomem(err);
	find->query.free = find_free;
	find->found = found;
	find->context = context;
	find->resource = strdup(resource);
	find->device = strdup(device);
	if (!find->resource || !find->device) {
		find_free(&find->query);
		return error_nomem(err);
	}
	query_start(&find->query, identifier, begin);
	*ret = &find->query;
	return 0;
}
