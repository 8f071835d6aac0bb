// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_SOURCE_H
#define HOLDFAST_KUBE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/store.h"

/*
 * Where objects come from: an API server (list and watch) or a directory of manifests. A source fills a kube_store and keeps it
 * current by itself, for ever, through every failure: between "lost" and "synced again" the old objects stay valid.
 */
struct kube_source;

/* What `status` shows. Strings belong to the source and are valid until the next turn of the loop. */
struct kube_source_status {
	const char *name;          /* "https://10.9.0.1:6443" or "/etc/holdfast/manifests" */
	bool connected;            /* the last exchange worked and, for an API server, every watch of a kind that it knows is open */
	uint64_t last_heard_ms;    /* uv_now of the last byte or file event; 0 = never */
	const char *last_error;    /* "" if none since it is connected */
	uint64_t restarts;         /* watches opened again, all kinds together */
	uint64_t refused;          /* objects or files that could not be read, since the start */
	uint64_t told, dropped;    /* notices that the API server has, and that it will not get */
	uint64_t published;        /* texts that it has taken, each time */
	size_t unpublished;        /* texts that it has not now */
	const char *publish_error; /* "" if the last attempt went well */
};

struct kube_source_ops;

/* Exactly one of these is given. All strings may be NULL unless said otherwise. They are copied. */
struct kube_source_options {
	const char *kubeconfig;      /* path */
	bool in_cluster;             /* service account files and KUBERNETES_SERVICE_HOST/PORT */
	const char *api_server;      /* overrides the address that kubeconfig or environment give */
	const char *node;            /* of pods, only those of this node; of TPMNodes, only its own. NULL: all */
	const char *directory;       /* path of a directory with *.yaml, *.yml and *.json */
	uint64_t publish_refresh_ms; /* after which what is published is sent again, lest somebody has changed it; 0: half an hour */
	const char *service_account; /* directory of token, ca.crt; NULL = /var/run/secrets/kubernetes.io/serviceaccount */
};

/*
 * Begins to follow the kinds of the store, and no other. `store` must outlive the source. Fails only for what waiting cannot cure (a
 * kubeconfig that cannot be read, no directory, out of memory); everything else is retried with back-off and shows in the status. Problems
 * that a person should see are logged once per change, not per retry.
 */
int kube_source_start(uv_loop_t *loop, const struct kube_source_options *options, struct kube_store *store, struct kube_source **ret,
		      struct error *err) must_check;

void kube_source_status(const struct kube_source *source, struct kube_source_status *ret);

/* What a person shall see who looks at the object; all of it is copied. */
struct kube_notice {
	const struct kube_object *about; /* of no namespace: a Node, whose uid is its name here, as kubelet has it */
	const char *reason;              /* "PolicyRefused" */
	const char *message;             /* a sentence with what to do */
	const char *reporter, *node;     /* "holdfast-net", "edge-1" */
	const char *occasion;            /* notices that are equal but for this are two events, each told once; NULL: none */
	bool good_news;                  /* an event of type Normal */
};

/*
 * As an Event, where the source is an API server; a directory of manifests has nobody who looks. Never waits, fails silently, and may be
 * called as often as one likes: equal notices, of whatever node, are one event.
 */
void kube_source_tell(struct kube_source *source, const struct kube_notice *notice);

/* What this node says of an object in the API server. */
struct kube_publication {
	const char *path;            /* "/apis/tpm.holdfast/v1alpha1/tpmnodes/edge-1", or its status: "…/edge-1/status" */
	const char *body;            /* JSON with apiVersion, kind, metadata.name, and all that the node says of it; NULL: see below */
	const char *reporter, *node; /* "holdfast-tpm", "edge-1" */
	bool merge;                  /* by a merge patch (RFC 7386): only what is null in `body` goes, whoever has written it */
};

/*
 * Sees to it that `body` is there, by server-side apply unless `merge`, from now on: retried with back-off, applied again now and then, also when
 * somebody overwrites it. Called again for a path, it replaces the text; an equal one costs nothing. With `body` NULL the path is
 * forgotten, and what is there stays: to take something back, publish less. Never waits; all of it is copied. ENOTSUP: a directory of
 * manifests has nobody to publish to, and nothing is written. E2BIG; ENOMEM.
 */
int kube_source_publish(struct kube_source *source, const struct kube_publication *what, struct error *err) must_check;

/* The text of this path has been lost, as a watch may tell: it is sent at once. */
void kube_source_publish_again(struct kube_source *source, const char *path);

/* Not to be called from the store's observer. Stops; `closed` (may be NULL) is called from the loop when nothing of it is left. Accepts
 * NULL, then calls nothing. */
void kube_source_stop(struct kube_source *source, void (*closed)(void *context), void *context);

#endif
