// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/files/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/sha256.h"
#include "common/base/show.h"
#include "deploy/install/files/hash.h"

static const char *const parts[] = { "bin", "lib", "share" };

void listing_clear(struct listing *manifest)
{
	for (size_t i = 0; i < manifest->n; i++) {
		free(manifest->items[i].target);
		free(manifest->items[i].path);
	}
	free(manifest->items);
	*manifest = (struct listing){ 0 };
}

/* An empty entry at the end, with a path. NULL, with err set: too many, or out of memory. */
struct listing_entry *listing_append(struct listing *manifest, struct slice path, struct error *err)
{
	if (manifest->n == LISTING_ENTRIES_MAX) {
		error_set(err, E2BIG, "more than %d files", LISTING_ENTRIES_MAX);
		return NULL;
	}
	char *copy = strndup((const char *)path.p, path.n);
	if (!copy || !array_room((void **)&manifest->items, manifest->n, &manifest->capacity, sizeof(*manifest->items))) {
		free(copy);
		error_nomem(err);
		return NULL;
	}
	manifest->items[manifest->n] = (struct listing_entry){ .path = copy };
	return &manifest->items[manifest->n++];
}

int listing_hash_file(const char *path, char ret[static LISTING_HASH_TEXT], struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	int r = hash_descriptor(fd, ret);
	return r < 0 ? error_errno(err, -r, "cannot read %s", path) : 0;
}

static bool fits_in_a_line(const char *text)
{
	return *text && !strpbrk(text, "\t\n\r") && strlen(text) < PATH_MAX;
}

static int scan_link(const char *path, struct listing_entry *entry, struct error *err)
{
	char target[PATH_MAX];

	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return error_errno(err, errno, "cannot read the link %s", path);
	target[n] = 0;
	entry->target = strdup(target);
	if (!entry->target)
		return error_nomem(err);
	return fits_in_a_line(target) ? 0 : error_set(err, EINVAL, "%s leads to a strange place", path);
}

static int scan_one(const FTSENT *found, size_t prefix, struct listing *manifest, struct error *err)
{
	const struct stat *status = found->fts_statp;

	if (found->fts_info == FTS_DP)
		return 0;
	if (found->fts_info == FTS_DNR || found->fts_info == FTS_ERR || found->fts_info == FTS_NS)
		return error_errno(err, found->fts_errno, "cannot look into %s", found->fts_path);
	if (!fits_in_a_line(found->fts_name))
		return error_set(err, EINVAL, "%s has a strange name", SHOW(slice_string(found->fts_path)));
	struct listing_entry *entry = listing_append(manifest, slice_string(found->fts_path + prefix), err);
	if (!entry)
		return -err->code;
	entry->mode = status->st_mode & 07777;
	if (found->fts_info == FTS_D) {
		entry->kind = LISTING_DIRECTORY;
		return 0;
	}
	if (S_ISLNK(status->st_mode)) {
		entry->kind = LISTING_LINK;
		entry->mode = 0;
		return scan_link(found->fts_path, entry, err);
	}
	if (!S_ISREG(status->st_mode))
		return error_set(err, EINVAL, "%s is neither a file nor a link nor a directory", found->fts_path);
	entry->kind = LISTING_FILE;
	entry->size = (uint64_t)status->st_size;
	return listing_hash_file(found->fts_path, entry->hash, err);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int scan_part(const char *directory, const char *part, struct listing *manifest, struct error *err)
{
	char path[PATH_MAX];
	char *const paths[] = { path, NULL };
	FTSENT *found;
	int r = 0;

	snprintf(path, sizeof(path), "%s/%s/.", directory, part);
	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", path);
	path[strlen(path) - 2] = 0;
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	if (!walk)
		return error_errno(err, errno, "cannot walk %s", path);
	while (r == 0 && (found = fts_read(walk)))
		r = scan_one(found, strlen(directory) + 1, manifest, err);
	fts_close(walk);
	return r;
}

int listing_scan(const char *directory, struct listing *ret, struct error *err)
{
	int r = 0;

	*ret = (struct listing){ 0 };
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(parts); i++)
		r = scan_part(directory, parts[i], ret, err);
	if (r < 0)
		listing_clear(ret);
	return r;
}

const struct listing_entry *listing_find(const struct listing *manifest, const char *path)
{
	for (size_t i = 0; i < manifest->n; i++) {
		if (strcmp(manifest->items[i].path, path) == 0)
			return &manifest->items[i];
	}
	return NULL;
}

static int check_link(const struct listing_entry *entry, const char *path, struct error *err)
{
	char target[PATH_MAX];

	ssize_t n = readlink(path, target, sizeof(target));
	if (n == (ssize_t)strlen(entry->target) && memcmp(target, entry->target, (size_t)n) == 0)
		return 0;
	return error_set(err, EBADMSG, "%s leads elsewhere than to %s", path, entry->target);
}

static mode_t type_of(enum listing_kind kind)
{
	return kind == LISTING_DIRECTORY ? S_IFDIR : kind == LISTING_LINK ? S_IFLNK : S_IFREG;
}

static int check_one(const struct listing_entry *entry, const char *path, bool deep, struct error *err)
{
	char hash[LISTING_HASH_TEXT];
	struct stat status;

	if (lstat(path, &status) < 0)
		return error_errno(err, errno, "cannot find %s", path);
	if ((status.st_mode & S_IFMT) != type_of(entry->kind))
		return error_set(err, EBADMSG, "%s is something else than it was", path);
	if (entry->kind == LISTING_LINK)
		return check_link(entry, path, err);
	if ((status.st_mode & 07777) != entry->mode)
		return error_set(err, EBADMSG, "%s has the mode %04o, not %04o", path, status.st_mode & 07777, entry->mode);
	if (entry->kind == LISTING_DIRECTORY)
		return 0;
	if ((uint64_t)status.st_size != entry->size)
		return error_set(err, EBADMSG, "%s has %jd bytes, not %ju", path, (intmax_t)status.st_size, (uintmax_t)entry->size);
	if (!deep)
		return 0;
	int r = listing_hash_file(path, hash, err);
	return r < 0 || strcmp(hash, entry->hash) == 0 ? r : error_set(err, EBADMSG, "%s has another content than it had", path);
}

int listing_check(const struct listing *manifest, const char *directory, bool deep, struct error *err)
{
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < manifest->n; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", directory, manifest->items[i].path) >= (int)sizeof(path))
			return error_set(err, ENAMETOOLONG, "the path of %.64s is too long", manifest->items[i].path);
		r = check_one(&manifest->items[i], path, deep, err);
	}
	return r;
}
