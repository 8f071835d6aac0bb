// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/json/json.h"
#include "deploy/install/files/hash.h"
#include "deploy/install/host/host.h"

#define HEAD "sha256:"
#define HEAD_BYTES (sizeof(HEAD) - 1 + LISTING_HASH_TEXT) /* with the end of the line */

static const char *const kind_names[] = { [JOURNAL_DIRECTORY] = "directory", [JOURNAL_FILE] = "file", [JOURNAL_LISTS] = "lists",
					  [JOURNAL_RUNTIME] = "containerd" };
static const struct json_limits limits = { .bytes = JOURNAL_BYTES_MAX, .depth = 4, .values = 10 * JOURNAL_ITEMS_MAX };

static void clear_item(struct journal_item *item)
{
	free(item->path);
	free(item->target);
}

void journal_clear(struct journal *journal)
{
	for (size_t i = 0; i < journal->n; i++)
		clear_item(&journal->items[i]);
	journal->n = 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

const struct journal_item *journal_find(const struct journal *journal, enum journal_kind kind, const char *path)
{
	for (size_t i = 0; i < journal->n; i++) {
		if (journal->items[i].kind == kind && strcmp(journal->items[i].path, path) == 0)
			return &journal->items[i];
	}
	return NULL;
}

static int append(struct journal *journal, struct journal_item item, struct error *err)
{
	if (journal->n == JOURNAL_ITEMS_MAX)
		return error_set(err, E2BIG, "the journal has %d items already", JOURNAL_ITEMS_MAX);
	struct journal_item copy = { item.kind, strdup(item.path), item.target ? strdup(item.target) : NULL, item.kept };
	if (!copy.path || (item.target && !copy.target)) {
		clear_item(&copy);
		return error_nomem(err);
	}
	journal->items[journal->n++] = copy;
	return 0;
}

static void print_item(const struct journal_item *item, struct buf *out)
{
	buf_json_element(out, '{');
	buf_json_member(out, "kind", kind_names[item->kind]);
	buf_json_member(out, "path", item->path);
	if (item->target)
		buf_json_member(out, "target", item->target);
	if (item->kept)
		buf_json_bool(out, "kept", true);
	buf_string(out, "}\n");
}

void journal_print(const struct journal *journal, struct buf *out)
{
	_cleanup_(buf_free) struct buf body = BUF_MAX(JOURNAL_BYTES_MAX);
	char hash[LISTING_HASH_TEXT];

	buf_byte(&body, '[');
	for (size_t i = 0; i < journal->n; i++)
		print_item(&journal->items[i], &body);
	buf_string(&body, "]\n");
	if (body.failed)
		out->failed = body.failed;
	hash_text(buf_view(&body), hash);
	buf_printf(out, HEAD "%s\n", hash);
	buf_slice(out, buf_view(&body));
}

int journal_add(struct journal *journal, struct journal_item item, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(JOURNAL_BYTES_MAX);
	const struct journal_item *known = journal_find(journal, item.kind, item.path);

	if (known && same_text(known->target, item.target))
		return 0;
	int r = append(journal, item, err);
	if (r < 0)
		return r;
	journal_print(journal, &text);
	r = buf_check(&text, "the journal", err);
	r = r < 0 ? r : host_put(journal->path, buf_view(&text), 0600, err);
	if (r < 0)
		clear_item(&journal->items[--journal->n]);
	return r;
}

static int read_kind(const struct json_view *at, enum journal_kind *ret, struct error *err)
{
	struct json_view member;
	const char *text;

	int r = json_require(at, "kind", &member, err);
	r = r < 0 ? r : json_expect_string(&member, &text, err);
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(kind_names); i++) {
		if (strcmp(kind_names[i], text) == 0) {
			*ret = (enum journal_kind)i;
			return 0;
		}
	}
	return r < 0 ? r : json_error(&member, err, "unknown kind");
}

static int read_path(const struct json_view *at, const char **ret, struct error *err)
{
	struct json_view member;

	int r = json_require(at, "path", &member, err);
	r = r < 0 ? r : json_expect_string(&member, ret, err);
	if (r == 0 && (**ret != '/' || strlen(*ret) >= PATH_MAX || !strrchr(*ret, '/')[1]))
		return json_error(&member, err, "no path");
	return r;
}

static int read_item(const struct json_view *at, struct journal *journal, struct error *err)
{
	static const char *const keys[] = { "kind", "path", "target", "kept", NULL };
	struct journal_item item = { 0 };
	struct json_view member;
	const char *path, *target = NULL;

	int r = json_expect_object(at, err);
	r = r < 0 ? r : json_expect_keys(at, keys, err);
	r = r < 0 ? r : read_kind(at, &item.kind, err);
	r = r < 0 ? r : read_path(at, &path, err);
	if (r == 0 && json_member(at, "target", &member))
		r = json_expect_string(&member, &target, err);
	if (r == 0 && json_member(at, "kept", &member))
		r = json_expect_bool(&member, &item.kept, err);
	if (r < 0)
		return r;
	item.path = (char *)path;
	item.target = (char *)target;
	return append(journal, item, err);
}

static int read_items(struct slice body, struct journal *journal, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	size_t n;

	int r = json_parse(body, &limits, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	r = json_expect_array(&root, JOURNAL_ITEMS_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &root) {
		r = read_item(&item, journal, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int journal_parse(struct slice text, struct journal *ret, struct error *err)
{
	char hash[LISTING_HASH_TEXT];
	struct slice rest;

	ret->n = 0;
	if (!slice_skip_prefix(text, HEAD, &rest) || text.n < HEAD_BYTES || text.p[HEAD_BYTES - 1] != '\n')
		return error_set(err, EBADMSG, "its first line is no checksum");
	struct slice body = slice_from(text.p + HEAD_BYTES, text.n - HEAD_BYTES);
	hash_text(body, hash);
	if (memcmp(rest.p, hash, strlen(hash)) != 0)
		return error_set(err, EBADMSG, "its checksum is wrong");
	int r = read_items(body, ret, err);
	if (r == -ENOMEM)
		return r;
	return r < 0 ? error_set(err, EBADMSG, "it is no journal of this version of Holdfast") : 0;
}

int journal_load(const char *path, struct journal *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(JOURNAL_BYTES_MAX);

	ret->n = 0;
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	int r = file_read(path, &text, err);
	if (r == -ENOENT)
		return 0;
	r = r < 0 ? r : journal_parse(buf_view(&text), ret, err);
	if (r == -EBADMSG) {
		journal_clear(ret);
		return error_wrap(err, "%s", path);
	}
	return r;
}
