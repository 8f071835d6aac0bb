// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_RELEASE_H
#define HOLDFAST_SEAL_RELEASE_H

#include "common/json/json.h"
#include "device-plugin/seal/policy.h"

/*
 * What must hold on a node for its TPM to release a secret: a list of typed conditions. A type is a row of the table in release.c and a
 * file release_<type>.c; what it means to the TPM it says in steps (policy.h), so that nothing else has to know it.
 */
#define RELEASE_CONDITIONS_MAX 8
#define RELEASE_TEXT_MAX (16 * 1024) /* bytes of one printed condition */

struct release_hold {
	uint32_t index;
	struct tpm2_name name; /* with WRITTEN set */
	uint64_t value;
};

struct release_pcr {
	struct policy_pcrs pcrs;
	uint8_t values[POLICY_PCRS][TPM2_DIGEST_SIZE]; /* of those that are selected */
};

#define RELEASE_KEY_MAX 8192 /* bytes of a PEM public key */

struct release_signed_pcr {
	struct policy_pcrs pcrs;
	char key[RELEASE_KEY_MAX]; /* PEM */
};

struct release {
	const struct release_type *type;
	union {
		struct release_hold hold;
		struct release_pcr pcr;
		struct release_signed_pcr *signed_pcr; /* owned */
	};
};

struct release_type {
	const char *name;
	/* From the condition's object, all of whose keys are checked. EINVAL with the path. */
	int (*read)(const struct json_view *at, struct release *ret, struct error *err);
	/* The members behind "type", each with a comma before it; the only form there is, since it is authenticated. */
	void (*print)(const struct release *release, struct buf *out);
	int (*step)(const struct release *release, struct policy_step *ret, struct error *err);
	void (*clear)(struct release *release); /* NULL: nothing to free */
};

extern const struct release_type release_type_hold, release_type_pcr, release_type_signed_pcr;

/* EINVAL: an unknown type is refused, with those that are known. The caller's: release_clear. */
int release_read(const struct json_view *at, struct release *ret, struct error *err) must_check;
void release_print(const struct release *release, struct buf *out);
void release_clear(struct release *release);

/*
 * The policy of all conditions, in their order. EINVAL: no `hold` among them (every secret must be revocable), or one twice, or a
 * signed-pcr that is not the first.
 */
int release_policy(const struct release *conditions, size_t n, struct policy_step ret_steps[static RELEASE_CONDITIONS_MAX],
		   uint8_t ret_digest[static TPM2_DIGEST_SIZE], struct error *err) must_check;

/* The value of the hold counter at which this was sealed. */
const struct release_hold *release_find_hold(const struct release *conditions, size_t n);

/*
 * Every selected value is all zeros or all ones: nobody has measured anything into that bank, so the condition would hold on any machine.
 * EINVAL says so.
 */
int release_check_measured(struct policy_pcrs pcrs, const uint8_t values[static POLICY_PCRS][TPM2_DIGEST_SIZE],
			   struct error *err) must_check;

/* "[7,11]"; read: 1 to 24 different numbers below 24. */
void release_print_pcrs(struct policy_pcrs pcrs, struct buf *out);
int release_read_pcrs(const struct json_view *at, struct policy_pcrs *ret, struct error *err) must_check;

#endif
