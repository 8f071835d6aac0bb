// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_SOURCE_INTERNAL_H
#define HOLDFAST_KUBE_SOURCE_INTERNAL_H

#include "common/kube/source.h"

/* Between source.c and the two kinds of source. Each kind embeds struct kube_source as its first member. */
struct kube_source_ops {
	void (*status)(const struct kube_source *source, struct kube_source_status *ret);
	void (*stop)(struct kube_source *source, void (*closed)(void *context), void *context);
	/* These may be NULL. */
	void (*tell)(struct kube_source *source, const struct kube_notice *notice);
	int (*publish)(struct kube_source *source, const struct kube_publication *what, struct error *err);
	void (*publish_again)(struct kube_source *source, const char *path);
};

struct kube_source {
	const struct kube_source_ops *ops;
};

/* Times that only tests change. */
struct api_tuning {
	uint64_t idle_timeout_ms; /* above the interval of bookmarks, which is about a minute */
	uint64_t first_backoff_ms, backoff_cap_ms;
	uint64_t stable_ms;                /* a watch that lived so long forgets earlier failures */
	unsigned watch_s_min, watch_s_max; /* asked of the server, chosen at random in between */
	unsigned page_size;                /* objects in one answer of a list */
	uint64_t tell_pause_ms;            /* between two events that are told, and two texts that are published */
	uint64_t publish_refresh_ms;       /* after which a text is published again */
};

extern const struct api_tuning api_tuning_default;

int kube_source_api_start(uv_loop_t *loop, const struct kube_source_options *options, const struct api_tuning *tuning,
			  struct kube_store *store, struct kube_source **ret, struct error *err) must_check;

struct directory_tuning {
	uint64_t settle_ms; /* after the last event, before the files are read */
	uint64_t rescan_ms; /* for what inotify does not tell: mounts, targets of links, network file systems */
};

extern const struct directory_tuning directory_tuning_default;

int kube_source_directory_start(uv_loop_t *loop, const struct kube_source_options *options, const struct directory_tuning *tuning,
				struct kube_store *store, struct kube_source **ret, struct error *err) must_check;

/* Remembers the last few things that were reported, so that each is logged once however often it comes again. */
#define REPORTED_MAX 64

struct reported {
	uint64_t hashes[REPORTED_MAX];
	unsigned next;
};

/* Of the texts in their order (NULL-terminated list). */
uint64_t hash_texts(const char *first, ...) __attribute__((sentinel));

/* True the first time for this combination of texts (NULL-terminated list). */
bool reported_first_time(struct reported *reported, ...) __attribute__((sentinel));

/*
 * Puts what was read into the store, or deals with what could not be read: a NetworkPolicy isolates its namespace, of other kinds the
 * old object stays. Counts and logs refusals, once per version. `where` says where it stands: a server or a file. -ENOMEM.
 */
struct api_object;
struct refusals {
	uint64_t n;
	struct reported reported;
};

int source_put(struct kube_store *store, struct refusals *refusals, const char *where, enum kube_kind kind, struct api_object *object,
	       struct error *err) must_check;

#endif
