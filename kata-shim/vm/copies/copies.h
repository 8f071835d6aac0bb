// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_COPIES_H
#define HOLDFAST_VM_COPIES_H

#include <uv.h>

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/*
 * A directory of the host whose content is kept copied in the guest, so that readers there see what readers on the host see: kubelet's
 * volumes of Secrets, ConfigMaps, projected tokens and the downward API, and holdfast-tpm's of sealed secrets. Whoever replaces their
 * content makes a new directory and then switches a link, `..data`, to it. The guest gets the new directory whole, then the switch, then
 * the old one goes: at no moment is there half of it, and inotify tells of it in the guest.
 *
 *	..2026_11_26_03_40_00.1/password        (1) directories and files of the one that `..data` leads to
 *	..data   -> ..2026_11_26_03_40_00.1     (2) the switch
 *	password -> ..data/password             (3) the other links; (4) what is no longer there is removed
 *
 * A directory without `..data`, or a single file (a subPath), is copied as it is. Changes that come during a transfer make one more
 * transfer. One request is under way at a time. On the host nothing is waited for, and at most COPY_PIECE_BYTES are read at once.
 *
 *	copy_new ─→ copied … copied ─→ copy_end ─→ ended ─→ copy_free
 *	                 └─────────── the VM is no more ──────↗
 */
struct copy;

#define COPY_BYTES_MAX (8 * 1024 * 1024) /* of one volume; a Secret or ConfigMap has at most 1 MiB */
#define COPY_ENTRIES_MAX 4096            /* files, links and directories of it */
#define COPY_DEPTH_MAX 8
#define COPY_PIECE_BYTES (1024 * 1024)

/* None is called from within copy_new, and none after copy_free. */
struct copy_sink {
	/*
	 * To be asked of the agent: AGENT_COPY_FILE, or AGENT_REMOVE_FILE with `path`; then copy_sent, once, not from within. The request
	 * is valid during the call, and its data may be a secret.
	 */
	void (*send)(void *context, struct copy *copy, const Agent__CopyFileRequest *piece);
	void (*remove)(void *context, struct copy *copy, const char *path);
	/* The guest has what the host has: after the first time, and again after every change. Or why not; then it is tried again later. */
	void (*copied)(void *context, struct copy *copy, const struct error *err);
	/* After copy_end: nothing of it is left in the guest, or it could not be removed. */
	void (*ended)(void *context, struct copy *copy);
};

/*
 * `host` is a directory or regular file, `guest` its path in the guest, `sink` outlives the copy. E2BIG: it is larger than the limits, and
 * would have to be shared instead. EOPNOTSUPP: there is something in it that is no file, directory or link. ENOENT. ENOMEM.
 */
int copy_new(uv_loop_t *loop, const char *host, const char *guest, const struct copy_sink *sink, void *context, struct copy **ret,
	     struct error *err) must_check;

/* What was asked by `send` or `remove` is done (NULL) or not. ENOSYS of `remove`: the agent cannot; then files are made empty instead. */
void copy_sent(struct copy *copy, const struct error *answer);

/* Removes it from the guest. For a container that is gone, when its VM is not. */
void copy_end(struct copy *copy);

/* At any time. What is under way is the caller's to cancel: no copy_sent after this. Accepts NULL. */
void copy_free(struct copy *copy);

#endif
