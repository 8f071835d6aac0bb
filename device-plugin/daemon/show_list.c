// SPDX-License-Identifier: Apache-2.0
/* `holdfast-tpm list`: the secrets that are sealed for this node, and which pods have them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "device-plugin/daemon/show.h"

/* What is said of one secret. */
struct row {
	const struct secret_entry *entry;
	const char *state, *why;
	uint64_t version; /* 0: none */
	size_t used;
	bool usable;
};

static struct row row_of(const struct daemon *daemon, const struct secret_entry *entry)
{
	bool good = entry->state == SECRET_USABLE;
	struct row row = {
		.entry = entry,
		.state = secret_state_name(entry->state),
		.why = good ? "" : entry->why.message,
		.version = entry->sealed ? entry->sealed->envelope->version : 0,
		.usable = good && health_is_good(daemon),
	};

	if (good && !row.usable) {
		row.state = "waiting";
		row.why = health_why(daemon);
	}
	for (const struct delivery *at = daemon->deliveries.first; at; at = at->next)
		row.used += delivery_has(at, entry->name);
	return row;
}

/* ── For a person ── */

static void print_pods(const struct daemon *daemon, const struct row *row, struct buf *out)
{
	if (row->used == 0)
		buf_string(out, " -");
	for (const struct delivery *at = daemon->deliveries.first; at; at = at->next) {
		if (!delivery_has(at, row->entry->name))
			continue;
		if (*at->pod)
			buf_printf(out, " %s/%s", at->namespace, at->pod);
		else
			buf_printf(out, " device %s", at->device);
	}
}

static void print_row(const struct daemon *daemon, const struct row *row, int width, struct buf *out)
{
	char version[24] = "-", used[48];

	if (row->version)
		snprintf(version, sizeof(version), "%" PRIu64, row->version);
	snprintf(used, sizeof(used), "%zu/%" PRId64, row->used, daemon->settings.slots);
	buf_printf(out, "%-*s  %-10s  %-8s  %-6s", width, row->entry->name, version, row->state, used);
	print_pods(daemon, row, out);
	buf_byte(out, '\n');
	if (*row->why)
		buf_printf(out, "%*s  %s\n", width, "", row->why);
}

static void print_text(const struct daemon *daemon, const struct row *rows, size_t n, struct buf *out)
{
	int width = (int)strlen("SECRET");

	for (size_t i = 0; i < n; i++) {
		int length = (int)strlen(rows[i].entry->name);
		width = length > width ? length : width;
	}
	if (n == 0)
		buf_printf(out, "no secret is sealed for node %s; on any machine: holdfast-tpm seal NAME --node %s …\n",
			   daemon->settings.node_name, daemon->settings.node_name);
	else
		buf_printf(out, "%-*s  %-10s  %-8s  %-6s %s\n", width, "SECRET", "VERSION", "STATE", "USED", "PODS");
	for (size_t i = 0; i < n; i++)
		print_row(daemon, &rows[i], width, out);
}

/* ── As JSON ── */

static void json_pods(const struct daemon *daemon, const char *secret, struct buf *out)
{
	buf_json_key(out, "pods");
	buf_byte(out, '[');
	for (const struct delivery *at = daemon->deliveries.first; at; at = at->next) {
		if (!delivery_has(at, secret))
			continue;
		buf_json_element(out, '{');
		buf_json_member(out, "namespace", at->namespace);
		buf_json_member(out, "name", at->pod);
		buf_json_member(out, "uid", at->uid);
		buf_json_member(out, "container", at->container);
		buf_json_member(out, "device", at->device);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

/* A version may need 64 bits, which JSON's numbers do not have. */
static void json_version(uint64_t version, struct buf *out)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, version);
	buf_json_member(out, "version", version ? text : "");
}

static void json_row(const struct daemon *daemon, const struct row *row, struct buf *out)
{
	buf_json_element(out, '{');
	buf_json_member(out, "name", row->entry->name);
	json_version(row->version, out);
	buf_json_member(out, "state", row->state);
	buf_json_bool(out, "usable", row->usable);
	buf_json_member(out, "reason", row->why);
	buf_json_number(out, "slots", (uint64_t)daemon->settings.slots);
	buf_json_number(out, "used", row->used);
	json_pods(daemon, row->entry->name, out);
	buf_byte(out, '}');
}

static void print_json(const struct daemon *daemon, const struct row *rows, size_t n, struct buf *out)
{
	buf_byte(out, '{');
	buf_json_member(out, "node", daemon->settings.node_name);
	buf_json_key(out, "secrets");
	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++)
		json_row(daemon, &rows[i], out);
	buf_string(out, "]}\n");
}

/* ── The secrets that are asked for ── */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->entry->name, ((const struct row *)b)->entry->name);
}

static int take_named(struct daemon *daemon, const struct control_request *request, struct row *rows, size_t *n, struct error *err)
{
	for (size_t i = 0; i < request->n_arguments; i++) {
		const struct secret_entry *entry = secrets_find(daemon->secrets, request->arguments[i]);

		if (!entry)
			return error_set(err, ENOENT, "there is no TPMSecret \"%s\"; see `holdfast-tpm list`",
					 SHOW(slice_string(request->arguments[i])));
		rows[(*n)++] = row_of(daemon, entry);
	}
	return 0;
}

static void take_all(struct daemon *daemon, struct row *rows, size_t *n)
{
	for (size_t i = 0; i < secrets_count(daemon->secrets); i++) {
		const struct secret_entry *entry = secrets_at(daemon->secrets, i);

		if (entry->state != SECRET_ELSEWHERE)
			rows[(*n)++] = row_of(daemon, entry);
	}
	qsort(rows, *n, sizeof(*rows), by_name);
}

int show_list(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	struct daemon *daemon = context;
	_cleanup_free_ struct row *rows = calloc(secrets_count(daemon->secrets) + request->n_arguments + 1, sizeof(*rows));
	size_t n = 0, n_usable = 0;
	int r = 0;

	if (!rows)
		return error_nomem(err);
	if (request->n_arguments > 0)
		r = take_named(daemon, request, rows, &n, err);
	else
		take_all(daemon, rows, &n);
	if (r < 0)
		return r;
	if (request->json)
		print_json(daemon, rows, n, out);
	else
		print_text(daemon, rows, n, out);
	for (size_t i = 0; i < n; i++)
		n_usable += rows[i].usable;
	return n_usable == n ? 0 : 1;
}
