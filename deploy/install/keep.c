// SPDX-License-Identifier: Apache-2.0
/*
 * The states between which a power cut may fall, of a link ("before" is the name beside it):
 *
 *	name: theirs, before: -       the journal may say so already, nothing has moved
 *	name: theirs, before: link    prepared
 *	name: link, before: theirs    exchanged in one step: done
 *	name: -, before: theirs       only where the file system cannot exchange, or on the way back
 *
 * And of a file: a second name for theirs, then ours takes the first.
 */
#include "deploy/install/keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/install/files/listing.h"
#include "deploy/install/host/host.h"

static int before_name(const char *name, char ret[static PATH_MAX], struct error *err)
{
	const char *slash = strrchr(name, '/');

	if (snprintf(ret, PATH_MAX, "%.*s.%s" KEEP_SUFFIX, (int)(slash - name) + 1, name, slash + 1) < PATH_MAX)
		return 0;
	return error_set(err, ENAMETOOLONG, "the path %.64s is too long", name);
}

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* `theirs`: it stands at the name. The name is free afterwards, or has our link. */
static int move_away(const char *name, const char *before, const char *target, struct error *err)
{
	int r = exists(before) ? 0 : host_put_link(before, target, err);

	r = r < 0 ? r : host_exchange(name, before, err);
	if (r != -ENOSYS)
		return r;
	r = host_remove(before, err);
	return r < 0 ? r : host_rename(name, before, err);
}

static int keep_for_link(const char *name, const char *target, struct error *err)
{
	char before[PATH_MAX];

	int r = before_name(name, before, err);
	if (r < 0 || !exists(name) || host_is_link_to(name, target))
		return r;
	if (!exists(before) || host_is_link_to(before, target))
		return move_away(name, before, target, err);
	return error_set(err, EEXIST, "%s was Holdfast's, and is not any more: move it away", name);
}

static int note(struct journal *journal, const char *path, const char *target, bool kept, struct error *err)
{
	return journal_add(journal, (struct journal_item){ JOURNAL_FILE, (char *)path, (char *)target, kept }, err);
}

int keep_put_link(struct journal *journal, const char *root, const char *path, const char *target, struct error *err)
{
	const struct journal_item *item = journal_find(journal, JOURNAL_FILE, path);
	char name[PATH_MAX];

	int r = host_name(root, path, name, err);
	if (r == 0 && !item)
		r = note(journal, path, target, exists(name) && !host_is_link_to(name, target), err);
	r = r < 0 ? r : keep_for_link(name, target, err);
	return r < 0 || host_is_link_to(name, target) ? r : host_put_link(name, target, err);
}

static bool is_same_file(const char *name, const char *from, mode_t mode)
{
	char hash[LISTING_HASH_TEXT], wanted[LISTING_HASH_TEXT];
	struct stat status;

	return lstat(name, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 07777) == mode &&
	       listing_hash_file(name, hash, NULL) == 0 && listing_hash_file(from, wanted, NULL) == 0 && strcmp(hash, wanted) == 0;
}

static int keep_for_copy(const char *name, struct error *err)
{
	char before[PATH_MAX];

	int r = before_name(name, before, err);
	if (r < 0 || exists(before) || !exists(name))
		return r;
	if (link(name, before) < 0)
		return error_errno(err, errno, "cannot keep %s as %s", name, before);
	return host_settle(before, err);
}

int keep_put_copy(struct journal *journal, const char *root, const char *path, const char *from, mode_t mode, struct error *err)
{
	const struct journal_item *item = journal_find(journal, JOURNAL_FILE, path);
	char name[PATH_MAX];

	int r = host_name(root, path, name, err);
	if (r < 0)
		return r;
	bool kept = item ? item->kept : exists(name) && !is_same_file(name, from, mode);
	if (!item)
		r = note(journal, path, NULL, kept, err);
	r = r < 0 || !kept ? r : keep_for_copy(name, err);
	return r < 0 || is_same_file(name, from, mode) ? r : host_put_copy(name, from, mode, err);
}

static int restore_copy(const struct journal_item *item, const char *name, const char *before, struct error *err)
{
	if (!item->kept)
		return host_remove(name, err);
	if (!exists(before))
		return 0;
	int r = host_rename(before, name, err);
	return r < 0 ? r : host_remove(before, err); /* rename(2) leaves two names of one file alone: ours never took the first */
}

static int restore_link(const struct journal_item *item, const char *name, const char *before, struct error *err)
{
	int r = 0;

	if (host_is_link_to(before, item->target))
		return host_remove(before, err);
	if (host_is_link_to(name, item->target))
		r = host_remove(name, err);
	return r < 0 || exists(name) || !exists(before) ? r : host_rename(before, name, err);
}

int keep_restore(const char *root, const struct journal_item *item, struct error *err)
{
	char name[PATH_MAX], before[PATH_MAX], new[PATH_MAX];

	int r = host_name(root, item->path, name, err);
	if (r == -ENOENT)
		return 0;
	r = r < 0 ? r : before_name(name, before, err);
	r = r < 0 ? r : host_new_name(name, new, err);
	r = r < 0 ? r : host_remove(new, err);
	r = r < 0 ? r : host_new_name(before, new, err);
	r = r < 0 ? r : host_remove(new, err);
	if (r < 0)
		return r;
	return item->target ? restore_link(item, name, before, err) : restore_copy(item, name, before, err);
}
