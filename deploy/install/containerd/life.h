// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_LIFE_H
#define HOLDFAST_INSTALL_CONTAINERD_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * containerd comes to know Holdfast's handlers, or to forget them, without harm to the node:
 *
 *	look ──► journal: what is there ──► write the files ──► restart ──► it answers, with every handler that it had ──► done
 *	                                                           └──► it does not ──► put back, restarted again, not tried again
 *
 * After a power cut between any two steps the same call goes on, or puts back. Pods keep running: containerd is restarted only by ways
 * that leave their shims alone (restart.h).
 */
struct containerd_target {
	const char *root;	     /* where the node's files stand for us: "" or "/host". Not "": its /proc must be the node's */
	const char *state_dir;	     /* on the node: Holdfast's kept state; a folder containerd/ is made in it, and stays */
	const char *settings;	     /* on the node: holdfast.yaml; NULL: CONFIG_DEFAULT_PATH */
	const char *shims;	     /* on the node: where the shims are; NULL: /opt/holdfast/bin */
	const char *version;	     /* of containerd; NULL: asked of the one that runs */
	const char *layout;	     /* "k3s"; NULL: what the node has */
	const char *config;	     /* on the node: containerd's configuration; NULL: the layout's */
	const char *restart_command; /* for the node's /bin/sh; NULL: by the node's service (restart.h) */
	bool default_runtime;	     /* route also the pods that name no RuntimeClass */
	bool may_restart;
	uint64_t patience_ms; /* for the restart, and again for containerd to answer; 0: CONTAINERD_PATIENCE_MS */
};

#define CONTAINERD_PATIENCE_MS 120000

enum containerd_state {
	CONTAINERD_UNKNOWN,   /* with an error */
	CONTAINERD_DONE,      /* it runs with what is wanted, or will when it is started */
	CONTAINERD_UNWRITTEN, /* of containerd_check: the files lack it; or with an error: they were left as they were */
	CONTAINERD_UNREAD,    /* somebody must restart containerd, to read what is written, or with an error what was put back */
	CONTAINERD_PUT_BACK,  /* with an error: it was tried, now or before, and all is as it was; tried again when something has changed */
	CONTAINERD_BROKEN,    /* with an error: containerd does not run, and would not with its files of before either */
};

struct containerd_outcome {
	enum containerd_state state;
	bool wrote, restarted;
	char version[64]; /* of containerd; "": it does not run */
	char layout[16];
	char message[ERROR_MESSAGE_MAX]; /* a sentence about the state, with the cure if there is one; also when there is an error */
};

/*
 * 0: DONE or UNREAD. EWOULDBLOCK: another one is at it. ECONNREFUSED, ENOENT: no containerd runs, so its version is not known. EEXIST,
 * ENOTSUP, EINVAL: of plan.h, nothing was written. ECANCELED: PUT_BACK. EIO, ETIMEDOUT: BROKEN. `ret` is filled also then.
 */
int containerd_install(const struct containerd_target *target, struct containerd_outcome *ret, struct error *err) must_check;
int containerd_uninstall(const struct containerd_target *target, struct containerd_outcome *ret, struct error *err) must_check;

/* Changes nothing: what is so, and what containerd_install would find. 0 also if that would be refused (PUT_BACK). */
int containerd_check(const struct containerd_target *target, struct containerd_outcome *ret, struct error *err) must_check;

#endif
