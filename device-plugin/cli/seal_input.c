// SPDX-License-Identifier: Apache-2.0
/* What comes in from files and standard input. Contents are held in memory that is wiped; nothing is ever taken from an argument. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/base64.h"
#include "common/base/file.h"
#include "common/json/yaml.h"
#include "device-plugin/cli/seal_plan.h"
#include "device-plugin/seal/value.h"

#define DOCUMENT_MAX (4 * 1024 * 1024)

static void wipe_and_free(struct buf *buf)
{
	secret_wipe(buf->p, buf->n);
	buf_free(buf);
}

/* A second reader of standard input would find it empty, and seal that. */
static int read_input(struct seal_plan *plan, const char *path, struct buf *out, struct error *err)
{
	if (strcmp(path, "-") != 0)
		return file_read(path, out, err);
	if (plan->reads_stdin)
		return error_set(err, EINVAL, "standard input is read already, for another option: give one of the two as a file");
	plan->reads_stdin = true;
	return file_read_fd(STDIN_FILENO, "standard input", out, err);
}

static int put_file(struct seal_plan *plan, struct slice name, struct slice content, struct error *err)
{
	struct seal_plan_file *file = &plan->files[plan->n_files];

	if (plan->n_files == ENVELOPE_FILES_MAX)
		return error_set(err, EINVAL, "there are more than %d files", ENVELOPE_FILES_MAX);
	if (name.n >= sizeof(file->name))
		return error_set(err, EINVAL, "a file's name has more than %zu bytes", sizeof(file->name) - 1);
	snprintf(file->name, sizeof(file->name), SLICE_FORMAT, SLICE_ARGS(name));
	int r = envelope_check_file_name(file->name, err);
	if (r < 0)
		return r;
	file->content.p = malloc(content.n + 1);
	if (!file->content.p)
		return error_nomem(err);
	if (content.n > 0)
		memcpy(file->content.p, content.p, content.n);
	file->content.n = content.n;
	plan->n_files++;
	return 0;
}

int seal_plan_add_file(struct seal_plan *plan, const char *text, struct error *err)
{
	_cleanup_(wipe_and_free) struct buf content = BUF_MAX(ENVELOPE_CONTENT_MAX);
	const char *equals = strchr(text, '='), *path = equals ? equals + 1 : text, *slash = strrchr(path, '/');
	struct slice name = equals ? slice_from(text, (size_t)(equals - text)) : slice_string(slash ? slash + 1 : path);

	/* All of it at once, so that no copy is left behind by a growing buffer. */
	if (!buf_reserve(&content, ENVELOPE_CONTENT_MAX))
		return error_nomem(err);
	int r = read_input(plan, path, &content, err);
	if (r == 0)
		r = put_file(plan, name, buf_view(&content), err);
	return r < 0 ? error_wrap(err, "--from-file %.200s", text) : 0;
}

static int add_entry(struct seal_plan *plan, const struct json_view *entry, bool encoded, struct error *err)
{
	_cleanup_(secret_free) struct secret bytes = {};
	struct error inner;
	const char *text;

	int r = json_expect_string(entry, &text, err);
	if (r < 0)
		return r;
	if (!encoded)
		return put_file(plan, slice_string(entry->key), slice_string(text), err);
	if (base64_decode(slice_string(text), &bytes, &inner) < 0)
		return json_error(entry, err, "%s", inner.message);
	return put_file(plan, slice_string(entry->key), slice_from(bytes.p, bytes.n), err);
}

