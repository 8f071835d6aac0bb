// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_IDENTITY_H
#define HOLDFAST_PLUGIN_IDENTITY_H

#include <uv.h>

#include "common/base/arena.h"
#include "common/kube/store.h"

/*
 * Which pod has a device, and who that pod is. Who asks for a secret says nothing that is believed: kubelet says which pod it gave the
 * device to, and kubelet or the API server say who that pod is.
 *
 *	device ──► kubelet's checkpoint: pod UID, containers ──┐
 *	       └─► PodResources: namespace, name ──────────────┴─► one pod ──► Kubelet Pods API, where there is one; else the store
 *	                                                                  └──► the sandbox record of its UID
 *
 * The checkpoint decides, and alone suffices where kubelet does not answer. kubelet writes it before the pod is admitted, so before any of
 * its containers starts; and before it gives a device away again, it strikes out the pod that had it (UpdateAllocatedDevices). So when a
 * container starts, its device stands there, and with its pod's UID only. PodResources, which tells of no UID, can only contradict.
 */
struct identifier;

#define IDENTITY_TIMEOUT_MS 5000

struct identifier_options {
	const char *kubelet_directory;  /* NULL: "/var/lib/kubelet"; copied, and so is sandboxes */
	const char *sandboxes;          /* NULL: "/run/holdfast/sandboxes" */
	const struct kube_store *store; /* of pods, with their identities; must outlive it */
	uint64_t timeout_ms;            /* of one query, whatever it waits for; 0: IDENTITY_TIMEOUT_MS */
};

/* ENAMETOOLONG: kubelet's directory leaves no room for the names of its sockets. EINVAL: the store does not keep identities. */
int identifier_new(uv_loop_t *loop, const struct identifier_options *options, struct identifier **ret, struct error *err) must_check;
/* Every query is cancelled. Freed from the loop, which must run. Accepts NULL. */
void identifier_close(struct identifier *identifier);

struct identity_query;
/* What it was to call will not be called. */
void identity_cancel(struct identity_query *query);

/* ── Whose device is this? ── */

struct identity {
	const char *namespace, *name, *uid;
	const char *container; /* "db"; "init, db" if kubelet gave the device to one after the other */
	const char *service_account;
	const char *secrets;     /* annotation holdfast/secrets; NULL: none */
	const char *backend;     /* of the sandbox record: "runc", "kata", "vm"; NULL: there is none that can be believed */
	const char *backend_why; /* why backend is NULL; else NULL */
	struct kube_labels labels;
	struct arena arena; /* all of these */
};
void identity_free(struct identity *identity); /* accepts NULL */
DEFINE_CLEANUP(struct identity *, identity_free);

/*
 * `found` is called once, from the loop, after timeout_ms at the latest: a pod that the store does not know yet is waited for. r
 * 0: `identity` is the callee's. Else it is not known now whose the device is, and kubelet, which asks again, is to be told the sentence:
 * EAGAIN. The device may have had two pods, the pod may have ended, or one of its name have taken its place. ENOMEM.
 */
int identity_find(struct identifier *identifier, const char *resource, const char *device,
		  void (*found)(void *context, int r, struct identity *identity, const struct error *err), void *context,
		  struct identity_query **ret, struct error *err) must_check;

/* ── Whose devices are in use? ── */

struct identity_live {
	const char *device, *resource;          /* "47facce2-3", "tpm.holdfast/db-password" */
	const char *namespace, *name, *pod_uid; /* namespace and name "" where only the checkpoint knows it */
	const char *why;                        /* who says that it lives: "the store: phase Running" */
};

/*
 * The devices of our resources whose pods still are. A pod has gone when kubelet has struck it out of its checkpoint or removed its
 * directory, and has ended when the Pods API or the store say so; in doubt it lives. That PodResources and the Pods API do not know it
 * proves nothing: a kubelet that has just started knows no pod, and offline none but its static ones, while their containers run.
 *
 * `listed` is called once, from the loop; the array is valid until it returns. A negative r: nothing is known, nobody may be given up. A
 * device that is given to a pod while this runs may be missing: what was delivered after identity_list_live was called, stays.
 */
int identity_list_live(struct identifier *identifier,
		       void (*listed)(void *context, int r, const struct identity_live *live, size_t n, const struct error *err),
		       void *context, struct identity_query **ret, struct error *err) must_check;

#endif
