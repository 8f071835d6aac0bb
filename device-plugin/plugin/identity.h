// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_IDENTITY_H
#define HOLDFAST_PLUGIN_IDENTITY_H

#include <uv.h>

#include "common/kube/arena.h"
#include "common/kube/store.h"

/*
 * Which pod has a device, and who that pod is. Who asks for a secret says nothing that is believed: kubelet says which container it gave
 * the device to, and kubelet or the API server say who that pod is.
 *
 *	device ──► kubelet's checkpoint (pod UID, container) ──┐
 *	       └─► PodResources (namespace, name, container) ──┴─► one live pod ──► Kubelet Pods API, where there is one; else the store
 *	                                                                         └─► sandbox record of its UID
 *
 * kubelet writes its checkpoint at admission, before any container starts, and purges what ended before it gives a device away again: a
 * device that stands in it once belongs to that pod.
 */
struct identifier;

#define IDENTITY_TIMEOUT_MS 5000 /* of one query, whatever it waits for */

struct identifier_options {
	const char *kubelet_directory;  /* "/var/lib/kubelet"; copied, and so is sandboxes */
	const char *sandboxes;          /* "/run/holdfast/sandboxes" */
	const struct kube_store *store; /* of pods, with their identities; must outlive it */
};

int identifier_new(uv_loop_t *loop, const struct identifier_options *options, struct identifier **ret, struct error *err) must_check;
/* Every query is cancelled. Freed from the loop, which must run. Accepts NULL. */
void identifier_close(struct identifier *identifier);

struct identity {
	const char *namespace, *name, *uid, *container;
	const char *service_account;
	const char *secrets; /* annotation holdfast/secrets; NULL: none */
	const char *backend; /* of the sandbox record: "runc", "kata", "vm"; NULL: there is none */
	struct kube_labels labels;
	struct kube_arena arena; /* all of it, and itself */
};
void identity_free(struct identity *identity); /* accepts NULL */
DEFINE_CLEANUP(struct identity *, identity_free);

struct identity_query;

/*
 * `found` is called once, from the loop. r 0: `identity` is the callee's. EAGAIN: not known yet, or kubelet does not answer: kubelet will
 * ask again. EACCES: the device belongs to nobody, or to more than one.
 */
int identity_find(struct identifier *identifier, const char *resource, const char *device,
		  void (*found)(void *context, int r, struct identity *identity, const struct error *err), void *context,
		  struct identity_query **ret, struct error *err) must_check;
/* `found` will not be called. */
void identity_cancel(struct identity_query *query);

/* Whose devices are in use. */
struct identity_live {
	const char *device, *resource;          /* "47facce2-3", "tpm.holdfast/db-password" */
	const char *namespace, *name, *pod_uid; /* namespace and name "" where only the checkpoint knows it */
};

/*
 * The devices of our resources that pods have which still are. In doubt a pod lives. `listed` is called once, from the loop; the array is
 * valid until it returns. A negative r: nothing is known, nobody is to be given up.
 */
int identity_list_live(struct identifier *identifier,
		       void (*listed)(void *context, int r, const struct identity_live *live, size_t n, const struct error *err),
		       void *context, struct identity_query **ret, struct error *err) must_check;

#endif
