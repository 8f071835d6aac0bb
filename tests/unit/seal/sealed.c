// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/unit/seal/sealed.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "common/json/yaml.h"

const uint8_t sealed_key[WRAP_KEY_SIZE] = "a content key of thirty-two byte";

static void write_ecc(EVP_PKEY *key, struct buf *out)
{
	uint8_t point[65];
	size_t n;

	assert_true(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n));
	tpm2_u16(out, SEAL_ECC_P256);
	tpm2_u16(out, SEAL_ALG_NULL);
	tpm2_sized(out, slice_from(point + 1, 32));
	tpm2_sized(out, slice_from(point + 33, 32));
}

static void write_rsa(EVP_PKEY *key, struct buf *out)
{
	BIGNUM *modulus = NULL;
	uint8_t bytes[256];

	assert_true(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus));
	assert_int_equal(BN_bn2binpad(modulus, bytes, 256), 256);
	BN_free(modulus);
	tpm2_u16(out, 2048);
	tpm2_u32(out, 0);
	tpm2_sized(out, slice_from(bytes, sizeof(bytes)));
}

static void write_root(const char *type, struct buf *out)
{
	bool ecc = strcmp(type, "EC") == 0;
	EVP_PKEY *key = ecc ? EVP_EC_gen("prime256v1") : EVP_RSA_gen(2048);

	assert_non_null(key);
	tpm2_u16(out, ecc ? SEAL_ALG_ECC : SEAL_ALG_RSA);
	tpm2_u16(out, SEAL_ALG_SHA256);
	tpm2_u32(out, SEAL_OBJECT_RESTRICTED | SEAL_OBJECT_DECRYPT | SEAL_OBJECT_NO_DA | 0x72);
	tpm2_u16(out, 0);
	tpm2_u16(out, SEAL_ALG_AES);
	tpm2_u16(out, 128);
	tpm2_u16(out, SEAL_ALG_CFB);
	tpm2_u16(out, SEAL_ALG_NULL);
	if (ecc)
		write_ecc(key, out);
	else
		write_rsa(key, out);
	EVP_PKEY_free(key);
}

void sealed_make_node_key(const char *node, const char *type, struct node_key *ret)
{
	_cleanup_(buf_free) struct buf root = BUF_MAX(1024), hold = BUF_MAX(1024);
	struct error err;

	*ret = NODE_KEY_EMPTY;
	snprintf(ret->node, sizeof(ret->node), "%s", node);
	write_root(type, &root);
	tpm2_sized(&ret->root_public, buf_view(&root));
	tpm2_u32(&hold, 0x01800048);
	tpm2_u16(&hold, SEAL_ALG_SHA256);
	tpm2_u32(&hold, SEAL_NV_WRITTEN | SEAL_NV_TYPE_COUNTER << 4 | 0x60006);
	tpm2_u16(&hold, 0);
	tpm2_u16(&hold, 8);
	tpm2_sized(&ret->hold_public, buf_view(&hold));
	ret->hold_value = 7;
	if (node_key_complete(ret, &err) < 0)
		fail_msg("%s", err.message);
}

static char *copy(struct envelope *envelope, const char *text)
{
	char *p = arena_string(&envelope->arena, text);

	assert_non_null(p);
	return p;
}

static void fill_rules(struct envelope *envelope)
{
	envelope->name = copy(envelope, "db-password");
	envelope->version = 3;
	envelope->sandbox = ENVELOPE_VM;
	envelope->files[0] = (struct envelope_file){ copy(envelope, "password"), 0400, 0, 0, 6 };
	envelope->files[1] = (struct envelope_file){ copy(envelope, "tls.crt"), 0444, 1000, 1000, 11 };
	envelope->allow[0] = (struct envelope_allow){ .namespace = copy(envelope, "shop"), .service_account = copy(envelope, "db") };
	envelope->allow[0].labels = ARENA_ARRAY(&envelope->arena, struct envelope_label, 2);
	envelope->allow[0].labels[0] = (struct envelope_label){ copy(envelope, "app"), copy(envelope, "db") };
	envelope->allow[0].labels[1] = (struct envelope_label){ copy(envelope, "a.b/tier"), copy(envelope, "back") };
	envelope->allow[0].n_labels = 2;
	envelope->allow[1] = (struct envelope_allow){ .namespace = copy(envelope, "ops"), .service_account = copy(envelope, "*") };
}

struct envelope *sealed_make(void)
{
	static const char *const nodes[] = { "edge-1", "edge-2" };
	static const char *const types[] = { "EC", "RSA" };
	struct envelope *envelope = envelope_new(2, 2, 2);
	struct tpm2_root_key roots[2];
	struct error err;

	fill_rules(envelope);
	for (size_t i = 0; i < 2; i++) {
		struct envelope_recipient *recipient = &envelope->recipients[i];
		struct node_key key;

		sealed_make_node_key(nodes[i], types[i], &key);
		roots[i] = key.root;
		recipient->node = copy(envelope, nodes[i]);
		recipient->release = ARENA_ARRAY(&envelope->arena, struct release, 1);
		recipient->release[0] = node_key_hold(&key);
		recipient->n_release = 1;
		node_key_clear(&key);
	}
	if (envelope_seal_with(envelope, roots, sealed_key, slice_string(SEALED_CONTENT), &err) < 0)
		fail_msg("%s", err.message);
	return envelope;
}

static int take(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	struct json_view root = json_root(owned);

	return envelope_read(&root, context, err);
}

int sealed_read(const char *manifest, struct envelope **ret, struct error *err)
{
	return yaml_parse(slice_string(manifest), &yaml_limits_manifests, take, ret, err);
}
