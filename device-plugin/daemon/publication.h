// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_PUBLICATION_H
#define HOLDFAST_TPM_PUBLICATION_H

#include "device-plugin/seal/node_key.h"

/*
 * What this node says in the API server, as the JSON that server-side apply takes (deploy/manifests/crd): its key, its state, and whether
 * it can open a secret. Pure. Reasons are one word for programs, messages a sentence for people; both "" if all is well.
 */

/* TPMNode <node>; and its status. */
void publication_print_node(const struct node_key *key, struct buf *out);

struct publication_node {
	const char *node;
	const char *tpm; /* "Infineon SLB9670 7.85"; "": not known yet */
	size_t secrets;  /* that it can open now */
	bool ready;
	const char *reason, *message;
	int64_t since; /* that it is so; seconds since 1970 */
};
void publication_print_node_status(const struct publication_node *node, struct buf *out);

/* This node's entry in the status of TPMSecret <secret>. */
struct publication_secret {
	const char *secret, *node;
	bool ready;
	const char *reason, *message;
	uint64_t version; /* that it hands out; 0: none */
	int64_t since;
};
void publication_print_secret_status(const struct publication_secret *secret, struct buf *out);
/* That this node has nothing to say of it: takes the entry away. */
void publication_print_no_secret_status(const struct publication_secret *secret, struct buf *out);

#define PUBLICATION_API "/apis/" ENVELOPE_API_VERSION

#endif
