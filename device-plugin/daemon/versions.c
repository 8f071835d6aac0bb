// SPDX-License-Identifier: Apache-2.0
/*
 * Both files are replaced in one step each, one after the other, whenever a later version was released, which is rare. A power cut leaves
 * the first as it was or as it shall be, and never both in the middle; a damaged block costs one of them. If it takes both, nothing here
 * may pretend that no version was ever seen: the daemon does not start until somebody has looked.
 */
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
	char *path, *copy;
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
		return error_set(
			err, E2BIG,
			"this node has seen %d secrets already: to forget them all, stop holdfast-tpm and remove %s and %s; earlier "
			"versions are then taken until later ones have come",
			VERSIONS_MAX, versions->path, versions->copy);
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

static void take_items(struct versions *to, struct versions *from)
{
	to->items = TAKE_PTR(from->items);
	to->n = from->n;
	to->capacity = from->capacity;
	from->n = from->capacity = 0;
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
		return error_set(err, EBADMSG, "\"%.64s\" is no secret and version", line);
	*space = 0;
	return put(versions, line, version, err);
}

static int read_text(struct versions *versions, struct buf *text, struct error *err)
{
	_cleanup_(buf_free) struct buf checksum = BUF_MAX(CHECKSUM_BYTES);
	char *rest = (char *)text->p;

	if (text->n < CHECKSUM_BYTES)
		return error_set(err, EBADMSG, "it ends too early");
	size_t n = text->n - CHECKSUM_BYTES;
	int r = print_checksum(slice_from(text->p, n), &checksum, err);
	if (r < 0)
		return r;
	if (memcmp(text->p + n, checksum.p, CHECKSUM_BYTES) != 0)
		return error_set(err, EBADMSG, "its checksum is wrong");
	text->p[n] = 0;
	for (char *line; r == 0 && (line = strtok_r(rest, "\n", &rest));)
		r = read_line(versions, line, err);
	return r;
}

/* EBADMSG: damaged; nothing of it counts. */
static int load(struct versions *versions, const char *path, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_BYTES_MAX);

	int r = file_read(path, &text, err);
	if (r == 0)
		r = read_text(versions, &text, err);
	if (r < 0)
		clear(versions);
	return r == -EIO || r == -EFBIG || r == -E2BIG ? -EBADMSG : r;
}

static int save(struct versions *versions, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_BYTES_MAX);

	for (size_t i = 0; i < versions->n; i++)
		buf_printf(&text, "%s %" PRIu64 "\n", versions->items[i].secret, versions->items[i].version);
	int r = print_checksum(buf_view(&text), &text, err);
	if (r == 0)
		r = file_write_atomic(versions->path, buf_view(&text), 0600, err);
	if (r == 0)
		r = file_write_atomic(versions->copy, buf_view(&text), 0600, err);
	versions->unsaved = r < 0;
	return r;
}

/* For those who want to look into it; if that fails, it is overwritten. */
static void set_aside(const char *path)
{
	_cleanup_free_ char *aside = NULL;

	if (asprintf(&aside, "%s.damaged", path) >= 0)
		(void)!rename(path, aside);
}

/* What fails here is tried again with the next version. */
static void repair(struct versions *versions, int first, int second)
{
	if (first == -EBADMSG)
		set_aside(versions->path);
	if (second == -EBADMSG)
		set_aside(versions->copy);
	(void)!save(versions, NULL);
}

static int load_either(struct versions *versions, struct versions *copy, bool *ret_damaged, struct error *err)
{
	int first = load(versions, versions->path, err);

	if (first < 0 && first != -ENOENT && first != -EBADMSG)
		return first;
	int second = load(copy, versions->copy, err);
	if (second < 0 && second != -ENOENT && second != -EBADMSG)
		return first == 0 ? 0 : second;
	if (first == -ENOENT && second == -ENOENT)
		return 0;
	*ret_damaged = first == -EBADMSG || second == -EBADMSG;
	if (first < 0 && second < 0)
		return error_set(
			err, EBADMSG,
			"%s and %s are damaged: which versions of the secrets were here is lost, and nobody would notice an earlier "
			"one that is put back; if the TPMSecrets in the cluster are as they shall be, remove both and start again",
			versions->path, versions->copy);
	if (first < 0)
		take_items(versions, copy);
	if (first < 0 || second < 0)
		repair(versions, first, second);
	return 0;
}

static int load_all(struct versions *versions, bool *ret_damaged, struct error *err)
{
	struct versions copy = {};

	int r = load_either(versions, &copy, ret_damaged, err);
	clear(&copy);
	free(copy.items);
	return r;
}

static int set_paths(struct versions *versions, const char *directory, struct error *err)
{
	if (asprintf(&versions->path, "%s/versions", directory) < 0)
		versions->path = NULL;
	if (asprintf(&versions->copy, "%s/versions.copy", directory) < 0)
		versions->copy = NULL;
	return versions->path && versions->copy ? 0 : error_nomem(err);
}

int versions_open(const char *directory, struct versions **ret, bool *ret_damaged, struct error *err)
{
	struct versions *versions = calloc(1, sizeof(*versions));

	if (!versions)
		return error_nomem(err);
	*ret_damaged = false;
	int r = set_paths(versions, directory, err);
	if (r == 0)
		r = load_all(versions, ret_damaged, err);
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
	free(versions->copy);
	free(versions);
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
	return r < 0 ? r : save(versions, err);
}
