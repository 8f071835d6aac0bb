// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "deploy/install/files/hash.h"

#define MODE_DIGITS 4
#define ID_HASH 12
#define VERSION_MAX 40

enum column { KIND, MODE, SIZE, WHAT, PATH, COLUMNS };

void listing_print(const struct listing *manifest, struct buf *out)
{
	for (size_t i = 0; i < manifest->n; i++) {
		const struct listing_entry *entry = &manifest->items[i];
		const char *what = entry->kind == LISTING_LINK ? entry->target : entry->kind == LISTING_FILE ? entry->hash : "-";

		buf_printf(out, "%c\t%04o\t%ju\t%s\t%s\n", entry->kind, entry->mode, (uintmax_t)entry->size, what, entry->path);
	}
}

/* Cuts the next piece, until `end`, off `rest`. False: there is no such byte. */
static bool take(struct slice *rest, char end, struct slice *ret)
{
	const uint8_t *found = rest->n > 0 ? memchr(rest->p, end, rest->n) : NULL;

	if (!found)
		return false;
	*ret = slice_from(rest->p, (size_t)(found - rest->p));
	*rest = slice_from(found + 1, rest->n - ret->n - 1);
	return true;
}

static bool take_columns(struct slice line, struct slice ret[static COLUMNS])
{
	for (enum column i = KIND; i < PATH; i++) {
		if (!take(&line, '\t', &ret[i]))
			return false;
	}
	ret[PATH] = line;
	return true;
}

static bool read_mode(struct slice text, mode_t *ret)
{
	mode_t mode = 0;

	if (text.n != MODE_DIGITS)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7')
			return false;
		mode = mode << 3 | (mode_t)(text.p[i] - '0');
	}
	*ret = mode;
	return true;
}

/* Below bin, lib or share, and nowhere else: it is joined to a directory. */
static bool is_path(struct slice path)
{
	struct slice rest = path, part;

	if (path.n == 0 || path.n >= PATH_MAX || memchr(path.p, '\t', path.n) || memchr(path.p, 0, path.n))
		return false;
	while (take(&rest, '/', &part)) {
		if (part.n == 0 || slice_equals_string(part, ".") || slice_equals_string(part, ".."))
			return false;
	}
	return rest.n > 0 && !slice_equals_string(rest, ".") && !slice_equals_string(rest, "..");
}

static bool read_what(const struct slice columns[static COLUMNS], struct listing_entry *entry)
{
	struct slice what = columns[WHAT];

	switch (entry->kind) {
	case LISTING_DIRECTORY:
		return slice_equals_string(what, "-");
	case LISTING_FILE:
		if (!hash_is_text(what))
			return false;
		memcpy(entry->hash, what.p, what.n);
		return true;
	case LISTING_LINK:
		if (what.n == 0 || what.n >= PATH_MAX || memchr(what.p, 0, what.n))
			return false;
		entry->target = strndup((const char *)what.p, what.n);
		return entry->target;
	}
	return false;
}

static int parse_line(struct slice line, struct listing *manifest, struct error *err)
{
	struct slice columns[COLUMNS];

	if (!take_columns(line, columns) || columns[KIND].n != 1 || !strchr("dfl", columns[KIND].p[0]) || !is_path(columns[PATH]))
		return error_set(err, EINVAL, "\"%s\" is no line of a manifest", SHOW(line));
	struct listing_entry *entry = listing_append(manifest, columns[PATH], err);
	if (!entry)
		return -err->code;
	entry->kind = (enum listing_kind)columns[KIND].p[0];
	if (!read_mode(columns[MODE], &entry->mode) || number_parse_u64(columns[SIZE], 0, INT64_MAX, &entry->size, NULL) < 0 ||
	    !read_what(columns, entry))
		return error_set(err, EINVAL, "\"%s\" is no line of a manifest", SHOW(line));
	return 0;
}

int listing_parse(struct slice text, struct listing *ret, struct error *err)
{
	struct slice line;
	int r = 0;

	*ret = (struct listing){ 0 };
	while (r == 0 && take(&text, '\n', &line))
		r = parse_line(line, ret, err);
	if (r == 0 && text.n > 0)
		r = error_set(err, EINVAL, "the manifest's last line does not end");
	if (r < 0)
		listing_clear(ret);
	return r;
}

int listing_id(const char *version, struct slice text, char ret[static LISTING_ID_MAX], struct error *err)
{
	char hash[LISTING_HASH_TEXT];

	if (strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz.-+~") != strlen(version) || strlen(version) > VERSION_MAX ||
	    strspn(version, "0123456789") == 0)
		return error_set(err, EINVAL, "\"%s\" is no version", SHOW(slice_string(version)));
	hash_text(text, hash);
	snprintf(ret, LISTING_ID_MAX, "%s-%.*s", version, ID_HASH, hash);
	return 0;
}
