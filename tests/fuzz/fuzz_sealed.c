// SPDX-License-Identifier: Apache-2.0
/* A TPMSecret or a TPMNode from whoever can write to the API server: what is taken prints, and reads again as the same. */
#include "common/base/cleanup.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/node_key.h"
#include "tests/fuzz/fuzz.h"

static void try_envelope(const struct json_view *root)
{
	static const uint8_t key[WRAP_KEY_SIZE];
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;
	_cleanup_(buf_free) struct buf header = BUF_MAX(16 * 1024 * 1024);
	_cleanup_(secret_free) struct secret content = {};
	struct error err;

	if (envelope_read(root, &envelope, &err) < 0)
		return;
	envelope_print_header(envelope, &header);
	ABORT_ON(header.failed);
	ABORT_ON(envelope_open(envelope, key, &content, &err) == 0);
}

static void try_node_key(const struct json_view *root)
{
	_cleanup_(node_key_clear) struct node_key key = NODE_KEY_EMPTY;
	_cleanup_(buf_free) struct buf out = BUF_MAX(1024 * 1024);
	struct error err;

	if (node_key_read(root, &key, &err) < 0)
		return;
	node_key_print_manifest(&key, &out);
	ABORT_ON(out.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err;

	if (json_parse(slice_from(data, size), &json_limits_object, &tree, &err) < 0)
		return 0;
	struct json_view root = json_root(tree);
	try_envelope(&root);
	try_node_key(&root);
	return 0;
}
