// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_TPM2_H
#define HOLDFAST_SEAL_TPM2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/*
 * The TPM 2.0 structures that sealing needs, read and written in software, so that `seal` runs where there is no TPM and no TPM
 * library (TCG "Trusted Platform Module Library", Part 2). All numbers are big-endian; SHA-256 is the only hash of names and policies here.
 */
#define TPM2_DIGEST_SIZE 32
#define TPM2_NAME_SIZE 34 /* TPM_ALG_SHA256, then the digest of the public area */
#define TPM2_EC_SIZE 32   /* bytes of a P-256 coordinate */
#define TPM2_RSA_SIZE 256 /* bytes of a 2048 bit modulus */

struct tpm2_name {
	uint8_t bytes[TPM2_NAME_SIZE];
};

/* A node's storage root key. */
enum tpm2_key_type { TPM2_KEY_ECC, TPM2_KEY_RSA };

struct tpm2_root_key {
	enum tpm2_key_type type;
	uint32_t attributes; /* TPMA_OBJECT */
	struct tpm2_name name;
	uint8_t x[TPM2_EC_SIZE], y[TPM2_EC_SIZE];
	uint8_t modulus[TPM2_RSA_SIZE];
	uint32_t exponent;
};

/*
 * From a TPM2B_PUBLIC. Accepts what TPM2_Import can use: a restricted decryption key, name algorithm SHA-256, AES-128-CFB, ECC P-256 or RSA
 * 2048. EINVAL says what it is instead.
 */
int tpm2_root_key_read(struct slice tpm2b_public, struct tpm2_root_key *ret, struct error *err) must_check;

/* An NV index. */
struct tpm2_nv {
	uint32_t index, attributes; /* attributes: TPMA_NV */
	uint16_t size;
	struct tpm2_name name;
};

#define SEAL_NV_WRITTEN (1u << 29)
#define SEAL_NV_TYPE(attributes) ((attributes) >> 4 & 0xf)
#define SEAL_NV_TYPE_COUNTER 1

/* From a TPM2B_NV_PUBLIC. EINVAL. */
int tpm2_nv_read(struct slice tpm2b_nv_public, struct tpm2_nv *ret, struct error *err) must_check;

void tpm2_u16(struct buf *out, uint16_t value);
void tpm2_u32(struct buf *out, uint32_t value);
void tpm2_u64(struct buf *out, uint64_t value);
/* A TPM2B: two bytes of size, then the bytes. More than 65535 fails the buffer. */
void tpm2_sized(struct buf *out, struct slice bytes);

/* Reading: a sticky failure, checked once. */
struct tpm2_reader {
	struct slice left;
	bool failed; /* it ended too early */
};

uint16_t tpm2_read_u16(struct tpm2_reader *reader);
uint32_t tpm2_read_u32(struct tpm2_reader *reader);
struct slice tpm2_read_sized(struct tpm2_reader *reader);
/* Everything was there, and nothing is left. */
bool tpm2_reader_is_done(const struct tpm2_reader *reader);

/* The name of an object by its public area (TPMT_PUBLIC or TPMS_NV_PUBLIC). */
int tpm2_name_of(struct slice public_area, struct tpm2_name *ret, struct error *err) must_check;

#define SEAL_ALG_RSA 0x0001
#define SEAL_ALG_AES 0x0006
#define SEAL_ALG_KEYEDHASH 0x0008
#define SEAL_ALG_SHA256 0x000b
#define SEAL_ALG_NULL 0x0010
#define SEAL_ALG_ECC 0x0023
#define SEAL_ALG_CFB 0x0043
#define SEAL_ECC_P256 0x0003

#define SEAL_OBJECT_USER_WITH_AUTH (1u << 6)
#define SEAL_OBJECT_ADMIN_WITH_POLICY (1u << 7)
#define SEAL_OBJECT_NO_DA (1u << 10)
#define SEAL_OBJECT_RESTRICTED (1u << 16)
#define SEAL_OBJECT_DECRYPT (1u << 17)

#endif
