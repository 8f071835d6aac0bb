// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_IDENTITY_WORLD_H
#define HOLDFAST_TESTS_IDENTITY_WORLD_H

#include "device-plugin/plugin/identity.h"
#include "tests/unit/device_plugin/fake_pods.h"

/* A kubelet's directory, a store and an identifier, for tests; everything on one loop. */

#define UID_A "aaaaaaaa-1111-4000-8000-000000000001"
#define UID_B "bbbbbbbb-2222-4000-8000-000000000002"
#define RESOURCE "tpm.holdfast/db-password"
#define DEVICE "47facce2-3"

struct world {
	uv_loop_t loop;
	uv_timer_t patience;
	char directory[64], kubelet[128], sandboxes[128];
	struct kube_store *store;
	struct identifier *identifier;
	struct fake_service pod_resources, pods_api;

	struct identity_query *query; /* the one under way */
	unsigned n_ended;             /* queries that have called back */
	int r;
	struct identity *identity;
	char words[512];
};
extern struct world world;

/* For cmocka: a world with a directory and a store; nothing is served. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* What a query may take; 0: as in earnest. Before the first query. */
void world_identify(uint64_t timeout_ms);
/* Runs the loop until `n_ended` queries have called back. */
void world_run(unsigned n_ended);

/* ── What kubelet has on disk ── */

struct held {
	const char *uid, *container, *resource, *device;
};
void world_write_checkpoint(const struct held *held, size_t n);
#define CHECKPOINT(...)                                                                                                                    \
	do {                                                                                                                               \
		const struct held held_[] = { __VA_ARGS__ };                                                                               \
		world_write_checkpoint(held_, ELEMENTS_OF(held_));                                                                         \
	} while (0)
void world_write_kubelet_file(const char *name, const char *text);
void world_make_pod_directory(const char *uid);
void world_remove_pod_directory(const char *uid);
/* One of this process's. */
void world_write_record(const char *file, const char *uid, const char *name, const char *backend);

/* ── What the store knows ── */

/* A pod of namespace "shop"; `metadata`, `spec` and `status` are members in JSON, "" for none, and `metadata` starts with a comma. */
void world_put_pod(const char *name, const char *uid, const char *metadata, const char *spec, const char *status);
void world_remove_pod(const char *name);

/* ── One query ── */

/* Finds whose DEVICE of RESOURCE is, or why that is not known. */
void world_find(void);
void world_begin_find(const char *device);
/* Fails unless the query found a pod, or was refused with EAGAIN and these words. */
void expect_found(const char *name, const char *uid);
void expect_refused(const char *words);

#endif
