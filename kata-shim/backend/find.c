// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/backend/find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"

#define OUR_NAME "containerd-shim-holdfast"
#define PLACES_SHOWN_MAX 300

struct row {
	const char *name;       /* of the executable */
	const char *what, *key; /* for the message; `key` of section sandbox */
	const char *const *places;
};

static const char *const no_places[] = { NULL };
static const char *const kata_places[] = { "/opt/kata/bin", "/opt/kata/runtime-rs/bin", NULL };

static const struct row rows[BACKENDS] = {
	[BACKEND_RUNC] = { "containerd-shim-runc-v2", "runc's shim", "runcShim", no_places },
	[BACKEND_KATA] = { "containerd-shim-kata-v2", "the shim of Kata Containers", "kataShim", kata_places },
};

bool backend_is_ourselves(const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	const char *resolved = real ? real : path;
	const char *slash = strrchr(resolved, '/');
	struct stat ours, theirs;

	if (strncmp(slash ? slash + 1 : resolved, OUR_NAME, strlen(OUR_NAME)) == 0)
		return true;
	return stat("/proc/self/exe", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

bool backend_is_usable(const char *path)
{
	struct stat st;

	return *path == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0 && !backend_is_ourselves(path);
}

struct search {
	const struct row *row;
	char *ret;         /* PATH_MAX bytes */
	struct buf looked; /* the places, for the message */
};

/* `n` bytes of `directory`. Relative parts of PATH are left out: the working directory is a bundle. */
static bool look_in(struct search *search, const char *directory, size_t n)
{
	if (n == 0 || *directory != '/' || snprintf(search->ret, PATH_MAX, "%.*s/%s", (int)n, directory, search->row->name) >= PATH_MAX)
		return false;
	if (backend_is_usable(search->ret))
		return true;
	buf_printf(&search->looked, "%s%.*s", search->looked.n ? ", " : "", (int)n, directory);
	return false;
}

static bool look_in_path(struct search *search, const char *path)
{
	while (path && *path) {
		const size_t n = strcspn(path, ":");
		if (look_in(search, path, n))
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

static bool look_beside(struct search *search, const char *containerd)
{
	const char *slash = containerd ? strrchr(containerd, '/') : NULL;

	return slash && look_in(search, containerd, (size_t)(slash - containerd));
}

/* Kata's places apart, containerd looks in this order itself (core/runtime/v2/shim_manager.go). */
static bool look_everywhere(struct search *search, const struct find_query *query)
{
	for (const char *const *place = search->row->places; *place; place++) {
		if (look_in(search, *place, strlen(*place)))
			return true;
	}
	return look_in_path(search, query->path) || look_beside(search, query->containerd);
}

static int take_configured(const struct row *row, const char *path, char ret[static PATH_MAX], struct error *err)
{
	if (backend_is_ourselves(path))
		return error_set(err, EINVAL, "sandbox.%s: %s is this shim itself: give the path of %s", row->key, SHOW(slice_string(path)),
				 row->what);
	if (strlen(path) >= PATH_MAX || !backend_is_usable(path))
		return error_set(err, ENOENT, "sandbox.%s: %s is no executable: correct it, or install %s there", row->key,
				 SHOW(slice_string(path)), row->what);
	memcpy(ret, path, strlen(path) + 1);
	return 0;
}

int backend_find(const struct find_query *query, char ret[static PATH_MAX], struct error *err)
{
	_cleanup_(buf_free) struct buf looked = BUF_MAX(PLACES_SHOWN_MAX);
	char found[PATH_MAX];
	struct search search = { .row = &rows[query->backend], .ret = found, .looked = looked };

	if (query->configured)
		return take_configured(search.row, query->configured, ret, err);
	const bool good = look_everywhere(&search, query);
	looked = search.looked;
	if (good) {
		memcpy(ret, found, strlen(found) + 1);
		return 0;
	}
	return error_set(err, ENOENT, "%s, %s, is not in %s: install it, or say where it is with sandbox.%s", search.row->what,
			 search.row->name, looked.n ? buf_text(&looked) : "any known place", search.row->key);
}
