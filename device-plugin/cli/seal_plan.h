// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_SEAL_PLAN_H
#define HOLDFAST_TPM_SEAL_PLAN_H

#include <uv.h>

#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/node_key.h"

/* What `holdfast-tpm seal` is asked to seal, for whom, and how it may be opened. Filled by the command line, then made into an envelope. */
struct seal_plan_file {
	char name[254];
	struct secret content;
};

#define SEAL_PLAN_NODES_MAX ENVELOPE_RECIPIENTS_MAX

struct seal_plan {
	const char *name;
	uint64_t version; /* 0: the time, in seconds since 1970 */
	enum envelope_sandbox sandbox;
	uint32_t mode, uid, gid;

	struct seal_plan_file files[ENVELOPE_FILES_MAX];
	size_t n_files;
	const char *allow[ENVELOPE_ALLOW_MAX]; /* "shop/db" or "shop/db,app=web,tier=back"; the account may be * */
	size_t n_allow;
	struct node_key *nodes; /* all that the documents have */
	size_t n_nodes, nodes_capacity;
	const char *wanted[SEAL_PLAN_NODES_MAX]; /* --node; none: all of them */
	size_t n_wanted;

	bool reads_stdin;         /* something has been read from it, to its end */
	struct buf conditions[2]; /* JSON: signed-pcr, pcr; empty: none */
};

#define SEAL_PLAN_EMPTY ((struct seal_plan){ .mode = 0400, .conditions = { BUF_MAX(RELEASE_TEXT_MAX), BUF_MAX(RELEASE_TEXT_MAX) } })

void seal_plan_clear(struct seal_plan *plan);

/* "password=./pw", "password=-" (standard input), "./pw" (named as the file). */
int seal_plan_add_file(struct seal_plan *plan, const char *text, struct error *err) must_check;
/* The data of a Kubernetes Secret, in YAML or JSON; "-": standard input. */
int seal_plan_add_secret(struct seal_plan *plan, const char *path, struct error *err) must_check;
/* TPMNodes, in YAML or JSON, also as a List (kubectl get tpmnodes -o yaml); "-": standard input. */
int seal_plan_add_nodes(struct seal_plan *plan, const char *path, struct error *err) must_check;
int seal_plan_add_node(struct seal_plan *plan, const struct json_view *object, struct error *err) must_check;
/*
 * The TPMNodes of all wanted nodes from an API server; `kubeconfig` NULL: as kubectl finds it. Runs `loop` until they are there. ENOENT and
 * other errors name the node and what to do; EHOSTDOWN: it is not ready.
 */
int seal_plan_fetch_nodes(struct seal_plan *plan, uv_loop_t *loop, const char *kubeconfig, struct error *err) must_check;
/* "7=<64 hexadecimal digits>,11=…" */
int seal_plan_set_pcrs(struct seal_plan *plan, const char *text, struct error *err) must_check;
/* "11" or "11,12", and the PEM file of the key that signs. */
int seal_plan_set_signed_pcrs(struct seal_plan *plan, const char *pcrs, const char *key_path, struct error *err) must_check;

/* Whether it is sealed for this node, whose key it has. */
bool seal_plan_wants(const struct seal_plan *plan, const char *node);
/* For a person to compare: each node's name and its root key's. */
void seal_plan_print_roots(const struct seal_plan *plan, struct buf *out);

/* All that can be checked before the keys of the nodes are there. EINVAL says which option to mend. */
int seal_plan_check(const struct seal_plan *plan, struct error *err) must_check;

/* The manifest. EINVAL says which option to mend. */
int seal_plan_carry_out(struct seal_plan *plan, struct buf *ret_manifest, struct error *err) must_check;

#endif
