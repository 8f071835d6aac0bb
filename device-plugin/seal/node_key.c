// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/node_key.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/base64.h"
#include "common/kube/syntax.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/value.h"

#define COUNTER_SIZE 8

void node_key_clear(struct node_key *key)
{
	buf_free(&key->root_public);
	buf_free(&key->hold_public);
	buf_free(&key->certificate);
}

int node_key_complete(struct node_key *key, struct error *err)
{
	int r = tpm2_root_key_read(buf_view(&key->root_public), &key->root, err);
	if (r == 0)
		r = tpm2_nv_read(buf_view(&key->hold_public), &key->hold, err);
	if (r < 0)
		return r;
	if (SEAL_NV_TYPE(key->hold.attributes) != SEAL_NV_TYPE_COUNTER || key->hold.size != COUNTER_SIZE)
		return error_set(err, EINVAL, "NV index 0x%08" PRIx32 " is no counter, so nothing sealed by it could be revoked",
				 key->hold.index);
	if (!(key->hold.attributes & SEAL_NV_WRITTEN) || key->hold_value == 0)
		return error_set(err, EINVAL, "the hold counter 0x%08" PRIx32 " was never incremented", key->hold.index);
	return 0;
}

static int read_public(const struct json_view *object, struct buf *ret, struct error *err)
{
	struct json_view at;
	int r = json_require(object, "public", &at, err);

	return r < 0 ? r : base64_read(&at, NODE_KEY_PUBLIC_MAX, ret, err);
}

static int check_name(const struct json_view *object, const struct tpm2_name *name, struct error *err)
{
	struct tpm2_name claimed;
	struct json_view at;

	int r = json_require(object, "name", &at, err);
	if (r == 0)
		r = hex_read(&at, claimed.bytes, TPM2_NAME_SIZE, err);
	if (r == 0 && memcmp(&claimed, name, sizeof(claimed)) != 0)
		r = json_error(&at, err, "is not the name of the public area beside it: the document is damaged or forged");
	return r;
}

static int read_certificate(const struct json_view *spec, struct buf *ret, struct error *err)
{
	struct json_view endorsement, at;

	if (!json_member(spec, "endorsementKey", &endorsement))
		return 0;
	int r = json_require(&endorsement, "certificate", &at, err);
	return r < 0 ? r : base64_read(&at, NODE_KEY_CERTIFICATE_MAX, ret, err);
}

static int read_node_name(const struct json_view *object, char ret[static NODE_KEY_NAME_MAX + 1], struct error *err)
{
	struct json_view metadata, at;
	const char *text;

	int r = json_require(object, "metadata", &metadata, err);
	if (r == 0)
		r = json_require(&metadata, "name", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r == 0 && !kube_syntax_name(text))
		r = json_error(&at, err, "\"%.80s\" is not valid: %s", text, KUBE_NAME_HINT);
	if (r == 0)
		memcpy(ret, text, strlen(text) + 1);
	return r;
}

int node_key_read(const struct json_view *object, struct node_key *ret, struct error *err)
{
	struct json_view spec, root, hold, value;
	struct error inner;

	int r = read_node_name(object, ret->node, err);
	if (r == 0)
		r = json_require(object, "spec", &spec, err);
	if (r == 0)
		r = json_require(&spec, "rootKey", &root, err);
	if (r == 0)
		r = read_public(&root, &ret->root_public, err);
	if (r == 0)
		r = json_require(&spec, "hold", &hold, err);
	if (r == 0)
		r = read_public(&hold, &ret->hold_public, err);
	if (r == 0)
		r = json_require(&hold, "value", &value, err);
	if (r == 0)
		r = decimal_read(&value, &ret->hold_value, err);
	if (r == 0)
		r = read_certificate(&spec, &ret->certificate, err);
	if (r == 0 && node_key_complete(ret, &inner) < 0)
		r = json_error(&spec, err, "%s", inner.message);
	if (r == 0)
		r = check_name(&root, &ret->root.name, err);
	return r < 0 ? r : check_name(&hold, &ret->hold.name, err);
}

static void print_public(const struct buf *public, const struct tpm2_name *name, struct buf *out)
{
	buf_string(out, "\"public\":\"");
	base64_encode(buf_view(public), out);
	buf_string(out, "\",\"name\":\"");
	hex_print(slice_from(name->bytes, TPM2_NAME_SIZE), out);
	buf_byte(out, '"');
}

static void print_root(const struct node_key *key, struct buf *out)
{
	buf_byte(out, '{');
	print_public(&key->root_public, &key->root.name, out);
	buf_byte(out, '}');
}

static void print_hold(const struct node_key *key, struct buf *out)
{
	buf_byte(out, '{');
	print_public(&key->hold_public, &key->hold.name, out);
	buf_printf(out, ",\"value\":\"%" PRIu64 "\"}", key->hold_value);
}

static void print_endorsement(const struct node_key *key, struct buf *out)
{
	buf_string(out, "{\"certificate\":\"");
	base64_encode(buf_view(&key->certificate), out);
	buf_string(out, "\"}");
}

void node_key_print_spec(const struct node_key *key, struct buf *out)
{
	buf_string(out, "{\"rootKey\":");
	print_root(key, out);
	buf_string(out, ",\"hold\":");
	print_hold(key, out);
	if (key->certificate.n > 0) {
		buf_string(out, ",\"endorsementKey\":");
		print_endorsement(key, out);
	}
	buf_byte(out, '}');
}

void node_key_print_manifest(const struct node_key *key, struct buf *out)
{
	buf_string(out, "apiVersion: " ENVELOPE_API_VERSION "\nkind: " NODE_KEY_KIND "\nmetadata:\n  name: ");
	buf_json_string(out, slice_string(key->node));
	buf_string(out, "\nspec:\n  rootKey: ");
	print_root(key, out);
	buf_string(out, "\n  hold: ");
	print_hold(key, out);
	if (key->certificate.n > 0) {
		buf_string(out, "\n  endorsementKey: ");
		print_endorsement(key, out);
	}
	buf_byte(out, '\n');
}

struct release node_key_hold(const struct node_key *key)
{
	return (struct release){
		.type = &release_type_hold,
		.hold = { .index = key->hold.index, .name = key->hold.name, .value = key->hold_value },
	};
}
