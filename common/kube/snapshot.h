// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_SNAPSHOT_H
#define HOLDFAST_KUBE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/error.h"
#include "common/kube/store.h"

/*
 * The objects of a store on disk, for a start without a source: one file, which is replaced in one step. It is JSON, a document a line:
 *
 *	{"holdfastSnapshot":1,"time":1764078319,"boot":"2d3f…","source":"https://10.0.0.1:6443"}
 *	{"kind":"Pod","apiVersion":"v1","metadata":{…},"spec":{…},"status":{…}}        as kube_object_print writes it
 *	…
 *	{"objects":11000,"sha256":"…"}                                                 of every byte above: head -n -1 FILE | sha256sum
 *
 * Of the kinds that the store follows all are in it, but for the optional ones. A file that differs in a single bit, is cut, or is of
 * another version, is set aside whole as FILE.damaged. There is no older file to fall back to: it would lack the last policies.
 */
#define KUBE_SNAPSHOT_VERSION 1
#define KUBE_SNAPSHOT_BYTES_MAX (64 * 1024 * 1024) /* 10,000 pods and 1,000 policies are 4 MiB */
#define KUBE_BOOT_MAX 64

struct kube_snapshot_origin {
	int64_t time;             /* seconds since 1970, by the clock of that moment: to be shown, not to be relied on */
	char boot[KUBE_BOOT_MAX]; /* kube_boot_id of then; "" if unknown */
	char source[256];
	size_t n_objects;
};

/* /proc/sys/kernel/random/boot_id; "" if it cannot be read. */
void kube_boot_id(char ret[static KUBE_BOOT_MAX]);

/* A snapshot that was read and found whole. */
struct kube_snapshot_content {
	struct kube_snapshot_origin origin;
	struct kube_object **objects;
	size_t n, capacity;
};

/*
 * ENOENT: there is none. EBADMSG: it was damaged, and has been set aside (or `err` says why that failed). Else it could not be read, and
 * was left alone. On error there is no content.
 */
int kube_snapshot_read(const char *path, struct kube_snapshot_content *ret, struct error *err) must_check;
void kube_snapshot_clear(struct kube_snapshot_content *content);

/*
 * Moves the objects into the store. `complete`: as a list of every kind, so that the store's observer hears that it is synced; the store
 * then waits for a source to list again. Else they are only there, until a source has listed. -ENOMEM: the store is not synced.
 */
int kube_snapshot_fill(struct kube_snapshot_content *content, struct kube_store *store, bool complete, struct error *err) must_check;

/*
 * Keeps the file up to date with a store: each change is on disk after a moment, many changes at once, and writing is paced, since a
 * disk at the edge wears. While the store is not synced nothing is written. Disk and checksum are a worker thread's; the loop only prints,
 * a few hundred objects at a time. What fails is tried again with back-off, and logged once.
 */
struct kube_snapshot;

struct kube_snapshot_tuning {
	uint64_t settle_ms;   /* from a change to the file, at least */
	uint64_t interval_ms; /* from one file to the next, at least */
	uint64_t bytes_per_s; /* on average, for changes that may wait; the longest wait is wait_max_ms */
	uint64_t wait_max_ms;
	uint64_t first_backoff_ms, backoff_cap_ms;
};
extern const struct kube_snapshot_tuning kube_snapshot_tuning_default;

struct kube_snapshot_options {
	const char *path; /* copied, and so is source; the directory is made if it is missing */
	const char *source;
	struct kube_store *store;                  /* must outlive it */
	const struct kube_snapshot_tuning *tuning; /* NULL: the default */
	void (*saved)(void *context);              /* what the store has is on disk, all of it */
	void *context;
};

int kube_snapshot_start(uv_loop_t *loop, const struct kube_snapshot_options *options, struct kube_snapshot **ret,
			struct error *err) must_check;

/* The store has changed, or has been synced. `now`: it shall not be paced by size. */
void kube_snapshot_changed(struct kube_snapshot *snapshot, bool now);

/* Whoever may go on only when what he has seen in the store is on disk. */
struct kube_snapshot_wait {
	void (*over)(struct kube_snapshot_wait *wait);
	struct kube_snapshot_wait *next; /* these are the snapshot's */
	bool begun;
};

/*
 * `over` is called once, from the loop, when the file has all that the store has now, or when the attempt to write it has failed, which is
 * logged and tried again as ever. It is written at once; all who come while one is written share the next. False: there is nothing to wait
 * for, since all is on disk, or the store is not synced, and `over` will not be called. Every wait must be over, or cancelled, before the
 * snapshot is stopped.
 */
bool kube_snapshot_save(struct kube_snapshot *snapshot, struct kube_snapshot_wait *wait) must_check;
/* `over` will not be called. Accepts one that does not wait. */
void kube_snapshot_cancel(struct kube_snapshot *snapshot, struct kube_snapshot_wait *wait);

struct kube_snapshot_status {
	const char *path;
	const char *last_error; /* "" if the last attempt went well */
	uint64_t written_ms;    /* uv_now of the last good file; 0: none yet */
	uint64_t written, failures;
	size_t n_objects, n_bytes; /* of the last good file */
	bool unsaved;              /* the store has what the file has not */
};
void kube_snapshot_status(const struct kube_snapshot *snapshot, struct kube_snapshot_status *ret);

/* Writes what is not saved, which blocks, and ends; `closed` is called from the loop. Accepts NULL, then calls nothing. */
void kube_snapshot_stop(struct kube_snapshot *snapshot, void (*closed)(void *context), void *context);

#endif
