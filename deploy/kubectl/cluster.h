// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_CLUSTER_H
#define HOLDFAST_KUBECTL_CLUSTER_H

#include "common/json/json.h"
#include "deploy/kubectl/kubectl.h"

/* The nodes of a cluster, and Holdfast's pod on each. All strings are the trees', and valid as long as the cluster. */

/* Containers of Holdfast's pod; a pod may lack each of them. */
enum part { PART_NET, PART_TPM, PART_WATCH, PARTS };

struct container {
	const char *name; /* NULL: it is not there */
	bool running;
	const char *reason, *message; /* why it is not running, as kubelet says: "ImagePullBackOff"; may be NULL */
	const char *config;           /* its --config; may be NULL */
};

struct holdfast_pod {
	const char *name, *node; /* node NULL: on none yet */
	const char *created;     /* 2026-11-26T20:21:59Z; may be NULL */
	bool ready;
	bool leaving; /* or over, as one that was evicted */
	struct container parts[PARTS];
	const cJSON *selector; /* labels of the nodes where such pods are made; may be NULL */
	struct container init;               /* the init container that has not ended well, if there is one: the others wait for it */
	const char *node_root, *node_config; /* --root and --settings of holdfast-node in the container watch; may be NULL */
};

struct node {
	const char *name;
	bool is_linux; /* Holdfast runs on no other */
	bool wanted;   /* it is to run there, as far as the pods that there are tell by their selectors */
	bool ready;
	bool lost;                      /* its kubelet has not been heard of for a while */
	const char *why_not_ready;      /* kubelet's or the controller's words, or NULL */
	bool vm_label;                  /* holdfast/vm=ready */
	bool judged;                    /* it has the condition HoldfastReady, */
	bool well;                      /* which is True; */
	const char *verdict;            /* its words, or NULL */
	const struct holdfast_pod *pod; /* NULL: none */
};

struct cluster {
	struct node *nodes; /* by name; empty unless they were asked for */
	size_t n_nodes;
	struct holdfast_pod *pods;
	size_t n_pods;
	cJSON *pod_tree, *node_tree;
};

void cluster_clear(struct cluster *cluster);

/* The pods; and the nodes, if `with_nodes`. */
int cluster_read(const struct kubectl *kubectl, bool with_nodes, struct cluster *ret, struct error *err) must_check;

/* Holdfast's pod on a node. ENOENT: there is none, and what to do. */
int cluster_find_pod(const struct cluster *cluster, const struct kubectl *kubectl, const char *node, const struct holdfast_pod **ret,
		     struct error *err) must_check;

extern const char *const part_names[PARTS]; /* of the containers */

#endif
