// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/files/version.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/install/files/internal.h"
#include "deploy/install/host/host.h"

#define VERSION_TEXT_MAX 64

static int read_version(const char *directory, char ret[static VERSION_TEXT_MAX], struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(VERSION_TEXT_MAX - 1);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/share/version", directory);
	int r = file_read(path, &text, err);
	if (r < 0)
		return r;
	snprintf(ret, VERSION_TEXT_MAX, "%.*s", (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
	return 0;
}

static int identify(struct version_source *source, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(LISTING_BYTES_MAX);
	char version[VERSION_TEXT_MAX];

	if (!listing_find(&source->manifest, "bin/holdfast") || !listing_find(&source->manifest, "bin/holdfast-node"))
		return error_set(err, EINVAL, "bin/holdfast or bin/holdfast-node is missing: it is no installed tree of Holdfast");
	int r = read_version(source->directory, version, err);
	if (r < 0)
		return r;
	listing_print(&source->manifest, &text);
	r = buf_check(&text, "the manifest", err);
	return r < 0 ? r : listing_id(version, buf_view(&text), source->id, err);
}

int version_source_read(const char *directory, struct version_source *ret, struct error *err)
{
	struct version_source source = { .directory = directory };

	int r = listing_scan(directory, &source.manifest, err);
	if (r < 0)
		return r;
	r = identify(&source, err);
	if (r < 0) {
		version_source_clear(&source);
		return error_wrap(err, "%s", directory);
	}
	*ret = source;
	return 0;
}

void version_source_clear(struct version_source *source)
{
	listing_clear(&source->manifest);
}

int version_path(const char *prefix, const char *id, const char *below, char ret[static PATH_MAX], struct error *err)
{
	if (snprintf(ret, PATH_MAX, "%s/versions/%s%s%s", prefix, id, *below ? "/" : "", below) < PATH_MAX)
		return 0;
	return error_set(err, ENAMETOOLONG, "the path %.64s is too long", prefix);
}

void version_read(const char *prefix, const char *link, char ret[static LISTING_ID_MAX])
{
	static const char below[] = "versions/";
	char path[PATH_MAX], target[sizeof(below) - 1 + LISTING_ID_MAX];

	*ret = 0;
	snprintf(path, sizeof(path), "%s/%s", prefix, link);
	ssize_t n = readlink(path, target, sizeof(target));
	if (n < 0 || n == (ssize_t)sizeof(target))
		return;
	target[n] = 0;
	if (strncmp(target, below, strlen(below)) == 0 && !strchr(target + strlen(below), '/'))
		memcpy(ret, target + strlen(below), (size_t)n + 1 - strlen(below)); /* it fits: target has no more room than that */
}

int version_load(const char *prefix, const char *id, struct listing *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(LISTING_BYTES_MAX);
	char path[PATH_MAX], version[LISTING_ID_MAX], again[LISTING_ID_MAX];

	int r = version_path(prefix, id, "manifest", path, err);
	r = r < 0 ? r : file_read(path, &text, err);
	if (r < 0)
		return r;
	const char *dash = strrchr(id, '-');
	snprintf(version, sizeof(version), "%.*s", dash ? (int)(dash - id) : 0, id);
	r = listing_id(version, buf_view(&text), again, err);
	if (r == 0 && strcmp(again, id) != 0)
		r = error_set(err, EBADMSG, "it has another content than it had");
	r = r < 0 ? r : listing_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

int version_check(const char *prefix, const char *id, bool deep, struct error *err)
{
	_cleanup_(listing_clear) struct listing manifest = { 0 };
	char path[PATH_MAX];

	int r = version_path(prefix, id, "", path, err);
	r = r < 0 ? r : version_load(prefix, id, &manifest, err);
	return r < 0 ? r : listing_check(&manifest, path, deep, err);
}

static int put_link(const char *prefix, const char *name, const char *id, struct error *err)
{
	char path[PATH_MAX], target[LISTING_ID_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", prefix, name);
	snprintf(target, sizeof(target), "versions/%s", id);
	return host_is_link_to(path, target) ? 0 : host_put_link(path, target, err);
}

/* The previous one first: a power cut in between leaves both at the old version, and the next try makes the same step. */
int version_switch(const char *prefix, const char *id, struct error *err)
{
	char now[LISTING_ID_MAX];

	version_read(prefix, "current", now);
	if (strcmp(now, id) == 0)
		return 0;
	int r = *now ? put_link(prefix, "previous", now, err) : 0;
	return r < 0 ? r : put_link(prefix, "current", id, err);
}

int version_switch_back(const char *prefix, struct error *err)
{
	char now[LISTING_ID_MAX], then[LISTING_ID_MAX], current[PATH_MAX], previous[PATH_MAX];

	version_read(prefix, "current", now);
	version_read(prefix, "previous", then);
	if (!*then || strcmp(now, then) == 0)
		return error_set(err, ENOENT, "there is no previous version in %s", prefix);
	int r = version_check(prefix, then, true, err);
	if (r < 0)
		return r;
	snprintf(current, sizeof(current), "%s/current", prefix);
	snprintf(previous, sizeof(previous), "%s/previous", prefix);
	r = host_exchange(current, previous, err);
	if (r != -ENOSYS)
		return r;
	r = put_link(prefix, "current", then, err);
	return r < 0 ? r : put_link(prefix, "previous", now, err);
}

int version_drop_others(const char *prefix, struct error *err)
{
	char now[LISTING_ID_MAX], then[LISTING_ID_MAX], path[PATH_MAX];
	struct dirent *entry;
	int r = 0;

	version_read(prefix, "current", now);
	version_read(prefix, "previous", then);
	snprintf(path, sizeof(path), "%s/versions", prefix);
	DIR *directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look into %s", path);
	while (r == 0 && (entry = readdir(directory))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, now) == 0 || strcmp(name, then) == 0)
			continue;
		r = version_path(prefix, name, "", path, err);
		r = r < 0 ? r : host_remove_tree(path, err);
	}
	closedir(directory);
	return r;
}

int version_drop_all(const char *prefix, struct error *err)
{
	static const char *const links[] = { "current", "previous", ".current" HOST_NEW, ".previous" HOST_NEW };
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(links) / sizeof(*links); i++) {
		snprintf(path, sizeof(path), "%s/%s", prefix, links[i]);
		r = host_remove(path, err);
	}
	snprintf(path, sizeof(path), "%s/versions", prefix);
	return r < 0 ? r : host_remove_tree(path, err);
}
