// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/base/cleanup.h"
#include "common/base/secret.h"

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free);
DEFINE_CLEANUP(EVP_MAC *, EVP_MAC_free);
DEFINE_CLEANUP(EVP_MAC_CTX *, EVP_MAC_CTX_free);

int digest_sha256(const struct slice *parts, size_t n, uint8_t ret[static 32], struct error *err)
{
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context && EVP_DigestInit_ex2(context, EVP_sha256(), NULL);

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_DigestUpdate(context, parts[i].p, parts[i].n);
	if (!ok || !EVP_DigestFinal_ex(context, ret, NULL))
		return error_set(err, EIO, "OpenSSL cannot compute SHA-256");
	return 0;
}

int digest_hmac_sha256(struct slice key, const struct slice *parts, size_t n, uint8_t ret[static 32], struct error *err)
{
	_cleanup_(EVP_MAC_freep) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	_cleanup_(EVP_MAC_CTX_freep) EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	const OSSL_PARAM parameters[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
					  OSSL_PARAM_construct_end() };
	size_t size;
	bool ok = context && EVP_MAC_init(context, key.p, key.n, parameters);

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_MAC_update(context, parts[i].p, parts[i].n);
	if (!ok || !EVP_MAC_final(context, ret, &size, 32))
		return error_set(err, EIO, "OpenSSL cannot compute HMAC-SHA-256");
	return 0;
}

static const uint8_t first_round[4] = { 0, 0, 0, 1 };

int digest_kdfa(struct slice key, const char *label, struct slice u, struct slice v, uint8_t *ret, size_t n, struct error *err)
{
	const uint8_t bits[4] = { 0, 0, (uint8_t)(n * 8 >> 8), (uint8_t)(n * 8) };
	const struct slice parts[] = { slice_from(first_round, 4), slice_from(label, strlen(label) + 1), u, v, slice_from(bits, 4) };
	uint8_t bytes[32];

	assert(n <= sizeof(bytes));
	int r = digest_hmac_sha256(key, parts, sizeof(parts) / sizeof(parts[0]), bytes, err);
	if (r == 0)
		memcpy(ret, bytes, n);
	secret_wipe(bytes, sizeof(bytes));
	return r;
}

int digest_kdfe(struct slice z, const char *label, struct slice u, struct slice v, uint8_t *ret, size_t n, struct error *err)
{
	const struct slice parts[] = { slice_from(first_round, 4), z, slice_from(label, strlen(label) + 1), u, v };
	uint8_t bytes[32];

	assert(n <= sizeof(bytes));
	int r = digest_sha256(parts, sizeof(parts) / sizeof(parts[0]), bytes, err);
	if (r == 0)
		memcpy(ret, bytes, n);
	secret_wipe(bytes, sizeof(bytes));
	return r;
}
