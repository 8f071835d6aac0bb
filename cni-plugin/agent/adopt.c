// SPDX-License-Identifier: Apache-2.0
/*
 * A pod of this node that started before Holdfast did has no attachment: no CNI ADD told of it. Its object says where it is, so it is
 * isolated by that. The object is the weaker witness, since it lags behind: it still names the address when the sandbox is gone and the
 * next pod may have the address already. Therefore an address that an attachment has is never adopted, and neither is a pod whose
 * attachment has gone (`departed`, until its object goes too).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/link.h"
#include "common/base/log.h"

#define DEPARTED_MAX 1024

static_assert(KUBE_POD_ADDRESSES_MAX <= POLICY_ENDPOINT_ADDRESSES_MAX, "a pod's addresses fit an attachment");

struct departed {
	struct departed *next;
	char *namespace, *name, *uid;
};

static void departed_free(struct departed *departed)
{
	free(departed->namespace);
	free(departed->name);
	free(departed->uid);
	free(departed);
}

static struct departed **departed_find(struct agent *agent, const struct kube_object *pod)
{
	struct departed **at = &agent->departed;

	while (*at &&
	       (strcmp((*at)->name, pod->name) != 0 || strcmp((*at)->namespace, pod->namespace) != 0 || strcmp((*at)->uid, pod->uid) != 0))
		at = &(*at)->next;
	return at;
}

static void departed_trim(struct agent *agent)
{
	size_t n = 0;

	for (struct departed **at = &agent->departed; *at; at = &(*at)->next) {
		if (++n < DEPARTED_MAX)
			continue;
		struct departed *oldest = *at;
		*at = NULL;
		departed_free(oldest);
		return;
	}
}

void adopt_departed(struct agent *agent, const struct attachment *attachment)
{
	const struct kube_object *pod =
		agent->store ? kube_store_get(agent->store, KUBE_POD, attachment->namespace, attachment->pod) : NULL;

	if (!pod || attachment_is_adopted(attachment) || !kube_pod_has_uid(pod, attachment->uid) || *departed_find(agent, pod))
		return;
	struct departed *departed = calloc(1, sizeof(*departed));
	if (!departed)
		return;
	departed->namespace = strdup(pod->namespace);
	departed->name = strdup(pod->name);
	departed->uid = strdup(pod->uid);
	if (!departed->namespace || !departed->name || !departed->uid) {
		departed_free(departed);
		return;
	}
	departed_trim(agent);
	departed->next = agent->departed;
	agent->departed = departed;
}

void adopt_clear(struct agent *agent)
{
	while (agent->departed) {
		struct departed *departed = agent->departed;
		agent->departed = departed->next;
		departed_free(departed);
	}
}

static bool is_here(const struct agent *agent, const struct kube_object *pod)
{
	return pod->pod.node && strcmp(pod->pod.node, agent->settings.node_name) == 0 && !pod->pod.host_network &&
	       pod->pod.n_addresses > 0 && !kube_phase_has_ended(pod->pod.phase);
}

static bool is_attached(const struct agent *agent, const struct kube_object *pod)
{
	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (attachment_is_adopted(at))
			continue;
		if (strcmp(at->pod, pod->name) == 0 && strcmp(at->namespace, pod->namespace) == 0)
			return true;
		if (attachment_has_address(at, pod->pod.addresses, pod->pod.n_addresses))
			return true;
	}
	return false;
}

static int drop(struct agent *agent, const struct kube_object *pod, struct error *err)
{
	struct attachment *old = attachments_find_adopted(&agent->attachments, pod->namespace, pod->name);

	if (!old)
		return 0;
	_cleanup_(attachment_freep) struct attachment *taken = attachments_take(&agent->attachments, old->id);
	return enforcer_remove(agent->enforcer, taken, err);
}

static bool is_same(const struct attachment *old, const struct kube_object *pod)
{
	return strcmp(old->uid, pod->uid) == 0 && old->n_addresses == pod->pod.n_addresses &&
	       memcmp(old->addresses, pod->pod.addresses, old->n_addresses * sizeof(old->addresses[0])) == 0;
}

/* Adopted pods may not have one address twice either: the later object is the better witness. */
static int drop_same_address(struct agent *agent, const struct kube_object *pod, struct error *err)
{
	struct attachment *next;

	for (struct attachment *at = agent->attachments.first; at; at = next) {
		next = at->next;
		if (!attachment_is_adopted(at) || !attachment_has_address(at, pod->pod.addresses, pod->pod.n_addresses))
			continue;
		_cleanup_(attachment_freep) struct attachment *taken = attachments_take(&agent->attachments, at->id);
		int r = enforcer_remove(agent->enforcer, taken, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void find_interface(struct attachment *attachment)
{
	struct link_host host;
	struct error why;

	if (link_find_by_address(&attachment->addresses[0], &host, &why) == 0)
		attachment_set_host(attachment, &host);
	else
		attachment->bridge_port = link_is_behind_bridge(&attachment->addresses[0]);
}

/* Said once, until there is room again: an object may come every second. */
static bool is_full(struct agent *agent, const struct kube_object *pod)
{
	bool full = agent->attachments.n >= ATTACHMENTS_MAX;

	if (full && !agent->adoption_refused)
		log_error("pod is not isolated: it has been here before Holdfast, and this node has as many pod interfaces as can be",
			  "namespace", pod->namespace, "pod", pod->name, "interfaces", LOG_NUMBER(ATTACHMENTS_MAX));
	agent->adoption_refused = full;
	return full;
}

static int adopt(struct agent *agent, const struct kube_object *pod, struct error *err)
{
	const struct attachment_names names = { .namespace = pod->namespace, .pod = pod->name, .uid = pod->uid };
	struct attachment *old = attachments_find_adopted(&agent->attachments, pod->namespace, pod->name);

	if (old && is_same(old, pod))
		return 0;
	int r = drop(agent, pod, err);
	if (r == 0 && is_full(agent, pod))
		return 0;
	if (r == 0)
		r = drop_same_address(agent, pod, err);
	if (r < 0)
		return r;
	struct attachment *attachment = attachment_new(&names);
	if (!attachment)
		return error_nomem(err);
	attachment->n_addresses = pod->pod.n_addresses;
	memcpy(attachment->addresses, pod->pod.addresses, attachment->n_addresses * sizeof(attachment->addresses[0]));
	find_interface(attachment);
	attachments_add(&agent->attachments, attachment);
	log_info("pod adopted: it has been here before Holdfast", "namespace", pod->namespace, "pod", pod->name);
	return enforcer_put(agent->enforcer, attachment, err);
}

static int judge(struct agent *agent, const struct kube_object *pod, struct error *err)
{
	if (is_here(agent, pod) && !is_attached(agent, pod) && !*departed_find(agent, pod))
		return adopt(agent, pod, err);
	return drop(agent, pod, err);
}

static void forget_departed(struct agent *agent, const struct kube_object *pod)
{
	struct departed **at = departed_find(agent, pod);
	struct departed *departed = *at;

	if (!departed)
		return;
	*at = departed->next;
	departed_free(departed);
}

int adopt_changed(struct agent *agent, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	const struct kube_object *pod = after ? after : before;

	if (pod->kind != KUBE_POD)
		return 0;
	if (before && (!after || strcmp(before->uid, after->uid) != 0))
		forget_departed(agent, before);
	return after ? judge(agent, after, err) : drop(agent, before, err);
}

struct adoption {
	struct agent *agent;
	struct error *err;
};

static int visit(void *context, const struct kube_object *pod)
{
	struct adoption *adoption = context;

	return judge(adoption->agent, pod, adoption->err);
}

int adopt_all(struct agent *agent, struct error *err)
{
	struct adoption adoption = { agent, err };

	return kube_store_each(agent->store, KUBE_POD, visit, &adoption);
}
