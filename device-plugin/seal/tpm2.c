// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/tpm2.h"

#include <errno.h>

#include "device-plugin/seal/digest.h"

#define RSA_DEFAULT_EXPONENT 65537 /* what 0 in a TPMS_RSA_PARMS means */

void tpm2_u16(struct buf *out, uint16_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

	buf_append(out, bytes, sizeof(bytes));
}

void tpm2_u32(struct buf *out, uint32_t value)
{
	tpm2_u16(out, (uint16_t)(value >> 16));
	tpm2_u16(out, (uint16_t)value);
}

void tpm2_u64(struct buf *out, uint64_t value)
{
	tpm2_u32(out, (uint32_t)(value >> 32));
	tpm2_u32(out, (uint32_t)value);
}

void tpm2_sized(struct buf *out, struct slice bytes)
{
	if (bytes.n > UINT16_MAX) {
		out->failed = ENOBUFS;
		return;
	}
	tpm2_u16(out, (uint16_t)bytes.n);
	buf_slice(out, bytes);
}

static struct slice take(struct tpm2_reader *reader, size_t n)
{
	if (reader->failed || n > reader->left.n) {
		reader->failed = true;
		return (struct slice){ 0 };
	}
	struct slice taken = slice_from(reader->left.p, n);
	reader->left = slice_from(reader->left.p + n, reader->left.n - n);
	return taken;
}

uint16_t tpm2_read_u16(struct tpm2_reader *reader)
{
	struct slice bytes = take(reader, 2);

	return bytes.n ? (uint16_t)(bytes.p[0] << 8 | bytes.p[1]) : 0;
}

uint32_t tpm2_read_u32(struct tpm2_reader *reader)
{
	uint32_t high = tpm2_read_u16(reader);

	return high << 16 | tpm2_read_u16(reader);
}

struct slice tpm2_read_sized(struct tpm2_reader *reader)
{
	return take(reader, tpm2_read_u16(reader));
}

bool tpm2_reader_is_done(const struct tpm2_reader *reader)
{
	return !reader->failed && reader->left.n == 0;
}

int tpm2_name_of(struct slice public_area, struct tpm2_name *ret, struct error *err)
{
	ret->bytes[0] = SEAL_ALG_SHA256 >> 8;
	ret->bytes[1] = SEAL_ALG_SHA256 & 0xff;
	return digest_sha256(&public_area, 1, ret->bytes + 2, err);
}

/* The public area inside a TPM2B; it must be all of it. */
static int unwrap(struct slice tpm2b, const char *what, struct slice *ret, struct error *err)
{
	struct tpm2_reader reader = { .left = tpm2b };

	*ret = tpm2_read_sized(&reader);
	if (!tpm2_reader_is_done(&reader))
		return error_set(err, EINVAL, "the %s is damaged: its %zu bytes are not what its length says", what, tpm2b.n);
	return 0;
}

static bool fits(struct slice number, uint8_t *to, size_t size)
{
	if (number.n > size || number.n == 0)
		return false;
	memset(to, 0, size - number.n); /* some TPMs leave leading zeros out */
	memcpy(to + size - number.n, number.p, number.n);
	return true;
}

static bool read_ecc(struct tpm2_reader *reader, struct tpm2_root_key *key)
{
	bool is_p256 = tpm2_read_u16(reader) == SEAL_ECC_P256;
	bool has_kdf = tpm2_read_u16(reader) != SEAL_ALG_NULL;

	return is_p256 && !has_kdf && fits(tpm2_read_sized(reader), key->x, TPM2_EC_SIZE) &&
	       fits(tpm2_read_sized(reader), key->y, TPM2_EC_SIZE);
}

static bool read_rsa(struct tpm2_reader *reader, struct tpm2_root_key *key)
{
	bool is_2048 = tpm2_read_u16(reader) == TPM2_RSA_SIZE * 8;
	uint32_t exponent = tpm2_read_u32(reader);

	key->exponent = exponent ? exponent : RSA_DEFAULT_EXPONENT;
	return is_2048 && fits(tpm2_read_sized(reader), key->modulus, TPM2_RSA_SIZE);
}

/* TPMT_SYM_DEF_OBJECT and the scheme, which a decryption key does not have. */
static bool has_aes_128_cfb(struct tpm2_reader *reader)
{
	bool aes = tpm2_read_u16(reader) == SEAL_ALG_AES;
	bool bits = tpm2_read_u16(reader) == 128;
	bool cfb = tpm2_read_u16(reader) == SEAL_ALG_CFB;

	return aes && bits && cfb && tpm2_read_u16(reader) == SEAL_ALG_NULL;
}

int tpm2_root_key_read(struct slice tpm2b_public, struct tpm2_root_key *ret, struct error *err)
{
	const uint32_t needed = SEAL_OBJECT_RESTRICTED | SEAL_OBJECT_DECRYPT;
	struct tpm2_root_key key = {};
	struct slice area;

	int r = unwrap(tpm2b_public, "root key", &area, err);
	if (r < 0)
		return r;
	struct tpm2_reader reader = { .left = area };
	uint16_t type = tpm2_read_u16(&reader), hash = tpm2_read_u16(&reader);
	key.type = type == SEAL_ALG_ECC ? TPM2_KEY_ECC : TPM2_KEY_RSA;
	key.attributes = tpm2_read_u32(&reader);
	tpm2_read_sized(&reader); /* its own policy is for those who use it */
	if ((type != SEAL_ALG_ECC && type != SEAL_ALG_RSA) || hash != SEAL_ALG_SHA256)
		return error_set(err, EINVAL,
				 "the root key has type 0x%04x and name algorithm 0x%04x: an ECC P-256 or RSA 2048 key named by "
				 "SHA-256 is needed",
				 type, hash);
	if ((key.attributes & needed) != needed)
		return error_set(err, EINVAL, "the key with attributes 0x%08x is no storage key: it is not a restricted decryption key",
				 key.attributes);
	if (!has_aes_128_cfb(&reader) || !(type == SEAL_ALG_ECC ? read_ecc(&reader, &key) : read_rsa(&reader, &key)) ||
	    !tpm2_reader_is_done(&reader))
		return error_set(err, EINVAL, "the root key is not of the kind that is needed: ECC P-256 or RSA 2048 with AES-128-CFB");
	r = tpm2_name_of(area, &key.name, err);
	if (r == 0)
		*ret = key;
	return r;
}

int tpm2_nv_read(struct slice tpm2b_nv_public, struct tpm2_nv *ret, struct error *err)
{
	struct tpm2_nv nv = {};
	struct slice area;

	int r = unwrap(tpm2b_nv_public, "public area of the NV index", &area, err);
	if (r < 0)
		return r;
	struct tpm2_reader reader = { .left = area };
	nv.index = tpm2_read_u32(&reader);
	uint16_t hash = tpm2_read_u16(&reader);
	nv.attributes = tpm2_read_u32(&reader);
	tpm2_read_sized(&reader);
	nv.size = tpm2_read_u16(&reader);
	if (!tpm2_reader_is_done(&reader) || hash != SEAL_ALG_SHA256)
		return error_set(err, EINVAL, "the public area of the NV index is damaged, or its name algorithm is not SHA-256");
	r = tpm2_name_of(area, &nv.name, err);
	if (r == 0)
		*ret = nv;
	return r;
}
