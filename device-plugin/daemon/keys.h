// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_KEYS_H
#define HOLDFAST_TPM_KEYS_H

#include "device-plugin/daemon/sealed.h"
#include "device-plugin/tpm/worker.h"

/*
 * Content keys, as the TPM gives them out. Whoever asks for a key that is being unsealed waits for that, and for `reuse_ms` afterwards
 * the key serves further starts from locked memory; then it is wiped.
 */
struct keys;

struct keys_options {
	struct tpm_worker *worker;
	const char *signatures; /* must outlive it */
	uint64_t reuse_ms;
	/* What each unsealing came to; for health and metrics. `ms` is the TPM's time, from submission to the end. */
	void (*unsealed)(void *context, struct sealed *sealed, int r, const struct error *err, uint64_t ms);
	void *context;
};

int keys_new(uv_loop_t *loop, const struct keys_options *options, struct keys **ret, struct error *err) must_check;

/* Which TPM to ask; nothing can be unsealed before. */
void keys_set_root(struct keys *keys, const struct tpm2_name *root);

/* Somebody who waits for a key. Lives where the caller puts it, until `got` or keys_cancel. */
struct key_wait {
	/* Once, from the loop or from within keys_get. `key` is NULL unless r is 0, and valid until this returns. */
	void (*got)(struct key_wait *wait, int r, const uint8_t *key, const struct error *err);
	struct key_wait *next;
	struct unsealing *unsealing;
};

void keys_get(struct keys *keys, struct sealed *sealed, struct key_wait *wait);
/* `got` will not be called. */
void keys_cancel(struct key_wait *wait);

/* Wipes every key now: after a revocation. */
void keys_forget(struct keys *keys);

size_t keys_held(const struct keys *keys);

/* When the worker has stopped, so that no job is left. Accepts NULL. */
void keys_free(struct keys *keys);

#endif
