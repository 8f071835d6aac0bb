// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_NODE_H
#define HOLDFAST_INSTALL_NODE_H

#include "common/base/buf.h"
#include "deploy/install/cni/entry.h"
#include "deploy/install/containerd/life.h"
#include "deploy/install/files/version.h"
#include "deploy/install/journal.h"
#include "deploy/install/settings.h"

/*
 * One node, and what of Holdfast is on it. Its own directory is /opt/holdfast, which every system keeps:
 *
 *	install/{journal,lock}, versions/, current, previous	ours alone
 *	bin, lib, share, etc/holdfast.yaml			links to the current version
 *
 * and elsewhere the CNI plugin and its entry in a list.
 */

#define NODE_JOURNAL "install/journal"
#define NODE_LOCK "install/lock"
#define NODE_API_SERVER_SIZE 512

/* What goes when the node starts again; on the node. */
#define NODE_RUN "/run/holdfast"
#define NODE_RUN_BRIDGE "bridge" /* bridge.h */

struct node_options {
	const char *root;     /* where the node's files stand for us: "" or "/host" */
	const char *settings; /* ours: the holdfast.yaml to be put there; NULL: the node's own counts */
	const char *from;     /* ours: the tree to be put there; NULL: the one that we are a part of */
	unsigned wait_s;      /* for another installer */
	bool prove;           /* what is not as good as the version that is there does not take its place (readiness/prove.h) */
};

struct node {
	const struct node_options *options;
	struct buf text; /* of the settings */
	struct node_settings settings;
	char prefix[PATH_MAX]; /* for us; "" if it is not there */
	struct journal journal;
	int lock; /* -1: none */
};

/*
 * Reads settings and journal, and changes nothing. A journal that is broken counts as an empty one: `*ret_broken`, and err says so. `ret` is
 * to be closed also after an error.
 */
int node_open(const struct node_options *options, struct node *ret, bool *ret_broken, struct error *err) must_check;
void node_close(struct node *node);

/* install.apiServer into `room`, which a readiness_options may keep; "" if it is silent. */
int node_read_api_server(const struct node_options *options, char room[static NODE_API_SERVER_SIZE], struct error *err) must_check;

/* The same, for changing it: locked. `make`: the directories are made. A broken journal is set aside, with a line on standard error. */
int node_open_locked(const struct node_options *options, const char *who, bool make, struct node *ret, struct error *err) must_check;

struct node_outcome {
	bool refused;                /* by prove: the version that was there stays, and all is as it was */
	bool placed;                  /* the version is the current one, with its links and the CNI plugin */
	char id[LISTING_ID_MAX];     /* the current version */
	char before[LISTING_ID_MAX]; /* and what it was; "": none */
	enum cni_entry entry;
	char list[NAME_MAX + 1];
	bool bridge_set; /* the kernel shows a bridge's packets to the rules, and did not before */
	struct containerd_outcome containerd;
};

/* What is done, but not all that it needs: there is no list yet, or containerd does not run or has not read what is written. */
bool node_waits(const struct node_outcome *outcome);

/*
 * All steps, each of which is nothing if it was done before. After a power cut anywhere the next call goes on. What the CNI lists or
 * containerd refuse is said last, when all else is done. `ret` is filled also after an error, as far as it came. ENOEXEC: refused.
 */
int node_install(struct node *node, struct node_outcome *ret, struct error *err) must_check;

/*
 * For a process that watches over what node_install has done: puts back what is missing, and the settings if they have changed. A version that
 * is whole stays, also if it is not `own` but one to which a person has gone back; then its settings stay too.
 */
int node_keep(struct node *node, const char *own, struct node_outcome *ret, struct error *err) must_check;
/* The entry alone: the list has been rewritten. */
int node_keep_entry(struct node *node, struct node_outcome *ret, struct error *err) must_check;

/* The previous version, with its settings. ENOENT: none. */
int node_rollback(struct node *node, struct node_outcome *ret, struct error *err) must_check;

enum node_policies { NODE_POLICIES_KEEP, NODE_POLICIES_STOP };

/* The last step of installing and the first of the other way; `ret` says what is so. A node without a containerd that runs has to wait: 0. */
int node_runtime_install(struct node *node, struct containerd_outcome *ret, struct error *err) must_check;
int node_runtime_uninstall(struct node *node, struct error *err) must_check;
/* Changes nothing. */
int node_runtime_look(const struct node *node, struct containerd_outcome *ret, struct error *err) must_check;

/*
 * All of it away, what was there before back. After a power cut anywhere the next call goes on. EBUSY: pods run in VMs, and not `force`; nothing
 * was changed.
 */
int node_uninstall(struct node *node, enum node_policies policies, bool force, struct error *err) must_check;

#endif
