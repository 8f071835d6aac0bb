// SPDX-License-Identifier: Apache-2.0
/*
 * A version is made whole under a name that nobody looks for, versions/.new, and put on the disk; then it gets its own name in one step.
 * What a power cut left of an earlier try is thrown away.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/install/files/internal.h"
#include "deploy/install/host/host.h"

#define NEW ".new"
#define OWN_SETTINGS "../../../" VERSION_SETTINGS /* of the prefix, from a version's etc */

struct put {
	const char *prefix;
	const struct version_source *source;
	char old_id[LISTING_ID_MAX];
	struct listing old; /* of the current version, whose files may be shared */
};

/* True if the current version has that very file, and it is now one of the new version too. */
static bool share_file(const struct put *put, const struct listing_entry *entry, const char *to)
{
	const struct listing_entry *old = listing_find(&put->old, entry->path);
	char path[PATH_MAX], hash[LISTING_HASH_TEXT];
	struct stat status;

	if (!old || old->kind != LISTING_FILE || old->mode != entry->mode || strcmp(old->hash, entry->hash) != 0)
		return false;
	return version_path(put->prefix, put->old_id, entry->path, path, NULL) == 0 && lstat(path, &status) == 0 &&
	       S_ISREG(status.st_mode) && (status.st_mode & 07777) == entry->mode && listing_hash_file(path, hash, NULL) == 0 &&
	       strcmp(hash, entry->hash) == 0 && link(path, to) == 0;
}

static int put_directory(const char *path, mode_t mode, struct error *err)
{
	if (mkdir(path, 0700) < 0 || chmod(path, mode) < 0)
		return error_errno(err, errno, "cannot create directory %s", path);
	return 0;
}

static int put_entry(const struct put *put, const struct listing_entry *entry, struct error *err)
{
	char to[PATH_MAX], from[PATH_MAX];

	int r = version_path(put->prefix, NEW, entry->path, to, err);
	if (r < 0)
		return r;
	switch (entry->kind) {
	case LISTING_DIRECTORY:
		return put_directory(to, entry->mode, err);
	case LISTING_LINK:
		return symlink(entry->target, to) < 0 ? error_errno(err, errno, "cannot create the link %s", to) : 0;
	case LISTING_FILE:
		if (share_file(put, entry, to))
			return 0;
		snprintf(from, sizeof(from), "%s/%s", put->source->directory, entry->path);
		return host_copy(to, from, entry->mode, err);
	}
	return -EINVAL;
}

static int put_entries(const struct put *put, struct error *err)
{
	const struct listing *manifest = &put->source->manifest;
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < manifest->n; i++)
		r = put_entry(put, &manifest->items[i], err);
	/* Each directory is whole now; its content is put on the disk by the name of something in it, whatever that is. */
	for (size_t i = 0; r == 0 && i < manifest->n; i++) {
		r = version_path(put->prefix, NEW, manifest->items[i].path, path, err);
		if (r == 0 && manifest->items[i].kind == LISTING_DIRECTORY)
			r = file_sync_directory_of(strcat(path, "/."), err);
	}
	return r;
}

static int put_manifest(const struct put *put, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(LISTING_BYTES_MAX);
	char path[PATH_MAX];

	listing_print(&put->source->manifest, &text);
	int r = buf_check(&text, "the manifest", err);
	r = r < 0 ? r : version_path(put->prefix, NEW, "manifest", path, err);
	return r < 0 ? r : host_put(path, buf_view(&text), 0644, err);
}

static bool has_content(const char *path, struct slice content)
{
	_cleanup_(buf_free) struct buf now = BUF_MAX(VERSION_SETTINGS_MAX);
	struct stat status;

	return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && file_read(path, &now, NULL) == 0 &&
	       slice_equals(buf_view(&now), content);
}

/* What the node has in the prefix's etc may be what we put there ourselves: then it goes with the versions, by its content. */
static int keep_settings(const char *prefix, const char *path, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(VERSION_SETTINGS_MAX);
	char shown[PATH_MAX];

	snprintf(shown, sizeof(shown), "%s/" VERSION_SETTINGS, prefix);
	if (!host_is_link_to(shown, VERSION_SETTINGS_LINK))
		return host_is_link_to(path, OWN_SETTINGS) ? 0 : host_put_link(path, OWN_SETTINGS, err);
	int r = file_read(shown, &text, err);
	if (r < 0)
		return r;
	return has_content(path, buf_view(&text)) ? 0 : host_put(path, buf_view(&text), 0644, err);
}

int version_put_settings(const char *prefix, const char *id, const struct slice *settings, struct error *err)
{
	char path[PATH_MAX];

	int r = version_path(prefix, id, "etc", path, err);
	r = r < 0 ? r : file_make_directory(path, 0755, err);
	r = r < 0 ? r : version_path(prefix, id, VERSION_SETTINGS, path, err);
	if (r < 0 || (settings && has_content(path, *settings)))
		return r;
	return settings ? host_put(path, *settings, 0644, err) : keep_settings(prefix, path, err);
}

/* A version of that name that is there already is broken: it makes room in the same step, if the file system can. */
static int give_name(const struct put *put, struct error *err)
{
	char new[PATH_MAX], path[PATH_MAX];

	int r = version_path(put->prefix, NEW, "", new, err);
	r = r < 0 ? r : version_path(put->prefix, put->source->id, "", path, err);
	if (r < 0)
		return r;
	if (access(path, F_OK) < 0)
		return host_rename(new, path, err);
	r = host_exchange(new, path, err);
	if (r != -ENOSYS)
		return r < 0 ? r : host_remove_tree(new, err);
	r = host_remove_tree(path, err);
	return r < 0 ? r : host_rename(new, path, err);
}

static int make(struct put *put, const struct slice *settings, struct error *err)
{
	char new[PATH_MAX], versions[PATH_MAX];

	int r = version_path(put->prefix, NEW, "", new, err);
	snprintf(versions, sizeof(versions), "%s/versions", put->prefix);
	r = r < 0 ? r : file_make_directory(versions, 0755, err);
	r = r < 0 ? r : host_remove_tree(new, err);
	r = r < 0 ? r : put_directory(new, 0755, err);
	r = r < 0 ? r : put_entries(put, err);
	r = r < 0 ? r : put_manifest(put, err);
	r = r < 0 ? r : version_put_settings(put->prefix, NEW, settings, err);
	r = r < 0 ? r : give_name(put, err);
	if (r < 0 && host_remove_tree(new, NULL) < 0)
		error_wrap(err, "%s is left, and needs to be removed", new);
	return r;
}

int version_put(const char *prefix, const struct version_source *source, const struct slice *settings, struct error *err)
{
	struct put put = { .prefix = prefix, .source = source };

	if (version_check(prefix, source->id, true, NULL) == 0)
		return version_put_settings(prefix, source->id, settings, err);
	version_read(prefix, "current", put.old_id);
	if (*put.old_id && version_load(prefix, put.old_id, &put.old, NULL) < 0)
		put.old = (struct listing){ 0 };
	int r = make(&put, settings, err);
	listing_clear(&put.old);
	return r;
}
