// SPDX-License-Identifier: Apache-2.0
/* One form only: what is printed here is what is authenticated, whatever the YAML looked like that it was read from. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base64.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/value.h"

static void member(const char *key, const char *value, struct buf *out)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, slice_string(value));
}

static void base64_member(const char *key, struct slice bytes, struct buf *out)
{
	buf_printf(out, "\"%s\":\"", key);
	base64_encode(bytes, out);
	buf_byte(out, '"');
}

static void print_file(const struct envelope *envelope, size_t i, struct buf *out)
{
	const struct envelope_file *file = &envelope->files[i];

	buf_byte(out, '{');
	member("name", file->name, out);
	buf_printf(out, ",\"mode\":\"%04" PRIo32 "\",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32 ",\"size\":%" PRIu32 "}", file->mode, file->uid,
		   file->gid, file->size);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct envelope_label *)a)->key, ((const struct envelope_label *)b)->key);
}

/* An API server gives back the members of an object in another order than it got them: so there is only one. */
static void print_labels(const struct envelope_allow *allow, struct buf *out)
{
	struct envelope_label sorted[ENVELOPE_LABELS_MAX];

	memcpy(sorted, allow->labels, allow->n_labels * sizeof(*sorted));
	qsort(sorted, allow->n_labels, sizeof(*sorted), by_key);
	buf_string(out, ",\"labels\":{");
	for (size_t i = 0; i < allow->n_labels; i++) {
		if (i > 0)
			buf_byte(out, ',');
		member(sorted[i].key, sorted[i].value, out);
	}
	buf_byte(out, '}');
}

static void print_allow(const struct envelope *envelope, size_t i, struct buf *out)
{
	const struct envelope_allow *allow = &envelope->allow[i];

	buf_byte(out, '{');
	member("namespace", allow->namespace, out);
	buf_byte(out, ',');
	member("serviceAccount", allow->service_account, out);
	if (allow->n_labels > 0)
		print_labels(allow, out);
	buf_byte(out, '}');
}

static void print_recipient(const struct envelope *envelope, size_t i, struct buf *out)
{
	const struct envelope_recipient *recipient = &envelope->recipients[i];

	buf_byte(out, '{');
	member("node", recipient->node, out);
	buf_string(out, ",\"rootKey\":\"");
	hex_print(slice_from(recipient->root_key.bytes, TPM2_NAME_SIZE), out);
	buf_string(out, "\",\"release\":[");
	for (size_t j = 0; j < recipient->n_release; j++) {
		if (j > 0)
			buf_byte(out, ',');
		release_print(&recipient->release[j], out);
	}
	buf_string(out, "],");
	base64_member("public", buf_view(&recipient->wrap.public), out);
	buf_byte(out, ',');
	base64_member("private", buf_view(&recipient->wrap.private), out);
	buf_byte(out, ',');
	base64_member("seed", buf_view(&recipient->wrap.seed), out);
	buf_byte(out, '}');
}

typedef void print_item(const struct envelope *envelope, size_t i, struct buf *out);

static void json_list(const struct envelope *envelope, const char *key, size_t n, print_item *print, struct buf *out)
{
	buf_printf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_byte(out, ',');
		print(envelope, i, out);
	}
	buf_byte(out, ']');
}

void envelope_print_header(const struct envelope *envelope, struct buf *out)
{
	buf_byte(out, '{');
	member("name", envelope->name, out);
	buf_printf(out, ",\"version\":\"%" PRIu64 "\",\"sandbox\":\"%s\"", envelope->version, envelope_sandbox_name(envelope->sandbox));
	json_list(envelope, "files", envelope->n_files, print_file, out);
	json_list(envelope, "allow", envelope->n_allow, print_allow, out);
	json_list(envelope, "recipients", envelope->n_recipients, print_recipient, out);
	buf_byte(out, ',');
	base64_member("nonce", slice_from(envelope->nonce, ENVELOPE_NONCE_SIZE), out);
	buf_byte(out, '}');
}

/* JSON on one line is YAML's flow style: a line an item, so that a change is a line in git. */
static void yaml_list(const struct envelope *envelope, const char *key, size_t n, print_item *print, struct buf *out)
{
	buf_printf(out, "  %s:\n", key);
	for (size_t i = 0; i < n; i++) {
		buf_string(out, "  - ");
		print(envelope, i, out);
		buf_byte(out, '\n');
	}
}

void envelope_print_manifest(const struct envelope *envelope, struct buf *out)
{
	buf_string(out, "apiVersion: " ENVELOPE_API_VERSION "\nkind: " ENVELOPE_KIND "\nmetadata:\n  name: ");
	buf_json_string(out, slice_string(envelope->name));
	buf_printf(out, "\nspec:\n  version: \"%" PRIu64 "\"\n  sandbox: \"%s\"\n", envelope->version,
		   envelope_sandbox_name(envelope->sandbox));
	yaml_list(envelope, "files", envelope->n_files, print_file, out);
	yaml_list(envelope, "allow", envelope->n_allow, print_allow, out);
	yaml_list(envelope, "recipients", envelope->n_recipients, print_recipient, out);
	buf_string(out, "  nonce: \"");
	base64_encode(slice_from(envelope->nonce, ENVELOPE_NONCE_SIZE), out);
	buf_string(out, "\"\n  data: \"");
	base64_encode(buf_view(&envelope->data), out);
	buf_string(out, "\"\n");
}
