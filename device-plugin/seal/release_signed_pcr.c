// SPDX-License-Identifier: Apache-2.0
/*
 * `signed-pcr`: the PCRs have values that the holder of a key has signed, as systemd's ukify and systemd-measure do
 * (tpm2-pcr-signature.json, tpm2-pcr-public-key.pem). An update of the system brings its own signature, so nothing is sealed anew.
 *
 *	{"type":"signed-pcr","pcrs":[11],"key":"-----BEGIN PUBLIC KEY-----…"}
 *
 * The key's name, as TPM2_LoadExternal would give it, is what the policy says. The public area is built as systemd builds it
 * (RSA, signing and decryption, userWithAuth, no scheme), so that the same key has the same name in both.
 */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "device-plugin/seal/release.h"
#include "device-plugin/seal/signed_pcr.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096
#define DEFAULT_EXPONENT 65537
#define SIGN (1u << 18)

DEFINE_CLEANUP(BIO *, BIO_free_all);
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free);
DEFINE_CLEANUP(BIGNUM *, BN_free);

static EVP_PKEY *parse(const char *pem)
{
	_cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, -1);

	return bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
}

int signed_pcr_key_public(const char *pem, struct buf *out, struct error *err)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = parse(pem);
	_cleanup_(BN_freep) BIGNUM *n = NULL, *e = NULL;
	uint8_t modulus[RSA_BITS_MAX / 8];

	if (!key || !EVP_PKEY_is_a(key, "RSA") || !EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) ||
	    !EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e))
		return error_set(err, EINVAL, "is no RSA public key in PEM form (only RSA keys can be used, as with systemd)");
	int bits = BN_num_bits(n);
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || bits % 1024 != 0 || BN_bn2binpad(n, modulus, bits / 8) != bits / 8)
		return error_set(err, EINVAL, "is an RSA key of %d bits; 2048, 3072 and 4096 are possible", bits);
	unsigned long exponent = (unsigned long)BN_get_word(e);
	if (exponent > UINT32_MAX)
		return error_set(err, EINVAL, "is an RSA key with an exponent that no TPM takes");
	tpm2_u16(out, SEAL_ALG_RSA);
	tpm2_u16(out, SEAL_ALG_SHA256);
	tpm2_u32(out, SEAL_OBJECT_DECRYPT | SIGN | SEAL_OBJECT_USER_WITH_AUTH);
	tpm2_u16(out, 0); /* no policy */
	tpm2_u16(out, SEAL_ALG_NULL);
	tpm2_u16(out, SEAL_ALG_NULL);
	tpm2_u16(out, (uint16_t)bits);
	tpm2_u32(out, exponent == DEFAULT_EXPONENT ? 0 : (uint32_t)exponent);
	tpm2_sized(out, slice_from(modulus, (size_t)bits / 8));
	return buf_check(out, "public area", err);
}

static int key_name(const char *pem, struct tpm2_name *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf area = BUF_MAX(SIGNED_PCR_PUBLIC_MAX);
	int r = signed_pcr_key_public(pem, &area, err);

	return r < 0 ? r : tpm2_name_of(buf_view(&area), ret, err);
}

static int read_key(const struct json_view *at, char ret[static RELEASE_KEY_MAX], struct error *err)
{
	struct tpm2_name unused;
	struct error inner;
	const char *text;

	int r = json_expect_string(at, &text, err);
	if (r < 0)
		return r;
	if (strlen(text) >= RELEASE_KEY_MAX)
		return json_error(at, err, "has more than %d bytes", RELEASE_KEY_MAX - 1);
	if (key_name(text, &unused, &inner) < 0)
		return json_error(at, err, "%s", inner.message);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int read_signed_pcr(const struct json_view *at, struct release *ret, struct error *err)
{
	static const char *const known[] = { "type", "pcrs", "key", NULL };
	struct json_view pcrs, key;

	ret->signed_pcr = calloc(1, sizeof(*ret->signed_pcr));
	if (!ret->signed_pcr)
		return error_nomem(err);
	int r = json_expect_keys(at, known, err);
	if (r == 0)
		r = json_require(at, "pcrs", &pcrs, err);
	if (r == 0)
		r = release_read_pcrs(&pcrs, &ret->signed_pcr->pcrs, err);
	if (r == 0)
		r = json_require(at, "key", &key, err);
	return r < 0 ? r : read_key(&key, ret->signed_pcr->key, err);
}

static void print_signed_pcr(const struct release *release, struct buf *out)
{
	buf_string(out, ",\"pcrs\":");
	release_print_pcrs(release->signed_pcr->pcrs, out);
	buf_string(out, ",\"key\":");
	buf_json_string(out, slice_string(release->signed_pcr->key));
}

static int step_signed_pcr(const struct release *release, struct policy_step *ret, struct error *err)
{
	*ret = (struct policy_step){ .type = POLICY_STEP_AUTHORIZE, .authorize.pcrs = release->signed_pcr->pcrs };
	return key_name(release->signed_pcr->key, &ret->authorize.key, err);
}

static void clear_signed_pcr(struct release *release)
{
	free(release->signed_pcr);
}

const struct release_type release_type_signed_pcr = { "signed-pcr", read_signed_pcr, print_signed_pcr, step_signed_pcr, clear_signed_pcr };
