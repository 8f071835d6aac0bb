// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/daemon/publication.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/when.h"
#include "device-plugin/seal/envelope.h"

static void open_object(const char *kind, const char *name, struct buf *out)
{
	buf_byte(out, '{');
	buf_json_member(out, "apiVersion", ENVELOPE_API_VERSION);
	buf_json_member(out, "kind", kind);
	buf_json_key(out, "metadata");
	buf_byte(out, '{');
	buf_json_member(out, "name", name);
	buf_byte(out, '}');
}

static void print_time(const char *key, int64_t seconds, struct buf *out)
{
	char text[WHEN_UTC_MAX];

	when_format_utc(seconds, text);
	buf_json_member(out, key, text);
}

void publication_print_node(const struct node_key *key, struct buf *out)
{
	open_object(NODE_KEY_KIND, key->node, out);
	buf_json_key(out, "spec");
	node_key_print_spec(key, out);
	buf_byte(out, '}');
}

/* Kubernetes' conditions have a reason also when all is well. */
static void print_condition(const struct publication_node *node, struct buf *out)
{
	buf_byte(out, '{');
	buf_json_member(out, "type", "Ready");
	buf_json_member(out, "status", node->ready ? "True" : "False");
	buf_json_member(out, "reason", node->ready ? "Ready" : node->reason);
	buf_json_member(out, "message", node->message);
	print_time("lastTransitionTime", node->since, out);
	buf_byte(out, '}');
}

void publication_print_node_status(const struct publication_node *node, struct buf *out)
{
	open_object(NODE_KEY_KIND, node->node, out);
	buf_json_key(out, "status");
	buf_byte(out, '{');
	buf_json_member(out, "state", node->ready ? "Ready" : "NotReady");
	if (*node->tpm)
		buf_json_member(out, "tpm", node->tpm);
	buf_json_number(out, "secrets", node->secrets);
	buf_json_key(out, "conditions");
	buf_byte(out, '[');
	print_condition(node, out);
	buf_string(out, "]}}");
}

static void print_entry(const struct publication_secret *secret, struct buf *out)
{
	char version[24];

	buf_byte(out, '{');
	buf_json_member(out, "node", secret->node);
	buf_json_bool(out, "ready", secret->ready);
	if (*secret->reason)
		buf_json_member(out, "reason", secret->reason);
	if (*secret->message)
		buf_json_member(out, "message", secret->message);
	if (secret->version) {
		snprintf(version, sizeof(version), "%" PRIu64, secret->version);
		buf_json_member(out, "version", version);
	}
	print_time("since", secret->since, out);
	buf_byte(out, '}');
}

static void print_status(const struct publication_secret *secret, bool with_entry, struct buf *out)
{
	open_object(ENVELOPE_KIND, secret->secret, out);
	buf_json_key(out, "status");
	buf_string(out, "{\"nodes\":[");
	if (with_entry)
		print_entry(secret, out);
	buf_string(out, "]}}");
}

void publication_print_secret_status(const struct publication_secret *secret, struct buf *out)
{
	print_status(secret, true, out);
}

void publication_print_no_secret_status(const struct publication_secret *secret, struct buf *out)
{
	print_status(secret, false, out);
}
