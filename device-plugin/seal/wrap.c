// SPDX-License-Identifier: Apache-2.0
/*
 * Sealing for a TPM that is elsewhere (Part 1, 23.3 "Duplication", outer wrapper only):
 *
 *	seed       random (RSA: OAEP) or by ECDH with an ephemeral key: KDFe(z, "DUPLICATE", ephemeral.x, root.x)
 *	sensitive  = TPM2B{ keyedhash, no auth, obfuscation, content key }
 *	encrypted  = AES-128-CFB(KDFa(seed, "STORAGE", name), iv 0, sensitive)
 *	duplicate  = TPM2B_PRIVATE{ TPM2B{ HMAC(KDFa(seed, "INTEGRITY"), encrypted || name) } || encrypted }
 *
 * The object has neither userWithAuth nor a duplication policy: its policy is the only way to its content.
 */
#include "device-plugin/seal/wrap.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "common/base/secret.h"
#include "device-plugin/seal/digest.h"

#define SEED_SIZE 32 /* of the name algorithm's digest */
#define AES_SIZE 16
#define ATTRIBUTES (SEAL_OBJECT_ADMIN_WITH_POLICY | SEAL_OBJECT_NO_DA)

static const char duplicate_label[] = "DUPLICATE";

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free);
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free);
DEFINE_CLEANUP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
DEFINE_CLEANUP(OSSL_PARAM *, OSSL_PARAM_free);
DEFINE_CLEANUP(BIGNUM *, BN_free);

static int openssl_failed(struct error *err, const char *what)
{
	return error_set(err, EIO, "OpenSSL cannot %s", what);
}

void wrap_clear(struct wrap *wrap)
{
	buf_free(&wrap->public);
	buf_free(&wrap->private);
	buf_free(&wrap->seed);
}

static int from_parameters(const char *type, OSSL_PARAM *parameters, EVP_PKEY **ret)
{
	_cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	return context && EVP_PKEY_fromdata_init(context) > 0 && EVP_PKEY_fromdata(context, ret, EVP_PKEY_PUBLIC_KEY, parameters) > 0;
}

/* OpenSSL checks that the point is on the curve. */
static int ecc_public(const struct tpm2_root_key *root, EVP_PKEY **ret, struct error *err)
{
	uint8_t point[1 + 2 * TPM2_EC_SIZE] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};

	memcpy(point + 1, root->x, TPM2_EC_SIZE);
	memcpy(point + 1 + TPM2_EC_SIZE, root->y, TPM2_EC_SIZE);
	if (!from_parameters("EC", parameters, ret))
		return error_set(err, EINVAL, "the root key is no point of the curve P-256: the node key document is damaged");
	return 0;
}

static int shared_x(EVP_PKEY *own, EVP_PKEY *peer, uint8_t z[static TPM2_EC_SIZE])
{
	_cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
	size_t n = TPM2_EC_SIZE;

	return context && EVP_PKEY_derive_init(context) > 0 && EVP_PKEY_derive_set_peer(context, peer) > 0 &&
	       EVP_PKEY_derive(context, z, &n) > 0 && n == TPM2_EC_SIZE;
}

static int coordinates(EVP_PKEY *key, uint8_t x[static TPM2_EC_SIZE], uint8_t y[static TPM2_EC_SIZE])
{
	uint8_t point[1 + 2 * TPM2_EC_SIZE];
	size_t n;

	if (!EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) || n != sizeof(point) ||
	    point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return 0;
	memcpy(x, point + 1, TPM2_EC_SIZE);
	memcpy(y, point + 1 + TPM2_EC_SIZE, TPM2_EC_SIZE);
	return 1;
}

static int seed_by_ecc(const struct tpm2_root_key *root, uint8_t seed[static SEED_SIZE], struct buf *out, struct error *err)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *peer = NULL, *own = NULL;
	_cleanup_(buf_free) struct buf point = BUF_MAX(WRAP_PART_MAX);
	uint8_t x[TPM2_EC_SIZE], y[TPM2_EC_SIZE], z[TPM2_EC_SIZE];

	int r = ecc_public(root, &peer, err);
	if (r < 0)
		return r;
	own = EVP_EC_gen("prime256v1");
	if (!own || !coordinates(own, x, y) || !shared_x(own, peer, z))
		return openssl_failed(err, "agree on a key by ECDH");
	r = digest_kdfe(slice_from(z, sizeof(z)), duplicate_label, slice_from(x, sizeof(x)), slice_from(root->x, TPM2_EC_SIZE), seed,
			SEED_SIZE, err);
	secret_wipe(z, sizeof(z));
	tpm2_sized(&point, slice_from(x, sizeof(x)));
	tpm2_sized(&point, slice_from(y, sizeof(y)));
	tpm2_sized(out, buf_view(&point));
	return r < 0 ? r : buf_check(&point, "point", err);
}

