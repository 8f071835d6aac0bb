// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_IDENTITY_INTERNAL_H
#define HOLDFAST_PLUGIN_IDENTITY_INTERNAL_H

#include "common/proto/core_v1.pb-c.h"
#include "device-plugin/plugin/checkpoint.h"
#include "device-plugin/plugin/identity.h"
#include "device-plugin/plugin/pod_resources.h"

/* For the files of identity*.c: identity.c has what all queries share, _find and _live are the two kinds; _owner knows which pod has a
 * device, and _pod who that is. */

struct identifier {
	uv_loop_t *loop;
	char *checkpoint; /* paths */
	char *pod_directories;
	char *pods_socket;
	char *sandboxes;
	const struct kube_store *store;
	uint64_t timeout_ms;
	struct pod_resources resources;
	struct grpc_client *pods; /* the Kubelet Pods API */
	struct identity_query *queries;
	unsigned references; /* its owner, and each query until its timer is closed */
};

struct identity_query {
	struct identifier *identifier;
	struct identity_query *next;
	uv_timer_t timer; /* of what it waits for */
	uint64_t deadline_ms;
	struct kubelet_call *call;
	struct pod_resources_wait listing;
	void (*free)(struct identity_query *query);
};

/*
 * What each source may cost of a query's time, so that one that hangs does not cost the answer. The rest is for the store, which may hear
 * of the pod later than kubelet.
 */
static inline uint64_t list_timeout_ms(const struct identifier *identifier)
{
	return identifier->timeout_ms * 4 / 10;
}

static inline uint64_t pods_timeout_ms(const struct identifier *identifier)
{
	return identifier->timeout_ms * 3 / 10;
}

/* `begin` is called from the loop. The query is not the caller's any more: it ends by query_end or identity_cancel. */
void query_start(struct identity_query *query, struct identifier *identifier, uv_timer_cb begin);
/* Nothing that it waits for comes any more; it is freed later, from the loop. */
void query_end(struct identity_query *query);
uint64_t query_time_left_ms(const struct identity_query *query);

/* Whether kubelet serves the Pods API; it may begin and end to do so at any time. */
bool pods_api_is_there(const struct identifier *identifier);
/* query->call: asks for the pod of this UID. `answered` as in kubelet_question, with the query as context. */
int pods_api_ask(struct identity_query *query, const char *uid,
		 void (*answered)(void *context, int r, struct slice answer, const struct error *err), struct error *err) must_check;

/* ── Who a pod is ── */

/* What a source says of a pod. Everything but `message` and `own_labels` belongs to the source, or to these. */
struct pod_facts {
	const char *source; /* "kubelet's Pods API", "the store" */
	const char *namespace, *name, *uid;
	const char *service_account;
	const char *secrets;             /* NULL: none */
	const struct kube_label *labels; /* sorted */
	size_t n_labels;
	enum kube_phase phase;

	CoreV1__Pod *message;
	struct kube_label *own_labels;
};

/* An answer to pods_api_ask. EINVAL: it cannot be read, or is about another pod. */
int pod_of_answer(struct slice answer, const char *uid, struct pod_facts *ret, struct error *err) must_check;
struct pod_facts pod_of_object(const struct kube_object *object, const char *uid);
void pod_facts_clear(struct pod_facts *pod);

/* The pod that kubelet calls `uid`: a static pod's is in an annotation. NULL: none has, or more than one claims it. */
const struct kube_object *pod_in_store(const struct kube_store *store, const char *uid);

/* Copies all of it. */
int identity_of(const struct pod_facts *pod, const char *container, struct identity **ret, struct error *err) must_check;

/* ── Which pod has a device ── */

#define ASK_AGAIN "kubelet will ask again"

struct pod_name {
	const char *namespace, *name;
};

struct owner {
	const char *resource, *device;
	const char *uid, *containers; /* by the checkpoint; NULL before */
	struct pod_name *claims;      /* pods that have the device by PodResources, which tells of no UID */
	size_t n_claims, capacity;
	struct arena arena;
};

int owner_init(struct owner *owner, const char *resource, const char *device, struct error *err) must_check;
void owner_clear(struct owner *owner);
/* EAGAIN: no pod stands there, or more than one. Else as checkpoint_load. */
int owner_read_checkpoint(struct owner *owner, const char *path, struct error *err) must_check;
int owner_add_claims(struct owner *owner, const Podresources__ListResponse *list, struct error *err) must_check;
/* EAGAIN: PodResources names others. If it names nobody, it is away or does not show such a container, and contradicts nothing. */
int owner_check_claims(const struct owner *owner, const struct pod_facts *pod, struct error *err) must_check;

#endif
