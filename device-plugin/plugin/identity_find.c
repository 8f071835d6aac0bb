// SPDX-License-Identifier: Apache-2.0
/*
 *	BEGIN ──checkpoint──► LISTING ──PodResources, or none──► ASKING ──Pods API──► found
 *	                                                           │ none
 *	                                                           ▼
 *	                                                         WAITING ──the store has the pod──► found
 *	                                                           └─ every LOOK_AGAIN_MS, until the time is up
 *
 * What cannot be settled is said with EAGAIN: kubelet asks again, and by then it has purged its checkpoint, or our watch has caught up.
 */
#include <errno.h>
#include <stdlib.h>

#include "device-plugin/plugin/identity_internal.h"
#include "device-plugin/plugin/sandbox_record.h"

#define LOOK_AGAIN_MS 50

struct find {
	struct identity_query query;
	struct owner owner;
	void (*found)(void *context, int r, struct identity *identity, const struct error *err);
	void *context;
};

static void find_free(struct identity_query *query)
{
	struct find *find = (struct find *)query;

	owner_clear(&find->owner);
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
	if (sandbox_record_is_shortage(why.code))
		return error_set(err, why.code == ENOMEM ? ENOMEM : EAGAIN, "%s", why.message);
	identity->backend_why = arena_string(&identity->arena, why.message);
	return identity->backend_why ? 0 : error_nomem(err);
}

static int judge(const struct find *find, const struct pod_facts *pod, struct identity **ret, struct error *err)
{
	_cleanup_(identity_freep) struct identity *identity = NULL;

	int r = owner_check_claims(&find->owner, pod, err);
	if (r < 0)
		return r;
	if (kube_phase_has_ended(pod->phase))
		return error_set(err, EAGAIN, "pod \"%s/%s\" has ended, by %s: its phase is %s", pod->namespace, pod->name, pod->source,
				 kube_phase_name(pod->phase));
	r = identity_of(pod, find->owner.containers, &identity, err);
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
	const struct pod_name *claim = &find->owner.claims[0];

	return find->owner.n_claims == 1 ? kube_store_get(find->query.identifier->store, KUBE_POD, claim->namespace, claim->name) : NULL;
}

/* Objects from files have no UIDs: whoever writes those decides here anyway. */
static const struct kube_object *look_in_store(const struct find *find)
{
	const struct kube_object *pod = pod_in_store(find->query.identifier->store, find->owner.uid);
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
			  find->owner.device, find->owner.uid, named->namespace, named->name, named->uid);
	else if (find->owner.n_claims == 1)
		error_set(err, EAGAIN, "the pod \"%s/%s\" is not known to this node's daemon yet; " ASK_AGAIN,
			  find->owner.claims[0].namespace, find->owner.claims[0].name);
	else
		error_set(err, EAGAIN, "the pod of UID %s is not known to this node's daemon yet; " ASK_AGAIN, find->owner.uid);
}

static void look(uv_timer_t *timer)
{
	struct find *find = timer->data;
	const struct kube_object *object = look_in_store(find);
	struct error err;

	if (object) {
		const struct pod_facts pod = pod_of_object(object, find->owner.uid);
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
		error_set(&err, EAGAIN, "device %s was of the pod with UID %s, which kubelet does not know any more", find->owner.device,
			  find->owner.uid);
		refuse(find, &err);
		return;
	}
	if (r == 0 && pod_of_answer(answer, find->owner.uid, &pod, &err) == 0)
		settle(find, &pod);
	else
		look(&find->query.timer);
}

static void ask_who_it_is(struct find *find)
{
	if (!pods_api_is_there(find->query.identifier) || pods_api_ask(&find->query, find->owner.uid, on_pod, NULL) < 0)
		look(&find->query.timer);
}

static void on_list(struct pod_resources_wait *wait, const Podresources__ListResponse *list, const struct error *why)
{
	struct find *find = (struct find *)((char *)wait - offsetof(struct find, query.listing));
	struct error err;

	uv_timer_stop(&find->query.timer);
	if (list && owner_add_claims(&find->owner, list, &err) < 0)
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

/* Whatever is wrong with the checkpoint: kubelet asks again, and somebody may have put it right by then. */
static void say_not_known(const struct find *find, struct error *err)
{
	if (err->code == ENOMEM || err->code == EAGAIN)
		return;
	error_wrap(err, "whose device %s is cannot be found out", find->owner.device);
	err->code = EAGAIN;
}

static void begin(uv_timer_t *timer)
{
	struct find *find = timer->data;
	struct error err;

	if (owner_read_checkpoint(&find->owner, find->query.identifier->checkpoint, &err) < 0) {
		say_not_known(find, &err);
		refuse(find, &err);
		return;
	}
	find->query.listing.listed = on_list;
	if (pod_resources_list(&find->query.identifier->resources, &find->query.listing, NULL) < 0)
		ask_who_it_is(find);
	else
		uv_timer_start(timer, list_is_late, list_timeout_ms(find->query.identifier), 0);
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
	int r = owner_init(&find->owner, resource, device, err);
	if (r < 0) {
		find_free(&find->query);
		return r;
	}
	query_start(&find->query, identifier, begin);
	*ret = &find->query;
	return 0;
}