static int rsa_public(const struct tpm2_root_key *root, EVP_PKEY **ret, struct error *err)
{
	_cleanup_(BN_freep) BIGNUM *n = BN_bin2bn(root->modulus, TPM2_RSA_SIZE, NULL);
	_cleanup_(BN_freep) BIGNUM *e = BN_new();
	_cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	_cleanup_(OSSL_PARAM_freep) OSSL_PARAM *parameters = NULL;

	if (!n || !e || !builder || !BN_set_word(e, root->exponent) || !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) ||
	    !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
		return openssl_failed(err, "hold the root key");
	parameters = OSSL_PARAM_BLD_to_param(builder);
	if (!parameters || !from_parameters("RSA", parameters, ret))
		return error_set(err, EINVAL, "the root key is no RSA key: the node key document is damaged");
	return 0;
}

/* OAEP with SHA-256 and the label "DUPLICATE", its NUL included (Part 1, B.4). */
static int seed_by_rsa(const struct tpm2_root_key *root, uint8_t seed[static SEED_SIZE], struct buf *out, struct error *err)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *peer = NULL;
	uint8_t encrypted[TPM2_RSA_SIZE];
	size_t n = sizeof(encrypted);

	int r = rsa_public(root, &peer, err);
	if (r < 0)
		return r;
	_cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(peer, NULL);
	void *label = OPENSSL_memdup(duplicate_label, sizeof(duplicate_label));
	if (!context || !label || RAND_priv_bytes(seed, SEED_SIZE) != 1 || EVP_PKEY_encrypt_init(context) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) <= 0 || EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) <= 0) {
		OPENSSL_free(label);
		return openssl_failed(err, "encrypt by RSA-OAEP");
	}
	if (EVP_PKEY_CTX_set0_rsa_oaep_label(context, label, sizeof(duplicate_label)) <= 0) { /* takes it, if it succeeds */
		OPENSSL_free(label);
		return openssl_failed(err, "encrypt by RSA-OAEP");
	}
	if (EVP_PKEY_encrypt(context, encrypted, &n, seed, SEED_SIZE) <= 0)
		return openssl_failed(err, "encrypt by RSA-OAEP");
	tpm2_sized(out, slice_from(encrypted, n));
	return 0;
}

/* TPMT_PUBLIC of a sealed object. */
static void write_public(const uint8_t policy[static TPM2_DIGEST_SIZE], const uint8_t unique[static TPM2_DIGEST_SIZE], struct buf *out)
{
	tpm2_u16(out, SEAL_ALG_KEYEDHASH);
	tpm2_u16(out, SEAL_ALG_SHA256);
	tpm2_u32(out, ATTRIBUTES);
	tpm2_sized(out, slice_from(policy, TPM2_DIGEST_SIZE));
	tpm2_u16(out, SEAL_ALG_NULL);
	tpm2_sized(out, slice_from(unique, TPM2_DIGEST_SIZE));
}

static int encrypt(const uint8_t key[static AES_SIZE], struct slice plain, struct buf *out, struct error *err)
{
	_cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	static const uint8_t iv[AES_SIZE];
	uint8_t *to = buf_reserve(out, plain.n);
	int n;

	if (!to)
		return buf_check(out, "encrypted object", err);
	if (!context || !EVP_EncryptInit_ex2(context, EVP_aes_128_cfb128(), key, iv, NULL) ||
	    !EVP_EncryptUpdate(context, to, &n, plain.p, (int)plain.n) || (size_t)n != plain.n)
		return openssl_failed(err, "encrypt by AES-128-CFB");
	buf_commit(out, plain.n);
	return 0;
}

/* From seed, name and the sensitive area to the TPM2B_PRIVATE. */
static int wrap_sensitive(const uint8_t seed[static SEED_SIZE], const struct tpm2_name *name, struct slice sensitive, struct buf *out,
			  struct error *err)
{
	const struct slice nothing = { 0 }, seed_slice = slice_from(seed, SEED_SIZE), name_slice = slice_from(name->bytes, TPM2_NAME_SIZE);
	_cleanup_(buf_free) struct buf encrypted = BUF_MAX(WRAP_PART_MAX), duplicate = BUF_MAX(WRAP_PART_MAX);
	uint8_t aes[AES_SIZE], hmac_key[TPM2_DIGEST_SIZE], hmac[TPM2_DIGEST_SIZE];

	int r = digest_kdfa(seed_slice, "STORAGE", name_slice, nothing, aes, sizeof(aes), err);
	if (r == 0)
		r = encrypt(aes, sensitive, &encrypted, err);
	if (r == 0)
		r = digest_kdfa(seed_slice, "INTEGRITY", nothing, nothing, hmac_key, sizeof(hmac_key), err);
	if (r == 0) {
		const struct slice parts[] = { buf_view(&encrypted), name_slice };
		r = digest_hmac_sha256(slice_from(hmac_key, sizeof(hmac_key)), parts, 2, hmac, err);
	}
	secret_wipe(aes, sizeof(aes));
	secret_wipe(hmac_key, sizeof(hmac_key));
	if (r < 0)
		return r;
	tpm2_sized(&duplicate, slice_from(hmac, sizeof(hmac)));
	buf_slice(&duplicate, buf_view(&encrypted));
	tpm2_sized(out, buf_view(&duplicate));
	return buf_check(&duplicate, "wrapped object", err);
}

