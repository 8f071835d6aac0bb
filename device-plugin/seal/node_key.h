// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_NODE_KEY_H
#define HOLDFAST_SEAL_NODE_KEY_H

#include "common/json/json.h"
#include "device-plugin/seal/release.h"

/*
 * What one must know of a node to seal for it: the object TPMNode, which the node itself publishes, or the output of `holdfast-tpm
 * node-key`. Everything in it is public. Who seals must trust that it is the node's: the name of the root key is what to compare.
 */
#define NODE_KEY_KIND "TPMNode"
#define NODE_KEY_PUBLIC_MAX 1024
#define NODE_KEY_CERTIFICATE_MAX (8 * 1024)
#define NODE_KEY_NAME_MAX 253

struct node_key {
	char node[NODE_KEY_NAME_MAX + 1];
	struct buf root_public; /* TPM2B_PUBLIC */
	struct tpm2_root_key root;
	struct buf hold_public; /* TPM2B_NV_PUBLIC */
	struct tpm2_nv hold;
	uint64_t hold_value;
	struct buf certificate; /* of the endorsement key, DER; empty if the TPM has none */
};

#define NODE_KEY_EMPTY                                                                                                                     \
	((struct node_key){ .root_public = BUF_MAX(NODE_KEY_PUBLIC_MAX),                                                                   \
			    .hold_public = BUF_MAX(NODE_KEY_PUBLIC_MAX),                                                                   \
			    .certificate = BUF_MAX(NODE_KEY_CERTIFICATE_MAX) })

void node_key_clear(struct node_key *key);

/*
 * From a whole TPMNode. Names are computed, not believed: one in the document that differs is an error, as is an index that is no counter
 * or was never incremented. `ret` is NODE_KEY_EMPTY before. EINVAL with the path.
 */
int node_key_read(const struct json_view *object, struct node_key *ret, struct error *err) must_check;

/* The same from the two public areas and the value, as the TPM gives them; `key->root_public` and `hold_public` are filled in. */
int node_key_complete(struct node_key *key, struct error *err) must_check;

/* As YAML; and the spec alone as JSON, for the API server. */
void node_key_print_manifest(const struct node_key *key, struct buf *out);
void node_key_print_spec(const struct node_key *key, struct buf *out);

/* The condition that every secret for this node has. */
struct release node_key_hold(const struct node_key *key);

#endif
