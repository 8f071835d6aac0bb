// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/daemon/versions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/number.h"
#include "device-plugin/seal/digest.h"

#define FILE_BYTES_MAX (VERSIONS_MAX * 96)
#define CHECKSUM "sha256 "
#define CHECKSUM_BYTES (sizeof(CHECKSUM) - 1 + 64 + 1) /* with its newline */

struct entry {
	char *secret;
	uint64_t version;
};

struct versions {
	char *path;
	struct entry *items;
	size_t n, capacity;
	bool unsaved; /* what is here is not on disk */
};

/* ── in memory ── */

static int compare(const void *item, const void *key, size_t size)
{
	return strcmp(((const struct entry *)item)->secret, ((const struct entry *)key)->secret);
}

static bool find(const struct versions *versions, const char *secret, size_t *ret)
{
	const struct entry key = { (char *)secret, 0 };

	return array_search(versions->items, versions->n, sizeof(struct entry), &key, compare, ret);
}

static int put(struct versions *versions, const char *secret, uint64_t version, struct error *err)
{
	size_t at;

	if (find(versions, secret, &at)) {
		if (versions->items[at].version < version)
			versions->items[at].version = version;
		return 0;
	}
	if (versions->n == VERSIONS_MAX)
		return error_set(err, E2BIG, "%s has %d secrets already: remove the lines of those that will not come back", versions->path,
				 VERSIONS_MAX);
	char *copy = strdup(secret);
	if (!copy || !array_room((void **)&versions->items, versions->n, &versions->capacity, sizeof(struct entry))) {
		free(copy);
		return error_nomem(err);
	}
	memmove(&versions->items[at + 1], &versions->items[at], (versions->n++ - at) * sizeof(struct entry));
	versions->items[at] = (struct entry){ copy, version };
	return 0;
}

static void clear(struct versions *versions)
{
	while (versions->n > 0)
		free(versions->items[--versions->n].secret);
}

/* ── on disk ── */

static int print_checksum(struct slice text, struct buf *out, struct error *err)
{
	uint8_t digest[32];

	int r = digest_sha256(&text, 1, digest, err);
	if (r < 0)
		return r;
	buf_string(out, CHECKSUM);
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(out, "%02x", digest[i]);
	buf_byte(out, '\n');
	return buf_check(out, "checksum", err);
}

static int read_line(struct versions *versions, char *line, struct error *err)
{
	char *space = strchr(line, ' ');
	uint64_t version;

	if (!space || space == line || number_parse_u64(slice_string(space + 1), 0, UINT64_MAX, &version, err) < 0)
		return error_set(err, EBADMSG, "%s is damaged: \"%.64s\" is no secret and version", versions->path, line);
	*space = 0;
	return put(versions, line, version, err);
}

static int read_text(struct versions *versions, struct buf *text, struct error *err)
{
	_cleanup_(buf_free) struct buf checksum = BUF_MAX(CHECKSUM_BYTES);
	char *rest = (char *)text->p;

	if (text->n < CHECKSUM_BYTES)
		return error_set(err, EBADMSG, "%s is damaged: it ends too early", versions->path);
	size_t n = text->n - CHECKSUM_BYTES;
	int r = print_checksum(slice_from(text->p, n), &checksum, err);
	if (r < 0)
		return r;
	if (memcmp(text->p + n, checksum.p, CHECKSUM_BYTES) != 0)
		return error_set(err, EBADMSG, "%s is damaged: its checksum is wrong", versions->path);
	text->p[n] = 0;
	for (char *line; r == 0 && (line = strtok_r(rest, "\n", &rest));)
		r = read_line(versions, line, err);
	return r;
}

static int set_aside(struct versions *versions, struct error *err)
{
	_cleanup_free_ char *damaged = NULL;

	clear(versions);
	if (asprintf(&damaged, "%s.damaged", versions->path) < 0)
		return error_nomem(err);
	if (rename(versions->path, damaged) < 0)
		return error_errno(err, errno, "%s is damaged, and cannot be set aside", versions->path);
	return file_sync_directory_of(versions->path, err);
}

static int load(struct versions *versions, bool *ret_damaged, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_BYTES_MAX);

	int r = file_read(versions->path, &text, err);
	if (r == 0)
		r = read_text(versions, &text, err);
	*ret_damaged = r == -EBADMSG || r == -EFBIG || r == -E2BIG;
	if (*ret_damaged)
		return set_aside(versions, err);
	return r == -ENOENT ? 0 : r;
}

int versions_open(const char *directory, struct versions **ret, bool *ret_damaged, struct error *err)
{
	struct versions *versions = calloc(1, sizeof(*versions));

	if (!versions)
		return error_nomem(err);
	int r = asprintf(&versions->path, "%s/versions", directory) < 0 ? error_nomem(err) : load(versions, ret_damaged, err);
	if (r < 0)
		versions_free(versions);
	else
		*ret = versions;
	return r;
}

void versions_free(struct versions *versions)
{
	if (!versions)
		return;
	clear(versions);
	free(versions->items);
	free(versions->path);
	free(versions);
}

static int save(const struct versions *versions, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_BYTES_MAX);

	for (size_t i = 0; i < versions->n; i++)
		buf_printf(&text, "%s %" PRIu64 "\n", versions->items[i].secret, versions->items[i].version);
	int r = print_checksum(buf_view(&text), &text, err);
	return r < 0 ? r : file_write_atomic(versions->path, buf_view(&text), 0600, err);
}

/* ── what the daemon asks ── */

int versions_check(const struct versions *versions, const char *secret, uint64_t version, struct error *err)
{
	size_t at;

	if (!find(versions, secret, &at) || versions->items[at].version <= version)
		return 0;
	return error_set(err, ESTALE,
			 "secret \"%s\" has version %" PRIu64 ", and version %" PRIu64 " was here before: seal it again with a later one",
			 secret, version, versions->items[at].version);
}

int versions_note(struct versions *versions, const char *secret, uint64_t version, struct error *err)
{
	size_t at;

	if (!versions->unsaved && find(versions, secret, &at) && versions->items[at].version >= version)
		return 0;
	int r = put(versions, secret, version, err);
	if (r == 0)
		r = save(versions, err);
	versions->unsaved = r < 0;
	return r;
}