/* TPM2B_SENSITIVE. Its size is known, so that no copy of the key is left behind by a growing buffer. */
#define SENSITIVE_SIZE (2 + 2 + 2 + 2 + TPM2_DIGEST_SIZE + 2 + WRAP_KEY_SIZE)

static void write_sensitive(const uint8_t obfuscation[static TPM2_DIGEST_SIZE], const uint8_t key[static WRAP_KEY_SIZE], struct buf *out)
{
	tpm2_u16(out, SENSITIVE_SIZE - 2);
	tpm2_u16(out, SEAL_ALG_KEYEDHASH);
	tpm2_u16(out, 0); /* no authorization value */
	tpm2_sized(out, slice_from(obfuscation, TPM2_DIGEST_SIZE));
	tpm2_sized(out, slice_from(key, WRAP_KEY_SIZE));
}

static int wrap_with_seed(const uint8_t seed[static SEED_SIZE], const uint8_t policy[static TPM2_DIGEST_SIZE],
			  const uint8_t key[static WRAP_KEY_SIZE], struct wrap *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf public = BUF_MAX(WRAP_PART_MAX), sensitive = BUF_MAX(WRAP_PART_MAX);
	uint8_t obfuscation[TPM2_DIGEST_SIZE], unique[TPM2_DIGEST_SIZE];
	const struct slice both[] = { slice_from(obfuscation, sizeof(obfuscation)), slice_from(key, WRAP_KEY_SIZE) };
	struct tpm2_name name;

	if (RAND_priv_bytes(obfuscation, sizeof(obfuscation)) != 1)
		return openssl_failed(err, "make random numbers");
	int r = digest_sha256(both, 2, unique, err);
	if (r < 0)
		return r;
	write_public(policy, unique, &public);
	write_sensitive(obfuscation, key, &sensitive);
	r = buf_check(&public, "public area", err);
	if (r == 0)
		r = buf_check(&sensitive, "sensitive area", err);
	if (r == 0)
		r = tpm2_name_of(buf_view(&public), &name, err);
	if (r == 0)
		r = wrap_sensitive(seed, &name, buf_view(&sensitive), &ret->private, err);
	secret_wipe(sensitive.p, sensitive.n);
	secret_wipe(obfuscation, sizeof(obfuscation));
	tpm2_sized(&ret->public, buf_view(&public));
	return r;
}

int wrap_key(const struct tpm2_root_key *root, const uint8_t policy[static TPM2_DIGEST_SIZE], const uint8_t key[static WRAP_KEY_SIZE],
	     struct wrap *ret, struct error *err)
{
	uint8_t seed[SEED_SIZE];

	int r = root->type == TPM2_KEY_ECC ? seed_by_ecc(root, seed, &ret->seed, err) : seed_by_rsa(root, seed, &ret->seed, err);
	if (r == 0)
		r = wrap_with_seed(seed, policy, key, ret, err);
	secret_wipe(seed, sizeof(seed));
	if (r == 0)
		r = buf_check(&ret->seed, "seed", err);
	if (r == 0)
		r = buf_check(&ret->private, "private area", err);
	return r < 0 ? r : buf_check(&ret->public, "public area", err);
}

int wrap_public_read(struct slice tpm2b_public, uint8_t ret_policy[static TPM2_DIGEST_SIZE], struct error *err)
{
	struct tpm2_reader outer = { .left = tpm2b_public }, reader = { .left = tpm2_read_sized(&outer) };
	bool is_sealed = tpm2_read_u16(&reader) == SEAL_ALG_KEYEDHASH && tpm2_read_u16(&reader) == SEAL_ALG_SHA256;
	uint32_t attributes = tpm2_read_u32(&reader);
	struct slice policy = tpm2_read_sized(&reader);
	bool no_scheme = tpm2_read_u16(&reader) == SEAL_ALG_NULL;
	struct slice unique = tpm2_read_sized(&reader);

	if (!tpm2_reader_is_done(&outer) || !tpm2_reader_is_done(&reader) || !is_sealed || !no_scheme || unique.n != TPM2_DIGEST_SIZE)
		return error_set(err, EINVAL, "the public area is not that of a sealed object");
	if (attributes != ATTRIBUTES || policy.n != TPM2_DIGEST_SIZE)
		return error_set(err, EINVAL,
				 "the sealed object has attributes 0x%08x and a policy of %zu bytes: it could be opened in other ways "
				 "than by its policy",
				 attributes, policy.n);
	memcpy(ret_policy, policy.p, TPM2_DIGEST_SIZE);
	return 0;
}