static int add_entries(struct seal_plan *plan, const struct json_view *root, const char *key, bool encoded, struct error *err)
{
	struct json_view entries;

	if (!json_member(root, key, &entries))
		return 0;
	int r = json_expect_object(&entries, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(entry, &entries) {
		r = add_entry(plan, &entry, encoded, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int expect_kind(const struct json_view *root, const char *wanted, struct error *err)
{
	struct json_view kind;
	const char *text;

	int r = json_require(root, "kind", &kind, err);
	if (r == 0)
		r = json_expect_string(&kind, &text, err);
	if (r == 0 && strcmp(text, wanted) != 0)
		r = json_error(&kind, err, "is \"%.40s\", not \"%s\"", text, wanted);
	return r;
}

static int take_secret(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	struct json_view root = json_root(owned);

	int r = expect_kind(&root, "Secret", err);
	if (r == 0)
		r = add_entries(context, &root, "data", true, err);
	return r < 0 ? r : add_entries(context, &root, "stringData", false, err);
}

int seal_plan_add_secret(struct seal_plan *plan, const char *path, struct error *err)
{
	_cleanup_(wipe_and_free) struct buf text = BUF_MAX(DOCUMENT_MAX);

	int r = read_input(plan, path, &text, err);
	if (r == 0)
		r = yaml_parse(buf_view(&text), &yaml_limits_manifests, take_secret, plan, err);
	return r < 0 ? error_wrap(err, "--from-secret %s", path) : 0;
}

int seal_plan_add_node(struct seal_plan *plan, const struct json_view *object, struct error *err)
{
	struct node_key key = NODE_KEY_EMPTY;

	int r = expect_kind(object, NODE_KEY_KIND, err);
	if (r == 0)
		r = node_key_read(object, &key, err);
	if (r == 0 && plan->n_nodes == SEAL_PLAN_NODES_MAX)
		r = error_set(err, EINVAL, "there are more than %d nodes", SEAL_PLAN_NODES_MAX);
	for (size_t i = 0; i < plan->n_nodes && r == 0; i++) {
		if (strcmp(plan->nodes[i].node, key.node) == 0)
			r = error_set(err, EINVAL, "node %s is given twice", key.node);
	}
	if (r == 0 && !array_room((void **)&plan->nodes, plan->n_nodes, &plan->nodes_capacity, sizeof(*plan->nodes)))
		r = error_nomem(err);
	if (r < 0)
		node_key_clear(&key);
	else
		plan->nodes[plan->n_nodes++] = key;
	return r;
}

static int take_nodes(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	struct json_view root = json_root(owned), items;
	size_t n;

	if (!json_member(&root, "items", &items))
		return seal_plan_add_node(context, &root, err);
	int r = json_expect_array(&items, SEAL_PLAN_NODES_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &items) {
		r = seal_plan_add_node(context, &item, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int seal_plan_add_nodes(struct seal_plan *plan, const char *path, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(DOCUMENT_MAX);

	int r = read_input(plan, path, &text, err);
	if (r == 0)
		r = yaml_parse(buf_view(&text), &yaml_limits_manifests, take_nodes, plan, err);
	return r < 0 ? error_wrap(err, "--node-key %s", path) : 0;
}

/* Into the condition's own form, which is then read and checked as any other. */
int seal_plan_set_pcrs(struct seal_plan *plan, const char *text, struct error *err)
{
	_cleanup_(buf_free) struct buf numbers = BUF_MAX(RELEASE_TEXT_MAX), values = BUF_MAX(RELEASE_TEXT_MAX);
	struct buf *out = &plan->conditions[1];

	while (*text) {
		size_t n = strcspn(text, ","), number = strcspn(text, "=");

		if (number >= n || strspn(text, "0123456789") != number || number == 0)
			return error_set(err, EINVAL, "--pcr \"%.80s\" does not say NUMBER=VALUE; see `tpm2_pcrread sha256:7`", text);
		buf_printf(&numbers, "%s%.*s", numbers.n ? "," : "", (int)number, text);
		buf_string(&values, values.n ? "," : "");
		buf_json_string(&values, slice_from(text + number + 1, n - number - 1));
		text += n + (text[n] == ',');
	}
	buf_clear(out);
	buf_printf(out, "{\"type\":\"pcr\",\"pcrs\":[%s],\"values\":[%s]}", buf_text(&numbers), buf_text(&values));
	return buf_check(out, "condition", err);
}

int seal_plan_set_signed_pcrs(struct seal_plan *plan, const char *pcrs, const char *key_path, struct error *err)
{
	_cleanup_(buf_free) struct buf key = BUF_MAX(RELEASE_KEY_MAX);
	struct buf *out = &plan->conditions[0];

	if (strspn(pcrs, "0123456789,") != strlen(pcrs))
		return error_set(err, EINVAL, "--signed-pcr \"%.80s\" is no list of numbers; for example 11", pcrs);
	int r = file_read(key_path, &key, err);
	if (r < 0)
		return error_wrap(err, "--signed-pcr-key");
	buf_clear(out);
	buf_printf(out, "{\"type\":\"signed-pcr\",\"pcrs\":[%s],\"key\":", pcrs);
	buf_json_string(out, buf_view(&key));
	buf_byte(out, '}');
	return buf_check(out, "condition", err);
}
